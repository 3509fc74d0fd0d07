"""%%vcp_tool in a real shell: which function, which lab, awaiting, errors, source."""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from vcplab import magics
from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.lab.lab import Lab
from vcplab.magics import vcp_tool


class FakeLab(Lab):
    """Keeps what it is given; has no folder."""

    def __init__(self) -> None:
        self.made: list[tuple[Any, dict[str, Any]]] = []

    def tool(self, function: Any, **options: Any) -> Any:
        self.made.append((function, options))
        return function

    def __repr__(self) -> str:
        return "<FakeLab>"


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance()
    made.history_manager.enabled = False
    made.run_line_magic("load_ext", "vcplab.magics")
    yield made
    made.run_line_magic("unload_ext", "vcplab.magics")
    made.history_manager.end_session()
    made.reset(new_session=False)
    InteractiveShell.clear_instance()


@pytest.fixture
def lab(shell: InteractiveShell) -> FakeLab:
    made = FakeLab()
    shell.user_ns["lab"] = made
    return made


def run(shell: InteractiveShell, cell: str) -> Any:
    result = shell.run_cell(cell, store_history=False)
    result.raise_error()
    return result.result


SHOUT = (
    'def shout(text: str, times: int = 1) -> str:\n    "Say it louder."\n    return text.upper()\n'
)


def test_the_last_function_becomes_a_tool(
    shell: InteractiveShell, lab: FakeLab, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, f"%%vcp_tool\ndef helper(x):\n    return x\n{SHOUT}")
    [(function, options)] = lab.made
    assert function("a") == "A"
    assert options == {"name": "shout", "description": None, "timeout": None}
    assert capsys.readouterr().out == (
        "shout(*, text: str, times: int = 1) -> str is a tool of lab. "
        "Call it: lab.tools.shout(text=…, times=…)\n"
    )


def test_a_name_chooses_a_function_or_renames_the_last(
    shell: InteractiveShell, lab: FakeLab
) -> None:
    two = "def first() -> int:\n    return 1\ndef second() -> int:\n    return 2\n"
    run(shell, f"%%vcp_tool first\n{two}")
    run(shell, f"%%vcp_tool SuperDice\n{two}")
    run(shell, f"%%vcp_tool third\nimport functools\n{two}third = functools.partial(first)\n")
    told = [(function(), options["name"]) for function, options in lab.made]
    assert told == [(1, "first"), (2, "SuperDice"), (1, "third")]


def test_an_assigned_object_is_not_taken_for_the_last_function(
    shell: InteractiveShell, lab: FakeLab
) -> None:
    run(shell, f"%%vcp_tool\n{SHOUT}\nclass Callable:\n    pass\nother = print")
    assert lab.made[0][0].__name__ == "shout"


def test_a_function_inside_a_statement_counts_and_one_inside_a_function_does_not(
    shell: InteractiveShell, lab: FakeLab
) -> None:
    run(
        shell,
        "%%vcp_tool\ntry:\n    import absent_module\nexcept ImportError:\n    def outer():\n"
        "        def inner(): ...\n        return 1\n",
    )
    assert lab.made[0][0].__name__ == "outer"


def test_options_are_passed_on_as_they_are_written(shell: InteractiveShell, lab: FakeLab) -> None:
    shell.user_ns["x"] = "expanded"
    run(shell, f'%%vcp_tool --description "Costs $x {{x}}." --timeout 2.5 loud\n{SHOUT}')
    assert lab.made[0][1] == {"name": "loud", "description": "Costs $x {x}.", "timeout": 2.5}


def test_a_name_that_is_no_identifier_is_called_by_call(
    shell: InteractiveShell, lab: FakeLab, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, f'%%vcp_tool "big shout"\n{SHOUT}')
    assert (
        'Call it: lab.tools.call("big shout", {"text": …, "times": …})' in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("line", "make", "where"),
    [
        ("--lab mine", {"mine": FakeLab, "lab": FakeLab}, "mine"),
        ("", {"mine": FakeLab, "lab": FakeLab}, "lab"),
        ("", {"mine": FakeLab}, "mine"),
        ("", {"mine": FakeLab, "lab": str, "_1": FakeLab}, "mine"),
    ],
)
def test_which_lab(shell: InteractiveShell, line: str, make: dict[str, Any], where: str) -> None:
    shell.user_ns.update({name: kind() for name, kind in make.items()})
    run(shell, f"%%vcp_tool {line}\n{SHOUT}")
    made = {n: len(v.made) for n, v in shell.user_ns.items() if isinstance(v, FakeLab)}
    assert made == {n: int(n == where) for n, kind in make.items() if kind is FakeLab}


def test_two_names_of_one_lab_are_one(shell: InteractiveShell) -> None:
    shell.user_ns["a"] = shell.user_ns["b"] = made = FakeLab()
    run(shell, f"%%vcp_tool\n{SHOUT}")
    assert len(made.made) == 1


@pytest.mark.parametrize(
    ("line", "space", "error", "message"),
    [
        ("", {}, NotFoundError, r'no lab .* Next: make one first: .*lab = vl.Lab\("my-lab"\)'),
        ("--lab x", {}, NotFoundError, r"x does not exist.* x = vl.Lab"),
        ("--lab x", {"x": 5}, NotFoundError, r"variable x is no lab"),
        ("", {"a": 0, "b": 0}, InvalidInputError, r"several labs: a, b.* --lab a"),
        ("--timeout -1", {"lab": 0}, InvalidInputError, r"seconds above 0, not -1"),
        ("--timeout nan", {"lab": 0}, InvalidInputError, r"seconds above 0, not nan"),
        ('--description "open', {"lab": 0}, InvalidInputError, r"cannot be read: No closing"),
        ("--timeout soon", {"lab": 0}, UsageError, r"invalid float value"),
        ("--colour red", {"lab": 0}, UsageError, r"unrecognized arguments"),
    ],
)
def test_what_cannot_be_made_is_an_error_of_the_cell(
    shell: InteractiveShell, line: str, space: dict[str, Any], error: type, message: str
) -> None:
    shell.user_ns.update(
        {name: FakeLab() if value == 0 else value for name, value in space.items()}
    )
    with pytest.raises(error, match=message):
        run(shell, f"%%vcp_tool {line}\n{SHOUT}")
    assert not any(v.made for v in shell.user_ns.values() if isinstance(v, FakeLab))


@pytest.mark.parametrize("body", ["x = 1\n", "", "class Thing: ...\n"])
def test_a_cell_without_a_function(shell: InteractiveShell, lab: FakeLab, body: str) -> None:
    with pytest.raises(NotFoundError, match="defines no function"):
        run(shell, f"%%vcp_tool\n{body}")


def test_a_function_that_cannot_be_a_tool(shell: InteractiveShell, lab: FakeLab) -> None:
    with pytest.raises(InvalidInputError, match=r"takes \*all"):
        run(shell, "%%vcp_tool\ndef bad(*all): ...\n")
    assert lab.made == []


def test_awaiting_at_top_level_works(shell: InteractiveShell, lab: FakeLab) -> None:
    run(
        shell,
        "%%vcp_tool\nimport asyncio\nawait asyncio.sleep(0)\nasync def slow() -> int:\n"
        "    await asyncio.sleep(0)\n    return 7\n",
    )
    assert inspect.iscoroutinefunction(lab.made[0][0])
    # In a kernel the cell runs inside a loop that is already running.
    cell = "%%vcp_tool again\nimport asyncio\nnow = await asyncio.sleep(0, 5)\ndef again(): ...\n"

    async def as_a_kernel() -> Any:
        return await shell.run_cell_async(
            cell, transformed_cell=shell.transform_cell(cell), store_history=False
        )

    asyncio.run(as_a_kernel()).raise_error()
    assert shell.user_ns["now"] == 5
    assert lab.made[-1][1]["name"] == "again"


def test_the_last_expression_is_shown_and_may_use_the_tool(
    shell: InteractiveShell, lab: FakeLab
) -> None:
    assert run(shell, f"%%vcp_tool\n{SHOUT}\nlen(lab.made), shout('é'); '后', len(lab.made)") == (
        "后",
        1,
    )
    assert run(shell, f"%%vcp_tool\n{SHOUT}\n(\n 'two',\n len(lab.made)\n)\n") == ("two", 2)


def test_errors_name_the_lines_of_the_cell(shell: InteractiveShell, lab: FakeLab) -> None:
    result = shell.run_cell("%%vcp_tool\ndef f(): ...\n1 / 0\n", store_history=False)
    assert isinstance(result.error_in_exec, ZeroDivisionError)
    trace = result.error_in_exec.__traceback__
    lines = []
    while trace is not None:
        lines.append(trace.tb_lineno)
        trace = trace.tb_next
    assert lines[-1] == 3
    with pytest.raises(SyntaxError) as caught:
        run(shell, "%%vcp_tool\ndef f(:\n")
    assert caught.value.lineno == 2


def test_an_error_before_the_end_makes_no_tool(shell: InteractiveShell, lab: FakeLab) -> None:
    with pytest.raises(ZeroDivisionError):
        run(shell, "%%vcp_tool\ndef f(): ...\nx = 1 / 0\n")
    assert lab.made == []


def test_the_source_of_the_function_is_known(shell: InteractiveShell, lab: FakeLab) -> None:
    run(shell, f"%%vcp_tool\n{SHOUT}")
    assert inspect.getsource(lab.made[0][0]) == SHOUT


def test_future_imports_and_ipython_syntax_may_be_in_the_cell(
    shell: InteractiveShell, lab: FakeLab
) -> None:
    run(shell, "%%vcp_tool\nfrom __future__ import annotations\ndef f(x: Later) -> int: ...\n")
    run(shell, "%%vcp_tool\ndef g(): ...\nplace = %pwd\n%pwd")
    assert [options["name"] for _, options in lab.made] == ["f", "g"]


def test_running_the_cell_again_hands_over_the_new_function(
    shell: InteractiveShell, lab: FakeLab
) -> None:
    run(shell, "%%vcp_tool\ndef f(): return 1\n")
    run(shell, "%%vcp_tool\ndef f(): return 2\n")
    assert [function() for function, _ in lab.made] == [1, 2]


def test_called_by_code_and_as_a_line(shell: InteractiveShell, lab: FakeLab) -> None:
    shell.run_cell_magic("vcp_tool", "loud", SHOUT)
    run(shell, f"{SHOUT}\n%vcp_tool")
    run(shell, "%vcp_tool shout")
    assert [options["name"] for _, options in lab.made] == ["loud", "shout", "shout"]
    with pytest.raises(ZeroDivisionError):
        shell.run_cell_magic("vcp_tool", "", "def f(): ...\nx = 1 / 0")


def test_other_cells_are_left_alone() -> None:
    for cell in ("x = 1\n", "%%vcp_tools\n", "%%vcp_tool?\n", "x\n%%vcp_tool\n", ""):
        lines = cell.splitlines(keepends=True)
        assert vcp_tool._transformed(list(lines)) == lines


def test_a_transformed_cell_keeps_its_lines() -> None:
    lines = ["%%vcp_tool a 'b'\n", "def f(): ...\n", "x = '''\n", "'''; f(\n", ")"]
    changed = vcp_tool._transformed(list(lines))
    assert len(changed) == len(lines)
    ast.parse("".join(changed))
    assert changed[1] == lines[1]


def test_loading_twice_and_unloading(shell: InteractiveShell) -> None:
    magics.load_ipython_extension(shell)
    assert shell.input_transformers_cleanup.count(vcp_tool._transformed) == 1
    magics.unload_ipython_extension(shell)
    assert vcp_tool._transformed not in shell.input_transformers_cleanup
    assert shell.find_cell_magic("vcp_tool") is None
    assert shell.find_line_magic("vcp_tool") is None
    magics.unload_ipython_extension(shell)
    magics.load_ipython_extension(shell)
