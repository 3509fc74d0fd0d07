from __future__ import annotations

import ir_measures
import pytest

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.measures import metric_cutoff, parse_metric, parse_metrics


@pytest.mark.parametrize("name", ["nDCG@10", "R@20", "RR", "AP", "P@5", "Success@5", "P(rel=2)@5"])
def test_names_of_ir_measures(name: str) -> None:
    label, measure = parse_metric(name)
    assert label == name
    assert measure == ir_measures.parse_measure(name)


def test_measure_objects_and_single_names() -> None:
    from ir_measures import RR, nDCG

    assert list(parse_metrics([nDCG @ 10, "RR", RR])) == ["nDCG@10", "RR"]
    assert list(parse_metrics("AP")) == ["AP"]
    assert metric_cutoff(nDCG @ 10) == 10
    assert metric_cutoff(RR) is None


@pytest.mark.parametrize(
    ("given", "near"),
    [("ndcg@10", "nDCG@10"), ("recal@5", "R@5"), ("MMR", "RR"), ("sucess@1", "Success@1")],
)
def test_near_names_are_offered(given: str, near: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_metric(given)
    assert near in caught.value.details["near"]
    assert near in str(caught.value)


@pytest.mark.parametrize("given", ["", "@", "nDCG@x", "???", "__import__('os')@3", 7, None])
def test_nonsense_is_refused(given) -> None:
    with pytest.raises(InvalidInputError):
        parse_metric(given)


def test_no_metric_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        parse_metrics([])
