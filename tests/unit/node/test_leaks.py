"""What must not leave the machine: planted secrets and local paths, looked for in all frames."""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import vcplab as vl
from tests.support.joined import FAST, Joined, eventually, put_plugin
from vcplab.core.redaction import spellings
from vcplab.node import duties
from vcplab.node.standin import StandInServer
from vcplab.protocol.results import ToolFailure

SERVER_KEY = "the-servers/own_key+42=x"
MODEL_KEY = 'model key with "quotes" & 雪'
ENVIRONMENT = "environment\\secret/of the 'user' 100%"
NUMBER = "8412973650"
CONFIGURED = "configured-by-the-plugins-file"
SET_IN_LAB = "set-in-the-lab-by-hand"
LINES = "first line of it\nsecond line of it"
SECRETS = (SERVER_KEY, MODEL_KEY, ENVIRONMENT, NUMBER, CONFIGURED, SET_IN_LAB, LINES)

PLUGIN = """
import json, os, pathlib, sys
given = json.loads(sys.stdin.read() or "{}")
told = {
    "environment": {k: v for k, v in os.environ.items() if k.isupper() or k == "Endpoint"},
    "here": os.getcwd(), "file": __file__, "python": sys.path,
    "files": [str(p) for p in pathlib.Path(__file__).parent.iterdir()],
    "config": (pathlib.Path(__file__).parent / "config.env").read_text("utf-8"),
}
if given.get("fail"):
    raise RuntimeError(json.dumps(told))
if given.get("error"):
    print(json.dumps({"status": "error", "error": json.dumps(told)}))
else:
    print(json.dumps({"status": "success", "result": told}))
"""
STATIC = """
import os, pathlib
print(os.environ.get("API_KEY"), os.getcwd(), __file__, pathlib.Path.home())
"""
LATER = """
import json, os, sys, urllib.request
print(json.dumps({"status": "success", "result": "{{VCP_ASYNC_RESULT::Later::t1}}"}), flush=True)
body = {"pluginName": "Later", "taskId": "t1", "status": "Succeed",
        "message": os.environ["API_KEY"] + " in " + os.getcwd(), os.environ["API_KEY"]: __file__}
request = urllib.request.Request(os.environ["CALLBACK_BASE_URL"], json.dumps(body).encode())
urllib.request.urlopen(request, timeout=10).read()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a lab and a working folder in it."""
    home = tmp_path / "home" / "ada lövelace"
    (home / "work").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("ADAS_API_KEY", ENVIRONMENT)
    monkeypatch.setenv("ADAS_PIN_TOKEN", NUMBER)
    monkeypatch.setenv("TLS_PRIVATE_KEY", LINES)
    monkeypatch.chdir(home / "work")
    return home


@pytest.fixture
def planted(home: Path, tmp_path: Path) -> Iterator[Joined]:
    """A lab in that home, joined to a server whose key is in the settings."""
    fields = {"configSchema": {"API_KEY": "string", "Endpoint": "string"}}
    static = {"systemPromptPlaceholders": [{"placeholder": "{{Told}}", "description": "It."}]}
    plugins = home / "plugins"
    config = f"API_KEY={CONFIGURED}\nEndpoint=https://nowhere.example/a\n"
    put_plugin(plugins, "Telling", PLUGIN, config, **fields)
    put_plugin(plugins, "Told", STATIC, config, **fields, pluginType="static", capabilities=static)
    put_plugin(plugins, "Later", LATER, config, **fields, pluginType="asynchronous")
    put_plugin(
        plugins, "Other", PLUGIN, config, **fields, author=str(home), displayName=f"in {home}",
        description=f"Reads {plugins}/Other/config.env with {CONFIGURED}.", basePath=str(plugins),
    )  # fmt: skip
    with (
        StandInServer(SERVER_KEY, record=True) as server,
        vl.Lab(
            home / "lab", server_url=server.url, server_key=SERVER_KEY, model_key=MODEL_KEY
        ) as lab,
    ):
        lab.plugins.add(plugins, trust=True)
        lab.plugins.set_config("Other", API_KEY=SET_IN_LAB)
        yield Joined(lab, server)
        lab.node.disconnect(grace=0.0)


def forms(text: str) -> set[str]:
    """The spellings of a text, also inside JSON, and inside JSON in JSON."""
    return _in_json({text, *spellings(text), quote(text), quote(text, safe="/:\\")})


def _in_json(forms: set[str]) -> set[str]:
    for _ in range(2):
        inside = [json.dumps(f, ensure_ascii=how)[1:-1] for f in forms for how in (True, False)]
        forms = forms.union(inside)
    return forms


def leaks(texts: list[str], secrets: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Which secrets stand in any of the texts, as sent or read as JSON, and how."""
    found: set[tuple[str, str]] = set()
    for text in texts:
        read = _strings(json.loads(text)) if text.startswith("{") else ""
        for name, spelt in secrets.items():
            found |= {(name, form) for form in spelt if form in text or form in read}
    return found


def _strings(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}\n{_strings(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return "\n".join(map(_strings, value))
    return str(value)


def looked_for(home: Path) -> dict[str, set[str]]:
    secrets = {secret: forms(secret) for secret in SECRETS}
    # Base64 and hex of a path are nobody's way to write one; the rest is.
    for path in (home, home / "lab", home / "work"):
        plain = {str(path), quote(str(path)), path.as_uri()}
        secrets[str(path)] = _in_json(plain)
    return secrets


def test_the_search_finds_what_is_there(home: Path) -> None:
    # The test of the tests: each of these is a leak.
    wanted = looked_for(home)
    for secret in (*SECRETS, str(home), str(home / "lab" / "x")):
        for text in (
            json.dumps({"a": secret}), json.dumps({secret: 1}), json.dumps([json.dumps([secret])]),
            f"see {secret}.", json.dumps({"a": secret}, ensure_ascii=False),
        ):  # fmt: skip
            assert leaks([text], wanted), text
    for secret in SECRETS:
        assert leaks([base64.b64encode(secret.encode()).decode()], wanted)
    assert leaks([json.dumps({"pin": int(NUMBER)})], wanted)


def test_no_frame_of_a_long_session_holds_a_secret_or_a_path(
    planted: Joined, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("uvicorn", reason="reports come by HTTP")
    monkeypatch.setattr(duties, "_LOOK", 0.02)
    lab, server = planted.lab, planted.server
    paths = [str(home), str(home / "lab"), str(home / "work" / "notes.txt"), f"{home}:{home}/lab",
             (home / "lab").as_uri(), quote(str(home / "lab"))]  # fmt: skip
    said = [form for secret in SECRETS for form in spellings(secret)] + paths

    @lab.tool(description=f"Says {CONFIGURED}, kept in {home}/lab, key {SERVER_KEY}.")
    def say(which: str) -> str:
        return f"<{said[int(which)]}>"

    @lab.tool
    def keys() -> dict[str, Any]:
        return {text: [text, {"deep": text}] for text in said}

    @lab.tool
    def number() -> dict[str, Any]:
        return {"pin": int(NUMBER), "as_float": float(NUMBER), "in": [int(NUMBER)]}

    @lab.tool
    def nested() -> str:
        return json.dumps({"told": json.dumps([*SECRETS, *paths])})

    @lab.tool
    def failing(which: str) -> None:
        raise ValueError(f"cannot open {said[int(which)]}: {__file__}")

    @lab.tool
    def large() -> list[str]:
        return said * 300

    @lab.tool(name=f"tool-{NUMBER}")
    def named_like_a_secret() -> str:
        return "never offered"

    @lab.tool
    def missing() -> str:
        return (home / "lab" / "nothing.txt").read_text()

    link = planted.join(["Telling", "Told", "Later", "Other"])
    lab.node.share("shared", home / "work")
    (home / "work" / "a.txt").write_text("text")
    (home / "work" / "keys.txt").write_text(f"key={CONFIGURED}")

    def call(tool: str, **args: Any) -> None:
        with suppress(ToolFailure):
            server.raw_call(tool, args, 20)

    for which in range(len(said)):
        call("say", which=str(which))
        call("failing", which=str(which))
    for tool in ("keys", "number", "nested", "large", "missing"):
        call(tool)
    for plugin in ("Telling", "Other"):
        call(plugin)
        call(plugin, fail=True)
        call(plugin, error=True)
    call("Later")
    server.wait_until(lambda s: ("Later", "t1") in s.callbacks)
    server.wait_until(lambda s: s.placeholders)
    for url in ("file:///shared/a.txt", "file:///shared/keys.txt", str(home / "lab"), "file:///x"):
        call("internal_request_file", fileUrl=url)
        with suppress(ToolFailure):
            server.fetch_file(url, server="lab")
    server.send("lab", {"jsonrpc": "2.0", "id": 1, "method": str(home), "params": {}})
    server.send("lab", {"jsonrpc": "2.0", "id": SERVER_KEY, "method": "execute_tool"})
    call("nobody", path=str(home))
    link.expose("number", False)
    server.wait_for_tool("number", present=False)
    lab.tool(lambda: str(home), name="say", description=f"Now in {home}/lab/notes.")
    server.wait_until(lambda s: "Now in" in s.tools.get("say", {}).get("description", ""))
    server.kick()
    server.wait_for_tool("say")
    link.wait(10)
    assert server.raw_call("say", {}, 20) in ("~", "•••")

    sent = [frame.text for frame in server.frames if frame.direction == "in"]
    kinds = {frame.type for frame in server.frames if frame.direction == "in"}
    assert {"register_tools", "report_ip", "tool_result", "update_static_placeholders",
            "plugin_callback_forward"} <= kinds  # fmt: skip
    assert len(sent) > 150
    assert leaks(sent, looked_for(home)) == set()
    assert f"tool-{NUMBER}" not in "".join(sent)
    # What is not secret came through.
    whole = "".join(sent)
    assert "lab/nothing.txt" in whole
    assert "dGV4dA==" in whole
    # Manifests are told in parts: no settings, no folders, no commands.
    registrations = "".join(f.text for f in planted.frames("register_tools"))
    for word in ("configSchema", "Endpoint", "nowhere.example", "main.py", "basePath",
                 "pluginSpecificEnvConfig", "config.env\""):  # fmt: skip
        assert word not in registrations


def test_nothing_that_is_shown_or_written_down_holds_the_key(
    planted: Joined, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    lab, server = planted.lab, planted.server
    told: list[str] = []
    listening = lab.node.on_change(lambda event: told.append(repr(event)))

    @lab.tool
    def say(text: str = "") -> str:
        return f"{text}: {SERVER_KEY}"

    with StandInServer("quite-another-key") as strict:
        wrong = lab.node.connect(strict.url, SERVER_KEY, name="wrong", show=False, **FAST)
        eventually(lambda: "check key and path" in (wrong.problem or ""))
        with pytest.raises(Exception, match="check key and path") as refused:
            wrong.wait(0.01)
        link = lab.node.connect(show=True, **FAST).wait(10)
        server.wait_for_tool("say")
        server.raw_call("say", {"text": SERVER_KEY}, 10)
        with pytest.raises(ToolFailure, match="not found"):
            server.raw_call(SERVER_KEY, {}, 10, server=link.name)
        server.kick()
        server.wait_for_tool("say")
        link.wait(10)
        with pytest.raises(Exception, match="cannot be sent") as impossible:
            lab.node.connect(f"ws://127.0.0.1:1/vcp-distributed-server/VCP_Key={SERVER_KEY} x")
        node = lab.node
        shown: list[Any] = [
            *told, *node.log(), *node.calls(), *node.links, *node.status().links, node,
            node.status(), node.preview(), lab, lab.settings, refused.value, impossible.value,
            *(link.problem for link in node.links), *(link.shown for link in node.links),
        ]  # fmt: skip
        texts = [str(one) for one in shown] + [repr(one) for one in shown]
        texts += [one._repr_html_() for one in shown if hasattr(one, "_repr_html_")]
        texts += [node.to_frame().to_csv(), caplog.text]
        lab.node.disconnect()
    listening.close()
    lab.trace.flush()
    exported = lab.path / "spans.jsonl"
    lab.trace.export_jsonl(exported)
    texts.append(exported.read_text("utf-8"))
    texts += capfd.readouterr()
    assert "say" in texts[-3]
    wanted = {"key": spellings(SERVER_KEY)}
    for text in texts:
        assert not any(form in text for form in wanted["key"]), text
    # Nor do the files of the lab, written while it ran.
    for path in lab.path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(form.encode() in data for form in wanted["key"]), path.name


def test_keys_that_come_later_are_known_too(
    planted: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, server = planted.lab, planted.server

    @lab.tool
    def secret(name: str) -> str:
        return f"it is {os.environ[name]}"

    planted.join()
    monkeypatch.setenv("MY_LATE_PASSWORD", "a-password-set-later")
    said: Callable[[], Any] = lambda: server.raw_call("secret", {"name": "MY_LATE_PASSWORD"}, 10)  # noqa: E731
    eventually(lambda: said() == "it is •••")
    lab.plugins.set_config("Other", API_KEY="another-key-of-the-plugin")
    lab.tools.Other()
    monkeypatch.setenv("HARMLESS", "another-key-of-the-plugin")
    assert server.raw_call("secret", {"name": "HARMLESS"}, 10) == "it is •••"
    with StandInServer("the-key-of-a-second-server", record=True) as second:
        Joined(lab, second).join()
        monkeypatch.setenv("HARMLESS", second.key)
        assert server.raw_call("secret", {"name": "HARMLESS"}, 10) == "it is •••"
        lab.node.disconnect()
