"""Frames: what real peers send is read, kept and written as it came; what is broken is named."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from vcplab.core.errors import InvalidInputError, VCPErrorCode
from vcplab.protocol import frames
from vcplab.protocol.frames import FRAME_TYPES, UnknownFrame, parse_frame

# Facts §4.5 word for word; what it shortens by "…" is filled in.
TRANSCRIPT = [
    '{"type":"register_tools","data":{"serverName":"py-node","tools":[{"name":"PyTool","displayName":"Py Tool","pluginType":"synchronous","entryPoint":{"command":"x"},"communication":{"timeout":1500},"capabilities":{"invocationCommands":[{"command":"Go","description":"Do it"}]}}],"capabilities":{"cancelTool":true}}}',  # noqa: E501
    '{"type":"report_ip","data":{"serverName":"py-node","localIPs":["10.9.8.7"],"publicIP":null}}',
    '{"type":"execute_tool","data":{"requestId":"mwpig87l-lqqnq92","toolName":"PyTool","toolArgs":{"mode":"str","maid":"Nova"}}}',
    '{"type":"tool_result","data":{"requestId":"mwpig87l-lqqnq92","status":"success","result":"just text"}}',  # noqa: E501
    '{"type":"cancel_tool","data":{"requestId":"mwpig87z-mziiw7d"}}',
    '{"type":"execute_tool","data":{"requestId":"mwpig880-aaaaaaa","toolName":"internal_request_file","toolArgs":{"fileUrl":"file:///a.txt"}}}',
    '{"type":"tool_result","data":{"requestId":"mwpig880-aaaaaaa","status":"success","result":{"status":"success","fileData":"aGk=","mimeType":"text/plain"}}}',
]

# One frame of every type, with the fields that the fact sheets name and their section.
SECTIONS: dict[str, list[dict[str, Any]]] = {
    "§4.1": [
        {"type": "connection_ack", "message": "WebSocket connection successful for VCPLog."},
        {
            "type": "connection_ack",
            "message": "ok",
            "data": {"serverId": "dist-m1-abc1234", "clientId": "m1-abc1234"},
        },
    ],
    "§4.2": [
        {
            "type": "update_static_placeholders",
            "data": {"serverName": "n", "placeholders": {"{{K}}": "v", "Bare": "w", "odd": {}}},
        },
        {"type": "tool_result", "data": {"requestId": "r", "status": "error", "error": "no"}},
        {
            "type": "plugin_callback_forward",
            "data": {
                "serverName": "n",
                "callbackData": {"PLUGIN_NAME_FOR_CALLBACK": "P", "TaskId": 7, "message": "done"},
            },
        },
        {
            "type": "music_playlist_update",
            "data": {
                "serverName": "n",
                "reason": "startup",
                "playlistPath": "/m.json",
                "exists": True,
                "tracks": [{"title": "歌"}],
                "count": 1,
                "updatedAt": "2026-11-21T05:49:08Z",
            },
        },
    ],
    "§4.3": [
        {
            "type": "execute_tool",
            "data": {
                "requestId": "r",
                "toolName": "T",
                "toolArgs": {},
                "_vcpContext": {"requestIp": "10.0.0.1"},
            },
        },
    ],
    "§1.6": [
        {
            "type": "tool_approval_request",
            "data": {
                "requestId": "approve-1-x",
                "toolName": "T",
                "maid": "Nova",
                "args": {"command": "rm"},
                "timestamp": "2026-11-21T05:49:08+08:00",
                "approvalTtlMs": 300000,
            },
        },
        {
            "type": "tool_approval_response",
            "data": {"requestId": "approve-1-x", "approved": False, "reason": "不"},
        },
    ],
    "§4.6": [
        {
            "type": "vcp_log",
            "data": {"tool_name": "T", "status": "success", "content": "好"},
            "_vcpReplayId": "1-2",
            "_vcpReplay": True,
            "_vcpReplayOriginalAt": 1700000000000,
        },
        {"type": "RAG_RETRIEVAL_DETAILS", "dbName": "Nova", "results": [1, 2.5]},
        {"type": "META_THINKING_CHAIN", "stages": []},
        {"type": "AI_MEMO_RETRIEVAL"},
        {"type": "AGENT_PRIVATE_CHAT_PREVIEW", "agentName": "Nova"},
        {"type": "TOOL_NO_REPLY_ACCEPTED", "toolName": "T"},
        {"type": "heartbeat"},
        {"type": "heartbeat_ack", "timestamp": 1700000000000},
        {"type": "clientHello", "data": {"version": 3}},
        {"type": "pageInfoUpdate", "data": {"markdown": "# 页"}},
        {"type": "command_result", "data": {"requestId": "c", "status": "success", "message": "m"}},
        {
            "type": "command",
            "data": {
                "requestId": "c",
                "command": "click",
                "target": "确定",
                "wait_for_page_info": True,
            },
        },
    ],
    "§2": [{"type": "plugins-reloaded", "message": "reloaded"}],
    "A4": [
        {
            "type": "vcp_log",
            "data": {
                "log_type": "tool_log",
                "content": "c",
                "source": "VCP-IntelliCore",
                "timestamp": 1700000000000,
                "tool_name": "T",
                "status": "executing",
            },
        },
        {"type": "ping"},
        {"type": "pong"},
        {"type": "welcome", "message": "hi"},
        {"type": "subscribe", "logTypes": ["tool_log"]},
        {"type": "subscribe_ack"},
        {"type": "get_system_info"},
        {"type": "system_info", "uptime": 3.5},
        {
            "type": "tool_call_info",
            "tool": "T",
            "args": {"a": 1},
            "serverId": "dist-0-1",
            "requestId": "req-1-x",
        },
        {"type": "tool_result_info", "tool": "T", "result": [1], "duration": 12, "success": True},
        {"type": "connection_ack", "data": {"serverId": "dist-0-1", "message": "ok"}},
        {"type": "unregister_tools", "tools": ["A", "B"]},
        {"type": "register_ack", "data": {"tools": ["A"], "count": 1}},
        {"type": "report_ip", "data": {"localIPs": ["127.0.0.1"], "publicIP": "1.2.3.4"}},
        {"type": "tool_result", "data": {"status": "success", "result": 1}},
        {"type": "fetch_file", "requestId": "file-1", "filePath": "/a"},
        {"type": "file_result", "requestId": "file-1", "success": True, "content": "aGk="},
        {"type": "ready"},
        {"type": "page_data", "url": "x"},
        {"type": "screenshot", "image": "x"},
        {"type": "dom_data", "dom": []},
        {"type": "command", "action": "open", "target": "x", "params": {"tab": 1}},
        {"type": "get_stats"},
        {"type": "stats_response", "stats": {}},
        {"type": "get_plugins"},
        {"type": "plugins_response", "plugins": []},
        {"type": "admin_action", "action": "x"},
        {"type": "action_ack", "action": "x"},
        {"type": "system_update", "x": 1},
        {"type": "alert", "level": "high"},
    ],
    "seed 001": [
        {"type": "distributed_register", "data": {"serverName": "n", "tools": [{"name": "T"}]}},
        {"type": "distributed_unregister", "data": {"serverName": "n", "tools": ["T"]}},
        {"type": "distributed_tool_list", "data": {"serverName": "n", "tools": []}},
        {
            "type": "distributed_tool_call",
            "data": {"requestId": "r", "toolName": "T", "toolArgs": {"a": 1}},
        },
        {
            "type": "distributed_tool_result",
            "data": {"requestId": "r", "status": "success", "result": None},
        },
        {"type": "distributed_heartbeat", "data": {"serverName": "n", "timestamp": 1}},
        {"type": "distributed_heartbeat"},
        {"type": "plugin_registered", "data": {"name": "T", "plugin": {"name": "T"}}},
        {"type": "plugin_unregistered", "data": {"name": "T"}},
        {"type": "plugin_enabled", "data": {"name": "T"}},
        {"type": "plugin_disabled", "data": {"name": "T"}},
        {"type": "plugins_reloaded", "data": {"message": "m", "plugins": ["T"]}},
    ],
}
CASES = [
    pytest.param(case, id=f"{section}-{case['type']}-{number}")
    for section, cases in SECTIONS.items()
    for number, case in enumerate(cases)
]


def refused(data: Any) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        parse_frame(data)
    assert caught.value.code is VCPErrorCode.INVALID_PROTOCOL
    # Neither pydantic's error nor json's, which keep what came, hang on ours.
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value


@pytest.mark.parametrize("text", TRANSCRIPT)
@pytest.mark.parametrize("binary", [False, True])
def test_transcript_is_written_byte_for_byte(text: str, binary: bool) -> None:
    frame = parse_frame(text.encode() if binary else text)
    assert not isinstance(frame, UnknownFrame)
    assert frame.to_json() == text
    assert frame.to_wire() == json.loads(text)


@pytest.mark.parametrize("wire", CASES)
def test_every_known_frame_round_trips(wire: dict[str, Any]) -> None:
    frame = parse_frame(wire)
    assert type(frame) is FRAME_TYPES[wire["type"]]
    assert frame.to_wire() == wire
    assert parse_frame(frame.to_json()) == frame
    assert json.loads(frame.to_json()) == wire


@pytest.mark.parametrize("wire", CASES)
def test_fields_of_the_facts_have_names(wire: dict[str, Any]) -> None:
    # What the protocol does not define is kept without a name; everything else has an attribute.
    free = {
        *("dbName", "results", "stages", "agentName", "uptime", "url", "image", "dom", "stats"),
        *("plugins", "action", "x", "level", "command", "target", "message"),
        *("PLUGIN_NAME_FOR_CALLBACK", "TaskId", "toolName"),
    }
    frame = parse_frame(wire)
    data = getattr(frame, "data", None)
    nested = getattr(data, "callback_data", None)
    for part in (frame, data, nested):
        assert set(getattr(part, "model_extra", None) or {}) <= free


def test_no_known_type_is_without_a_case() -> None:
    tried = {case["type"] for cases in SECTIONS.values() for case in cases}
    tried |= {json.loads(text)["type"] for text in TRANSCRIPT}
    assert tried == set(FRAME_TYPES)


def test_attributes_have_pythons_spelling() -> None:
    frame = parse_frame(TRANSCRIPT[2])
    assert isinstance(frame, frames.ExecuteToolFrame)
    assert (frame.type, frame.data.request_id) == ("execute_tool", "mwpig87l-lqqnq92")
    assert frame.data.tool_args == {"mode": "str", "maid": "Nova"}
    logged = parse_frame(SECTIONS["§4.6"][0])
    assert isinstance(logged, frames.VCPLogFrame)
    assert (logged.vcp_replay_id, logged.vcp_replay) == ("1-2", True)
    callback = parse_frame(SECTIONS["§4.2"][2])
    assert isinstance(callback, frames.PluginCallbackForwardFrame)
    assert callback.data.callback_data.plugin_name == "P"
    assert callback.data.callback_data.task_id == "7"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"pluginName": "A", "PLUGIN_NAME_FOR_CALLBACK": "B", "taskId": "1"}, ("A", "1")),
        ({"task_id": "2", "TaskId": "3"}, (None, "2")),
        ({"taskId": "", "TaskId": "3"}, (None, "3")),
        ({}, (None, None)),
    ],
)
def test_callback_names_have_an_order(names: dict[str, Any], expected: tuple[Any, Any]) -> None:
    data = frames.CallbackData(**names)
    assert (data.plugin_name, data.task_id) == expected
    assert data.to_wire() == names


def test_frames_are_built_in_either_spelling_and_written_in_the_wires() -> None:
    ours = frames.ExecuteToolData(request_id="r", tool_name="T", tool_args={"a_b": 1})
    theirs = frames.ExecuteToolData.model_validate(
        {"requestId": "r", "toolName": "T", "toolArgs": {"a_b": 1}}
    )
    assert ours == theirs
    frame = frames.ExecuteToolFrame(data=ours)
    assert frame.to_json() == (
        '{"type":"execute_tool","data":{"requestId":"r","toolName":"T","toolArgs":{"a_b":1}}}'
    )
    ips = frames.ReportIPData(server_name="n", local_ips=("127.0.0.1",), public_ip=None)
    assert ips.to_wire() == {"serverName": "n", "localIPs": ["127.0.0.1"], "publicIP": None}


def test_only_what_was_given_is_written() -> None:
    assert frames.ToolResultData(status="success").to_wire() == {"status": "success"}
    with_null = frames.ToolResultData(status="success", result=None)
    assert with_null.to_wire() == {"status": "success", "result": None}
    assert frames.PingFrame().to_wire() == {"type": "ping"}


def test_unknown_fields_are_kept_at_every_depth() -> None:
    wire = {
        "type": "register_tools",
        "data": {"tools": [{"name": "T", "new": [1]}], "capabilities": {"fly": 1}, "later": None},
        "trace": "x",
    }
    assert parse_frame(wire).to_wire() == wire


def test_frames_cannot_be_changed() -> None:
    frame = frames.PingFrame()
    with pytest.raises(ValidationError):
        frame.type = "pong"  # type: ignore[assignment]


@pytest.mark.parametrize(
    "wire",
    [
        {"type": "plugin_callback_notification", "data": {"a": 1}},
        {"type": "EXECUTE_TOOL"},
        {"type": ""},
        {"type": None},
        {"type": ["execute_tool"]},
        {"no": "type"},
        {"jsonrpc": "1.0", "method": "m"},
        {},
    ],
)
def test_unknown_frames_are_no_errors(wire: dict[str, Any]) -> None:
    frame = parse_frame(json.dumps(wire))
    assert isinstance(frame, UnknownFrame)
    assert frame.raw == frame.to_wire() == wire
    assert json.loads(frame.to_json()) == wire
    kind = wire.get("type")
    assert frame.type == (kind if isinstance(kind, str) else None)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "not JSON"),
        ('{"type":"ping"', "not JSON"),
        ('{"type":"ping"} x', "not JSON"),
        (b'{"type":"\xff"}', "not UTF-8"),
        ('{"type":"ping","a":NaN}', "number"),
        ('{"type":"ping","a":-Infinity}', "number"),
        ('{"type":"ping","a":1e999}', "number"),
        ('{"type":"ping","a":' + "9" * 5000 + "}", "number"),
        ("[1]", "no object"),
        ('"ping"', "no object"),
        ("null", "no object"),
        ("[" * 100_000, "nested"),
    ],
)
def test_what_is_no_frame_is_refused(data: str | bytes, reason: str) -> None:
    error = refused(data)
    assert reason in error.message
    assert len(str(error)) < 250


@pytest.mark.parametrize(
    ("wire", "path"),
    [
        ({"type": "execute_tool"}, "data"),
        ({"type": "execute_tool", "data": None}, "data"),
        ({"type": "execute_tool", "data": {"toolName": "T"}}, "data.requestId"),
        ({"type": "execute_tool", "data": {"requestId": 5, "toolName": "T"}}, "data.requestId"),
        (
            {"type": "execute_tool", "data": {"requestId": "r", "toolName": "T", "toolArgs": "x"}},
            "data.toolArgs",
        ),
        ({"type": "register_tools", "data": {"tools": [{}, "x"]}}, "data.tools.1"),
        ({"type": "register_tools", "data": {"tools": {"a": 1}}}, "data.tools"),
        (
            {"type": "register_tools", "data": {"tools": [], "capabilities": {"cancelTool": 1}}},
            "data.capabilities.cancelTool",
        ),
        ({"type": "report_ip", "data": {"localIPs": [None]}}, "data.localIPs.0"),
        ({"type": "tool_result", "data": {"requestId": "r", "status": "ok"}}, "data.status"),
        (
            {"type": "tool_approval_response", "data": {"requestId": "r", "approved": "true"}},
            "data.approved",
        ),
        (
            {"type": "tool_approval_response", "data": {"requestId": "r", "approved": 1}},
            "data.approved",
        ),
        ({"type": "subscribe", "logTypes": "tool_log"}, "logTypes"),
        ({"type": "tool_result_info", "tool": "T", "duration": True}, "duration"),
        ({"jsonrpc": "2.0", "id": 1}, "method"),
        ({"jsonrpc": "2.0", "id": [1], "method": "m"}, "id"),
        ({"jsonrpc": "2.0", "id": 1, "method": "m", "params": "p"}, "params"),
        ({"jsonrpc": "2.0", "id": 1, "error": {"code": "x", "message": "m"}}, "error.code"),
    ],
)
def test_a_broken_field_is_named(wire: dict[str, Any], path: str) -> None:
    error = refused(wire)
    assert error.where == path
    assert path in error.message
    assert error.details["fields"][0]["path"] == path


SECRET = "s3cr3t-VCP-key-0123456789"


@pytest.mark.parametrize(
    "data",
    [
        {"type": "execute_tool", "data": {"requestId": {"k": SECRET}, "toolName": SECRET}},
        {"type": "execute_tool", "data": SECRET * 100},
        {"type": "tool_result", "data": {"status": SECRET, SECRET: 1}},
        {"type": "subscribe", "logTypes": [{SECRET: 1}] * 500},
        '{"type":"ping","key":"' + SECRET,
        '{"type":"ping"}' + SECRET,
        SECRET.encode() + b"\xff",
        json.dumps([SECRET]),
    ],
)
def test_errors_repeat_nothing_of_what_came(data: Any) -> None:
    error = refused(data)
    assert SECRET not in f"{error}{error!r}{error.details}{error.__cause__}"
    assert len(error.message) <= 200


def test_repr_shows_no_secrets() -> None:
    execute = frames.ExecuteToolFrame(
        data=frames.ExecuteToolData(
            request_id="r-1",
            tool_name="T",
            tool_args={
                "tool_password": 123456,
                "nested": [{"VCP_Key": SECRET}],
                "url": f"ws://h/VCPlog/VCP_Key={SECRET}",
                "DIST_IMAGE_KEY": [SECRET],
                "plain": "shown",
            },
        )
    )
    unknown = parse_frame({"type": "news", "apiKey": SECRET, "text": f"VCP_Key={SECRET}"})
    ack = parse_frame(
        {"type": "connection_ack", "message": f"VCP_Key={SECRET}", "Image_Key": SECRET}
    )
    for frame in (execute, unknown, ack):
        for text in (repr(frame), str(frame), f"{frame}"):
            assert SECRET not in text
            assert "123456" not in text
    assert "request_id='r-1'" in repr(execute)
    assert "'plain': 'shown'" in repr(execute)
    assert execute.to_wire()["data"]["toolArgs"]["tool_password"] == 123456


def test_repr_is_short_and_bounded() -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]
    frame = parse_frame(
        {
            "type": "tool_result",
            "data": {
                "status": "success",
                "result": {
                    "a": "字" * 1_000_000,
                    "b": deep,
                    "c": 10**5000,
                    **dict.fromkeys("xyzuvw", 1),
                },
            },
            "many": list(range(10_000)),
        }
    )
    assert len(repr(frame)) < 1000
    assert "…" in repr(frame)


def test_values_keep_their_kind() -> None:
    wire = {
        "type": "tool_result_info",
        "tool": "T",
        "duration": 1.0,
        "result": [1, 1.0, True, "1", None, {"a": []}],
    }
    written = parse_frame(json.dumps(wire)).to_json()
    assert written == json.dumps(wire, separators=(",", ":")).replace(
        '"duration":1.0,"result":[1,1.0,true,"1",null,{"a":[]}]',
        '"result":[1,1.0,true,"1",null,{"a":[]}],"duration":1.0',
    )


def test_half_an_emoji_survives() -> None:
    # JavaScript's `slice` cuts between the halves, and its JSON.stringify escapes the rest.
    text = (
        '{"type":"vcp_log","data":{"tool_name":"T\\ud83d","status":"success","content":"\\ude00"}}'
    )
    frame = parse_frame(text)
    assert frame.to_json() == text
    assert frame.to_json().encode()


def test_what_json_cannot_say_is_refused_on_writing() -> None:
    for value in ({1, 2}, float("nan"), object()):
        frame = frames.ToolResultFrame(data=frames.ToolResultData(status="success", result=value))
        with pytest.raises(InvalidInputError) as caught:
            frame.to_json()
        assert caught.value.code is VCPErrorCode.INVALID_PROTOCOL


class TestJsonRpc:
    def test_a_tool_call(self) -> None:
        request = frames.JsonRpcRequest.for_tool("r", "T", {"a": 1})
        text = '{"jsonrpc":"2.0","id":"r","method":"execute_tool","params":{"toolName":"T","toolArgs":{"a":1}}}'  # noqa: E501
        assert request.to_json() == text
        assert parse_frame(text) == request
        assert not request.is_notification

    @pytest.mark.parametrize(
        "wire",
        [
            {"jsonrpc": "2.0", "method": "m"},
            {"jsonrpc": "2.0", "id": None, "method": "m", "params": [1, "a"]},
            {"jsonrpc": "2.0", "id": 7, "result": None},
            {"jsonrpc": "2.0", "id": 7, "result": 1, "error": None},
            {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "?", "data": 1}},
        ],
    )
    def test_round_trip(self, wire: dict[str, Any]) -> None:
        frame = parse_frame(json.dumps(wire))
        kind = frames.JsonRpcRequest if "method" in wire else frames.JsonRpcResponse
        assert type(frame) is kind
        assert frame.to_wire() == wire

    def test_a_notification_has_no_id(self) -> None:
        frame = parse_frame('{"jsonrpc":"2.0","method":"m"}')
        assert isinstance(frame, frames.JsonRpcRequest)
        assert frame.is_notification

    def test_a_response_has_one_of_two(self) -> None:
        for wire in (
            {"jsonrpc": "2.0", "id": 1, "error": None},
            {"jsonrpc": "2.0", "id": 1, "result": 1, "error": {"code": 1, "message": "m"}},
        ):
            error = refused(wire)
            assert error.where == "the frame itself"

    def test_a_known_type_comes_first(self) -> None:
        frame = parse_frame({"type": "ping", "jsonrpc": "2.0"})
        assert isinstance(frame, frames.PingFrame)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
names = st.sampled_from(
    ["requestId", "request_id", "toolName", "status", "tools", "message", "result", "error", "raw"]
)


@settings(max_examples=300)
@given(
    st.sampled_from([*FRAME_TYPES, "news"]),
    st.dictionaries(names | st.text(max_size=5), json_values, max_size=4),
    st.none() | st.dictionaries(names | st.text(max_size=5), json_values, max_size=5),
)
def test_any_object_is_kept_or_refused_by_path(
    kind: str, outer: dict[str, Any], data: dict[str, Any] | None
) -> None:
    wire = {**outer, "type": kind, **({} if data is None else {"data": data})}
    wire.pop("request_id", None)  # accepted as another spelling; see the next test
    if data is not None:
        data.pop("request_id", None)
    text = json.dumps(wire)
    try:
        frame = parse_frame(text)
    except InvalidInputError:
        frame = None
    if frame is None:
        error = refused(text)
        assert error.where
        assert len(error.message) <= 200
        return
    assert frame.to_wire() == wire
    assert json.loads(frame.to_json()) == wire
    assert isinstance(repr(frame), str)


def test_the_wires_spelling_wins_over_pythons() -> None:
    both = {"type": "cancel_tool", "data": {"request_id": "python", "requestId": "wire"}}
    frame = parse_frame(both)
    assert isinstance(frame, frames.CancelToolFrame)
    assert frame.data.request_id == "wire"
    python = parse_frame({"type": "cancel_tool", "data": {"request_id": "r"}})
    assert python.to_wire() == {"type": "cancel_tool", "data": {"requestId": "r"}}


def test_frames_are_loaded_only_when_asked_for() -> None:
    code = (
        "import sys, vcplab, vcplab.protocol, vcplab.protocol.messages, vcplab.protocol.requests\n"
        "assert 'pydantic' not in sys.modules\n"
        "assert not any(name.startswith('vcplab.protocol.frames') for name in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
