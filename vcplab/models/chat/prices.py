"""What tokens cost: the user's own price list, in exact numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import TypeAlias

from vcplab.core.errors import InvalidInputError
from vcplab.protocol.messages import Usage

__all__ = ["Price", "PriceTable"]

Number: TypeAlias = int | float | str | Decimal

_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost.

    Numbers are taken as they are written: ``0.1`` is a tenth.

    Attributes:
        input: Per million tokens read.
        output: Per million tokens written.
        cached: Per million tokens read that the server had kept; None for the price of ``input``.

    Raises:
        InvalidInputError: A price is negative or no number.
    """

    input: Number
    output: Number
    cached: Number | None = None

    def __post_init__(self) -> None:
        for name in ("input", "output", "cached"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _money(value, name))

    def of(self, usage: Usage) -> Decimal:
        """What a call costs, exactly.

        Args:
            usage: The tokens of the call.
        """
        cached = min(usage.cached_tokens, usage.input_tokens)
        return (
            _decimal(self.input) * (usage.input_tokens - cached)
            + _decimal(self.input if self.cached is None else self.cached) * cached
            + _decimal(self.output) * usage.output_tokens
        ) / _MILLION


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The user's own price list; there is no built-in one, since prices change.

    ::

        PriceTable({"qwen3": Price(input=.5, output=1.5), "gpt-*": Price(2, 8, cached=.5)})

    Attributes:
        prices: Prices by the model's name, or by a pattern with ``*``, ``?`` or ``[…]``. The name
            itself goes before patterns, a longer pattern before a shorter one.
        currency: What the prices are in.

    Raises:
        InvalidInputError: An entry is no `Price`.
    """

    prices: Mapping[str, Price]
    currency: str = "USD"

    def __post_init__(self) -> None:
        for name, price in self.prices.items():
            if not isinstance(price, Price):
                raise InvalidInputError(
                    f"The price of {name!r} is given as {type(price).__name__}.",
                    where="prices",
                    next_step="Write Price(input=…, output=…), per million tokens.",
                )
        # A copy, or a mapping that is changed later would change what calls have cost.
        object.__setattr__(self, "prices", dict(self.prices))

    def price(self, model: str) -> Price | None:
        """The price of a model; None if the list does not know it.

        Args:
            model: The model's name.
        """
        if model in self.prices:
            return self.prices[model]
        patterns = [name for name in self.prices if fnmatchcase(model, name)]
        return self.prices[max(patterns, key=lambda p: (len(p), p))] if patterns else None

    def cost(self, model: str, usage: Usage) -> Decimal | None:
        """What a call costs; None, never 0, where the model's price is not known.

        Args:
            model: The model's name.
            usage: The tokens of the call.
        """
        price = self.price(model)
        return None if price is None else price.of(usage)


def _money(value: Number, where: str) -> Decimal:
    try:
        # By way of its text, or .1 would be a little more than a tenth.
        money = Decimal(str(value))
    except InvalidOperation:
        money = Decimal("NaN")
    if isinstance(value, bool) or not money.is_finite() or money < 0:
        raise InvalidInputError(
            f"A price cannot be {value!r}.",
            where=where,
            next_step="Give a number from 0, per million tokens.",
        )
    return money


def _decimal(value: Number) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))
