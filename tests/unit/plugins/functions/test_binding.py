# ruff: noqa: UP006, UP007, UP045 — the old spellings of hints are tested too
"""Texts and values become arguments: every hint, every spelling, every error."""

from __future__ import annotations

import enum
import math
import time
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, Union
from uuid import UUID

import pytest
import typing_extensions
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, Field, RootModel

from vcplab.core.errors import InvalidInputError, VCPErrorCode
from vcplab.plugins.functions import ToolContext, describe_function
from vcplab.plugins.functions._texts import as_text


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"
    r = "RED"  # a name that is another's value: values win


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Way(enum.StrEnum):
    UP = "up"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass
class Point:
    x: int
    y: float = 0.0


class Box(BaseModel):
    low: Point
    tags: list[str] = []


class Names(RootModel[list[str]]):
    pass


class Entry(typing.TypedDict, total=False):
    title: typing.Required[str]
    colour: Colour


class Late(typing_extensions.TypedDict):
    day: date


class Pair(NamedTuple):
    a: int
    b: str


class Unknown:
    """A class that cannot be made from a text."""


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]
    age: int


Metres = NewType("Metres", float)
Free = typing.TypeVar("Free")
Comma = Annotated[list[str], BeforeValidator(lambda v: v.split(",") if isinstance(v, str) else v)]
UNKNOWN = Unknown()
HEX = "12345678-1234-4234-8234-123456789abc"


def bound(hint: Any, given: Any, **default: Any) -> Any:
    def tool(value: Any) -> None: ...

    tool.__annotations__ = {"value": hint}
    if default:
        tool.__defaults__ = (default["default"],)
    return describe_function(tool).bind({"value": given})["value"]


ACCEPTED: list[tuple[Any, Any, Any]] = [
    # numbers
    (int, "5", 5),
    (int, " -5 ", -5),
    (int, "5.0", 5),
    (int, 5, 5),
    (int, 5.0, 5),
    (float, "2.5", 2.5),
    (float, "1e3", 1000.0),
    (float, 3, 3.0),
    (complex, "1+2j", 1 + 2j),
    (Decimal, "0.10", Decimal("0.10")),
    (Metres, "2.5", 2.5),
    # truth
    *((bool, word, True) for word in ("true", "True", "YES", "yes", "1", "On", " on ")),
    *((bool, word, False) for word in ("false", "FALSE", "no", "No", "0", "off")),
    (bool, True, True),
    (bool, 1, True),
    # text
    (str, "5", "5"),
    (str, "null", "null"),
    (str, "", ""),
    (str, "  as it is\n", "  as it is\n"),
    (str, "\ud800", "\ud800"),
    (str, 5, "5"),
    (str, 1.5, "1.5"),
    (str, Decimal("1.50"), "1.50"),
    (str, Way.UP, Way.UP),
    (Annotated[str, "a remark"], "\ud800", "\ud800"),
    (Annotated[str, Field(max_length=3)], "abc", "abc"),
    (Annotated[str, Field(max_length=3)], 12, "12"),
    # collections
    (list, "[1, \"a\"]", [1, "a"]),
    (list[int], "[1, \"2\"]", [1, 2]),
    (list[int], (1, "2"), [1, 2]),
    (dict[str, int], '{"a": 1}', {"a": 1}),
    (dict[int, list[bool]], '{"1": [true]}', {1: [True]}),
    (dict, "{}", {}),
    (tuple[int, str], '[1, "a"]', (1, "a")),
    (tuple[int, ...], "[]", ()),
    (set[int], "[1, 1]", {1}),
    (frozenset[str], '["a"]', frozenset({"a"})),
    (Sequence[int], "[1]", [1]),
    (Iterable[int], "[1, 2]", [1, 2]),
    (Iterable[int], iter((1, 2)), [1, 2]),
    (Mapping[str, Path], '{"a": "b"}', {"a": Path("b")}),
    (typing.List[typing.Dict[str, float]], '[{"a": 1}]', [{"a": 1.0}]),
    (list[Colour], '["r", "BLUE"]', [Colour.RED, Colour.BLUE]),
    (dict[str, list[date]], '{"a": ["20250131"]}', {"a": [date(2025, 1, 31)]}),
    (Comma, "a,b", ["a", "b"]),
    (Comma, '["a,b"]', ["a,b"]),
    # objects
    (Point, '{"x": "1"}', Point(1)),
    (Point, {"x": 1, "y": 2}, Point(1, 2.0)),
    (Point, Point(3), Point(3)),
    (Box, '{"low": {"x": 1}, "tags": ["a"]}', Box(low=Point(1), tags=["a"])),
    (Names, '["a"]', Names(["a"])),
    (Entry, '{"title": "a", "colour": "BLUE"}', {"title": "a", "colour": Colour.BLUE}),
    (Entry, {"title": "a"}, {"title": "a"}),
    (Late, '{"day": "2025-01-31"}', {"day": date(2025, 1, 31)}),
    (list[Entry], '[{"title": "a"}]', [{"title": "a"}]),
    (Pair, '[1, "b"]', Pair(1, "b")),
    (Unknown, UNKNOWN, UNKNOWN),
    # None and unions
    *((Optional[int], word, None) for word in ("", "null", "None", " NULL ")),
    (Optional[int], "5", 5),
    (Optional[int], None, None),
    (Optional[str], "null", "null"),
    (Optional[str], "", ""),
    (Optional[str], None, None),
    (str | None, 5, "5"),
    (Optional[list[int]], "null", None),
    (Optional[list[int]], "[1]", [1]),
    (None, "null", None),
    (int | str, "5", "5"),
    (int | str, 5, 5),
    (int | float, "5", 5),
    (float | int, "5", 5),
    (int | float, "5.0", 5.0),
    (bool | int, "1", 1),
    (bool | int, "yes", True),
    (int | list[int], "[1]", [1]),
    (bytes | int, "5", 5),
    (Path | int | None, "x", Path("x")),
    (date | None, "2025-01-31", date(2025, 1, 31)),
    (str | Colour, "r", "r"),
    (str | Colour, Colour.RED, Colour.RED),
    (Annotated[str, Field(min_length=2)] | Colour, "r", Colour.RED),
    (Annotated[str, Field(min_length=2)] | Colour, "green", "green"),
    (Annotated[str, Field(max_length=4)] | None, "null", "null"),
    (Literal["all"] | int, "all", "all"),
    (Literal["null"] | int | None, "null", "null"),
    (Annotated[int | None, Field(ge=1)], "2", 2),
    (list[int] | dict[str, int], '{"a": 1}', {"a": 1}),
    (Annotated[Cat | Dog, Field(discriminator="kind")], '{"kind": "dog", "age": 1}',
     Dog(kind="dog", age=1)),
    # choices
    (Literal["a", "b"], "a", "a"),
    (Literal[1, "1"], "1", "1"),
    (Literal[1, 2], "2", 2),
    (Literal[1, 2], 2, 2),
    (Literal[True, "x"], "yes", True),
    (Literal[None, 1], "null", None),
    (Literal[Colour.RED, "x"], "RED", Colour.RED),
    (Colour, "b", Colour.BLUE),
    (Colour, "BLUE", Colour.BLUE),
    (Colour, "RED", Colour.r),
    (Colour, Colour.RED, Colour.RED),
    (Level, "2", Level.HIGH),
    (Level, "HIGH", Level.HIGH),
    (Level, 1, Level.LOW),
    (Way, "UP", Way.UP),
    (Rights, "3", Rights.READ | Rights.WRITE),
    # the rest
    (date, "2025-01-31", date(2025, 1, 31)),
    (date, "20250131", date(2025, 1, 31)),
    (datetime, "2025-01-31T12:00:00", datetime(2025, 1, 31, 12)),
    (datetime, "2025-01-31 12:00", datetime(2025, 1, 31, 12)),
    (timedelta, "PT1H", timedelta(hours=1)),
    (Path, "a/b", Path("a/b")),
    (UUID, HEX, UUID(HEX)),
    (bytes, "é", "é".encode()),
    (Any, "5", "5"),
    (Any, UNKNOWN, UNKNOWN),
    (object, "5", "5"),
    (Free, "5", "5"),
    ("int", "5", 5),
    ("list['Point']", '[{"x": 1}]', [Point(1)]),
    (list["Point"], '[{"x": 1}]', [Point(1)]),
    (Annotated[int, Field(ge=1, le=6)], "6", 6),
    (Annotated[list[int], Field(max_length=1)], "[1]", [1]),
    (Annotated[bool, Field(description="yes?")], "on", True),
]  # fmt: skip


@pytest.mark.parametrize(("hint", "given_", "value"), ACCEPTED)
def test_what_a_hint_makes_of_it(hint: Any, given_: Any, value: Any) -> None:
    got = bound(hint, given_)
    assert got == value
    assert type(got) is type(value)


REFUSED: list[tuple[Any, Any, str]] = [
    (int, "five", r"value was given 'five'; a whole number is expected\."),
    (int, "5.5", r"'5.5'; a whole number is expected"),
    (int, "", r"given ''; a whole number"),
    (int, None, r"given None \(NoneType\); a whole number"),
    (float, "1,5", r"'1,5'; a number is expected"),
    (bool, "maybe", r"'maybe'; true or false is expected"),
    (bool, "t", r"'t'; true or false"),
    (bool, 2, r"2 \(int\); true or false"),
    (str, True, r"True \(bool\); text is expected"),
    (str, math.nan, r"nan \(float\); text"),
    (str, b"a", r"b'a' \(bytes\); text"),
    (str, ["a"], r"\['a'\] \(list\); text"),
    (str, None, r"None \(NoneType\); text"),
    (str | None, b"a", r"b'a' \(bytes\); text or null"),
    (list[int], "1, 2", r"a JSON list \(each: a whole number\) is expected \(Invalid JSON"),
    (list[int], '[1, "x"]', r"\(\[1\] should be a valid integer"),
    (dict[str, int], "[]", r"a JSON object is expected"),
    (tuple[int, str], "[1]", r"a JSON list of a whole number, text is expected \(\[1\] Field req"),
    (Point, '{"y": 1}', r"a JSON object with x, y \(optional\) is expected \(x Field required\)"),
    (Point, "x", r"Invalid JSON"),
    (Box, '{"low": {"x": "q"}}', r"\(low\.x should be a valid integer"),
    (Entry, '{"colour": "r"}', r"with title, colour \(optional\) is expected \(title Field req"),
    (Annotated[str, Field(max_length=3)] | None, "long", r"text, at most 3 characters or null"),
    (Optional[int], "x", r"'x'; a whole number or null is expected\."),
    (int | float | bool, "x", r"a whole number or a number or true or false is expected"),
    (Literal["a", 1], "c", r"'c'; one of: a, 1 is expected"),
    (Colour, "green", r"'green'; one of: r, b, RED is expected"),
    (list[Literal["a"]], '["b"]', r"\(each: one of: a\) is expected"),
    (Level, "3", r"one of: 1, 2"),
    (date, "5", r"a date such as 2025-01-31 is expected \(a bare number is no date\)"),
    (date, "soon", r"a date such as"),
    (datetime, "1700000000", r"a bare number is no date"),
    (UUID, "x", r"a UUID is expected"),
    (Decimal, "x", r"a decimal number is expected"),
    (Unknown, "x", r"a value of the type Unknown is expected"),
    (Annotated[int, Field(ge=1, le=6)], "7", r"'7'; a whole number, from 1 to 6 is expected"),
    (Annotated[int, Field(gt=1)], "1", r"a whole number, greater than 1 is expected"),
    (Annotated[str, Field(min_length=3)], "ab", r"text, at least 3 characters is expected"),
    (Annotated[int | None, Field(ge=1)], "0", r"value was given '0'"),
    (int, "9" * 5000, r"given '9{59}…'; a whole number"),
]


@pytest.mark.parametrize(("hint", "given_", "message"), REFUSED)
def test_what_does_not_fit_is_told_in_plain_words(hint: Any, given_: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        bound(hint, given_)
    error = caught.value
    assert error.code is VCPErrorCode.INVALID_INPUT
    assert error.where == "tool.value"
    assert error.next_step
    assert error.__context__ is None
    assert len(str(error)) < 600


@pytest.mark.parametrize("hint", [hint for hint, _, _ in REFUSED if hint is not Unknown])
def test_the_example_in_an_error_is_accepted(hint: Any) -> None:
    with pytest.raises(InvalidInputError) as caught:
        bound(hint, Unknown())
    example = (
        (caught.value.next_step or "")
        .partition("value:「始」")[2]
        .removesuffix("」")
        .removesuffix("「末")
    )
    assert example
    bound(hint, example)


def test_a_default_of_none_allows_none() -> None:
    assert bound(int, "null", default=None) is None
    assert bound(int, None, default=None) is None
    assert bound("int", "5", default=None) == 5
    assert bound(Annotated[int, Field(ge=1)], "", default=None) is None


def test_a_validator_of_the_author_speaks() -> None:
    def even(value: int) -> int:
        if value % 2:
            raise ValueError("odd numbers are not rolled")
        return value

    from pydantic import AfterValidator

    with pytest.raises(InvalidInputError, match=r"\(odd numbers are not rolled\)"):
        bound(Annotated[int, AfterValidator(even)], "3")
    assert bound(Annotated[int, AfterValidator(even)], "4") == 4


def test_a_secret_is_not_repeated() -> None:
    def tool(api_key: Annotated[str, Field(max_length=3)], token: list[int]) -> None: ...

    with pytest.raises(InvalidInputError) as caught:
        describe_function(tool).bind({"api_key": "sesame-1", "token": '["sesame-2"]'})
    assert "sesame" not in str(caught.value) + repr(caught.value.details)


# --- names ---------------------------------------------------------------------------------------


def play(song_name: str, volume: int = 5) -> None: ...


PLAY = describe_function(play)


@pytest.mark.parametrize(
    "key", ["song_name", "songname", "songName", "SongName", "song-name", "Song Name"]
)
def test_a_name_may_be_spelt_differently(key: str) -> None:
    assert PLAY.bind({key: "a", "VOLUME": "3"}) == {"song_name": "a", "volume": 3}


def test_what_servers_add_is_dropped() -> None:
    added = {
        **dict.fromkeys(("maid", "MaidName", "valet"), "小克"),
        "river_context": [],
        "vref_files": [],
        "__vcp_timed_call": True,
        "command": "play",
        "Maid": "another spelling",
        "ink": "mark_history",
    }
    assert PLAY.bind({"song_name": "a", **added}) == {"song_name": "a"}

    def signed(maid: str, command: str = "", river_context: list[Any] | None = None) -> None: ...

    taken = {"maid": "小克", "command": "play", "river_context": []}
    assert describe_function(signed).bind(added) == taken


def test_one_parameter_under_two_names() -> None:
    assert PLAY.bind({"songName": "a", "song_name": "a"}) == {"song_name": "a"}
    with pytest.raises(
        InvalidInputError, match=r"song_name was given twice, as 'song_name' and as 'songName'"
    ):
        PLAY.bind({"songName": "b", "song_name": "a"})


def test_two_parameters_that_differ_in_spelling_alone() -> None:
    def tool(a_b: str = "", ab: str = "") -> None: ...

    spec = describe_function(tool)
    assert spec.bind({"ab": "1", "a_b": "2"}) == {"ab": "1", "a_b": "2"}
    with pytest.raises(InvalidInputError, match=r"'AB' may mean a_b or ab"):
        spec.bind({"AB": "1"})


@pytest.mark.parametrize(
    ("arguments", "message", "step"),
    [
        ({"song_name": "a", "volum": "3"}, "no parameter 'volum'", "did you mean volume"),
        (
            {"song_name": "a", "zzz": "3"},
            "no parameter 'zzz'",
            "the parameters are: song_name, volume",
        ),
        ({"song_name": "a", 5: "3"}, "no parameter '5'|no parameter 5", "song_name"),
        (
            {},
            "song_name is missing; text is expected",
            "give for example song_name:「始」text「末」",
        ),
    ],
)
def test_unknown_and_missing(arguments: dict[Any, Any], message: str, step: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        PLAY.bind(arguments)
    assert step in str(caught.value.next_step)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidInputError) as caught:
        PLAY.bind({"volume": "loud", "colour": "red"})
    error = caught.value
    assert error.message == (
        "play cannot be called like this: (1) volume was given 'loud'; a whole number is expected; "
        "(2) there is no parameter 'colour'; (3) song_name is missing; text is expected."
    )
    assert error.where == "play.volume, play.colour, play.song_name"
    assert [problem["parameter"] for problem in error.details["problems"]] == [
        "volume", "colour", "song_name"
    ]  # fmt: skip
    assert "volume:「始」3「末」, song_name:「始」text「末」" in str(error.next_step)


def test_a_tool_without_parameters() -> None:
    def now() -> str: ...

    spec = describe_function(now)
    assert spec.bind({}) == {}
    assert spec.bind({"maid": "x"}) == {}
    with pytest.raises(InvalidInputError, match="call it without arguments"):
        spec.bind({"x": 1})


@pytest.mark.parametrize("arguments", [None, [], "a", 5])
def test_arguments_are_a_mapping(arguments: Any) -> None:
    with pytest.raises(InvalidInputError, match="are a mapping, not"):
        PLAY.bind(arguments)


def test_other_mappings_and_the_given_one_is_left_alone() -> None:
    from types import MappingProxyType

    given_ = {"volume": "3", "SONG": "x", "song_name": "a"}
    with pytest.raises(InvalidInputError):
        PLAY.bind(given_)
    del given_["SONG"]
    assert PLAY.bind(MappingProxyType(given_)) == {"song_name": "a", "volume": 3}
    assert given_ == {"volume": "3", "song_name": "a"}


def test_further_arguments_by_name() -> None:
    def tool(text: str, **more: Any) -> None: ...

    def numbers(**more: int) -> None: ...

    spec = describe_function(tool)
    assert spec.extra
    assert spec.bind({"Text": "a", "x-y": 1, "maid": "m"}) == {"text": "a", "x-y": 1, "maid": "m"}
    assert describe_function(numbers).bind({"a": "1", "maid": "m"}) == {"a": 1}
    with pytest.raises(InvalidInputError, match="b was given 'x'; a whole number"):
        describe_function(numbers).bind({"b": "x"})


def test_the_context_is_filled_by_the_host() -> None:
    def tool(text: str, about: ToolContext) -> None: ...

    def relaxed(about: ToolContext | None = None, **more: Any) -> None: ...

    context = ToolContext("tool", "c1", "小克", "cell", print)
    spec = describe_function(tool)
    assert spec.takes_context
    assert [parameter.name for parameter in spec.parameters] == ["text"]
    assert "about" not in spec.signature().parameters
    assert spec.bind({"text": "a"}, context=context) == {"text": "a", "about": context}
    with pytest.raises(InvalidInputError, match="nothing was given for about"):
        spec.bind({"text": "a"})
    with pytest.raises(InvalidInputError, match="no parameter 'about'"):
        spec.bind({"text": "a", "about": "x"}, context=context)
    assert describe_function(relaxed).bind({}) == {}
    assert describe_function(relaxed).bind({}, context=context) == {"about": context}
    with pytest.raises(InvalidInputError, match="no parameter 'about'"):
        describe_function(relaxed).bind({"about": "x"})


# --- properties ----------------------------------------------------------------------------------

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_FLOATS = st.floats(allow_nan=False)
ROUND_TRIPS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-(10**40), 10**40)),
    (float, _FLOATS),
    (bool, st.booleans()),
    (str, st.text(max_size=12)),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (date, st.dates()),
    (datetime, st.datetimes()),
    (UUID, st.uuids()),
    (Path, _TEXT.map(Path)),
    (bytes, _TEXT.map(str.encode)),
    (Colour, st.sampled_from(Colour)),
    (Level, st.sampled_from(Level)),
    (Literal[1, "a", True, None], st.sampled_from([1, "a", True, None])),
    (Optional[int], st.none() | st.integers()),
    (Optional[bool], st.none() | st.booleans()),
    (int | float | None, st.none() | st.integers(-(2**50), 2**50) | _FLOATS),
    (bool | int, st.booleans() | st.integers()),
    (list[int], st.lists(st.integers(-(2**60), 2**60), max_size=4)),
    (dict[str, Any], st.dictionaries(_TEXT, _JSON, max_size=3)),
    (set[str], st.sets(_TEXT, max_size=4)),
    (tuple[int, str, bool], st.tuples(st.integers(-(2**60), 2**60), _TEXT, st.booleans())),
    (list[Optional[Colour]], st.lists(st.none() | st.sampled_from(Colour), max_size=4)),
    (Point, st.builds(Point, st.integers(-(2**60), 2**60), st.floats(-1e9, 1e9))),
    (dict[str, list[date]], st.dictionaries(_TEXT, st.lists(st.dates(), max_size=2), max_size=2)),
    (Union[int, list[int], None], st.none() | st.integers() | st.lists(st.integers(0, 9))),
]


@given(st.data())
@pytest.mark.parametrize(("hint", "values"), ROUND_TRIPS)
def test_a_value_written_as_text_comes_back(
    hint: Any, values: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    def tool(value: Any) -> None: ...

    tool.__annotations__ = {"value": hint}
    value = data.draw(values)
    got = describe_function(tool).bind({"value": as_text(value)})["value"]
    assert got == value
    assert describe_function(tool).bind({"value": value})["value"] == value


@given(st.dictionaries(_TEXT, _JSON, max_size=4))
def test_a_call_fits_or_is_an_error_of_ours(arguments: dict[str, Any]) -> None:
    try:
        got = PLAY.bind(arguments)
    except InvalidInputError:
        return
    assert type(got["song_name"]) is str
    assert type(got.get("volume", 0)) is int


# --- speed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        {"song_name": "a", "volume": "3"},
        {"song_name": "a", "volume": 3},
        {"songName": "a", "Volume": "3"},
    ],
)
def test_binding_two_plain_parameters_is_quick(arguments: dict[str, Any]) -> None:
    bind: Callable[[Mapping[str, Any]], dict[str, Any]] = PLAY.bind

    def once() -> float:
        start = time.perf_counter()
        for _ in range(500):
            bind(arguments)
        return (time.perf_counter() - start) / 500

    assert min(once() for _ in range(10)) < 60e-6  # others may be busy beside
