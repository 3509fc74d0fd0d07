"""Ways to write a condition: in Python, as the seed's dictionaries, or as a function."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from vcplab.core.errors import InvalidInputError
from vcplab.memory.filters.conditions import And, Condition, Custom, FieldCondition, Not, Or

__all__ = ["Field", "as_condition", "field"]

_WORDS = {
    "=": "equals",
    "==": "equals",
    "eq": "equals",
    "!=": "not_equals",
    "ne": "not_equals",
    ">": "gt",
    ">=": "gte",
    "<": "lt",
    "<=": "lte",
    "between": "range",
    "matches": "regex",
}
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_MAX_DEPTH = 100


def field(name: str) -> Field:
    """A field, to be compared: ``field("price") < 100``, ``field("tags").contains("travel")``.

    Args:
        name: ``id``, ``text``, ``tags``, ``time``, ``source``, or a name in the metadata; dots
            lead into nested mappings.
    """
    return Field(name)


class Field:
    """A field by name; comparing it gives a condition.

    ::

        field("category") == "dress"
        field("time") >= "2026-01-01"
        (field("season").isin(["spring", "summer"])) & ~field("tags").contains("sold")
    """

    __slots__ = ("_ignore_case", "_name")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str, *, ignore_case: bool = False) -> None:
        self._name = name
        self._ignore_case = ignore_case

    def __repr__(self) -> str:
        return f"field({self._name!r}){'.ignoring_case()' if self._ignore_case else ''}"

    def ignoring_case(self) -> Field:
        """The same field, its texts compared without regard to case."""
        return Field(self._name, ignore_case=True)

    def __eq__(self, value: object) -> FieldCondition:  # type: ignore[override]
        return self._is("equals", value)

    def __ne__(self, value: object) -> FieldCondition:  # type: ignore[override]
        return self._is("not_equals", value)

    def __lt__(self, value: Any) -> FieldCondition:
        return self._is("lt", value)

    def __le__(self, value: Any) -> FieldCondition:
        return self._is("lte", value)

    def __gt__(self, value: Any) -> FieldCondition:
        return self._is("gt", value)

    def __ge__(self, value: Any) -> FieldCondition:
        return self._is("gte", value)

    def between(
        self,
        low: Any,
        high: Any,
        inclusive: Literal["both", "neither", "left", "right"] = "both",
    ) -> FieldCondition:
        """From ``low`` to ``high``.

        Args:
            low: Lower limit.
            high: Upper limit.
            inclusive: Which limits belong to it, as in pandas.
        """
        if inclusive not in ("both", "neither", "left", "right"):
            raise InvalidInputError(
                f"inclusive={inclusive!r} is not known.",
                where="inclusive",
                next_step='Use "both", "neither", "left" or "right".',
            )
        lower = "gte" if inclusive in ("both", "left") else "gt"
        upper = "lte" if inclusive in ("both", "right") else "lt"
        return self._is("range", {lower: low, upper: high})

    def isin(self, values: Iterable[Any]) -> FieldCondition:
        """One of the values."""
        return self._is("in", values)

    def contains(self, value: Any) -> FieldCondition:
        """A text with this in it, or a list with this member."""
        return self._is("contains", value)

    def any_of(self, values: Iterable[Any]) -> FieldCondition:
        """One of the values is a member."""
        return self._is("any_of", values)

    def all_of(self, values: Iterable[Any]) -> FieldCondition:
        """All of the values are members."""
        return self._is("all_of", values)

    def startswith(self, text: str) -> FieldCondition:
        """A text that begins so."""
        return self._is("starts_with", text)

    def endswith(self, text: str) -> FieldCondition:
        """A text that ends so."""
        return self._is("ends_with", text)

    def matches(self, pattern: str) -> FieldCondition:
        """A text with a match of the regular expression somewhere."""
        return self._is("regex", pattern)

    def exists(self) -> FieldCondition:
        """There is a value."""
        return self._is("exists", True)

    def missing(self) -> FieldCondition:
        """There is no value."""
        return self._is("not_exists", True)

    def _is(self, operator: str, value: Any) -> FieldCondition:
        return FieldCondition(self._name, operator, value, self._ignore_case)


def as_condition(given: Any) -> Condition:
    """A condition in any of its spellings.

    Args:
        given: A condition; seed 002's ``{"field": …, "operator": …, "value": …}`` (names and
            operators in snake_case or camelCase, ``ignoreCase`` if wanted); a list of such, which
            must all hold; ``{"logic": "or", "conditions": […]}`` (or ``filters``, and a function
            as ``customFilter``, which must hold besides); ``{"and": […]}``, ``{"or": […]}``,
            ``{"not": …}``; or a function of a document.

    Returns:
        The condition. Without any conditions everything meets it.

    Raises:
        InvalidInputError: It is none of them.
    """
    return _read(given, _MAX_DEPTH)


def _read(given: Any, depth: int) -> Condition:
    if depth == 0:
        raise InvalidInputError(
            f"The conditions are nested more than {_MAX_DEPTH} deep.",
            where="filters",
            next_step="Write one list of conditions.",
        )
    if isinstance(given, Condition):
        return given
    if isinstance(given, Mapping):
        return _from_mapping(given, depth - 1)
    if isinstance(given, list | tuple):
        return _joined("and", given, depth - 1)
    if callable(given) and not isinstance(given, type | Field):
        return Custom(given)
    raise _unknown(given)


def _from_mapping(given: Mapping[str, Any], depth: int) -> Condition:
    names = {_snake(name): value for name, value in given.items()}
    if len(names) < len(given):  # one name in two spellings
        raise _unknown(given)
    if "field" in names:
        if "operator" not in names or not names.keys() <= _CONDITION:
            raise _unknown(given)
        operator = str(names["operator"])
        value, ignore_case = names.get("value"), names.get("ignore_case")
        return FieldCondition(
            names["field"],
            _WORDS.get(operator, _snake(operator)),
            value,
            False if ignore_case is None else ignore_case,
        )
    if names.keys() & _GROUP and names.keys() <= {*_GROUP, "logic"}:
        return _group(names, given, depth)
    if len(names) == 1:
        ((verb, content),) = names.items()
        if verb == "not":
            return Not(_read(content, depth))
        if verb == "and" or (verb == "or" and content != [] and content != ()):
            return _joined(verb, content, depth, given)
    raise _unknown(given)


_CONDITION = {"field", "operator", "value", "ignore_case"}
_GROUP = {"conditions", "filters", "custom_filter"}


def _group(names: Mapping[str, Any], given: Any, depth: int) -> Condition:
    logic = str(names.get("logic") or "and").lower()
    listed = [names[name] for name in ("conditions", "filters") if names.get(name) is not None]
    custom = names.get("custom_filter")
    if logic not in ("and", "or") or len(listed) > 1:
        raise _unknown(given)
    found: list[Condition] = []
    if listed:
        # No conditions at all exclude nothing, whatever the logic.
        empty = isinstance(listed[0], list | tuple) and not listed[0]
        found.append(_joined("and" if empty else logic, listed[0], depth, given))
    if custom is not None:
        if isinstance(custom, Mapping | list | tuple):
            raise _unknown(given)
        found.append(_read(custom, depth))
    return found[0] if len(found) == 1 else And(tuple(found))


def _joined(logic: str, conditions: Any, depth: int, given: Any = None) -> Condition:
    if not isinstance(conditions, list | tuple):
        raise _unknown(given)
    parts = tuple(_read(item, depth) for item in conditions)
    if len(parts) == 1:
        return parts[0]
    return And(parts) if logic == "and" else Or(parts)


def _snake(name: Any) -> str:
    return _HUMP.sub("_", str(name)).lower()


def _unknown(given: Any) -> InvalidInputError:
    return InvalidInputError(
        f"{str(given)[:200]} is no condition.",
        where="filters",
        next_step='Write field("category") == "dress", or {"field": "category", "operator": '
        '"equals", "value": "dress"}, a list of such, {"or": […]}, {"not": …}, or give a function '
        "of a document.",
    )
