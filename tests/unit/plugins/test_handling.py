"""Every request of an answer is executed, and told as upstream tells it (check 5)."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from vcplab.core.clock import FrozenClock, use_clock

MakePlugin = Callable[..., Path]
AT = "2026-11-21T05:49:08.123+08:00"

REPLIES = """
import json, sys
args = json.loads(sys.stdin.read() or "{}")
kind = args.get("kind")
maid = args.get("maid")
replies = {
    "object": {"status": "success", "result": {"a": 1, "文": [1, 2]}},
    "text": {"status": "success", "result": "plain 文"},
    "json": {"status": "success", "result": '{"x": 1}'},
    "number": {"status": "success", "result": 7},
    "null": {"status": "success", "result": None},
    "list": {"status": "success", "result": [1, "二"]},
    "parts": {"status": "success", "result": {"content": [
        {"type": "text", "text": "look"},
    ]}},
    "image": {"status": "success", "result": {"content": [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]}},
    "error": {"status": "error", "error": "it broke"},
    "error_result": {"status": "error", "error": "it broke", "result": {"why": 1}},
    "unspecified": {"status": "error"},
}
if kind == "crash":
    print("half {")
    sys.exit(3)
if kind == "silent":
    sys.exit(0)
print(json.dumps(replies[kind], ensure_ascii=False))
"""


def _request(tool: str, **args: str) -> str:
    fields = ",\n".join(f"{key}:「始」{value}「末」" for key, value in args.items())
    return (
        f"<<<[TOOL_REQUEST]>>>\ntool_name:「始」{tool}「末」,\n{fields}\n<<<[END_TOOL_REQUEST]>>>\n"
    )


@pytest.fixture
def lab(tmp_path: Path, make_plugin: MakePlugin) -> Iterator[vl.Lab]:
    make_plugin("Replies", REPLIES)
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(tmp_path / "plugins", trust=True)

        @lab.tool
        def direct(kind: str) -> Any:
            return {
                "wrapped": {"status": "success", "result": {"a": 1}},
                "object": {"a": 1},
                "text": "t",
                "error": {"status": "error", "error": "no", "code": "E1"},
            }[kind]

        @lab.tool
        def boom() -> None:
            raise ValueError("boom")

        yield lab


def _wire(final: dict[str, Any], maid: str | None = None) -> dict[str, Any]:
    """A result object as §1.5 makes it: MaidName and timestamp behind what the plugin gave."""
    ends = {"MaidName": maid} if maid else {}
    return {**final, **ends, "timestamp": AT}


def _ok(final: dict[str, Any], maid: str | None = None) -> dict[str, str]:
    return {
        "type": "text",
        "text": json.dumps(_wire(final, maid), ensure_ascii=False, indent=2),
    }


def _failed(payload: dict[str, Any], maid: str | None = None) -> dict[str, str]:
    told = json.dumps(_wire(payload, maid), ensure_ascii=False, separators=(",", ":"))
    return {"type": "text", "text": f"[错误] 执行错误: {told}"}


# Request, and the part that upstream's rules make of it; None: nothing is told (archery).
CASES: list[tuple[str, dict[str, Any] | None]] = [
    (_request("Replies", kind="object"), _ok({"a": 1, "文": [1, 2]})),
    (_request("Replies", kind="text"), _ok({"original_plugin_output": "plain 文"})),
    (_request("Replies", kind="json"), _ok({"x": 1})),
    (_request("Replies", kind="number"), _ok({"original_plugin_output": 7})),
    (_request("Replies", kind="null"), _ok({"original_plugin_output": None})),
    (_request("Replies", kind="list"), _ok({"original_plugin_output": [1, "二"]})),
    (_request("Replies", kind="parts"), {"type": "text", "text": "look"}),
    (_request("Replies", kind="object", maid="「始」Nova"), None),
    (_request("Replies", kind="error"), _failed({"plugin_error": "it broke"})),
    (
        _request("Replies", kind="error_result"),
        _failed({"plugin_error": "it broke", "result": {"why": 1}}),
    ),
    (
        _request("Replies", kind="unspecified"),
        _failed({"plugin_error": 'Plugin "Replies" reported an unspecified error.'}),
    ),
    (
        _request("Replies", kind="crash"),
        _failed(
            {
                "plugin_execution_error": 'Plugin "Replies" exited with code 3. Stdout: half {',
            }
        ),
    ),
    (
        _request("Replies", kind="silent"),
        _failed(
            {
                "plugin_execution_error": 'Plugin "Replies" exited successfully but did not provide'
                " a valid initial JSON response. Stdout: ",
            }
        ),
    ),
    (_request("Nobody", kind="x"), {"type": "text", "text": '[错误] 未找到名为 "Nobody" 的插件'}),
    (_request("direct", kind="wrapped"), _ok({"a": 1})),
    (_request("direct", kind="object"), _ok({"a": 1})),
    (_request("direct", kind="text"), _ok({"original_plugin_output": "t"})),
    (_request("direct", kind="error"), _failed({"plugin_error": "no", "code": "E1"})),
    (_request("boom"), _failed({"plugin_execution_error": "ValueError: boom"})),
    (_request("Replies", kind="text", archery="true"), None),
]
CASES[7] = (
    _request("Replies", kind="object", maid="Nova"),
    _ok({"a": 1, "文": [1, 2]}, "Nova"),
)


def test_twenty_requests_byte_for_byte(lab: vl.Lab) -> None:
    assert len(CASES) == 20
    answer = "<think>not <<<[TOOL_REQUEST]>>></think>Let me see.\n" + "and\n".join(
        request for request, _ in CASES
    )
    with use_clock(FrozenClock(AT, zone="Asia/Shanghai")):
        handled = lab.tools.handle(answer)
    wanted = [part for _, part in CASES if part is not None]
    assert handled.message == {
        "role": "user",
        "content": "<!-- VCP_TOOL_PAYLOAD -->\n"
        + json.dumps(wanted, ensure_ascii=False, separators=(",", ":")),
    }
    assert len(handled.results) == 20
    assert not handled.finished
    assert handled.summary.startswith("\n[本轮工具调用摘要:]\nReplies 调用成功；")


def test_images_make_a_list(lab: vl.Lab) -> None:
    handled = lab.tools.handle(_request("Replies", kind="image") + _request("Nobody"))
    assert handled.message is not None
    assert handled.message["content"] == [
        {"type": "text", "text": "<!-- VCP_TOOL_PAYLOAD -->\nResults:"},
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "text", "text": '[错误] 未找到名为 "Nobody" 的插件'},
    ]


def test_only_archery_ends_the_turn_unless_one_failed(lab: vl.Lab) -> None:
    shot = _request("Replies", kind="text", archery="true")
    handled = lab.tools.handle(shot)
    assert (handled.message, handled.finished) == (None, True)
    assert handled.results[0].success
    missed = _request("Replies", kind="error", archery="no_reply")
    handled = lab.tools.handle(shot + missed)
    assert not handled.finished
    assert handled.text.startswith('[异步工具 "Replies" 返回了错误，请注意]:\n')
    assert "it broke" in handled.text


def test_no_request_no_message(lab: vl.Lab) -> None:
    handled = lab.tools.handle("Just text.")
    assert (handled.message, handled.finished, handled.results) == (None, True, ())


def test_calls_of_a_turn_run_at_once_and_stand_in_block_order(lab: vl.Lab) -> None:
    meeting = threading.Barrier(3, timeout=20)

    @lab.tool
    def meet(who: str) -> str:
        meeting.wait()  # all three must be running
        return who

    handled = lab.tools.handle("".join(_request("meet", who=who) for who in "cab"))
    values = [result.value["original_plugin_output"] for result in handled.results]
    assert values == ["c", "a", "b"]


def test_archery_runs_before_the_others(lab: vl.Lab) -> None:
    order: list[str] = []

    @lab.tool
    async def note(who: str) -> None:
        await asyncio.sleep(0.02)
        order.append(who)

    lab.tools.handle(_request("note", who="b") + _request("note", who="a", archery="true"))
    assert order == ["a", "b"]


def test_reserved_keys(lab: vl.Lab) -> None:
    seen: list[dict[str, Any]] = []

    @lab.tool
    def look(maid: str = "", river_context: list[Any] | None = None) -> str:
        seen.append({"maid": maid, "river": river_context})
        return "ok"

    messages = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
    ]
    handled = lab.tools.handle(
        _request("look", maid="Nova", river="last:1", ink="mark_history"), messages=messages
    )
    assert seen == [{"maid": "Nova", "river": [{"role": "user", "content": "u"}]}]
    (marked,) = handled.marked
    assert marked.startswith("[[VCP调用结果信息汇总:\n- 工具名称: look\n- 执行状态: ✅ SUCCESS")
    lab.tools.handle(_request("look", river="full"), messages=messages)
    assert seen[1]["river"] == messages


def test_a_system_message_can_forbid_tools(lab: vl.Lab) -> None:
    forbidding = [{"role": "system", "content": "x [[VCPToolUse=Forbidden]]"}]
    handled = lab.tools.handle(_request("boom"), messages=forbidding)
    assert handled.skipped
    assert handled.results == ()
    late = [{"role": "user", "content": "x"}, *forbidding]
    assert lab.tools.handle(_request("boom"), messages=late).results


def test_timely_contact(lab: vl.Lab) -> None:
    seen: list[Any] = []

    @lab.tool
    def ring(__vcp_timed_call: bool = False, text: str = "") -> str:
        seen.append(text)
        return text

    soon = datetime.now(UTC).astimezone() + timedelta(seconds=2)
    handled = lab.tools.handle(
        _request("ring", text="up", timely_contact=soon.strftime("%Y-%m-%d-%H:%M:%S"))
    )
    assert handled.results[0].success
    assert seen == []
    task = lab.tools.tasks.get(handled.results[0].value["taskId"])
    assert task.state == "pending"
    assert task.wait(20).success
    assert seen == ["up"]
    for when in ("2001-01-01-00:00", "tomorrow"):
        (failed,) = lab.tools.handle(_request("ring", timely_contact=when)).results
        assert not failed.success


@pytest.mark.parametrize("dialect", ["cherry", "intellicore"])
def test_other_dialects(lab: vl.Lab, dialect: Any) -> None:
    text = lab.tools.handle(_request("direct", kind="text"), dialect=dialect).text
    begins = {"cherry": "<<<[TOOL_RESULT]>>>", "intellicore": 'Result from tool "direct":'}
    assert text.startswith(begins[dialect])


def test_cancelling_ends_the_calls(lab: vl.Lab) -> None:
    ended = threading.Event()

    @lab.tool
    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def main() -> None:
        task = asyncio.create_task(lab.tools.ahandle(_request("wait")))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert ended.wait(5)


def test_it_shows_itself_escaped(lab: vl.Lab) -> None:
    @lab.tool
    def evil() -> str:
        return "<img src=x onerror=alert(1)>"

    html = lab.tools.handle(_request("evil", x="<b>")).requests
    assert len(html) == 1
    handled = lab.tools.handle(_request("evil"))
    assert "<img" not in handled._repr_html_()
    assert repr(handled) == "<Handled 1 requests, 0 failed>"
