"""Patterns of users: hostile ones are stopped, on one text and on many."""

from __future__ import annotations

import sys
import time

import pytest

import vcplab as vl
from vcplab.core.errors import (
    InvalidInputError,
    MissingDependencyError,
    OperationTimeoutError,
)
from vcplab.memory.filters import FieldCondition, field, patterns
from vcplab.memory.filters.masks import judge

HOSTILE = "(?:a+)+$"


def _corpus(texts):
    return vl.Corpus([vl.Document(str(i), t, metadata={"x": t}) for i, t in enumerate(texts)])


@pytest.fixture
def _impatient(monkeypatch):
    monkeypatch.setattr(patterns, "_PER_TEXT", 0.05)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("name", ["x", "text"])
def test_backtracking_is_stopped(name):
    corpus = _corpus(["a" * 3000 + "b"])
    condition = field(name).matches(HOSTILE)
    began = time.monotonic()
    for ask in (lambda: condition.matches(corpus["0"]), lambda: judge(condition, corpus)):
        with pytest.raises(OperationTimeoutError, match="on one text") as caught:
            ask()
        assert caught.value.next_step
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("name", ["x", "text"])
def test_many_slow_texts_are_stopped_together(name, monkeypatch):
    monkeypatch.setattr(patterns, "_TOGETHER", 0.05)
    monkeypatch.setattr(patterns, "_EACH", 0.0)
    corpus = _corpus([f"{'a' * 100}b{i}" for i in range(200)])
    with pytest.raises(OperationTimeoutError, match="texts"):
        judge(field(name).matches("(?:a+)+$"), corpus)
    judge(field(name).matches("a+b1"), corpus)


@pytest.mark.parametrize(
    "source",
    [
        "((a{1000}){1000}){1000}",
        "((a{9}){9999}){999}",
        "(?x)((a{1 0 0 0}){1#7\n000}){100}",
        "a{99999999999}",
        "(?:" * 5000 + ")" * 5000,
        "[",
        "(?<=",
    ],
)
def test_what_cannot_be_compiled_is_refused(source):
    with pytest.raises(InvalidInputError) as caught:
        FieldCondition("x", "regex", source)
    assert caught.value.next_step


def test_usual_patterns():
    uuid = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
    texts = ["8c9aefb2-4c8d-4f57-93a1-1e0a9b5cb2f1", "2026-02-28", "第3章", "lone \ud800 one"]
    corpus = _corpus(texts)
    for source, expected in [
        (uuid, [True, False, False, False]),
        (r"^\d{4}-\d{2}-\d{2}$", [False, True, False, False]),
        (r"第\d章", [False, False, True, False]),
        ("one$", [False, False, False, True]),
    ]:
        for name in ("x", "text"):
            assert judge(field(name).matches(source), corpus).mask.tolist() == expected


def test_without_the_package(monkeypatch):
    patterns._compiled.cache_clear()
    monkeypatch.setitem(sys.modules, "regex", None)
    with pytest.raises(MissingDependencyError, match="regex"):
        FieldCondition("x", "regex", "a+")
    patterns._compiled.cache_clear()
