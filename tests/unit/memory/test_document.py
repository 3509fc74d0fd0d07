"""The document: what it refuses, what it copies, what its digest sees."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import date

import numpy as np
import pandas as pd
import pytest

from vcplab.core.errors import InvalidInputError
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document


@pytest.mark.parametrize("tags", ["budget", b"budget", None, 7, {"a": 1}, ["a", 3], [["a"]]])
def test_tags_are_a_list_of_strings(tags):
    with pytest.raises(InvalidInputError, match="tags of document 'a'") as caught:
        Document("a", "x", tags)
    assert 'tags=["budget"]' in (caught.value.next_step or "")


def test_any_iterable_of_strings_gives_tags():
    for tags in (["b", "a"], ("b", "a"), np.array(["b", "a"]), iter(["b", "a"])):
        assert Document("a", "x", tags).tags == ("b", "a")


@pytest.mark.parametrize("time", ["2025-01-01", date(2025, 1, 1), 0.0, pd.NaT])
def test_a_time_is_a_datetime(time):
    with pytest.raises(InvalidInputError, match="time of document 'a'"):
        Document("a", "x", time=time)


@pytest.mark.parametrize("metadata", ["title", None, [("title", "x")]])
def test_metadata_is_a_mapping(metadata):
    with pytest.raises(InvalidInputError, match="metadata of document 'a'"):
        Document("a", "x", metadata=metadata)


def test_metadata_is_copied_through_and_through():
    given = {"title": "A", "people": ["x"], "place": {"name": "y"}}
    doc = Document("a", "x", metadata=given)
    given["title"] = "B"
    given["people"].append("z")
    given["place"]["name"] = "z"
    assert doc.metadata == {"title": "A", "people": ["x"], "place": {"name": "y"}}


def test_metadata_of_a_table_has_a_digest():
    odd = {1: "a", "b": np.arange(2), "c": np.float32(0.5), "d": (1, {"e": {3: None}})}
    doc = Document("a", "x", metadata=odd)
    assert doc.metadata == {"1": "a", "b": [0, 1], "c": 0.5, "d": (1, {"e": {"3": None}})}
    assert len(Corpus([doc])) == 1
    assert doc.digest() == Document("a", "x", metadata=dict(doc.metadata)).digest()


def test_a_set_has_the_same_digest_in_every_process():
    program = (
        "from vcplab.memory.document import Document; "
        "print(Document('a', 'x', metadata={'s': set('abcdefgh')}).digest().hex())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in "12"
    }
    assert len(digests) == 1


def test_metadata_that_is_too_deep_or_a_circle_is_refused():
    deep: dict[str, object] = {}
    for _ in range(2000):
        deep = {"in": deep}
    circle: list[object] = []
    circle.append(circle)
    for value in (deep, circle):
        with pytest.raises(InvalidInputError, match="nested"):
            Document("a", "x", metadata={"value": value})


def test_odd_ids_and_numbers_are_accepted():
    for docno in ("\ud800", "a\0b", "\n"):
        corpus = Corpus([Document(docno, "text \udfff", metadata={"n": math.nan})])
        assert docno in corpus
        corpus.delete(docno)
        assert corpus.fingerprint == Corpus().fingerprint
