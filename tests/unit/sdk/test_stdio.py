"""vcplab.sdk.stdio: the strict contract of a stdio plugin, from a copy in a folder of its own."""

from __future__ import annotations

import ast
import enum
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, NamedTuple, NewType, Optional, TypedDict, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.sdk import stdio
from vcplab.sdk.stdio import ArgumentError, call, convert

SCRIPT = """
from __future__ import annotations
print("noise of an import")
import os, subprocess, sys, time
from typing import Literal, Optional
import vcp_stdio
vcp_stdio.claim_stdout()

{body}
"""


class Done(NamedTuple):
    reply: Any
    code: int
    stderr: str


@pytest.fixture
def plugin(tmp_path: Path) -> Any:
    """Runs a script beside a copy of the module, isolated from this environment."""

    def run(
        body: str, stdin: bytes | Mapping[str, Any] = b"", environment: Mapping[str, str] = {}
    ) -> Done:
        source = Path(str(stdio.__file__)).read_text(encoding="utf-8")
        (tmp_path / "vcp_stdio.py").write_text(source, encoding="utf-8")
        (tmp_path / "plugin.py").write_text(SCRIPT.format(body=body), encoding="utf-8")
        data = stdin if isinstance(stdin, bytes) else json.dumps(stdin).encode()
        clean = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
        if "SYSTEMROOT" in os.environ:
            clean["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
        done = subprocess.run(
            [sys.executable, "-S", "plugin.py"],
            input=data,
            capture_output=True,
            cwd=tmp_path,
            env={**clean, **environment},
            timeout=30,
            check=False,
        )
        # Strict: UTF-8, exactly one JSON value, nothing around it.
        return Done(json.loads(done.stdout.decode("utf-8")), done.returncode, done.stderr.decode())

    return run


def success(result: Any) -> dict[str, Any]:
    return {"status": "success", "result": result}


ADD = """
def add(a: int, b: int = 2, note: str = ""):
    print("printed")
    return {"sum": a + b, "note": note}
vcp_stdio.serve(add)
"""


def test_texts_become_arguments_and_prints_go_to_stderr(plugin: Any) -> None:
    done = plugin(ADD, {"a": "40", "note": "你好 🎲", "maid": "小克", "command": "add"})
    assert done.reply == success({"sum": 42, "note": "你好 🎲"})
    assert done.code == 0
    assert done.stderr.splitlines() == ["noise of an import", "printed"]


def test_everything_that_prints_is_kept_from_stdout(plugin: Any) -> None:
    body = """
def f():
    os.write(1, b"raw\\n")
    sys.__stdout__.write("original\\n")
    subprocess.run([sys.executable, "-c", "print('child')"])
    return 1
vcp_stdio.serve(f)
"""
    done = plugin(body)
    assert done.reply == success(1)
    for word in ("raw", "original", "child"):
        assert word in done.stderr


@pytest.mark.parametrize("stdin", [b"", b"  \n", b"{}", b"\xef\xbb\xbf{}"])
def test_no_arguments(plugin: Any, stdin: bytes) -> None:
    assert plugin("vcp_stdio.serve(lambda a=1: a)", stdin).reply == success(1)


@pytest.mark.parametrize(
    ("stdin", "told"),
    [
        (b"{", "no JSON object"),
        (b"[1]", "no JSON object"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b"[" * 200_000, "RecursionError"),
        (b'{"a": "x"}', "'x' is no whole number"),
        (b"{}", "'a' is missing"),
        (b'{"aa": 1}', "'a' is missing"),
        (b'{"a": 1, "notes": 1}', "did you mean 'note'"),
    ],
)
def test_what_cannot_be_read_is_an_error(plugin: Any, stdin: bytes, told: str) -> None:
    done = plugin(ADD, stdin)
    assert done.reply["status"] == "error"
    assert told in done.reply["error"]
    assert done.code == 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise ValueError('wrong: 错')", "ValueError: wrong: 错"),
        ("sys.exit(3)", "ended itself with exit code 3"),
        ("return {1, 2}", "it is or holds a builtins.set"),
        ("return {'a': [object()]}", "holds a builtins.object"),
        ("return float('nan')", "no JSON"),
        ("return {(1, 2): 3}", "keys must be"),
        ("x = []; x.append(x); return x", "Circular"),
        ("return (i for i in ())", "builtins.generator"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_a_failure_is_one_error_reply(plugin: Any, body: str, told: str) -> None:
    done = plugin(f"def f():\n    {body}\nvcp_stdio.serve(f)")
    assert done.reply["status"] == "error"
    assert told in done.reply["error"]
    assert done.code == 1
    assert "Traceback" in done.stderr


def test_async_functions_run_to_their_end(plugin: Any) -> None:
    body = """
import asyncio
async def f(x: float):
    await asyncio.sleep(0)
    return x
vcp_stdio.serve(f)
"""
    assert plugin(body, {"x": "1.5"}).reply == success(1.5)


def test_half_a_surrogate_pair_travels_as_an_escape(plugin: Any) -> None:
    done = plugin("vcp_stdio.serve(lambda a: a)", b'{"a": "\\ud83d"}')
    assert done.reply == success("\ud83d")


def test_ten_megabytes(plugin: Any) -> None:
    done = plugin("vcp_stdio.serve(lambda n: '骰' * int(n))", {"n": "3500000"})
    assert done.reply == success("骰" * 3_500_000)


@pytest.mark.skipif(os.name != "posix", reason="only there a descriptor stays closed over exec")
@pytest.mark.parametrize(("closed", "out"), [("2", success(7)), ("0, 2", success(7)), ("1", None)])
def test_closed_descriptors_do_no_harm(
    plugin: Any, tmp_path: Path, closed: str, out: dict[str, Any] | None
) -> None:
    body = "def f():\n    print('noise')\n    os.write(2, b'x')\n    return 7\nvcp_stdio.serve(f)"
    plugin(body)
    start = f"import os, sys; [os.close(n) for n in ({closed},)]; "
    start += "os.execv(sys.executable, [sys.executable, 'plugin.py'])"
    done = subprocess.run(
        [sys.executable, "-c", start],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        env={"PATH": os.environ.get("PATH", "")},
        timeout=30,
        check=False,
    )
    assert done.returncode == 0
    assert (json.loads(done.stdout) if out else done.stdout) == (out or b"")


def test_several_commands(plugin: Any) -> None:
    body = "vcp_stdio.serve({'Roll': lambda n: ['roll', n]}, ADD)\n"
    body = "def draw_card(n): return ['draw', n]\n" + body.replace("ADD", "draw_card")
    assert plugin(body, {"command": "Roll", "n": "1"}).reply == success(["roll", "1"])
    assert plugin(body, {"command": "DrawCard", "n": "1"}).reply == success(["draw", "1"])
    assert "commands are: Roll, draw_card" in plugin(body, {"n": "1"}).reply["error"]
    assert "unknown command 'fly'" in plugin(body, {"command": "fly"}).reply["error"]


# -- Arguments


def test_spellings_of_names() -> None:
    def f(max_results: int = 1, **rest: str) -> Any:
        return max_results, rest

    assert call({"f": f}, {"maxResults": "5"}) == (5, {})
    assert call({"f": f}, {"max_results": "5", "maid": "N"}) == (5, {"maid": "N"})
    assert call({"f": f}, {"command": "f", "other": "1"}) == (1, {"other": "1"})
    assert call({"f": f}, {"command": "go"}) == (1, {"command": "go"})


def test_every_kind_of_parameter() -> None:
    def f(a: int, b: int = 2, /, c: int = 3, *more: int, d: int, command: str = "") -> Any:
        return a, b, c, more, d, command

    assert call({"f": f}, {"a": "1", "d": "4", "command": "f"}) == (1, 2, 3, (), 4, "f")
    with pytest.raises(ArgumentError, match=r"'a' is missing; .*'d' is missing"):
        call({"f": f}, {})


def test_all_complaints_at_once() -> None:
    def f(a: int, flag: bool) -> None: ...

    with pytest.raises(ArgumentError) as caught:
        call({"f": f}, {"a": "x", "flag": "maybe"})
    assert "'x' is no whole number" in str(caught.value)
    assert "'maybe' is neither true nor false" in str(caught.value)
    assert "the arguments are: a, flag" in str(caught.value)


def test_hints_that_cannot_be_read_are_no_hints() -> None:
    def f(a: "Unknown", b: "int") -> Any:  # type: ignore[name-defined]  # noqa: F821, UP037
        return a, b

    assert call({"f": f}, {"a": "1", "b": "1"}) == ("1", 1)


# -- Conversions


class Colour(enum.Enum):
    RED = "red"
    TWO = 2


@dataclass
class Point:
    x: int
    y: float = 0.5


class Options(TypedDict):
    a: int


Id = NewType("Id", int)


@pytest.mark.parametrize(
    ("text", "hint", "value"),
    [
        ("你好 ", str, "你好 "),
        (" 12 ", int, 12),
        ("3.0", int, 3),
        ("1e3", float, 1000.0),
        ("YES", bool, True),
        ("0", bool, False),
        ("off", bool, False),
        ('["1", 2]', list[int], [1, 2]),
        ("[[1], []]", list[list[str]], [["1"], []]),
        ('["a", 1]', tuple[str, int], ("a", 1)),
        ("[1, 2, 3]", tuple[int, ...], (1, 2, 3)),
        ("[1, 1]", set[int], {1}),
        ("[1, 1]", frozenset, frozenset({1})),
        ('{"1": "2"}', dict[int, int], {1: 2}),
        ('{"a": 1}', dict, {"a": 1}),
        ('{"a": 1}', Options, {"a": 1}),
        ('{"x": "1"}', Point, Point(1)),
        ('[{"x": 1, "y": 2}]', list[Point], [Point(1, 2.0)]),
        ("5", Optional[int], 5),  # noqa: UP045
        ("none", Optional[int], None),  # noqa: UP045
        ("", int | None, None),
        ("null", str | None, "null"),
        ("5", Union[str, int], "5"),  # noqa: UP007
        ("5", int | float, 5),
        ("5.0", int | float, 5.0),
        ("true", int | bool, True),
        ("[1]", int | list[int], [1]),
        ("words", Literal["words", "lines"], "words"),
        ("2", Literal[1, 2], 2),
        ("true", Literal[True, "x"], True),
        ("auto", Literal["auto"] | int, "auto"),
        ("red", Colour, Colour.RED),
        ("RED", Colour, Colour.RED),
        ("2", Colour, Colour.TWO),
        ("2026-11-21", date, date(2026, 11, 21)),
        ("2026/11/21", date, date(2026, 11, 21)),
        ("2026-11-21T05:49:08Z", datetime, datetime(2026, 11, 21, 5, 49, 8, tzinfo=UTC)),
        ("05:49", time, time(5, 49)),
        ("a/b.txt", Path, Path("a/b.txt")),
        ("1.10", Decimal, Decimal("1.10")),
        ("骰", bytes, "骰".encode()),
        ("7", Id, 7),
        ("x", Any, "x"),
        ("x", object, "x"),
        ("", type(None), None),
    ],
)
def test_texts_by_hint(text: str, hint: Any, value: Any) -> None:
    converted = convert(text, hint)
    assert converted == value
    assert type(converted) is type(value)
    # What already has the type stays what it is.
    assert convert(value, hint) == value


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("x", int),
        ("3.5", int),
        (True, int),
        (2.5, int),
        ("", int),
        ("9" * 5000, int),
        ("x", float),
        (False, float),
        ("2", bool),
        (2, bool),
        (None, bool),
        ("a, b", list[str]),
        ('["x"]', list[int]),
        ("[[]]", set),
        ("[1]", tuple[int, int]),
        ("[1]", dict),
        ('{"y": 1}', Point),
        ("[" * 100_000, list),
        ("x", Optional[int]),  # noqa: UP045
        ("x", Literal["a", "b"]),
        ("green", Colour),
        ("2026-13-01", date),
        (5, date),
        ("", Decimal),
        ("x", type(None)),
    ],
)
def test_what_does_not_fit(value: Any, hint: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        convert(value, hint)
    assert len(str(caught.value)) < 500


@given(st.text())
def test_text_is_never_changed(text: str) -> None:
    assert convert(text, str) == text
    assert convert(text, str | None) == text


@given(st.one_of(st.integers(), st.floats(allow_nan=False)))
def test_numbers_come_back_from_their_texts(number: float) -> None:
    assert convert(str(number), type(number)) == number
    assert convert(str(number), int | float) == number
    assert type(convert(str(number), int | float)) is type(number)


@given(st.dictionaries(st.text(), st.lists(st.tuples(st.integers(), st.booleans()))))
def test_nested_json_comes_back(value: dict[str, Any]) -> None:
    hint = dict[str, list[tuple[int, bool]]]
    assert convert(json.dumps(value), hint) == value
    assert convert(value, hint) == value


@given(
    st.one_of(st.text(), st.integers(), st.none(), st.lists(st.integers()), st.booleans()),
    st.sampled_from([int, bool, list[int], dict[str, int], Colour, date, Point, int | None, Path]),
)
def test_whatever_comes_is_converted_or_refused(value: Any, hint: Any) -> None:
    try:
        converted = convert(value, hint)
    except ArgumentError:
        return
    assert convert(converted, hint) == converted


# -- Asynchronous plugins


class Listener(NamedTuple):
    address: str
    received: list[tuple[str, Any]]


@pytest.fixture
def listener() -> Iterator[Listener]:
    received: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, json.loads(body.decode("utf-8"))))
            self.send_response(500 if "refused" in self.path else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Listener(f"http://127.0.0.1:{server.server_port}/plugin-callback", received)
        server.shutdown()
        thread.join()


def environment_of(listener: Listener, plugin: str = "My-Plugin") -> dict[str, str]:
    # A proxy must not be asked for an address of this machine.
    return {
        "CALLBACK_BASE_URL": listener.address + "/",
        "PLUGIN_NAME_FOR_CALLBACK": plugin,
        "http_proxy": "http://127.0.0.1:9",
    }


def test_the_first_reply_is_there_before_the_work_is_done(
    listener: Listener, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    (tmp_path / "vcp_stdio.py").write_bytes(Path(str(stdio.__file__)).read_bytes())
    (tmp_path / "plugin.py").write_text(
        "import os, time\nfrom vcp_stdio import pending, serve\n"
        "def f():\n    pending('t-1', 'Wait.')\n"
        "    while not os.path.exists('gate'): time.sleep(0.005)\n"
        "    return '完成'\nserve(f)\n",
        encoding="utf-8",
    )
    with subprocess.Popen(
        [sys.executable, "plugin.py"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, **environment_of(listener)},
    ) as process:
        assert process.stdout is not None
        reply = json.loads(process.stdout.readline())
        assert reply == success("Wait.\n{{VCP_ASYNC_RESULT::My-Plugin::t-1}}")
        assert listener.received == []
        gate.touch()
        assert process.stdout.read() == b""
        assert process.wait(timeout=30) == 0
    [(path, delivery)] = listener.received
    assert path == "/plugin-callback/My-Plugin/t-1"
    assert delivery == {
        "pluginName": "My-Plugin",
        "taskId": "t-1",
        "status": "Succeed",
        "message": "完成",
    }


def test_what_is_reported(plugin: Any, listener: Listener) -> None:
    body = """
def f():
    task = vcp_stdio.pending()
    vcp_stdio.report(task, {"message": "Done.", "n": 1})
    vcp_stdio.report("second", [1, 2])
    vcp_stdio.report("third", "sorry", failed=True)
    return "not reported a second time"
vcp_stdio.serve(f)
"""
    done = plugin(body, environment=environment_of(listener))
    assert done.code == 0
    task = done.reply["result"].split("::")[-1].rstrip("}")
    paths = [path.rsplit("/", 1)[-1] for path, _ in listener.received]
    assert paths == [task, "second", "third"]
    first, second, third = (delivery for _, delivery in listener.received)
    assert first == {
        "pluginName": "My-Plugin", "taskId": task, "status": "Succeed", "message": "Done.", "n": 1,
    }  # fmt: skip
    assert (second["message"], second["result"]) == ("[1, 2]", [1, 2])
    assert (third["message"], third["status"]) == ("sorry", "Failed")


def test_a_failure_after_the_first_reply_is_reported(plugin: Any, listener: Listener) -> None:
    body = "def f():\n    vcp_stdio.pending('t')\n    raise ValueError('late')\nvcp_stdio.serve(f)"
    done = plugin(body, environment=environment_of(listener))
    assert done.reply["status"] == "success"
    assert done.code == 1
    [(_, delivery)] = listener.received
    assert (delivery["status"], delivery["message"]) == ("Failed", "ValueError: late")


def test_a_result_that_is_refused_is_told_on_stderr(plugin: Any, listener: Listener) -> None:
    body = "def f():\n    vcp_stdio.pending('refused')\n    return 1\nvcp_stdio.serve(f)"
    done = plugin(body, environment=environment_of(listener))
    assert done.code == 1
    assert len(listener.received) == 1
    assert "the server refused the result of task refused" in done.stderr


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("vcp_stdio.pending('a b')", "letters, digits"),
        ("vcp_stdio.pending('a/../b')", "letters, digits"),
        ("vcp_stdio.report('a', object())", "builtins.object"),
        ("vcp_stdio.report('a', 1)", "was not delivered"),
        ("os.environ['CALLBACK_BASE_URL'] = 'file:///x'; vcp_stdio.report('a', 1)", "no http"),
        (
            "del os.environ['CALLBACK_BASE_URL']; vcp_stdio.report('a', 1)",
            "CALLBACK_BASE_URL is not",
        ),
        ("os.environ.clear(); vcp_stdio.pending('a')", "PLUGIN_NAME_FOR_CALLBACK is not set"),
    ],
)
def test_wrong_uses_say_what_is_wrong(plugin: Any, body: str, told: str) -> None:
    surroundings = {"CALLBACK_BASE_URL": "http://127.0.0.1:9/x", "PLUGIN_NAME_FOR_CALLBACK": "P"}
    done = plugin(f"def f():\n    {body}\nvcp_stdio.serve(f)", environment=surroundings)
    assert done.reply["status"] == "error"
    assert told in done.reply["error"]


def test_there_is_one_first_reply(plugin: Any, listener: Listener) -> None:
    body = "def f():\n    vcp_stdio.pending('a')\n    vcp_stdio.pending('b')\nvcp_stdio.serve(f)"
    done = plugin(body, environment=environment_of(listener))
    assert "::a}}" in done.reply["result"]
    assert "made already" in listener.received[0][1]["message"]


# -- The file itself


def test_it_needs_the_standard_library_only_and_reads_as_python_3_9() -> None:
    text = Path(str(stdio.__file__)).read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 9))
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            roots.add(str(node.module).split(".")[0])
    assert roots <= sys.stdlib_module_names
    assert not any(isinstance(node, ast.Match) for node in ast.walk(tree))
