"""Conditions as immutable values: on a field, combined by and, or, not, or a function."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Iterator
from datetime import date
from functools import cached_property
from typing import Any

from vcplab.core.errors import InvalidInputError, VCPError
from vcplab.memory.document import Document
from vcplab.memory.filters.operators import OPERATORS, Judgement, checked_value, judgement
from vcplab.memory.filters.values import values_of
from vcplab.memory.stages.configurable import Configurable, is_versioned

__all__ = ["And", "Condition", "Custom", "FieldCondition", "Not", "Or"]

# Far below Python's own limit, so that whatever walks through a condition can.
_MAX_DEPTH = 100


@dataclasses.dataclass(frozen=True, repr=False)
class Condition(Configurable):
    """Base of all conditions; combined by ``&``, ``|`` and ``~``.

    Two-valued: each condition is true or false for each document, so De Morgan's laws hold.
    """

    @abstractmethod
    def matches(self, document: Document) -> bool:
        """Whether the condition holds for a document: what every quicker way must agree with."""

    @property
    def cacheable(self) -> bool:
        """Whether its parameters say all there is to say."""
        return is_versioned(type(self)) and all(part.cacheable for part in self.parts())

    def parts(self) -> tuple[Condition, ...]:
        """The conditions it is made of."""
        return ()

    def leaves(self) -> Iterator[Condition]:
        """The conditions in it that are not made of others."""
        if type(self) not in (And, Or, Not):
            yield self
            return
        for part in self.parts():
            yield from part.leaves()

    @cached_property
    def depth(self) -> int:
        """How many conditions are inside one another."""
        return 1 + max((part.depth for part in self.parts()), default=0)

    def __and__(self, other: Condition) -> And:
        return And((self, other))

    def __or__(self, other: Condition) -> Or:
        return Or((self, other))

    def __invert__(self) -> Condition:
        return self.condition if isinstance(self, Not) else Not(self)

    def __bool__(self) -> bool:
        raise InvalidInputError(
            f"The condition {self!r} is neither true nor false by itself.",
            where="condition",
            next_step="Combine conditions by & | ~ with brackets around each: "
            '(field("a") == 1) & (field("b") == 2). Not by and, or, not, or a < b < c.',
        )

    def _check_depth(self) -> None:
        if self.depth > _MAX_DEPTH:
            raise InvalidInputError(
                f"The condition is nested more than {_MAX_DEPTH} deep.",
                where="condition",
                next_step='Write one list of conditions: {"or": [...]} or .isin([...]).',
            )


def _flat(condition: Condition, kind: type[Condition]) -> tuple[Condition, ...]:
    if not isinstance(condition, Condition):
        raise InvalidInputError(
            f"{condition!r} is no condition.",
            where="condition",
            next_step='Put brackets around comparisons: (field("a") == 1) & (field("b") == 2).',
        )
    return condition.parts() if isinstance(condition, kind) else (condition,)


@dataclasses.dataclass(frozen=True, repr=False)
class FieldCondition(Condition):
    """A condition on one field; the operators are in :mod:`vcplab.memory.filters.operators`.

    Attributes:
        field: ``id``, ``text``, ``tags``, ``time``, ``source``, or a name in the metadata; dots
            lead into nested mappings (a literal name with dots wins).
        operator: What is asked, possibly with ``not_`` before it.
        value: What it is asked of.
        ignore_case: Whether texts are compared without regard to case.

    Raises:
        InvalidInputError: There is no such operator, or the value does not fit it.
        MissingDependencyError: The operator is ``regex``, and the package ``regex`` is missing.
    """

    field: str
    operator: str
    value: Any = None
    ignore_case: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.field, str) or not self.field:
            raise InvalidInputError(
                f"{self.field!r} is no name of a field.",
                where="field",
                next_step='Give a name: "time", "tags", "category", "author.name".',
            )
        if self._asked not in OPERATORS:
            raise InvalidInputError(
                f"There is no operator {self.operator!r}.",
                where="operator",
                next_step=f"Use one of {', '.join(OPERATORS)}, or not_ before it.",
            )
        if not isinstance(self.ignore_case, bool):
            raise InvalidInputError(
                f"ignore_case={self.ignore_case!r} is neither True nor False.",
                where="ignore_case",
                next_step="Give True or False.",
            )
        value = checked_value(self.field, self._asked, self.value)
        if self._asked == "exists" and not value:
            turned = "exists" if self.negated else "not_exists"
            object.__setattr__(self, "operator", turned)
            value = True
        object.__setattr__(self, "value", value)
        _ = self.judgement  # a broken pattern is refused where it is written

    @property
    def negated(self) -> bool:
        """Whether the operator begins with ``not_``."""
        return str(self.operator).startswith("not_")

    @cached_property
    def positive(self) -> FieldCondition:
        """The condition without ``not_``, which holds exactly where this one does not."""
        if not self.negated:
            return self
        return FieldCondition(self.field, self._asked, self.value, self.ignore_case)

    @cached_property
    def judgement(self) -> Judgement:
        """How values are judged, apart from ``not_``."""
        return judgement(self._asked, self.value, self.ignore_case)

    @property
    def _asked(self) -> str:
        return str(self.operator).removeprefix("not_")

    def matches(self, document: Document) -> bool:
        """Whether the field's values meet the condition."""
        return self.judgement.holds(*values_of(document, self.field)) is not self.negated

    def _content(self) -> dict[str, Any]:
        return {**self._children(), "value": _written(self.value)}

    def __repr__(self) -> str:
        python = _spelling(self)
        if python is not None:
            return f"field({self.field!r}){python}"
        if self._asked == "range":
            value: Any = dict(self.value)
        else:
            value = list(self.value) if isinstance(self.value, tuple) else self.value
        case = ", ignore_case=True" if self.ignore_case else ""
        return f"FieldCondition({self.field!r}, {self.operator!r}, {value!r}{case})"


_SIGNS = {
    "equals": "==",
    "not_equals": "!=",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
}
_CALLS = {
    "contains": "contains",
    "in": "isin",
    "any_of": "any_of",
    "all_of": "all_of",
    "starts_with": "startswith",
    "ends_with": "endswith",
    "regex": "matches",
}


def _spelling(condition: FieldCondition) -> str | None:
    """How Python says it, from the field on; None where it has no words for it."""
    asked, value = condition.operator, condition.value
    value = list(value) if isinstance(value, tuple) else value
    case = ".ignoring_case()" if condition.ignore_case else ""
    if asked in _SIGNS:
        return f"{case} {_SIGNS[asked]} {value!r}"
    if asked == "exists":
        return f"{case}.exists()"
    if asked == "not_exists":
        return f"{case}.missing()"
    if asked == "range" and [side for side, _ in value] == ["gte", "lte"]:
        return f"{case}.between({value[0][1]!r}, {value[1][1]!r})"
    return f"{case}.{_CALLS[asked]}({value!r})" if asked in _CALLS else None


@dataclasses.dataclass(frozen=True, repr=False)
class _Several(Condition):
    """Conditions of one kind in another are one: a & b & c has three parts."""

    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.conditions, list | tuple):
            raise InvalidInputError(
                f"{self.conditions!r} is no list of conditions.",
                where="conditions",
                next_step=f"Write {type(self).__name__}([a, b]), or combine them by & and |.",
            )
        flat = tuple(part for given in self.conditions for part in _flat(given, type(self)))
        object.__setattr__(self, "conditions", flat)
        self._check_depth()

    def parts(self) -> tuple[Condition, ...]:
        """The conditions."""
        return self.conditions

    def _content(self) -> dict[str, Any]:
        return {"conditions": list(self.conditions)}


@dataclasses.dataclass(frozen=True, repr=False)
class And(_Several):
    """All conditions hold; without any it always does.

    Attributes:
        conditions: The conditions, in order.
    """

    def matches(self, document: Document) -> bool:
        """Whether all hold."""
        return all(condition.matches(document) for condition in self.conditions)

    def __repr__(self) -> str:
        return _joined(self, " & ")


@dataclasses.dataclass(frozen=True, repr=False)
class Or(_Several):
    """One of the conditions holds; without any it never does.

    Attributes:
        conditions: The conditions, in order.
    """

    def matches(self, document: Document) -> bool:
        """Whether one holds."""
        return any(condition.matches(document) for condition in self.conditions)

    def __repr__(self) -> str:
        return _joined(self, " | ")


def _joined(condition: _Several, sign: str) -> str:
    if len(condition.conditions) < 2:
        inner = ", ".join(f"{part!r}" for part in condition.conditions)
        return f"{type(condition).__name__}([{inner}])"
    return sign.join(f"({part!r})" for part in condition.conditions)


@dataclasses.dataclass(frozen=True, repr=False)
class Not(Condition):
    """The condition does not hold.

    Attributes:
        condition: The condition.
    """

    condition: Condition

    def __post_init__(self) -> None:
        _flat(self.condition, Not)
        self._check_depth()

    def matches(self, document: Document) -> bool:
        """Whether it does not hold."""
        return not self.condition.matches(document)

    def parts(self) -> tuple[Condition, ...]:
        """The condition."""
        return (self.condition,)

    def __repr__(self) -> str:
        return f"~({self.condition!r})"


@dataclasses.dataclass(frozen=True, repr=False)
class Custom(Condition):
    """A function of one's own from a document to true or false (seed 002's ``customFilter``).

    Attributes:
        function: Asked once for each document.
        version: A name for what the function does today; results are kept only with it, because a
            function's behaviour cannot be read off it.
    """

    function: Callable[[Document], Any]
    version: str | None = None

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InvalidInputError(
                f"{self.function!r} cannot be called.",
                where="function",
                next_step="Give a function of a document: lambda doc: 'x' in doc.tags.",
            )

    @property
    def cacheable(self) -> bool:
        """Whether it has a version."""
        return self.version is not None and super().cacheable

    def matches(self, document: Document) -> bool:
        """What the function says.

        Raises:
            InvalidInputError: The function failed.
        """
        try:
            return bool(self.function(document))
        except VCPError:
            raise
        except Exception as error:
            raise InvalidInputError(
                f"The filter function failed on document {document.id!r}: "
                f"{type(error).__name__}: {error}.",
                where=_name_of(self.function),
                next_step="Let it answer for every document: metadata.get(name) where a name may "
                "be missing.",
            ) from error

    def _content(self) -> dict[str, Any]:
        # Without a version only this very function object is the same.
        identity = self.version if self.version is not None else f"volatile-{id(self.function)}"
        return {"function": _name_of(self.function), "version": identity}

    def __repr__(self) -> str:
        version = "" if self.version is None else f", version={self.version!r}"
        return f"Custom({_name_of(self.function)}{version})"


def _name_of(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _written(value: Any) -> Any:
    """A value that JSON can hold, different for different values."""
    if isinstance(value, date):
        return {"date": value.isoformat()}
    return [_written(item) for item in value] if isinstance(value, tuple) else value
