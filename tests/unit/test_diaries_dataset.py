"""Checks of the data set in datasets/diaries (standard library only)."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import unicodedata
from collections import Counter, defaultdict
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "datasets" / "diaries"
CLASSES = {
    "exact": 20,
    "paraphrase": 24,
    "temporal": 20,
    "tag_hop": 26,
    "entity": 26,
    "negated": 16,
    "no_answer": 20,
}
FIELDS = {"_id", "text", "class", "language", "asked_at", "split", "note"}
NAME = re.compile(r"^(\d{4}-\d{2}-\d{2})-(\d{2})_(\d{2})_(\d{2})(-.+)?\.txt$")
FUNCTION_WORDS = """
a an and as at by for from has have in is it its lots most of on our that the
their then this to us was we were what when which who with yet
"""
HAN = re.compile("[\u4e00-\u9fff]")


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def entry_files() -> list[Path]:
    return sorted(p for p in (ROOT / "dailynote").rglob("*") if p.is_file())


def corpus_id(path: Path) -> str:
    return nfc(path.relative_to(ROOT / "dailynote").with_suffix("").as_posix())


def split_entry(path: Path) -> tuple[str, str, list[str]]:
    """First line, body without the clock, tags."""
    lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    body = re.sub(r"^\[\d\d:\d\d\]\s*", "", "\n".join(lines[1:-1]))
    assert lines[-1].startswith("Tag:"), path
    tags = [t.strip() for t in re.split("[,，、]", lines[-1][4:])]
    return lines[0], body, tags


@pytest.fixture(scope="module")
def info() -> dict:
    return json.loads((ROOT / "dataset.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def entries() -> dict[str, tuple[str, str, list[str]]]:
    return {corpus_id(p): split_entry(p) for p in entry_files()}


@pytest.fixture(scope="module")
def queries() -> list[dict]:
    text = (ROOT / "queries.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def qrels() -> dict[str, list[tuple[str, str, int]]]:
    out = {}
    for split in ("train", "test"):
        path = ROOT / "qrels" / f"{split}.tsv"
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.reader(handle, delimiter="\t"))
        assert rows[0] == ["query-id", "corpus-id", "score"]
        out[split] = [(q, nfc(c), int(s)) for q, c, s in rows[1:]]
    return out


@pytest.fixture(scope="module")
def judged(qrels) -> dict[str, dict[str, int]]:
    out: dict[str, dict[str, int]] = defaultdict(dict)
    for rows in qrels.values():
        for query, doc, score in rows:
            assert doc not in out[query], (query, doc)
            out[query][doc] = score
    return out


def test_minima(entries, queries):
    assert len(entries) >= 120
    assert len(queries) >= 110
    found = Counter(q["class"] for q in queries)
    assert set(found) == set(CLASSES)
    for name, minimum in CLASSES.items():
        assert found[name] >= minimum, name
    assert len({c.split("/")[0] for c in entries}) == 6


def test_entry_format(entries):
    for path in entry_files():
        raw = path.read_bytes()
        assert b"\r" not in raw
        assert raw.endswith(b"\n")
        assert not raw.startswith(b"\xef\xbb\xbf")
        match = NAME.match(path.name)
        assert match, path
        day = match.group(1)
        assert date(2025, 3, 1) <= date.fromisoformat(day) <= date(2026, 2, 28)
        first, body, tags = split_entry(path)
        assert first == f"[{day}] - {nfc(path.parent.name)}"
        clock = path.read_text(encoding="utf-8").split("\n")[1][:7]
        assert clock == f"[{match.group(2)}:{match.group(3)}]"
        assert body.strip()
        assert 3 <= len(tags) <= 7, path
        assert len(set(tags)) == len(tags), path
        for tag in tags:
            assert 0 < len(tag) <= (20 if HAN.search(tag) else 40)


def test_no_duplicate_entries(entries):
    bodies = [re.sub(r"\s+", "", body) for _, body, _ in entries.values()]
    assert len(set(bodies)) == len(bodies)


def test_queries(queries):
    assert [q["_id"] for q in queries] == [f"q{i:03d}" for i in range(1, len(queries) + 1)]
    assert len({q["text"] for q in queries}) == len(queries)
    for q in queries:
        assert FIELDS <= set(q) <= FIELDS | {"cross_lingual"}, q
        assert q.get("cross_lingual", True) is True
        assert q["class"] in CLASSES
        assert q["language"] in {"zh", "en"}
        assert q["split"] in {"train", "test"}
        assert q["note"].strip()
        assert bool(HAN.search(q["text"])) == (q["language"] == "zh")


def test_asked_at(queries, judged):
    """Every temporal query has a date; nothing judged was written after the asking."""
    for q in queries:
        if q["class"] == "temporal":
            assert q.get("asked_at"), q["_id"]
        asked = datetime.fromisoformat(q["asked_at"])
        assert asked.tzinfo is not None
        for doc in judged.get(q["_id"], {}):
            stamp = doc.split("/")[1][:19]
            written = datetime.strptime(stamp + "+0800", "%Y-%m-%d-%H_%M_%S%z")
            assert written <= asked, (q["_id"], doc)


def test_qrels_point_to_files_and_queries(entries, queries, qrels):
    split_of = {q["_id"]: q["split"] for q in queries}
    for split, rows in qrels.items():
        for query, doc, score in rows:
            assert split_of[query] == split
            assert doc in entries, doc
            assert score in (1, 2, 3)


def test_judgements_per_class(queries, judged):
    for q in queries:
        grades = judged.get(q["_id"], {})
        if q["class"] == "no_answer":
            assert not grades, q["_id"]
        else:
            assert max(grades.values(), default=0) >= 2, q["_id"]
            assert len(grades) <= 12, q["_id"]


def test_splits_disjoint_and_stratified(queries, qrels):
    ids = {split: {row[0] for row in rows} for split, rows in qrels.items()}
    assert not ids["train"] & ids["test"]
    strata = defaultdict(Counter)
    for q in queries:
        strata[q["class"], q["language"]][q["split"]] += 1
    for key, count in strata.items():
        total = count["train"] + count["test"]
        assert abs(count["train"] - 0.4 * total) <= 0.5 + 1e-9, key


def language_of(body: str) -> str:
    return "zh" if len(HAN.findall(body)) > 10 else "en"


def test_cross_lingual_mark(entries, queries, judged):
    for q in queries:
        other = any(
            grade >= 2 and language_of(entries[doc][1]) != q["language"]
            for doc, grade in judged.get(q["_id"], {}).items()
        )
        assert other == q.get("cross_lingual", False), q["_id"]


def bigrams(text: str) -> set[str]:
    return {a + b for a, b in pairwise(text) if HAN.match(a) and HAN.match(b)}


def test_paraphrases_share_few_words(entries, queries, judged):
    stop = set(FUNCTION_WORDS.split())
    for q in queries:
        if q["class"] != "paraphrase":
            continue
        for doc, grade in judged[q["_id"]].items():
            if grade < 3:
                continue
            _, body, tags = entries[doc]
            text = body + "\n" + "\n".join(tags)
            if q["language"] == "zh":
                assert len(bigrams(q["text"]) & bigrams(text)) <= 2, (q["_id"], doc)
            else:
                asked = set(re.findall("[a-z]+", q["text"].lower())) - stop
                assert len(asked & set(re.findall("[a-z]+", text.lower()))) <= 1, (q["_id"], doc)


def test_tag_hops_are_bridged(entries, queries, judged):
    """An answer shares a tag with another graded entry, but not the query's topic tag."""
    for q in queries:
        if q["class"] != "tag_hop":
            continue
        grades = judged[q["_id"]]
        named = {t for _, _, tags in entries.values() for t in tags}
        named = {t for t in named if t.lower() in q["text"].lower()}
        assert named, q["_id"]
        bridged = False
        for doc in (d for d, grade in grades.items() if grade == 3):
            answer = set(entries[doc][2])
            for other in grades:
                tags = set(entries[other][2])
                topic = (tags & named) - answer
                if other != doc and topic and tags & answer:
                    bridged = True
        assert bridged, q["_id"]


def test_counts_and_hash(info, entries, queries, qrels):
    counts = info["counts"]
    assert info["name"] == "diaries"
    assert info["format"] == "vcp-dailynote"
    assert counts["documents"] == len(entries)
    assert counts["queries"] == len(queries)
    assert counts["judgements"] == sum(map(len, qrels.values()))
    assert counts["queries_by_class"] == Counter(q["class"] for q in queries)
    assert counts["queries_by_split"] == Counter(q["split"] for q in queries)
    assert counts["documents_by_notebook"] == Counter(c.split("/")[0] for c in entries)

    files = [*entry_files(), ROOT / "queries.jsonl", *(ROOT / "qrels").glob("*.tsv")]
    digest = hashlib.sha256()
    for name, path in sorted((nfc(p.relative_to(ROOT).as_posix()), p) for p in files):
        digest.update(name.encode("utf-8") + b"\0" + path.read_bytes() + b"\0")
    assert info["hash"] == "sha256:" + digest.hexdigest()
