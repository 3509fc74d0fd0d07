"""Samples as a value: checks, splits, folds, filters, fingerprints."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError
from vcplab.evaluation import datasets
from vcplab.evaluation.samples import GroundingData
from vcplab.protocol.grounding import GoldSpan, Sample


def sample(n: int, **fields: object) -> Sample:
    given: dict = {
        "id": f"s{n}",
        "response": f"Answer {n} 是对的。",
        "context": (f"Context of group {n // 2}.",),
        "label": n % 2 == 0,
        "group": f"g{n // 2}",
        "language": "en",
        "split": ("train", "dev", "test")[n // 2 % 3],
        "meta": {"domain": "news" if n < 6 else "mail"},
    }
    return Sample(**{**given, **fields})


def data(count: int = 12, **fields: object) -> GroundingData:
    return GroundingData(tuple(sample(n) for n in range(count)), name="toy", **fields)


def test_it_is_a_sequence_with_ids() -> None:
    toy = data()
    assert len(toy) == 12
    assert toy[0].id == "s0"
    assert toy["s3"].label is False
    assert [s.id for s in toy[:2]] == ["s0", "s1"]
    assert toy.prevalence == 0.5
    assert "12 samples in 6 groups, 50.0% hallucinated" in repr(toy)
    with pytest.raises(NotFoundError, match="no sample 'x'"):
        toy["x"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"id": "s0"}, "same id"),
        ({"response": "  "}, "empty"),
        ({"response": "abc", "spans": (GoldSpan(1, 9),)}, "1–9 lies outside"),
        ({"response": "abc", "spans": (GoldSpan(2, 2),)}, "outside"),
    ],
)
def test_what_is_unusable_is_refused_and_named(fields: dict, told: str) -> None:
    with pytest.raises(InvalidDataError, match=told) as caught:
        GroundingData((sample(0), sample(1, **fields)), name="toy")
    assert "toy" in str(caught.value.where)


def test_no_sample_is_no_data() -> None:
    with pytest.raises(InvalidDataError, match="no samples"):
        GroundingData(())


def test_checks_tell_duplicates_conflicts_and_leaks() -> None:
    rows = [
        sample(0, split="train"),
        sample(1, split="test"),
        sample(
            2, response="Answer 0 是对的。", context=sample(0).context, label=False, split="dev"
        ),
        sample(3, label=False, spans=(GoldSpan(0, 3),)),
        sample(4, label=None),
        sample(5, label=True, spans=(), meta={"unlocated": ["x"]}),
        sample(6, label=True, spans=()),
    ]
    found = GroundingData(tuple(rows)).check().set_index("problem")["count"].to_dict()
    assert found == {
        "the same sample again": 1,
        "equal samples with different labels": 1,
        "a group in several splits": 1,
        "a context in several splits": 1,
        "a context in several groups": 1,
        "gold spans in a sample that is labelled as faithful": 1,
        "a hallucinated sample whose annotated spans are none": 1,
        "gold spans that could not be located": 1,
        "no label": 1,
    }
    assert data().check().empty


def test_splits_are_chosen_and_remembered() -> None:
    toy = data()
    test = toy.split_named("test")
    assert {s.split for s in test} == {"test"}
    assert test.splits == ("dev", "test", "train")
    assert len(test.split_named("all")) == 12
    with pytest.raises(NotFoundError, match="no split 'holdout'"):
        test.split_named("holdout")


@given(st.lists(st.integers(0, 9), min_size=3, max_size=60), st.integers(0, 5))
def test_groups_are_never_parted(groups: list[int], seed: int) -> None:
    rows = [Sample(f"{n}", "text", group=f"g{g}") for n, g in enumerate(groups)]
    toy = GroundingData(tuple(rows)).with_splits({"train": 2, "test": 1}, seed=seed)
    by_group: dict[str, set[str]] = {}
    for one in toy:
        by_group.setdefault(one.group, set()).add(one.split)
    assert all(len(splits) == 1 for splits in by_group.values())
    assert [s.id for s in toy] == [r.id for r in rows]
    count = min(3, len(by_group))
    if count < 2:
        return
    held: list[str] = []
    for train, test in toy.folds(count, seed=seed):
        assert not {s.group for s in train} & {s.group for s in test}
        assert len(train) + len(test) == len(rows)
        held += [s.id for s in test]
    assert sorted(held) == sorted(r.id for r in rows)


def test_samples_without_a_group_stand_for_themselves() -> None:
    toy = GroundingData(tuple(Sample(f"{n}", "text") for n in range(4)))
    assert len(set(toy.groups)) == 4
    assert len(toy.folds(4)) == 4
    with pytest.raises(InvalidInputError, match="4 groups cannot be parted into 5"):
        toy.folds(5)
    with pytest.raises(InvalidInputError, match="positive share"):
        toy.with_splits({"train": 1, "test": 0})


def test_shares_are_about_kept() -> None:
    toy = data(200).with_splits(seed=3)
    sizes = {split: len(toy.split_named(split)) for split in toy.splits}
    assert sizes == {"train": 100, "dev": 40, "test": 60}


def test_filters_and_leaving_out() -> None:
    toy = data()
    mail = toy.filter(domain="mail")
    assert {s.meta["domain"] for s in mail} == {"mail"}
    assert mail.split == "domain=mail"
    assert len(toy.filter(label=[True], language="en")) == 6
    assert len(toy.filter(group=lambda g: g in ("g0", "g1"))) == 4
    parts = {value: (len(train), len(held)) for value, train, held in toy.leave_out("domain")}
    assert parts == {"news": (6, 6), "mail": (6, 6)}
    with pytest.raises(InvalidInputError, match="no column 'colour'"):
        toy.filter(colour="red")
    with pytest.raises(InvalidInputError, match="No sample is left"):
        toy.filter(domain="sport")
    with pytest.raises(InvalidInputError, match="same language"):
        list(toy.leave_out("language"))
    assert len(toy.head(3)) == 3
    assert toy.head(99) is toy


def test_the_fingerprint_is_of_content_not_of_order() -> None:
    toy = data()
    turned = GroundingData(tuple(reversed(toy.samples)), name="other")
    assert turned.fingerprint == toy.fingerprint
    for change in (
        {"response": "Else."}, {"label": None}, {"spans": ()}, {"split": "x"}, {"correction": "y"},
        {"meta": {}}, {"context": ()}, {"group": "z"},
    ):  # fmt: skip
        other = (replace(toy[0], **change), *toy.samples[1:])
        assert GroundingData(other).fingerprint != toy.fingerprint, change


def test_types_are_those_of_spans_else_of_the_set() -> None:
    spans = (GoldSpan(0, 2, "temporal"), GoldSpan(3, 4, "factual"))
    toy = GroundingData(
        (
            sample(0, spans=spans),
            sample(1, meta={"type": "logical"}),
            sample(2, meta={"types": ["b", "a"]}),
            sample(3, meta={}),
        )
    )
    assert [toy.value(s, "type") for s in toy] == ["factual + temporal", "logical", "a + b", None]
    frame = toy.to_frame()
    assert frame["type"].to_list()[:3] == ["factual + temporal", "logical", "a + b"]
    assert frame["spans"].to_list()[0] == 2
    assert math.isnan(frame["spans"].to_list()[3])


def test_html_is_escaped() -> None:
    toy = GroundingData((sample(0),), name="<script>alert(1)</script>")
    assert "<script>" not in toy._repr_html_()


def test_the_bundled_pairs_load_by_name() -> None:
    assert "hallucinations" in datasets.available()
    toy = datasets.load("hallucinations")
    assert toy.split == "test"
    whole = datasets.load("hallucinations", split="all")
    assert set(whole.splits) == {"train", "dev", "test"}
    assert whole.prevalence == 0.5
    assert whole.check().empty
    assert set(whole.languages) == {"en", "zh"}
    for one in whole:
        assert (len(one.spans or ()) > 0) == bool(one.label)
