"""What calls consumed and cost."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError
from vcplab.models.chat.ledger import Ledger, LedgerEntry, Price, PriceTable
from vcplab.protocol.messages import Usage

PRICES = PriceTable({"qwen3": Price(input=0.5, output=1.5)})


def entry(agent="ann", model="qwen3", read=1000, written=100, **options):
    kept = {k: options.pop(k) for k in ("estimated", "cached_tokens") if k in options}
    return LedgerEntry(
        agent, options.pop("purpose", "speak"), model, Usage(read, written, **kept), **options
    )


def test_an_empty_ledger_costs_nothing_that_it_knows_of():
    total = Ledger().total
    assert (total.calls, total.usage, total.cost, total.currency) == (0, Usage(), None, None)


def test_a_call_costs_what_the_list_says_exactly():
    ledger = Ledger([entry(read=1_000_000, written=1)], PRICES)
    assert ledger.cost == Decimal("0.5000015")
    assert ledger.total.currency == "USD"


def test_tenths_stay_tenths():
    table = PriceTable({"m": Price(0.1, 0.2)})
    ledger = Ledger([entry(model="m", read=1_000_000, written=1_000_000)] * 3, table)
    assert ledger.cost == Decimal("0.9")


def test_what_the_server_kept_has_its_own_price():
    usage = Usage(1_000_000, 0, cached_tokens=400_000)
    assert Price(2, 8, cached=0.5).of(usage) == Decimal("1.4")
    assert Price(2, 8, cached=0).of(usage) == Decimal("1.2")
    assert Price(2, 8).of(usage) == 2
    # A server that claims to have kept more than it read is not believed.
    assert Price(2, 8, cached=0).of(Usage(10, 0, cached_tokens=99)) == 0


def test_an_unknown_model_costs_none_and_never_nothing():
    ledger = Ledger([entry(), entry(model="llama")], PRICES)
    assert ledger.cost_of(ledger.entries[1]) is None
    assert ledger.by_model["llama"].cost is None
    assert ledger.by_model["llama"].unpriced_calls == 1
    assert ledger.total.cost == Decimal("0.00065")
    assert ledger.total.unpriced_calls == 1
    assert "0.00065 USD (1 unpriced)" in repr(ledger)
    assert Ledger([entry(model="llama")], PRICES).cost is None


def test_without_a_list_there_is_no_money():
    total = Ledger([entry()]).total
    assert total.cost is None
    assert total.unpriced_calls == 1
    assert total.cost_text == "–"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-5", 3),
        ("gpt-5-mini", 2),
        ("gpt-4", 1),
        ("Gpt-4", None),
        ("qwen3:8b", 4),
        ("qwen3:70b", None),
        ("x*y", 5),
        ("xzy", 5),
    ],
)
def test_names_and_patterns(model, expected):
    table = PriceTable(
        {
            "gpt-*": Price(1, 1),
            "gpt-5-*": Price(2, 2),
            "gpt-5": Price(3, 3),
            "qwen3:?b": Price(4, 4),
            "x*y": Price(5, 5),
        }
    )
    found = table.price(model)
    assert (found and found.input) == expected


def test_the_order_of_patterns_does_not_matter():
    prices = {"a*": Price(1, 1), "*b": Price(2, 2)}
    turned = dict(reversed(prices.items()))
    assert PriceTable(prices).price("ab") == PriceTable(turned).price("ab")


@pytest.mark.parametrize("bad", [-1, float("nan"), float("inf"), "dear", None, True])
def test_what_is_no_price_is_refused(bad):
    with pytest.raises(InvalidInputError, match="price"):
        Price(bad, 1) if bad is not None else PriceTable({"m": 3})


def test_a_list_does_not_change_with_its_mapping():
    prices = {"m": Price(1, 1)}
    table = PriceTable(prices)
    prices["n"] = Price(9, 9)
    assert table.price("n") is None


def test_totals_by_agent_purpose_and_model():
    ledger = Ledger(
        [
            entry("ann", read=10, written=1, seconds=0.5),
            entry(None, read=20, written=2, purpose="select", seconds=0.25, failed=True),
            entry("ann", model="llama", read=30, written=3, estimated=True),
        ]
    )
    assert list(ledger.by_agent) == ["ann", None]
    assert ledger.by_agent["ann"].calls == 2
    assert ledger.by_agent["ann"].usage == Usage(40, 4, estimated=True)
    assert ledger.by_agent["ann"].estimated_tokens == 33
    assert ledger.by_agent["ann"].estimated_calls == 1
    assert ledger.by_purpose["select"].failed == 1
    assert ledger.by_purpose["select"].usage == Usage(20, 2)
    assert ledger.by_model["llama"].usage.input_tokens == 30
    assert ledger.total.seconds == 0.75
    assert ledger.usage == Usage(60, 6, estimated=True)
    assert len(ledger) == 3


calls = st.builds(
    entry,
    st.sampled_from(["ann", "bob", None]),
    st.sampled_from(["qwen3", "llama"]),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    purpose=st.sampled_from(["speak", "select"]),
    estimated=st.booleans(),
    cached_tokens=st.integers(0, 10**9),
    failed=st.booleans(),
)


@given(st.lists(calls, max_size=12), st.integers(0, 12))
def test_every_way_of_adding_gives_the_same(entries, cut):
    table = PriceTable({"qwen3": Price(0.123, 4.56, cached=0.007)})
    ledger = Ledger(entries, table)
    total = ledger.total
    for parts in (ledger.by_agent, ledger.by_purpose, ledger.by_model):
        assert sum(part.calls for part in parts.values()) == total.calls
        assert sum(part.usage.total_tokens for part in parts.values()) == total.usage.total_tokens
        costs = [part.cost for part in parts.values() if part.cost is not None]
        assert sum(costs) == (total.cost or 0)
        assert sum(part.unpriced_calls for part in parts.values()) == total.unpriced_calls
    priced = [cost for e in entries if (cost := ledger.cost_of(e)) is not None]
    assert sum(priced) == (total.cost or 0)
    assert total.unpriced_calls == len(entries) - len(priced)
    halves = Ledger(entries[:cut], table) + Ledger(entries[cut:])
    assert halves.entries == ledger.entries
    assert halves.total == total


def test_ledgers_of_two_lists_are_not_added():
    other = PriceTable({"qwen3": Price(9, 9)}, currency="CNY")
    with pytest.raises(InvalidInputError, match="different price lists"):
        Ledger([], PRICES) + Ledger([], other)
    assert (Ledger([entry()]) + Ledger([entry()], PRICES)).prices == PRICES


def test_a_frame_has_a_row_per_call():
    frame = Ledger([entry(), entry(model="llama", estimated=True)], PRICES).to_frame()
    assert list(frame["cost"]) == [Decimal("0.00065"), None]
    assert list(frame["estimated"]) == [False, True]
    assert set(frame["currency"]) == {"USD"}
    assert list(Ledger().to_frame().columns) == list(frame.columns)


def test_it_shows_itself_and_hostile_names_are_inert():
    ledger = Ledger([entry("<script>alert(1)</script>"), entry(None)], PRICES)
    html = ledger._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "0.0013 USD" in html
    assert "(the chat)" in str(ledger)
    assert "<script>" in str(ledger)


def test_many_threads_lose_nothing():
    ledger = Ledger(prices=PRICES)
    start = threading.Barrier(8)

    def work():
        start.wait()
        for _ in range(200):
            ledger.add(entry(read=1, written=1))
            assert ledger.total.calls >= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.total.calls == 1600
    assert ledger.usage == Usage(1600, 1600)
