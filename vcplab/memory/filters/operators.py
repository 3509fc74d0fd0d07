"""What each operator means.

==============  ================================================================================
operator        true if
==============  ================================================================================
equals          the value is the one given: number = number, text = text, true = true, moment =
                moment (within it, if a bare day or month is given). A list given as value means
                the same members in the same order
contains        a text has the given text in it; a list has the given value as a member
in, any_of      the value equals one of those given
all_of          each of the values given is a member of the list (or is the one value)
range           the value lies between ``min`` and ``max``, both included, or one of them;
                ``gt``, ``gte``, ``lt``, ``lte`` say it exactly
gt gte lt lte   the value is >, ≥, <, ≤ the one given: numbers by size, moments by time, other
                texts by code points
starts_with     a text begins with the given text
ends_with       a text ends with it
regex           a text has a match of the pattern somewhere (with a time limit)
exists          there is a value: not absent, None, NaN or an empty list (an empty text is one)
==============  ================================================================================

Four rules hold for all of them:

* **Lists**: one member that meets the condition is enough, so ``tags == "travel"`` means that it
  is among the tags; ``contains`` looks for members, not for parts of them.
* **Missing values** meet nothing. ``not_…`` of each operator (``not_equals``, ``not_in``, …) is
  exactly its opposite and therefore true for them, as ``!=`` is in Python and pandas. "There is
  another value" is ``field.exists() & (field != value)``.
* **Kinds never mix**: the number 1 is neither the text "1" nor true. What does not fit is false,
  never an error. Only moments have several forms: dates, times, and ISO 8601 text of them
  (:mod:`~vcplab.memory.filters.moments`).
* **Texts** are compared in composed form (NFC), so é is é however it was typed; with
  ``ignore_case`` also without regard to case.

The originals take no dates, match unknown operators, and never match a pattern that is broken
(facts/vcp-memory §7).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from vcplab.core.errors import InvalidInputError
from vcplab.memory.filters.moments import as_moment
from vcplab.memory.filters.verdicts import Equal, Ordered, Pattern, TextPart, Verdict

__all__ = ["OPERATORS", "Judgement", "checked_value", "judgement"]

_TEXTS = ("starts_with", "ends_with", "regex")
_LISTS = ("in", "any_of", "all_of")
_ORDERED = ("gt", "gte", "lt", "lte")
OPERATORS = ("equals", "contains", *_LISTS, "range", *_ORDERED, *_TEXTS, "exists")

_SIDES = {"min": "gte", "max": "lte", **{side: side for side in _ORDERED}}
_FORMS = '{"min": 1, "max": 9}, one of them, or a pair (1, 9)'


@dataclass(frozen=True, slots=True)
class Judgement:
    """How the values of a field are judged.

    Attributes:
        kind: ``exists``; ``one`` value is enough; ``all`` verdicts must find one; a ``list`` has
            to meet the verdicts one by one.
        verdicts: On a value that stands alone. With ``one`` there is one.
        members: On a member of a list.
    """

    kind: Literal["exists", "one", "all", "list"]
    verdicts: tuple[Verdict, ...] = ()
    members: tuple[Verdict, ...] = ()

    def holds(self, values: list[Any], is_list: bool) -> bool:
        """Whether values as ``values_of`` gives them meet it."""
        if self.kind == "exists":
            return bool(values)
        verdicts = self.members if is_list else self.verdicts
        if self.kind == "list":
            return (
                is_list
                and len(values) == len(verdicts)
                and all(v.judge(value) for v, value in zip(verdicts, values, strict=True))
            )
        return all(any(map(verdict.judge, values)) for verdict in verdicts)


def judgement(operator: str, value: Any, ignore_case: bool) -> Judgement:
    """What an operator and a value, as :func:`checked_value` gave it, ask of a field.

    Raises:
        InvalidInputError: A pattern is broken.
    """
    if operator == "exists":
        return Judgement("exists")
    if operator == "all_of" or (operator == "equals" and isinstance(value, tuple)):
        each = tuple(Equal([one], ignore_case) for one in value)
        return Judgement("all" if operator == "all_of" else "list", each, each)
    scalar: Verdict
    member: Verdict | None = None
    if operator == "contains":
        part = isinstance(value, str)
        scalar = TextPart(value, "anywhere", ignore_case) if part else Verdict()
        member = Equal([value], ignore_case)
    elif operator == "equals":
        scalar = Equal([value], ignore_case)
    elif operator in ("in", "any_of"):
        scalar = Equal(value, ignore_case)
    elif operator == "range":
        scalar = Ordered(value, ignore_case)
    elif operator in _ORDERED:
        scalar = Ordered([(operator, value)], ignore_case)  # type: ignore[list-item]
    elif operator == "regex":
        scalar = Pattern(value, ignore_case)
    else:
        scalar = TextPart(value, "start" if operator == "starts_with" else "end", ignore_case)
    return Judgement("one", (scalar,), (scalar if member is None else member,))


def checked_value(field: str, operator: str, value: Any) -> Any:
    """The value of a condition in the one form that its operator works with.

    Args:
        field: The field's name: ``time`` can only be compared with dates and times.
        operator: One of :data:`OPERATORS`.
        value: As it was written.

    Returns:
        A text, number, truth value, date or time; a tuple of them; for ``range`` pairs of side
        and limit; for ``exists`` true or false.

    Raises:
        InvalidInputError: The value does not fit the operator.
    """
    if operator == "exists":
        if not (value is None or isinstance(value, bool)):
            raise _unfit(operator, value, "true, false or nothing")
        return value is not False
    if operator in _TEXTS and not isinstance(value, str):
        raise _unfit(operator, value, "a text")
    if operator in _LISTS:
        checked: Any = _several(operator, value)
    elif operator == "range":
        checked = _limits(value)
    elif operator == "equals" and _is_list(value):
        checked = _several(operator, value)
    else:
        checked = _one(operator, value)
        if operator in _ORDERED and isinstance(checked, bool):
            raise _unfit(operator, value, "a number, a text or a date")
    if field == "time":
        _check_time(operator, checked)
    return checked


def _one(operator: str, value: Any) -> Any:
    if hasattr(value, "dtype") and not getattr(value, "shape", (1,)):  # a scalar of NumPy's
        if value.dtype.kind == "M":
            value = value.astype("datetime64[us]")
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise _unfit(operator, value, "a value; exists and not_exists ask whether there is one")
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, date) and as_moment(value) is not None:
        return value
    raise _unfit(operator, value, "a text, a number, true, false, a date or a time")


def _several(operator: str, value: Any) -> tuple[Any, ...]:
    if not _is_list(value):
        raise _unfit(operator, value, 'a list: ["spring", "summer"]')
    # The order of a set differs between processes; a condition should not.
    members = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
    checked = tuple(_one(operator, member) for member in members)
    if operator in ("all_of", "equals") and not checked:
        raise _unfit(operator, value, "at least one value, or ask not_exists for none")
    return checked


def _is_list(value: Any) -> bool:
    if isinstance(value, str | bytes | Mapping):
        return False
    return isinstance(value, Iterable) and getattr(value, "shape", (1,)) != ()


def _limits(value: Any) -> tuple[tuple[str, Any], ...]:
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif _is_list(value):
        pairs = list(value)
        if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
            pairs = list(zip(("min", "max"), pairs, strict=True)) if len(pairs) == 2 else []
    else:
        pairs = []
    limits = [
        (_SIDES[side], _one("range", limit))
        for side, limit in pairs
        if limit is not None and side in _SIDES
    ]
    sides = "".join(side[0] for side, _ in limits)  # at most one g and one l
    if sides not in ("g", "l", "gl", "lg") or any(side not in _SIDES for side, _ in pairs):
        raise _unfit("range", value, _FORMS)
    kinds = {_order_of(limit) for _, limit in limits}
    if len(kinds) > 1 or "" in kinds:
        raise _unfit("range", value, f"two numbers, two dates or two texts: {_FORMS}")
    return tuple(sorted(limits))


def _order_of(limit: Any) -> str:
    if isinstance(limit, bool):
        return ""
    if as_moment(limit) is not None:
        return "moment"
    return "text" if isinstance(limit, str) else "number"


def _check_time(operator: str, checked: Any) -> None:
    if operator in (*_TEXTS, "contains"):
        raise InvalidInputError(
            f"The operator {operator!r} is for texts and lists; `time` is a time.",
            where="time",
            next_step='Compare it: {"field": "time", "operator": "range", "value": {"min": '
            '"2026-02-01", "max": "2026-02-28"}}, or field("time") == "2026-02".',
        )
    given = checked if isinstance(checked, tuple) else (checked,)
    for one in [limit for _, limit in given] if operator == "range" else given:
        if as_moment(one) is None:
            raise InvalidInputError(
                f"`time` cannot be compared with {one!r}.",
                where="time",
                next_step='Write a date or time: "2026-02-28", "2026-02" for the month, '
                '"2026-02-28T10:00+08:00", or a datetime.',
            )


def _unfit(operator: str, value: Any, wanted: str) -> InvalidInputError:
    return InvalidInputError(
        f"The operator {operator!r} cannot work with {str(value)[:100]!r}.",
        where=operator,
        next_step=f"Give {wanted}.",
    )
