"""A grid search: never on the queries that are judged, and with the numbers people have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.datasets import from_frames

FAST = {"resamples": 100, "cache": False}


@pytest.fixture
def split_data(data):
    """The small data with its queries in a test and a train split."""
    qids = data.queries["qid"].tolist()
    sides = {qid: ("test", "train")[i % 2] for i, qid in enumerate(qids)}
    return from_frames(
        data.corpus, data.queries, data.qrels.assign(split=data.qrels["qid"].map(sides)), "two"
    )


def test_parts_are_remembered(split_data) -> None:
    whole = split_data.split_named("all")
    assert split_data.parts == {"test"}
    assert whole.parts == {"test", "train"}
    assert whole.filter(qid="q001").parts == {"train"}
    assert whole.filter(class_="exact").holds("test")
    train = split_data.split_named("train")
    assert train.head(3).parts == {"train"}
    assert not train.filter(class_="tag_hop").holds("test")


@pytest.mark.parametrize(
    "chosen",
    [
        lambda data: data,
        lambda data: data.filter(class_="exact"),
        lambda data: data.head(5),
        lambda data: data.split_named("all"),
        lambda data: data.split_named("all").filter(qid=["q000", "q001"]),
        lambda data: data.split_named("all").head(30).filter(qid=["q000", "q002"]),
    ],
)
def test_no_tuning_on_test_queries(split_data, chosen) -> None:
    with pytest.raises(InvalidInputError, match="test split"):
        vl.tune(vl.BM25(), {"k1": [0.5, 1.5]}, chosen(split_data), "RR", **FAST)


def test_parts_of_train_may_be_tuned_on(split_data) -> None:
    part = split_data.split_named("all").filter(qid=["q001", "q003"])
    tuned = vl.tune(vl.BM25(), {"k1": [0.5, 1.5]}, part, "RR", **FAST)
    assert tuned.params["k1"] in (0.5, 1.5)


def test_arrays_are_values_to_try(data) -> None:
    tuned = vl.tune(vl.BM25(), {"k1": np.arange(1, 3), "b": pd.Series([0.5])}, data, "RR", **FAST)
    assert [dict(setting) for setting in tuned.grid] == [{"k1": 1, "b": 0.5}, {"k1": 2, "b": 0.5}]
    assert {type(value) for setting in tuned.grid for value in setting.values()} == {int, float}
    assert tuned.comparison.names == ("k1=1, b=0.5", "k1=2, b=0.5")


@pytest.mark.parametrize("grid", [{}, {"k1": []}, {"k1": "12"}, {"k1": 1.2}])
def test_a_grid_without_settings_is_refused(data, grid) -> None:
    with pytest.raises(InvalidInputError) as caught:
        vl.tune(vl.BM25(), grid, data, "RR", **FAST)
    assert caught.value.where == "grid"
