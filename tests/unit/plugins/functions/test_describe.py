"""What a function tells of itself: names, parameters, kinds of callables, manifests."""

from __future__ import annotations

import enum
import functools
import gc
import inspect
import json
import subprocess
import sys
import textwrap
import types
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import Field

from vcplab.core.errors import InvalidInputError
from vcplab.plugins.functions import FunctionSpec, ToolContext, describe_function
from vcplab.plugins.parameters import Parameter
from vcplab.protocol.requests import VCPProtocolParser

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTheTypeChecker


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


@dataclass
class Point:
    x: int


def roll(
    notation: str, times: Annotated[int, Field(ge=1)] = 1, *, colour: Colour = Colour.RED
) -> int:
    """Roll dice.

    The tray is drawn as well.

    Args:
        notation: What to roll, e.g. 2d6.
        times: How often.

    Returns:
        The sum.
    """
    return len(notation) * times


def test_a_function_tells_of_itself() -> None:
    spec = describe_function(roll)
    assert (spec.name, spec.returns) == ("roll", "The sum.")
    assert spec.description == "Roll dice.\n\nThe tray is drawn as well."
    assert (spec.is_async, spec.takes_context, spec.extra, spec.notes) == (False, False, False, ())
    notation, times, colour = spec.parameters
    assert notation == Parameter(
        "notation", "What to roll, e.g. 2d6.", "string", required=True, schema={"type": "string"}
    )
    assert (times.type, times.required, times.has_default, times.default) == (
        "integer",
        False,
        True,
        1,
    )
    assert times.schema == {"type": "integer", "minimum": 1}
    assert (colour.type, colour.default, colour.choices) == ("string", "r", ("r", "b"))
    json.dumps([dict(parameter.schema or {}) for parameter in spec.parameters])


@pytest.mark.parametrize(
    ("hint", "kind", "choices"),
    [
        (str, "string", ()),
        (int, "integer", ()),
        (float, "number", ()),
        (int | float, "number", ()),
        (bool, "boolean", ()),
        (list[int], "array", ()),
        (tuple[int, str], "array", ()),
        (dict[str, int], "object", ()),
        (Point, "object", ()),
        (Point | None, "object", ()),
        (int | None, "integer", ()),
        (int | str, "any", ()),
        (date, "string", ()),
        (Path, "string", ()),
        (Literal["a", "b"], "string", ("a", "b")),
        (Literal["a", "b"] | None, "string", ("a", "b")),
        (Literal["a", 1], "any", ("a", 1)),
        (Colour, "string", ("r", "b")),
        (Any, "any", ()),
        (inspect.Parameter.empty, "any", ()),
        (Callable[[int], int], "any", ()),
    ],
)
def test_types_and_choices(hint: Any, kind: str, choices: tuple[Any, ...]) -> None:
    def tool(value: Any) -> None: ...

    if hint is inspect.Parameter.empty:
        del tool.__annotations__["value"]
    else:
        tool.__annotations__["value"] = hint
    spec = describe_function(tool)
    assert (spec.parameters[0].type, spec.parameters[0].choices) == (kind, choices)
    assert spec.notes == ()


def test_defaults_are_jsonable() -> None:
    marker = object()

    def tool(
        day: date = date(2025, 1, 31),
        nothing: Any = None,
        odd: Any = marker,
        point: Point = Point(1),  # noqa: B008
        raw: bytes = b"\xff",
    ) -> None: ...

    spec = describe_function(tool)
    values = {parameter.name: parameter.default for parameter in spec.parameters}
    assert values["day"] == "2025-01-31"
    assert values["point"] == {"x": 1}
    assert all(parameter.has_default for parameter in spec.parameters)
    json.dumps(values)
    # Callers see the real ones.
    assert spec.signature().parameters["odd"].default is marker


def test_name_and_description_can_be_given() -> None:
    spec = describe_function(roll, name="SuperDice", description=" Rolls. ")
    assert (spec.name, spec.description, spec.returns) == ("SuperDice", "Rolls.", "The sum.")
    with pytest.raises(InvalidInputError, match="SuperDice cannot be called") as caught:
        spec.bind({})
    assert caught.value.where == "SuperDice.notation"


def test_descriptions_come_from_annotated_where_the_docstring_has_none() -> None:
    def tool(a: Annotated[int, Field(description="An  a.")], b: Annotated[str, "no words"]) -> None:
        """Do.

        Args:
            b: A b.
        """

    spec = describe_function(tool)
    assert [parameter.description for parameter in spec.parameters] == ["An a.", "A b."]


def test_the_signature_for_callers() -> None:
    def tool(text: str, about: ToolContext, n: int = 2, **more: int) -> list[str]: ...

    signature = describe_function(tool).signature()
    assert str(signature) == "(*, text: str, n: int = 2, **more: int) -> list[str]"
    assert signature.bind(text="a").arguments == {"text": "a"}
    assert str(describe_function(roll).signature()).startswith("(*, notation: str, times: int = 1")


# --- hints ---------------------------------------------------------------------------------------


def test_hints_are_looked_up_in_the_globals_of_the_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = types.ModuleType("somewhere")
    monkeypatch.setitem(sys.modules, "somewhere", module)  # dataclasses look there
    source = """
        from __future__ import annotations
        from dataclasses import dataclass
        def tool(point: Local | None, many: list["Local"] = []) -> Local: ...
        @dataclass
        class Local:
            x: int
    """
    exec(textwrap.dedent(source), vars(module))
    spec = describe_function(module.tool)
    assert spec.notes == ()
    got = spec.bind({"point": '{"x": "1"}', "many": '[{"x": 2}]'})
    assert got == {"point": module.Local(1), "many": [module.Local(2)]}
    assert spec.signature().return_annotation is module.Local


def test_hints_may_be_what_the_function_encloses() -> None:
    class Inner(enum.Enum):
        A = "a"

    def tool(value: Inner) -> Any:
        return Inner

    assert describe_function(tool).bind({"value": "A"}) == {"value": Inner.A}


def test_a_hint_that_cannot_be_resolved_lets_everything_pass() -> None:
    def tool(value: OnlyForTheTypeChecker, n: int, odd: "1 +") -> Missing: ...  # type: ignore  # noqa

    spec = describe_function(tool)
    assert [parameter.type for parameter in spec.parameters] == ["any", "integer", "any"]
    assert spec.bind({"value": "5", "n": "5", "odd": "x"}) == {"value": "5", "n": 5, "odd": "x"}
    assert [note.partition(":")[0] for note in spec.notes] == ["value", "odd", "return"]
    assert "OnlyForTheTypeChecker" in spec.notes[0]
    assert "Missing" in str(spec.signature())


def test_a_hint_that_is_no_type_lets_everything_pass() -> None:
    def tool(value: Any) -> None: ...

    tool.__annotations__["value"] = 5
    spec = describe_function(tool)
    assert spec.bind({"value": "x"}) == {"value": "x"}
    assert len(spec.notes) == 1


def test_names_that_no_request_can_carry_are_noted() -> None:
    def tool(文本: str, archery: bool = False, plain: int = 1) -> None: ...

    spec = describe_function(tool)
    assert [note.partition(":")[0] for note in spec.notes] == ["文本", "archery"]
    assert spec.bind({"文本": "a", "archery": "yes"}) == {"文本": "a", "archery": True}
    example = spec.manifest()["capabilities"]["invocationCommands"][0]["example"]
    assert "文本" not in example


# --- kinds of callables --------------------------------------------------------------------------


async def slow(text: str) -> str:
    """Slowly."""
    return text


class Shouter:
    """Says it louder."""

    def __call__(self, text: str, times: int = 1) -> str:
        return text.upper() * times

    def shout(self, text: str) -> str:
        """Shout it."""
        return text.upper()

    async def ashout(self, text: str) -> str:
        return text.upper()

    @classmethod
    def make(cls, text: str) -> str:
        return text

    @staticmethod
    def plain(text: str) -> str:
        return text


class AsyncShouter:
    async def __call__(self, text: str) -> str:
        """Louder."""
        return text.upper()


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@traced
@traced
def decorated(point: Point) -> None:
    """Decorated."""


@pytest.mark.parametrize(
    ("function", "name", "description", "is_async"),
    [
        (slow, "slow", "Slowly.", True),
        (Shouter(), "Shouter", "Says it louder.", False),
        (Shouter().shout, "shout", "Shout it.", False),
        (Shouter().ashout, "ashout", "", True),
        (Shouter.make, "make", "", False),
        (Shouter.plain, "plain", "", False),
        (AsyncShouter(), "AsyncShouter", "Louder.", True),
        (functools.partial(Shouter()), "Shouter", "Says it louder.", False),
        (functools.partial(slow), "slow", "Slowly.", True),
        (functools.partial(AsyncShouter()), "AsyncShouter", "Louder.", True),
    ],
)
def test_kinds_of_callables(
    function: Callable[..., Any], name: str, description: str, is_async: bool
) -> None:
    spec = describe_function(function)
    assert (spec.name, spec.description, spec.is_async) == (name, description, is_async)
    answer = function(**spec.bind({"TEXT": "a"}))
    assert inspect.isawaitable(answer) is is_async
    if isinstance(answer, Awaitable):
        answer.close()  # type: ignore[attr-defined]


def test_a_partial_has_what_is_left() -> None:
    spec = describe_function(functools.partial(roll, "2d6", times=4))
    assert spec.name == "roll"
    assert [(p.name, p.default) for p in spec.parameters] == [("times", 4), ("colour", "r")]
    assert spec.bind({"times": "2"}) == {"times": 2}
    again = describe_function(functools.partial(functools.partial(roll, times=4), notation="1d6"))
    assert [p.required for p in again.parameters] == [False, False, False]


def test_a_decorated_function_keeps_its_hints() -> None:
    spec = describe_function(decorated)
    assert (spec.name, spec.description) == ("decorated", "Decorated.")
    assert spec.bind({"point": '{"x": 1}'}) == {"point": Point(1)}


def test_a_class_is_called_like_a_function() -> None:
    assert describe_function(Point).bind({"x": "1"}) == {"x": 1}


@pytest.mark.parametrize(
    ("source", "message", "where"),
    [
        ("def f(a, /): ...", r"takes a by position only", "f.a"),
        ("def f(*all): ...", r"takes \*all; tools are called by names", "f.all"),
        ("f = len", r"takes obj by position only", "len.obj"),
        ("f = 5", r"made of a function, not of int", "function"),
        ("f = lambda x: x", r"A lambda has no name", "name"),
        ("f = {}.update", r"The parameters of update cannot be found out", "update"),
        (
            "from pydantic import Field\ndef f(a: int = Field(5)): ...",
            r"default of a is a Field",
            "f.a",
        ),
    ],
)
def test_what_cannot_be_a_tool(source: str, message: str, where: str) -> None:
    space: dict[str, Any] = {}
    exec(source, space)
    with pytest.raises(InvalidInputError, match=message) as caught:
        describe_function(space["f"])
    assert caught.value.where == where
    assert caught.value.next_step


@pytest.mark.parametrize("name", ["", " a", "a\nb", "\x00", 5])
def test_what_cannot_be_a_name(name: Any) -> None:
    with pytest.raises(InvalidInputError, match="cannot be the name of a tool"):
        describe_function(roll, name=name)


def test_a_lambda_with_a_name() -> None:
    assert describe_function(lambda text: text, name="same").bind({"text": 5}) == {"text": 5}


# --- manifests -----------------------------------------------------------------------------------


def test_the_manifest_has_upstreams_shape() -> None:
    manifest = describe_function(roll, name="Dice").manifest(timeout=2.5, author="me")
    [command] = manifest["capabilities"].pop("invocationCommands")
    assert manifest == {
        "manifestVersion": "1.0.0",
        "name": "Dice",
        "displayName": "Dice",
        "version": "0.1.0",
        "description": "Roll dice.",
        "author": "me",
        "pluginType": "synchronous",
        "entryPoint": {"type": "python", "command": "python main.py"},
        "communication": {"protocol": "stdio", "timeout": 2500},
        "configSchema": {},
        "capabilities": {},
    }
    assert command == {
        "command": "Dice",
        "commandIdentifier": "Dice",
        "description": textwrap.dedent(
            """\
            Roll dice.

            The tray is drawn as well.

            Parameters:
            - notation (string, required): What to roll, e.g. 2d6.
            - times (integer, optional, default 1): How often.
            - colour (string, optional, one of r | b, default r)

            Returns: The sum."""
        ),
        "example": "<<<[TOOL_REQUEST]>>>\ntool_name:「始」Dice「末」,\nnotation:「始」text「末」\n"
        "<<<[END_TOOL_REQUEST]>>>",
    }
    json.dumps(manifest)


def test_the_example_of_a_manifest_is_a_call_that_fits() -> None:
    def tool(
        n: Annotated[int, Field(gt=2, lt=4)],
        word: Annotated[str, Field(min_length=6)],
        point: Point,
        when: date,
        colours: list[Colour],
        pair: tuple[int, bool],
        by: dict[str, float],
        anything: Any,
        share: Annotated[float, Field(gt=0, lt=1)],
        even: Annotated[int, Field(ge=3, multiple_of=2)],
    ) -> None: ...

    spec = describe_function(tool)
    example = spec.manifest()["capabilities"]["invocationCommands"][0]["example"]
    [request] = VCPProtocolParser().parse_tool_requests(example)
    assert request.name == "tool"
    got = spec.bind(request.args)
    assert set(got) == {parameter.name for parameter in spec.parameters}
    assert got["n"] == 3
    assert got["colours"] == [Colour.RED]


def test_an_example_that_cannot_be_written_is_left_out() -> None:
    def tool(mark: Literal["<think>"]) -> None: ...

    example = describe_function(tool).manifest()["capabilities"]["invocationCommands"][0]["example"]
    assert [request.name for request in VCPProtocolParser().parse_tool_requests(example)] == [
        "tool"
    ]


# --- nothing is kept -----------------------------------------------------------------------------


def test_nothing_keeps_the_function_alive() -> None:
    def build() -> tuple[FunctionSpec, weakref.ref[Any], weakref.ref[Any]]:
        space: dict[str, Any] = {"Point": Point, "Annotated": Annotated, "Field": Field}
        exec(
            "class Own:\n    def __init__(self, x: int): ...\n"
            "def tool(p: Point, own: Own, n: Annotated[int, Field(ge=1)] = 1, x: 'Point' = None):\n"
            "    'Doc.'\n",
            space,
        )
        function = space.pop("tool")
        spec = describe_function(function)
        spec.bind({"p": '{"x": 1}', "own": space["Own"](1), "N": "2"})
        with pytest.raises(InvalidInputError):
            spec.bind({"p": "x"})
        spec.manifest()
        return spec, weakref.ref(function), weakref.ref(space["Own"])

    spec, function, own = build()
    gc.collect()
    assert function() is None
    assert own() is not None  # the hint is needed
    del spec
    gc.collect()
    assert own() is None


def test_the_same_name_described_again_is_another_spec() -> None:
    def one() -> Callable[..., Any]:
        def tool(a: int) -> None: ...

        return tool

    def two() -> Callable[..., Any]:
        def tool(b: str = "x") -> None: ...

        return tool

    assert describe_function(one()).bind({"a": "1"}) == {"a": 1}
    assert describe_function(two()).bind({"b": "1"}) == {"b": "1"}
    with pytest.raises(InvalidInputError):
        describe_function(two()).bind({"a": "1"})


def test_importing_the_room_loads_nothing_heavy() -> None:
    code = (
        "import sys, vcplab.plugins.functions, vcplab.magics\n"
        "heavy = {'IPython', 'docstring_parser', 'pandas', 'ipywidgets'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
