"""Checks of the data set in datasets/hallucinations."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3] / "datasets" / "hallucinations"
TYPES = {"factual", "contextual", "temporal", "attribution", "logical", "confabulation"}
FIELDS = {
    "id", "language", "type", "context", "question", "response", "label", "spans", "correction",
    "group", "split", "pair",
}  # fmt: skip
SHARE = {"train": 0.5, "dev": 0.2, "test": 0.3}
HAN = re.compile("[\u4e00-\u9fff]")
WORDY = re.compile(r"[A-Za-z0-9]")
NEGATION = {
    "zh": re.compile("不|没|未(?!来)|无|非(?!常)|勿"),
    "en": re.compile(
        r"\b(?:not|no|never|none|nothing|nobody|without|neither|nor|unable|cannot)\b|n't", re.I
    ),
}
HEDGE = {
    "zh": re.compile("可能|也许|大概|大约|左右|似乎|应该|估计"),
    "en": re.compile(
        r"\b(?:may|might|perhaps|probably|about|around|roughly|nearly|almost|likely|seems?)\b"
    ),
}

Row = dict[str, Any]
Feature = Callable[[str, str], float]

SURFACE: dict[str, Feature] = {
    "length": lambda text, _: len(text),
    "words": lambda text, _: len(text.split()),
    "negations": lambda text, language: len(NEGATION[language].findall(text)),
    "hedges": lambda text, language: len(HEDGE[language].findall(text)),
    "numbers": lambda text, _: len(re.findall(r"\d+(?:[.,:]\d+)*", text)),
    "Chinese numerals": lambda text, _: len(re.findall("[零一二三四五六七八九十百千万两半]", text)),
    "capitals": lambda text, _: len(re.findall("[A-Z]", text)),
    "Latin letters": lambda text, _: len(re.findall("[A-Za-z]", text)),
    "punctuation": lambda text, _: len(re.findall(r"[^\w\s]", text)),
    "sentences": lambda text, language: len(sentence_ends(text, language)),
    "letters per word": lambda text, _: len(text.replace(" ", "")) / len(text.split()),
}


def sentence_ends(text: str, language: str) -> list[str]:
    if language == "zh":
        return re.findall("[。！？][」”’）』]*", text)
    return re.findall(r"[.!?][\"”’)]*(?=\s|$)", text)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    text = (ROOT / "data.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    return json.loads((ROOT / "dataset.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pairs(rows: list[Row]) -> dict[str, tuple[Row, Row]]:
    """The hallucinated sample and the faithful one, by pair."""
    found: dict[str, dict[bool, Row]] = defaultdict(dict)
    for row in rows:
        assert row["label"] not in found[row["pair"]], row["id"]
        found[row["pair"]][row["label"]] = row
    return {name: (both[True], both[False]) for name, both in found.items()}


def cells(pairs: dict[str, tuple[Row, Row]]) -> dict[tuple[str, str], list[tuple[Row, Row]]]:
    out: dict[tuple[str, str], list[tuple[Row, Row]]] = defaultdict(list)
    for bad, good in pairs.values():
        out[bad["type"], bad["language"]].append((bad, good))
    return out


def all_text(row: Row) -> str:
    parts = [*row["context"], row["question"], row["response"], row["correction"] or ""]
    return "\n".join(parts)


def test_bytes() -> None:
    for path in (ROOT / "data.jsonl", ROOT / "names.tsv", ROOT / "dataset.json"):
        raw = path.read_bytes()
        assert b"\r" not in raw
        assert raw.endswith(b"\n")
        assert not raw.startswith(b"\xef\xbb\xbf")


def test_schema(rows: list[Row]) -> None:
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert set(row) == FIELDS, row["id"]
        assert row["language"] in {"zh", "en"}
        assert row["type"] in TYPES
        assert row["split"] in SHARE
        assert isinstance(row["label"], bool)
        assert row["context"]
        for text in (*row["context"], row["question"], row["response"]):
            assert text == text.strip()
            assert text
            assert not re.search(r"\s{2}|[\[\]{}|\n]", text), row["id"]
            assert bool(HAN.search(text)) is (row["language"] == "zh"), row["id"]
        if row["label"]:
            assert row["spans"]
            assert row["correction"]
            assert {span["type"] for span in row["spans"]} == {row["type"]}
        else:
            assert row["spans"] == []
            assert row["correction"] is None


def test_counts(rows: list[Row], pairs: dict[str, tuple[Row, Row]], card: dict[str, Any]) -> None:
    by_cell = cells(pairs)
    assert set(by_cell) == set(itertools.product(TYPES, ("zh", "en")))
    assert len({len(found) for found in by_cell.values()}) == 1
    assert all(len(found) >= 20 for found in by_cell.values())
    bad = [row for row in rows if row["label"]]
    assert card["counts"] == {
        "samples": len(rows),
        "pairs": len(pairs),
        "hallucinated": len(bad),
        "spans": sum(len(row["spans"]) for row in rows),
        "pairs_by_type": dict(Counter(row["type"] for row in bad)),
        "pairs_by_language": dict(Counter(row["language"] for row in bad)),
        "pairs_by_split": dict(Counter(row["split"] for row in bad)),
    }


def test_card(card: dict[str, Any]) -> None:
    assert card["name"] == ROOT.name
    assert card["license"] == "MIT"
    assert card["version"]
    assert set(card["schema"]) == FIELDS
    digest = hashlib.sha256()
    for name in ("data.jsonl", "names.tsv"):
        digest.update(name.encode() + b"\0" + (ROOT / name).read_bytes() + b"\0")
    assert card["hash"] == "sha256:" + digest.hexdigest()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"Version {card['version']}" in readme
    assert f"{card['counts']['samples']} samples" in readme
    assert f"{card['counts']['pairs']} pairs" in readme


def test_the_members_of_a_pair_share_everything_but_the_answer(
    pairs: dict[str, tuple[Row, Row]],
) -> None:
    own = {"id", "response", "label", "spans", "correction"}
    for name, (bad, good) in pairs.items():
        for field in FIELDS - own:
            assert bad[field] == good[field], (name, field)
        assert bad["correction"] == good["response"]
        assert bad["response"] != good["response"]


def test_order_and_ids_say_nothing_about_the_label(pairs: dict[str, tuple[Row, Row]]) -> None:
    for found in cells(pairs).values():
        first = sum(bad["id"] < good["id"] for bad, good in found)
        assert abs(2 * first - len(found)) <= 1
    for bad, good in pairs.values():
        assert {bad["id"], good["id"]} == {bad["pair"] + "-a", bad["pair"] + "-b"}


def replacements(bad: Row) -> list[tuple[str, str]]:
    """Span text and its correction; fails if anything outside the spans differs."""
    text, pattern, at = bad["response"], "", 0
    for span in bad["spans"]:
        assert at <= span["start"] < span["end"] <= len(text), bad["id"]
        pattern += re.escape(text[at : span["start"]]) + "(.+)"
        at = span["end"]
    found = re.fullmatch(pattern + re.escape(text[at:]), bad["correction"])
    assert found, bad["id"]
    wrong = [text[span["start"] : span["end"]] for span in bad["spans"]]
    return list(zip(wrong, found.groups(), strict=True))


def test_answers_differ_in_the_spans_alone(pairs: dict[str, tuple[Row, Row]]) -> None:
    for bad, _ in pairs.values():
        for wrong, right in replacements(bad):
            assert wrong != right
            assert wrong == wrong.strip()
            assert right == right.strip()
            # An error is a word or a phrase, never a sentence.
            assert max(len(wrong), len(right)) <= (18 if bad["language"] == "zh" else 45), wrong
        share = sum(span["end"] - span["start"] for span in bad["spans"]) / len(bad["response"])
        assert share < 0.5, bad["id"]


def test_spans_hold_whole_words(pairs: dict[str, tuple[Row, Row]]) -> None:
    for bad, _ in pairs.values():
        text = bad["response"]
        for span in bad["spans"]:
            for at in (span["start"], span["end"]):
                around = text[max(at - 1, 0) : at + 1]
                assert not (len(around) == 2 and all(map(WORDY.match, around))), bad["id"]


def test_spans_are_minimal(pairs: dict[str, tuple[Row, Row]]) -> None:
    for bad, _ in pairs.values():
        for wrong, right in replacements(bad):
            if bad["language"] == "en" or wrong.isascii():
                a, b = wrong.split(), right.split()
                # "is" against "is not" has no shorter form: a span cannot be empty.
                if min(len(a), len(b)) > 1:
                    assert a[0] != b[0], (bad["id"], wrong)
                    assert a[-1] != b[-1], (bad["id"], wrong)
            else:
                # Whole words may share characters: 二十三 and 二十八, 《…》 around two titles.
                same = [x == y for x, y in zip(wrong, right, strict=False)]
                tail = [x == y for x, y in zip(wrong[::-1], right[::-1], strict=False)]
                shared = sum(itertools.takewhile(bool, same)) + sum(itertools.takewhile(bool, tail))
                assert shared <= 3, (bad["id"], wrong)


def test_sizes(pairs: dict[str, tuple[Row, Row]]) -> None:
    for bad, good in pairs.values():
        language = bad["language"]
        count = sum(len(sentence_ends(text, language)) for text in bad["context"])
        assert 2 <= count <= 6, bad["id"]
        for row in (bad, good):
            assert 1 <= len(sentence_ends(row["response"], language)) <= 3, row["id"]
            assert row["response"] not in "\n".join(row["context"])


def test_confabulations_leave_no_trace_in_the_context(pairs: dict[str, tuple[Row, Row]]) -> None:
    for bad, _ in pairs.values():
        if bad["type"] == "confabulation":
            for wrong, _right in replacements(bad):
                assert wrong.lower() not in "\n".join(bad["context"]).lower(), bad["id"]


def test_groups_stay_in_one_split(rows: list[Row], pairs: dict[str, tuple[Row, Row]]) -> None:
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits[row["group"]].add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    for found in cells(pairs).values():
        count = Counter(bad["split"] for bad, _ in found)
        for split, share in SHARE.items():
            assert abs(count[split] - share * len(found)) <= 1


def test_groups_share_no_context_and_no_phrases(rows: list[Row]) -> None:
    """No two groups share five English words or nine Chinese characters in a row."""
    seen: dict[str, str] = {}
    for row in rows:
        for text in row["context"]:
            if row["language"] == "zh":
                pieces = {text[at : at + 9] for at in range(len(text) - 8)} or {text}
            else:
                words = text.lower().split()
                pieces = {" ".join(words[at : at + 5]) for at in range(len(words) - 4)}
            for piece in pieces:
                assert seen.setdefault(piece, row["group"]) == row["group"], (piece, row["id"])


def test_groups_share_no_names(rows: list[Row]) -> None:
    lines = (ROOT / "names.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "group\tname"
    texts: dict[str, str] = defaultdict(str)
    for row in rows:
        texts[row["group"]] += all_text(row) + "\n"
    names = [tuple(line.split("\t")) for line in lines[1:]]
    assert len(names) >= 200
    for group, name in names:
        bound = r"\b" if WORDY.match(name) else ""
        pattern = re.compile(bound + re.escape(name) + bound)
        assert [other for other, text in texts.items() if pattern.search(text)] == [group], name


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("length", 6), ("negations", 2), ("hedges", 0), ("numbers", 2), ("capitals", 2)],
)
def test_neither_member_has_more_of_it(
    name: str, allowed: int, pairs: dict[str, tuple[Row, Row]]
) -> None:
    """In each type and language, hallucinated answers have more as often as less."""
    feature = SURFACE[name]
    for cell, found in cells(pairs).items():
        signs = [
            np.sign(feature(bad["response"], cell[1]) - feature(good["response"], cell[1]))
            for bad, good in found
        ]
        assert abs(sum(signs)) <= allowed, (cell, sum(signs))


def interval(bad: np.ndarray, good: np.ndarray, seed: int = 8) -> tuple[float, float, float]:
    """AUROC and its 95 % interval by bootstrap over pairs."""
    wins = (bad[:, None] > good[None, :]) + 0.5 * (bad[:, None] == good[None, :])
    generator = np.random.default_rng(seed)
    count = len(bad)
    weights = generator.multinomial(count, np.full(count, 1 / count), size=1000).astype(float)
    values = np.einsum("bi,ij,bj->b", weights, wins, weights, optimize=True) / count**2
    low, high = np.quantile(values, [0.025, 0.975])
    return float(wins.mean()), float(low), float(high)


def test_interval_sees_a_leak() -> None:
    good = np.random.default_rng(1).normal(size=360)
    assert interval(good, good)[0] == 0.5
    assert interval(good + 0.3, good)[1] > 0.55


@pytest.mark.parametrize("name", sorted(SURFACE))
def test_no_surface_feature_tells_the_members_apart(
    name: str, pairs: dict[str, tuple[Row, Row]]
) -> None:
    feature = SURFACE[name]
    bad, good = (
        np.array(
            [feature(both[which]["response"], both[which]["language"]) for both in pairs.values()]
        )
        for which in (0, 1)
    )
    for sign in (1, -1):
        _, low, high = interval(sign * bad, sign * good)
        assert low <= 0.5 <= high, (name, low, high)
        assert high < 0.58, (name, low, high)


def test_length_within_pairs(pairs: dict[str, tuple[Row, Row]]) -> None:
    """The longer answer of a pair is the hallucinated one in half of them."""
    length = [np.sign(len(bad["response"]) - len(good["response"])) for bad, good in pairs.values()]
    generator = np.random.default_rng(8)
    drawn = generator.choice(np.array(length), size=(2000, len(length)))
    low, high = np.quantile(0.5 + drawn.mean(axis=1) / 2, [0.025, 0.975])
    assert low <= 0.5 <= high < 0.58
