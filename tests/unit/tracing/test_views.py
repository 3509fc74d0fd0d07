"""VCPInfo, VCPLog and ShowVCP: seed 002's operations, events and channels on one trace."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.core.trace import current_span, span
from vcplab.tracing import (
    Recorder,
    ShowVCP,
    TraceStore,
    VCPInfo,
    VCPLog,
    read_jsonl,
    to_opentelemetry,
    write_jsonl,
)

# --- VCPInfo ------------------------------------------------------------------------------------


def test_a_session_step_by_step(recorder: Recorder) -> None:
    info = VCPInfo(recorder)
    events: list[tuple[str, str, str, float]] = []
    info.on_event(lambda e: events.append((e.type, e.name, e.status, e.progress)))
    session = info.start_session("write an article", "workflow", {"topic": "AI"})
    outline = info.add_step(session, "outline")
    draft = info.add_step(session, "draft")
    info.start_step(session, outline)
    info.update_step_progress(session, outline, 150, "nearly")
    now = info.get_session(session)
    assert [step.status for step in now.steps] == ["running", "pending"]
    assert (now.status, now.current_step_index, now.steps[0].progress) == ("running", 0, 100.0)
    assert [s.id for s in info.get_active_sessions()] == [session]
    info.end_step(session, outline)
    info.end_session(session)
    done = info.get_session(session)
    assert [step.id for step in done.steps] == [outline, draft]
    assert [step.status for step in done.steps] == ["success", "cancelled"]
    assert (done.status, done.metadata, info.get_active_sessions()) == (
        "success",
        {"topic": "AI"},
        [],
    )
    assert [event[0] for event in events] == [
        "session:start",
        "session:update",
        "session:update",
        "step:start",
        "step:progress",
        "step:end",
        "step:start",
        "step:end",
        "session:end",
    ]
    assert events[4] == ("step:progress", "outline", "running", 100.0)


def test_open_steps_are_cancelled_with_their_session(recorder: Recorder) -> None:
    info = VCPInfo(recorder)
    session = info.start_session("s", "agent")
    step = info.start_step(session, "unannounced")
    info.end_session(session, error="the model is gone")
    found = info.get_session(session)
    assert (found.status, found.error) == ("error", "the model is gone")
    assert [s.status for s in found.steps] == ["cancelled"]
    with pytest.raises(NotFoundError):
        info.end_step(session, step)


def test_sessions_of_other_rooms_show_by_themselves(recorder: Recorder) -> None:
    info = VCPInfo(recorder)
    with span("群聊", kind="workflow"), span("round 1", kind="step") as step:
        step.event("progress", progress=40, message="half")
        (active,) = info.get_active_sessions()
        assert [(s.name, s.progress) for s in active.steps] == [("round 1", 40.0)]
    (recent,) = info.get_recent_sessions()
    assert recent.name == "群聊"
    assert [(s.name, s.status) for s in recent.steps] == [("round 1", "success")]


def test_nested_sessions_are_one_trace(recorder: Recorder) -> None:
    info = VCPInfo(recorder)
    outer = info.start_session("outer")
    inner = info.start_session("inner", "tool", parent_session_id=outer)
    assert info.get_session(inner).parent_session_id == outer
    assert info.get_session(inner).trace_id == info.get_session(outer).trace_id
    info.end_session(inner)
    info.end_session(outer)
    late = info.start_session("late", parent_session_id=outer)
    assert info.get_session(late).trace_id == info.get_session(outer).trace_id


def test_clearing_hides_and_keeps(recorder: Recorder) -> None:
    info = VCPInfo(recorder)
    info.end_session(info.start_session("a"))
    info.invoke("VCPInfo_ClearSessions")
    assert info.get_recent_sessions() == []
    info.end_session(info.start_session("b"))
    assert [s.name for s in info.invoke("VCPInfo_GetRecentSessions", {"limit": 5})] == ["b"]
    assert recorder.store.count() == 2


def test_own_events(recorder: Recorder) -> None:
    info = VCPInfo(recorder)
    seen = []
    with info.on_event(seen.append):
        info.broadcast_event("RAG_RETRIEVAL_DETAILS", session_id="s", api_key="secret-1", k=3)
    info.publish_event("unheard")
    (event,) = seen
    assert (event.type, event.session_id, event.data["k"]) == ("RAG_RETRIEVAL_DETAILS", "s", 3)
    assert "secret-1" not in repr(event)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda info: info.start_session("x", "party"), InvalidInputError),
        (lambda info: info.end_session("nope"), NotFoundError),
        (lambda info: info.get_session("nope"), NotFoundError),
        (lambda info: info.add_step("nope", "x"), NotFoundError),
        (lambda info: info.invoke("VCPInfo_Nope"), NotFoundError),
        (lambda info: info.invoke("VCPInfo_GetSession", {"nope": 1}), InvalidInputError),
        (lambda info: info.end_session(info.start_session("x"), "running"), InvalidInputError),
    ],
)
def test_info_errors_teach(recorder: Recorder, call: object, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        call(VCPInfo(recorder))  # type: ignore[operator]
    assert caught.value.next_step  # type: ignore[attr-defined]


# --- VCPLog -------------------------------------------------------------------------------------


def test_calls_whole_and_in_one_trace(recorder: Recorder) -> None:
    log = VCPLog(recorder)
    updates: list[tuple[str, str]] = []
    log.on_call_update(lambda update: updates.append((update.type, update.call.tool_name)))
    outer = log.start_call("Planner", {"goal": "x" * 10_000}, "workflow")
    inner = log.start_call("SuperDice", {"notation": "2d6"}, parent_call_id=outer)
    log.fail_call(inner, {"message": "no dice", "code": "E1"})
    log.end_call(outer, {"plan": [1, 2]})
    found = log.get_call(outer)
    assert found.input == {"goal": "x" * 10_000}
    assert (found.output, found.status) == ({"plan": [1, 2]}, "success")
    assert found.tool_type == "workflow"
    failed = log.get_call(inner)
    assert failed.error is not None
    assert "no dice" in failed.error["message"]
    assert (failed.parent_call_id, failed.trace_id) == (outer, found.trace_id)
    assert [c.tool_name for c in log.get_trace_calls(found.trace_id)] == ["Planner", "SuperDice"]
    assert [c.tool_name for c in log.get_recent_calls(1)] == ["SuperDice"]
    assert updates == [
        ("start", "Planner"),
        ("start", "SuperDice"),
        ("error", "SuperDice"),
        ("end", "Planner"),
    ]


def test_a_call_as_a_block(recorder: Recorder) -> None:
    log = VCPLog(recorder)
    with log.call("SuperDice", {"notation": "2d6"}) as call:
        call.set(output=7)
        log.write("rolled", "debug", data={"sum": 7})
    (found,) = log.get_recent_calls()
    assert (found.output, found.status) == (7, "success")
    (line,) = log.get_recent_logs()
    assert (line.message, line.level, line.call_id) == ("rolled", "debug", found.id)
    assert log.get_recent_logs(level="error") == []
    assert line.id > 0


def test_statistics(recorder: Recorder) -> None:
    log = VCPLog(recorder)
    for number in range(1, 21):
        opened = span("T", "tool", tool="T").begin()
        opened._started -= number * 1_000_000
        opened.end("error" if number == 20 else "ok")
    stats = log.statistics()["T"]
    assert (stats.count, stats.errors) == (20, 1)
    assert stats.p50 == pytest.approx(10, abs=2)
    assert stats.p95 == pytest.approx(19, abs=2)
    assert stats.longest == pytest.approx(20, abs=2)
    assert stats.mean == pytest.approx(stats.total / 20)
    frame = log.to_frame()
    assert list(frame["tool_name"]) == ["T"] * 20


def test_trace_statistics(recorder: Recorder) -> None:
    log = VCPLog(recorder)
    with span("request") as request:
        with log.call("A"):
            pass
        with pytest.raises(ValueError), log.call("A"):  # noqa: PT011
            raise ValueError
    stats = log.trace_statistics(request.trace_id)
    assert (stats.call_count, stats.success_count, stats.error_count) == (2, 1, 1)
    assert stats.tools["A"].count == 2
    assert stats.total_duration is not None
    with pytest.raises(NotFoundError):
        log.trace_statistics("0" * 32)


def test_clear_hides_calls_and_lines(recorder: Recorder) -> None:
    log = VCPLog(recorder)
    with log.call("A"):
        log.write("x")
    log.invoke("VCPLog_Clear")
    assert log.get_recent_calls() == log.get_recent_logs() == []
    log.invoke("VCPLog_Write", {"message": "y", "level": "warning"})
    assert [line.message for line in log.invoke("VCPLog_GetRecentLogs")] == ["y"]


def test_a_call_of_another_process(recorder: Recorder) -> None:
    log = VCPLog(recorder)
    trace, parent = "1" * 32, "2" * 16
    call = log.start_call("A", trace_id=trace, parent_call_id=parent)
    log.end_call(call)
    found = log.get_call(call)
    assert (found.trace_id, found.parent_call_id) == (trace, parent)
    with pytest.raises(NotFoundError):
        log.start_call("A", parent_call_id="3" * 16)
    with pytest.raises(InvalidInputError):
        log.start_call("A", tool_type="magic")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError):
        log.write("x", "loud")  # type: ignore[arg-type]


# --- ShowVCP ------------------------------------------------------------------------------------


def a_request(show: ShowVCP) -> str:
    session = show.start_session("chat")
    show.log_injection("director", "be brief", session)
    call = show.log_call_start("tool_call", "SuperDice", {"notation": "2d6"}, session)
    show.log_call_end(call, {"sum": 7})
    bad = show.log_call_start("diary_read", "Nova", None, session)
    show.log_call_end(bad, error="no such diary")
    show.end_session(session)
    return session


def test_three_styles(recorder: Recorder) -> None:
    show = ShowVCP(recorder)
    with use_clock(FrozenClock("2026-03-01T09:00+08:00")):
        session = a_request(show)
        show.update_config(showDuration=False, showResult=True)
        assert show.format_session(session) == (
            "✓ chat (09:00:00)\n"
            "  ✓ injection director be brief (09:00:00)\n"
            '  ✓ tool_call SuperDice {"notation": "2d6"} → {"sum": 7} (09:00:00)\n'
            "  ✗ diary_read Nova ! no such diary (09:00:00)"
        )
        detailed = show.format_session(session, "detailed")
        assert '    args:\n      {\n        "notation": "2d6"\n      }' in detailed
        assert "    error: no such diary" in detailed
        markdown = show.format_session(session, "markdown")
        assert markdown.startswith("### `chat` (success) (09:00:00)")
        assert "- **diary_read** `Nova`: failed" in markdown


def test_requests_at_the_same_time_do_not_mix(recorder: Recorder) -> None:
    show = ShowVCP(recorder)

    async def request(name: str) -> None:
        with span(name):
            for number in range(3):
                with span(f"{name}{number}", kind="tool"):
                    await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(request("a"), request("b"))

    asyncio.run(both())
    shown = {s.name: [call.name for call in s.calls] for s in show.get_history()}
    assert shown == {"a": ["a0", "a1", "a2"], "b": ["b0", "b1", "b2"]}


def test_switching_is_per_request(recorder: Recorder) -> None:
    show = ShowVCP(recorder)
    a_request(show)
    show.invoke("ShowVCP_Disable")
    hidden = a_request(show)
    show.invoke("ShowVCP_Enable")
    a_request(show)
    assert [s.id == hidden for s in show.get_history()] == [False, False]
    assert show.session(hidden).calls
    show.clear_history()
    assert show.invoke("ShowVCP_GetHistory") == []
    assert show.format_session() == ""


def test_history_is_as_long_as_the_setting(recorder: Recorder) -> None:
    show = ShowVCP(recorder)
    show.invoke("ShowVCP_UpdateConfig", {"maxHistorySessions": 2})
    for _ in range(4):
        a_request(show)
    assert len(show.get_history()) == 2
    assert len(show.get_history(3)) == 3


def test_settings_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite3"
    with TraceStore(path) as store, Recorder(store) as recorder:
        ShowVCP(recorder).update_config(formatStyle="markdown", enabled=False)
    with TraceStore(path) as store, Recorder(store) as recorder:
        config = ShowVCP(recorder).invoke("ShowVCP_GetConfig")
        assert (config.format_style, config.enabled) == ("markdown", False)


@pytest.mark.parametrize(
    "change", [{"style": "x"}, {"format_style": "x"}, {"maxHistorySessions": 0}]
)
def test_bad_settings_change_nothing(recorder: Recorder, change: dict[str, object]) -> None:
    show = ShowVCP(recorder)
    before = show.get_config()
    with pytest.raises(InvalidInputError):
        show.update_config(**change)
    assert show.get_config() == before


def test_hostile_text_stays_code_in_markdown(recorder: Recorder) -> None:
    show = ShowVCP(recorder)
    session = show.start_session("`x` <img onerror=alert(1)>")
    show.log_injection("n", "a ``b`` [x](javascript:1)", session)
    text = show.format_session(session, "markdown")
    assert "### `` `x` <img onerror=alert(1)> ``" in text
    assert "```a ``b`` [x](javascript:1)```" in text


def test_errors_of_requests(recorder: Recorder) -> None:
    show = ShowVCP(recorder)
    with pytest.raises(InvalidInputError):
        show.log_call_start("party", "x")  # type: ignore[arg-type]
    with pytest.raises(NotFoundError):
        show.end_session("nope")
    with pytest.raises(NotFoundError):
        show.session("nope")
    with span("r") as request:
        show.log_injection("here", "text")
        assert current_span() is request
    assert [call.type for call in show.session(request.trace_id).calls] == ["injection"]


def test_every_view_shows_itself_and_gives_a_frame(recorder: Recorder) -> None:
    info, log, show = VCPInfo(recorder), VCPLog(recorder), ShowVCP(recorder)
    session = info.start_session("write <b>")
    info.end_step(session, info.start_step(session, "outline <i>"))
    info.end_session(session)
    a_request(show)
    for view in (info, log, show):
        assert view._repr_html_().startswith("<style>")
    assert "write &lt;b&gt;" in info._repr_html_()
    assert "outline &lt;i&gt;" in info._repr_html_()
    assert "SuperDice" in log._repr_html_()
    assert "tool_call SuperDice" in show._repr_html_()
    frame = show.to_frame(1)
    assert list(frame["type"]) == ["injection", "tool_call", "diary_read"]
    assert list(frame["status"]) == ["success", "success", "failed"]
    assert list(info.to_frame()["name"]) == ["SuperDice", "write <b>"]  # a call is one too


# --- export ---------------------------------------------------------------------------------------


def test_json_lines_there_and_back(recorder: Recorder, tmp_path: Path) -> None:
    with span("a", kind="tool", output="x" * 5000) as here:
        here.event("e", n=1)
    recorder.flush()
    records = [recorder.store.whole(record) for record in recorder.store.spans()]
    path = write_jsonl(records, tmp_path / "trace.jsonl")
    assert list(read_jsonl(path)) == records
    assert json.loads(path.read_text().splitlines()[0])["name"] == "a"


def test_opentelemetry(recorder: Recorder) -> None:
    export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    with span("outer", kind="client", n=1, tags=["a", "b"], deep={"x": 1}, none=None) as outer:
        with pytest.raises(ValueError, match="bad"), span("inner"):
            raise ValueError("bad")
        outer.event("e", n=2)
    recorder.flush()
    exporter = export.InMemorySpanExporter()
    to_opentelemetry(recorder.store.spans(), exporter)
    found = {s.name: s for s in exporter.get_finished_spans()}
    assert found["inner"].parent.span_id == found["outer"].context.span_id
    assert f"{found['outer'].context.trace_id:032x}" == outer.trace_id
    assert found["inner"].status.description == "bad"
    assert dict(found["outer"].attributes) == {
        "vcplab.kind": "client",
        "n": 1,
        "tags": ["a", "b"],
        "deep": '{"x":1}',
    }
    assert json.loads(found["outer"].to_json())["kind"] == "SpanKind.CLIENT"
