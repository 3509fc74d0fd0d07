"""Arguments against what is declared."""

from __future__ import annotations

from typing import Any

import pytest

from vcplab.core.errors import InvalidDataError, InvalidInputError
from vcplab.plugins.parameters import (
    Parameter,
    check_arguments,
    from_example,
    from_params,
    from_schema,
)

P = (
    Parameter("text", required=True),
    Parameter("count", type="integer"),
    Parameter("ratio", type="number"),
    Parameter("loud", type="boolean"),
    Parameter("items", type="array"),
    Parameter("options", type="object"),
    Parameter("mode", choices=("a", "b")),
)


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [
        ("count", "5", 5),
        ("count", " -7 ", -7),
        ("count", 5.0, 5),
        ("ratio", "0.5", 0.5),
        ("ratio", "2", 2),
        ("loud", "TRUE", True),
        ("loud", "no", False),
        ("loud", 1, True),
        ("items", "[1, 2]", [1, 2]),
        ("items", (1,), [1]),
        ("options", '{"a": 1}', {"a": 1}),
        ("text", 5, "5"),
        ("text", True, "true"),
        ("mode", "a", "a"),
    ],
)
def test_converted(name: str, given: Any, wanted: Any) -> None:
    checked = check_arguments(P, {"text": "x", name: given}, "T")
    assert checked[name] == wanted
    assert type(checked[name]) is type(wanted)


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("count", "five", "whole number"),
        ("count", True, "whole number"),
        ("count", 1.5, "whole number"),
        ("ratio", "x", "number"),
        ("loud", "perhaps", "true or false"),
        ("items", "{}", "list"),
        ("options", "[", "object"),
        ("mode", "c", "none of: a, b"),
        ("text", [1], "text"),
        ("text", None, "missing"),
    ],
)
def test_refused(name: str, given: Any, told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        check_arguments(P, {"text": "x", name: given}, "T")


def test_all_problems_at_once() -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_arguments(P, {"count": "x", "lout": "1"}, "Echo")
    text = str(caught.value)
    assert "Echo" in text
    assert "'count'" in text
    assert "did you mean 'loud'" in text
    assert "'text' is missing" in text


def test_what_servers_add_and_batches_pass() -> None:
    given = {"text": "x", "maid": "Nova", "command": "go", "river_context": []}
    assert check_arguments(P, given, "T") == given
    batch = {"command1": "a", "text1": "x", "count2": "3"}
    assert check_arguments(P, batch, "T") == {"command1": "a", "text1": "x", "count2": 3}


def test_nothing_declared_everything_passes() -> None:
    suggested = from_example("tool_name:「始」X「末」")
    assert suggested == ()
    text = "<<<[TOOL_REQUEST]>>>\ntool_name:「始」X「末」,a:「始」1「末」,maid:「始」N「末」\n" \
        "<<<[END_TOOL_REQUEST]>>>"  # fmt: skip
    suggested = from_example(text)
    assert [(p.name, p.declared) for p in suggested] == [("a", False)]
    assert check_arguments(suggested, {"other": 1}, "X") == {"other": 1}


def test_open_ended() -> None:
    assert check_arguments(P, {"text": "x", "more": 1}, "T", open_ended=True)["more"] == 1


def test_schema_and_params() -> None:
    read = from_schema(
        {
            "type": "object",
            "properties": {
                "a": {"type": ["integer", "null"], "description": "d"},
                "b": {"enum": [1, 2], "default": 1},
            },
            "required": ["a"],
        }
    )
    assert [(p.name, p.type, p.required, p.choices) for p in read] == [
        ("a", "integer", True, ()),
        ("b", "any", False, (1, 2)),
    ]
    assert read[0].to_schema() == {"type": ["integer", "null"], "description": "d"}
    (one,) = from_params([{"name": "x", "type": "int", "default": 3}])
    assert (one.type, one.has_default, one.default) == ("integer", True, 3)
    assert one.to_schema() == {"type": "integer", "default": 3}
    with pytest.raises(InvalidDataError):
        from_params([{"type": "string"}])
    with pytest.raises(InvalidDataError):
        from_schema({"properties": []})
