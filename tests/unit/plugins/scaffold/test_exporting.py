"""A function of a cell becomes a folder that runs without the notebook."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from vcplab.core.errors import InvalidInputError, StateError
from vcplab.plugins.manifest import read_manifest
from vcplab.plugins.scaffold import export_function
from vcplab.plugins.scaffold.distributions import requirements_of

Cell = Callable[[str], dict[str, Any]]

HEAD = """
import asyncio, json, math, os, os.path as osp, random as rnd, re
import xml.etree.ElementTree
from collections import Counter
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import lru_cache, wraps
from pathlib import Path
from typing import Literal, NamedTuple, Optional, TypedDict
class _Lab:
    def tool(self, function=None, **options):
        return function if function is not None else (lambda inner: inner)
lab = _Lab()
"""


@pytest.fixture(scope="module")
def shell() -> Iterator[InteractiveShell]:
    main = sys.modules["__main__"]
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance()
    made.history_manager.enabled = False
    yield made
    made.history_manager.end_session()
    InteractiveShell.clear_instance()
    sys.modules["__main__"] = main


@pytest.fixture
def cell(shell: InteractiveShell) -> Iterator[Cell]:
    """Runs cells as a notebook does and gives its names."""

    def run(text: str) -> dict[str, Any]:
        shell.run_cell(text, store_history=True).raise_error()
        return dict(shell.user_ns)

    before = set(shell.user_ns)
    run(HEAD)
    yield run
    # `shell.reset` would do, were it not for the garbage collection of everything.
    for name in set(shell.user_ns) - before:
        del shell.user_ns[name]


def call(folder: Path, arguments: dict[str, Any]) -> Any:
    """What the exported plugin answers, started as its manifest says, without this environment."""
    manifest = json.loads((folder / "plugin-manifest.json").read_text(encoding="utf-8"))
    python, script = manifest["entryPoint"]["command"].split(" ")
    assert python == "python"
    done = subprocess.run(
        [sys.executable, script],
        input=json.dumps(arguments, ensure_ascii=False).encode() if arguments else b"",
        capture_output=True,
        cwd=folder,
        env={"PATH": os.environ.get("PATH", "")},
        timeout=60,
        check=False,
    )
    reply = json.loads(done.stdout.decode("utf-8"))
    assert reply["status"] == "success", (reply, done.stderr.decode())
    return reply["result"]


def script(folder: Path) -> str:
    return (folder / "plugin.py").read_text(encoding="utf-8")


def test_a_cell_becomes_a_plugin(cell: Cell, tmp_path: Path) -> None:
    roll = cell('''
@lab.tool(
    timeout=5,
)
def roll(notation: str, bonus: int = 1, label: str = "骰") -> dict:
    """Roll dice: 掷骰.

    Args:
        notation: Number and sides, e.g. 2d6.
        bonus: Added to the sum.
    """
    print("rolling")  # goes to stderr
    number, sides = map(int, re.split("d", notation))
    return {"sum": number * sides + bonus, "label": label}
''')["roll"]
    folder = export_function(roll, tmp_path, timeout=2.5, display_name="Dice 骰子")
    assert folder == tmp_path / "roll"
    expected = roll("2d6", 3)
    assert call(folder, {"notation": "2d6", "bonus": "3", "maid": "小克"}) == expected
    assert "lab." not in script(folder)
    assert "# goes to stderr" in script(folder)
    assert not (folder / "requirements.txt").exists()
    manifest = json.loads((folder / "plugin-manifest.json").read_text(encoding="utf-8"))
    assert manifest["displayName"] == "Dice 骰子"
    assert manifest["communication"] == {"protocol": "stdio", "timeout": 2500}
    assert manifest["entryPoint"] == {"type": "stdio", "command": "python plugin.py"}
    [command] = manifest["capabilities"]["invocationCommands"]
    assert command["commandIdentifier"] == "roll"
    assert "- notation (string, required): Number and sides, e.g. 2d6." in command["description"]
    assert "- bonus (integer, optional, default 1): Added to the sum." in command["description"]
    assert "tool_name:「始」roll「末」" in command["example"]
    [read] = read_manifest(manifest).commands
    assert [(p.name, p.type, p.required, p.declared) for p in read.parameters] == [
        ("notation", "string", True, True),
        ("bonus", "integer", False, True),
        ("label", "string", False, True),
    ]


def test_its_own_tests_pass_without_vcplab(cell: Cell, tmp_path: Path) -> None:
    names = cell("async def greet(name: str = 'Nova') -> str:\n    return f'你好 {name}'")
    folder = export_function(names["greet"], tmp_path, name="Greet-1", description="Greets.")
    assert call(folder, {}) == asyncio.run(names["greet"]())
    tests = folder / "tests" / "test_plugin.py"
    mine = tests.read_text(encoding="utf-8").replace(
        "CALLS = []", 'CALLS = [({"name": "小克"}, "你好 小克")]'
    )
    for text, code in ((mine, 0), (mine.replace('"你好', '"再见'), 1)):
        tests.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-B", "-m", "unittest"],
            cwd=folder,
            env={"PATH": os.environ.get("PATH", "")},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr


def test_what_it_uses_of_the_notebook_comes_along(cell: Cell, tmp_path: Path) -> None:
    cell("""
FACTOR = 3
TABLE = {"names": ("甲", "乙"), 1: [None, True, b"x", {2}], "long": ["word " * 5] * 9}
WORD = re.compile(r"(\\w+)\\d", re.IGNORECASE)
Unit = Literal["words", "lines"]
Ids = Optional[list[int]]

class Colour(Enum):
    RED = "red"

class Pair(NamedTuple):
    a: int
    b: int = FACTOR

class Options(TypedDict):
    depth: int

@dataclass
class Point:
    x: int

class Base:
    def name(self) -> str:
        return self.__class__.__name__

class Derived(Base):
    @property
    def shout(self) -> str:
        return super().name().upper()

def twice(function):
    @wraps(function)
    def inner(*arguments):
        return function(*arguments) * 2
    return inner

@twice
def count(text):
    return len(Counter(text))

@lru_cache
def even(n):
    return n == 0 or odd(n - 1)

def odd(n):
    return n != 0 and even(n - 1)

short = count
""")
    names = cell("""
@lab.tool
def everything(
    unit: Unit = "words", ids: Ids = None, colour: Colour = Colour.RED, point: "Point" = Point(1),
    options: Options = {"depth": 1}, day: date = date(2026, 11, 21),
):
    root = xml.etree.ElementTree.fromstring("<a/>")
    import string
    return [
        unit, ids, colour.value, point.x, options, day.isoformat(), FACTOR, TABLE["names"],
        TABLE["long"], [sorted(s) for s in [TABLE[1][3]]], WORD.match("ab1")[1], Pair(1),
        Derived().shout, short("aab"), even(4), root.tag, osp.basename("a/b"), string.digits,
        math.floor(2.5), rnd.Random(1).random() < 1, [count(t) for t in ("a", "ab")],
    ]
""")
    folder = export_function(names["everything"], tmp_path)
    expected = json.loads(json.dumps(names["everything"]()))
    assert call(folder, {}) == expected
    point = names["Point"](7)
    arguments = {"ids": "[1, 2]", "point": '{"x": "7"}', "options": '{"depth": 2}', "unit": "lines"}
    assert call(folder, arguments) == json.loads(
        json.dumps(names["everything"]("lines", [1, 2], point=point, options={"depth": 2}))
    )
    text = script(folder)
    assert "import os.path as osp" in text
    assert "import random as rnd" in text
    assert "import asyncio" not in text


def test_a_cell_that_ran_again_counts(cell: Cell, tmp_path: Path) -> None:
    for number in (1, 2):
        names = cell(f"""
class Kind(Enum):
    A = {number}
def helper():
    return {number}
def tool_of_mine(kind: Kind = Kind.A):
    return [helper(), kind.value]
""")
    folder = export_function(names["tool_of_mine"], tmp_path)
    assert call(folder, {}) == names["tool_of_mine"]() == [2, 2]


def test_values_of_functions_around_it(cell: Cell, tmp_path: Path) -> None:
    names = cell('''
def make(step, extra):
    def helper(n):
        return n + step
    def inner(n: int):
        """Count on."""
        return helper(n)
    def bad(n: int):
        return extra(n)
    def lasting(n: int):
        nonlocal step
        step += n
        return step
    return inner, bad, lasting
inner, bad, lasting = make(3, object())
''')
    assert call(export_function(names["inner"], tmp_path), {"n": "4"}) == names["inner"](4) == 7
    with pytest.raises(InvalidInputError, match="the name 'extra' is a object"):
        export_function(names["bad"], tmp_path)
    with pytest.raises(InvalidInputError, match="nonlocal"):
        export_function(names["lasting"], tmp_path)


def test_packages_stand_in_the_requirements(cell: Cell, tmp_path: Path) -> None:
    import numpy as np

    names = cell("""
import numpy as np
from numpy.random import default_rng
import pandas as pd
def mean(values: list[float]) -> float:
    import yaml.nodes, sklearn.metrics
    default_rng(1)
    return float(np.mean(values))
""")
    folder = export_function(names["mean"], tmp_path)
    lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert f"numpy=={np.__version__}" in lines
    assert [line.partition("==")[0] for line in lines] == ["PyYAML", "numpy", "scikit-learn"]
    assert "from numpy.random import default_rng" in script(folder)
    assert "pandas" not in script(folder)
    assert "requirements.txt" in (folder / "README.md").read_text(encoding="utf-8")
    assert requirements_of(["json", "os.path"]) == []


@pytest.mark.parametrize(
    ("setup", "body", "told", "step"),
    [
        ("import pandas as pd; df = pd.DataFrame()", "return df.size", "'df' is a pandas", "load"),
        ("file = open(os.devnull); file.close()", "return file.name", "TextIOWrapper", "open"),
        ("", "return lab.tool", "'lab' is a __main__._Lab", "pass it as an argument"),
        ("point = Counter()", "return point", "'point' is a collections.Counter", "constant"),
        ("", "return nowhere", "'nowhere' is not defined", "run the cell"),
        ("", "return get_ipython()", "'get_ipython' is a", "inside"),
        ("", "display(1)", "'display' exists in notebooks only", "magics"),
        ("total = 0", "global total\n    total += n", "'total' is assigned", "starts anew"),
        ("API_KEY = 'abcdefghijk'", "return API_KEY", "looks like a secret", "config.env"),
        ("conf = {'token': 'abcdefghijk'}", "return conf", "looks like a secret", "config.env"),
        ("big = 'x' * 60_000", "return big", "holds 60002 characters", "file"),
        ("far = float('inf')", "return far", "'far' is a float", "constant"),
        ("exec('def made(): pass')", "return made()", "source of 'made' is not known", "cell"),
        ("", "from . import x", "part of no package", "into a cell"),
        ("", "import no_such_module_here", "part of no package", "into a cell"),
        (
            "size = 1\ndef helper(n=size): return n\nsize = 2",
            "return helper()",
            "default of 'n'",
            "again",
        ),
    ],
)
def test_what_cannot_come_along_is_named(
    cell: Cell, tmp_path: Path, setup: str, body: str, told: str, step: str
) -> None:
    names = cell(f"{setup}\ndef culprit(n: int = 1):\n    {body}\n")
    with pytest.raises(InvalidInputError, match="culprit cannot be exported") as caught:
        export_function(names["culprit"], tmp_path / "out")
    assert told in caught.value.message
    assert "culprit" in caught.value.message.split("cannot be exported")[1] or "default" in told
    assert step in str(caught.value.next_step)
    assert not (tmp_path / "out").exists()


def test_all_that_is_wrong_is_told_at_once_with_its_place(cell: Cell, tmp_path: Path) -> None:
    names = cell("""
a, b = object(), object()
def helper():
    return b
def culprit():
    return a, helper()
""")
    with pytest.raises(InvalidInputError) as caught:
        export_function(names["culprit"], tmp_path)
    assert (
        "'a' is a object, which cannot be taken along (in culprit, line 2: return a, helper())"
        in (caught.value.message)
    )
    assert "'b' is a object, which cannot be taken along (in helper, line 2: return b)" in (
        caught.value.message
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("it = lambda: 1", "defined by `def`"),
        ("from functools import partial\nit = partial(print)", "defined by `def`"),
        ("it = [].append", "defined by `def`"),
        ("it = print", "defined by `def`"),
        ("it = Counter", "defined by `def`"),
        ("def it():\n    yield 1", "generator"),
        ("def it(名字: str): ...", "'名字' cannot be given"),
        ("def it(tool_name: str): ...", "'tool_name' cannot be given"),
        ("from datetime import timedelta\ndef it(d: timedelta): ...", "read in the notebook only"),
        (
            "from vcplab.plugins.functions import ToolContext\ndef it(c: ToolContext): ...",
            "takes a ToolContext",
        ),
    ],
)
def test_what_is_no_plugin(cell: Cell, tmp_path: Path, text: str, told: str) -> None:
    names = cell(text)
    with pytest.raises(InvalidInputError, match=told):
        export_function(names["it"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_choices_that_look_like_names_are_choices(cell: Cell, tmp_path: Path) -> None:
    names = cell("""
busy = object()
def state(now: Literal["busy", "free"] = "free", *, then: "Literal['busy']" = "busy") -> "str":
    return now + then
""")
    assert call(export_function(names["state"], tmp_path), {"now": "busy"}) == "busybusy"


def test_a_tool_object_is_its_function(cell: Cell, tmp_path: Path) -> None:
    names = cell("""
class Tool:
    def __init__(self, function):
        self.function = function
    def __call__(self, *arguments):
        return self.function(*arguments)
class other:
    tool = Tool
@other.tool
def inner(n):
    return int(n) + 1
@other.tool
def outer(n: int):
    return inner(n)
""")
    folder = export_function(names["outer"], tmp_path)
    assert call(folder, {"n": "1"}) == names["outer"](1) == 2
    assert "Tool" not in script(folder)


def test_a_function_of_a_module(tmp_path: Path) -> None:
    folder = export_function(shorten, tmp_path, name="Shorten")
    assert call(folder, {"text": "abcdef"}) == shorten("abcdef") == "abc…"


LIMIT = 3


def _end() -> str:
    return "…"


def shorten(text: str) -> str:
    """Shorten a text."""
    return text[:LIMIT] + _end()


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shorten").mkdir()
    (tmp_path / "shorten" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(StateError, match="not empty"):
        export_function(shorten, tmp_path)
    assert [path.name for path in (tmp_path / "shorten").iterdir()] == ["mine.txt"]
    with pytest.raises(InvalidInputError, match="letters, digits"):
        export_function(shorten, tmp_path, name="../up")
    with pytest.raises(InvalidInputError, match="cannot take 0 seconds"):
        export_function(shorten, tmp_path, name="other", timeout=0)


def test_the_copied_module_is_the_sdks(tmp_path: Path) -> None:
    from vcplab.sdk import stdio

    folder = export_function(shorten, tmp_path)
    assert (folder / "vcp_stdio.py").read_text(encoding="utf-8") == inspect.getsource(stdio)
