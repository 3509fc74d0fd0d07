"""What every call of a model consumed and cost, by agent, purpose and model."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from vcplab.core.display import html_table, plain_table, style_block
from vcplab.core.errors import InvalidInputError
from vcplab.core.uncopied import Uncopied
from vcplab.models.chat.prices import Price, PriceTable
from vcplab.protocol.messages import Usage

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Ledger", "LedgerEntry", "LedgerTotal", "Price", "PriceTable"]


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One call of a model.

    Attributes:
        agent: For whom; None for the chat itself.
        purpose: What for: ``"speak"``, ``"select"``, ``"position"``, …
        model: The model's name.
        usage: The tokens.
        seconds: How long it took.
        failed: Whether it ended in an error.
    """

    agent: str | None
    purpose: str
    model: str
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    failed: bool = False


@dataclass(frozen=True, slots=True)
class LedgerTotal:
    """What several calls add up to.

    Attributes:
        calls: Number of calls.
        failed: How many of them ended in an error.
        usage: Their tokens; ``estimated`` if any of them is.
        seconds: How long they took together; calls at the same time count each.
        estimated_calls: Calls whose tokens were counted here, not by the server.
        estimated_tokens: Their tokens.
        cost: What the calls with a known price cost; None if there is no price list, or no call
            with a known price.
        unpriced_calls: Calls without a known price, which ``cost`` lacks.
        currency: What ``cost`` is in; None without a price list.
    """

    calls: int = 0
    failed: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    estimated_calls: int = 0
    estimated_tokens: int = 0
    cost: Decimal | None = None
    unpriced_calls: int = 0
    currency: str | None = None

    @property
    def cost_text(self) -> str:
        """The cost with its currency, and what it lacks."""
        if self.currency is None:
            return "–"
        shown = "–" if self.cost is None else f"{_written(self.cost)} {self.currency}"
        return f"{shown} ({self.unpriced_calls} unpriced)" if self.unpriced_calls else shown


_Group: TypeAlias = tuple[str | None, str, str]
_Field: TypeAlias = Literal["agent", "purpose", "model"]


@dataclass(slots=True)
class _Sum:
    """The calls of one agent, purpose and model."""

    calls: int = 0
    failed: int = 0
    read: int = 0
    written: int = 0
    cached: int = 0
    seconds: float = 0.0
    estimated_calls: int = 0
    estimated_tokens: int = 0

    def add(self, entry: LedgerEntry) -> None:
        usage = entry.usage
        self.calls += 1
        self.failed += entry.failed
        self.read += usage.input_tokens
        self.written += usage.output_tokens
        self.cached += min(usage.cached_tokens, usage.input_tokens)
        self.seconds += entry.seconds
        if usage.estimated:
            self.estimated_calls += 1
            self.estimated_tokens += usage.total_tokens


class Ledger(Uncopied):
    """The calls of a chat, in their order; safe to use from several threads.

    Args:
        entries: Calls to begin with.
        prices: The price list; None where money does not matter.
    """

    _instead = "make one of its entries: Ledger(ledger.entries, ledger.prices)"

    def __init__(
        self, entries: Iterable[LedgerEntry] = (), prices: PriceTable | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._entries: list[LedgerEntry] = []
        self._sums: dict[_Group, _Sum] = {}
        self.prices = prices
        for entry in entries:
            self.add(entry)

    def add(self, entry: LedgerEntry) -> LedgerEntry:
        """Enter a call.

        Args:
            entry: The call.

        Returns:
            The same entry.
        """
        group = (entry.agent, entry.purpose, entry.model)
        with self._lock:
            self._entries.append(entry)
            found = self._sums.get(group)
            if found is None:
                found = self._sums[group] = _Sum()
            found.add(entry)
        return entry

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """The calls, oldest first."""
        with self._lock:
            return tuple(self._entries)

    @property
    def total(self) -> LedgerTotal:
        """What all calls add up to."""
        with self._lock:
            return self._added(list(self._sums.items()))

    @property
    def usage(self) -> Usage:
        """The tokens of all calls."""
        return self.total.usage

    @property
    def cost(self) -> Decimal | None:
        """What the calls with a known price cost; see `LedgerTotal` for what it lacks."""
        return self.total.cost

    @property
    def by_agent(self) -> dict[str | None, LedgerTotal]:
        """Totals per agent, in the order of their first calls; None is the chat itself."""
        return self._by("agent")

    @property
    def by_purpose(self) -> dict[str, LedgerTotal]:
        """Totals per purpose, in the order of their first calls."""
        return self._by("purpose")

    @property
    def by_model(self) -> dict[str, LedgerTotal]:
        """Totals per model, in the order of their first calls."""
        return self._by("model")

    def cost_of(self, entry: LedgerEntry) -> Decimal | None:
        """What one call costs; None where its price is not known.

        Args:
            entry: The call.
        """
        return None if self.prices is None else self.prices.cost(entry.model, entry.usage)

    def to_frame(self) -> pd.DataFrame:
        """The calls as a frame.

        Returns:
            A frame with ``agent``, ``purpose``, ``model``, ``input_tokens``, ``output_tokens``,
            ``cached_tokens``, ``estimated``, ``seconds``, ``failed``, and ``cost`` (`Decimal`, None
            where it is not known) in ``currency``.
        """
        import pandas as pd

        currency = None if self.prices is None else self.prices.currency
        rows = [
            (
                entry.agent,
                entry.purpose,
                entry.model,
                entry.usage.input_tokens,
                entry.usage.output_tokens,
                entry.usage.cached_tokens,
                entry.usage.estimated,
                entry.seconds,
                entry.failed,
                self.cost_of(entry),
                currency,
            )
            for entry in self.entries
        ]
        return pd.DataFrame(rows, columns=_COLUMNS)

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    def __add__(self, other: Ledger) -> Ledger:
        """Both ledgers' calls, with the one price list that there is.

        Raises:
            InvalidInputError: They have two different price lists.
        """
        if not isinstance(other, Ledger):
            return NotImplemented
        if self.prices and other.prices and self.prices != other.prices:
            raise InvalidInputError(
                "Ledgers with different price lists cannot be added.",
                where="Ledger",
                next_step="Give both the same list: ledger.prices = PriceTable({…}).",
            )
        return Ledger((*self.entries, *other.entries), self.prices or other.prices)

    def __repr__(self) -> str:
        total = self.total
        told = f"{total.calls} calls, {total.usage.total_tokens} tokens"
        if total.estimated_calls:
            told += f" ({total.estimated_tokens} estimated)"
        return f"<Ledger: {told}, {total.cost_text}>"

    def __str__(self) -> str:
        return plain_table(_HEADINGS, self._rows())

    def _repr_html_(self) -> str:
        tables = style_block() + html_table(_HEADINGS, self._rows(), caption="Calls of models")
        return str(tables)

    def _rows(self) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for by in ("agent", "purpose", "model"):
            totals = self._by(by)
            # A table of one row would repeat the last line.
            if len(totals) > 1 or by == "agent":
                rows += [_row(by, key or "(the chat)", total) for key, total in totals.items()]
        return [*rows, _row("all", "", self.total)]

    def _by(self, name: _Field) -> dict[Any, LedgerTotal]:
        place = ("agent", "purpose", "model").index(name)
        groups: dict[str | None, list[tuple[_Group, _Sum]]] = {}
        with self._lock:
            for group, found in self._sums.items():
                groups.setdefault(group[place], []).append((group, found))
            return {key: self._added(parts) for key, parts in groups.items()}

    def _added(self, parts: list[tuple[_Group, _Sum]]) -> LedgerTotal:
        cost: Decimal | None = None
        unpriced = 0
        for (_, _, model), part in parts:
            found = None
            if self.prices is not None:
                usage = Usage(part.read, part.written, cached_tokens=part.cached)
                found = self.prices.cost(model, usage)
            if found is None:
                unpriced += part.calls
            else:
                cost = found + (cost or 0)
        sums = [part for _, part in parts]
        estimated = sum(part.estimated_calls for part in sums)
        return LedgerTotal(
            calls=sum(part.calls for part in sums),
            failed=sum(part.failed for part in sums),
            usage=Usage(
                sum(part.read for part in sums),
                sum(part.written for part in sums),
                estimated > 0,
                sum(part.cached for part in sums),
            ),
            seconds=sum(part.seconds for part in sums),
            estimated_calls=estimated,
            estimated_tokens=sum(part.estimated_tokens for part in sums),
            cost=cost,
            unpriced_calls=unpriced,
            currency=None if self.prices is None else self.prices.currency,
        )


_COLUMNS = [
    *("agent", "purpose", "model", "input_tokens", "output_tokens", "cached_tokens"),
    *("estimated", "seconds", "failed", "cost", "currency"),
]
_HEADINGS = ["by", "", "calls", "failed", "read", "written", "cached", "estimated", "s", "cost"]


def _row(by: str, key: str, total: LedgerTotal) -> tuple[Any, ...]:
    return (
        by,
        key,
        total.calls,
        total.failed,
        total.usage.input_tokens,
        total.usage.output_tokens,
        total.usage.cached_tokens,
        total.estimated_tokens,
        total.seconds,
        total.cost_text,
    )


def _written(cost: Decimal) -> str:
    """An amount without needless zeros, never in exponents."""
    text = f"{cost:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
