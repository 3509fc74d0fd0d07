"""A corpus in a folder: as in memory, there again after closing, one writer, many readers."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
import textwrap
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import (
    InvalidInputError,
    NotFoundError,
    ReadOnlyError,
    SchemaMismatchError,
    StateError,
)
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document
from vcplab.memory.stages.dense import Dense
from vcplab.memory.stages.fusion import RRF
from vcplab.memory.stages.lexical import BM25, Tantivy
from vcplab.models.embedding.hashing import HashEmbedder

WORDS = ["budget", "plan", "harbour", "猫在屋顶", "预算讨论", "train", "月亮"]


def docs(*ids, text="text of {}"):
    return [Document(i, text.format(i)) for i in ids]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "memory"


def run(code, *arguments):
    """The output of another process."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_is_there_again(folder):
    with Corpus.open(folder) as corpus:
        corpus.add(docs("a", "b", "c"))
        corpus.update(Document("a", "new text", ("标签",), None, {"n": (1, 2)}))
        corpus.delete("b")
        seen = corpus.fingerprint, corpus.version, [d.id for d in corpus], corpus.rows.tolist()
        assert corpus.path == folder
    with Corpus.open(folder) as corpus:
        assert (
            corpus.fingerprint,
            corpus.version,
            [d.id for d in corpus],
            corpus.rows.tolist(),
        ) == seen
        assert corpus["a"].metadata == {"n": (1, 2)}
        assert corpus["a"].tags == ("标签",)
    same = Document("a", "new text", ("标签",), None, {"n": [1, 2]})
    assert Corpus([*docs("c"), same]).fingerprint == seen[0]


@given(
    changes=st.lists(
        st.tuples(
            st.sampled_from(["add", "upsert", "update", "delete", "clear"]),
            st.lists(st.sampled_from("abcdefgh"), max_size=4),
            st.sampled_from(WORDS),
        ),
        max_size=12,
    )
)
def test_it_behaves_as_in_memory(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("corpus") / "c"
    memory, disk = Corpus(), Corpus.open(folder)
    for verb, ids, text in changes:
        outcomes = []
        for corpus in (memory, disk):
            try:
                if verb == "clear":
                    outcomes.append(corpus.clear())
                elif verb == "delete":
                    outcomes.append(corpus.delete(ids))
                else:
                    outcomes.append(getattr(corpus, verb)(docs(*ids, text=text)))
            except (InvalidInputError, NotFoundError) as error:
                outcomes.append((type(error), error.message.replace(disk.name, memory.name)))
        assert outcomes[0] == outcomes[1]
        assert memory.fingerprint == disk.fingerprint
        assert memory.rows.tolist() == disk.rows.tolist()
        assert list(memory) == list(disk)
        assert len(memory) == len(disk)
    disk.close()
    with Corpus.open(folder, read_only=True) as again:
        assert list(again) == list(memory)


def test_rows_are_numbered_anew(folder, monkeypatch):
    monkeypatch.setattr("vcplab.memory.corpus._MIN_DEAD", 5)
    lane = Tantivy(analyzer=None)
    with Corpus.open(folder) as corpus:
        corpus.add(docs(*"abc", text="moon over {}"))
        for n in range(30):
            corpus.upsert(Document("b", f"budget number {n}"))
            found = [p.docno for p in lane.on(corpus).search("budget moon")]
            assert sorted(found) == ["a", "b", "c"]
            assert corpus._table.next_row <= 3 + 7
            assert corpus._table.removed <= 6
        frozen = [(p.docno, p.score) for p in lane.on(corpus).search("budget moon")]
    with Corpus.open(folder) as corpus:
        assert [(p.docno, p.score) for p in lane.on(corpus).search("budget moon")] == frozen
        # Only the generation in use is left.
        kept = list((folder / "indexes").glob("tantivy-*/g*"))
        assert len(kept) <= 2


def test_a_second_writer_is_refused_and_says_who(folder):
    with Corpus.open(folder) as corpus:
        assert Corpus.open(folder) is corpus, "a cell that runs twice"
        told = run(
            """
            import sys, vcplab as vl
            try:
                vl.Corpus.open(sys.argv[1])
            except vl.VCPError as error:
                print(type(error).__name__, error)
            """,
            folder,
        )
        assert told.startswith("ReadOnlyError")
        assert "Process" in told
        assert "read_only=True" in told
    run("import sys, vcplab as vl; vl.Corpus.open(sys.argv[1]).add(vl.Document('x', 'y'))", folder)
    with Corpus.open(folder) as corpus:
        assert "x" in corpus


def test_readers_see_each_change_and_may_not_write(folder):
    lane = Tantivy()
    with Corpus.open(folder) as writer, Corpus.open(folder, read_only=True) as reader:
        assert reader.read_only
        assert reader.count() == 0
        for n in range(4):
            writer.add(docs(f"d{n}", text="budget {}"))
            assert reader.count() == n + 1
            assert reader.version == writer.version
            assert len(lane.on(reader).search("budget")) == n + 1
            assert len(BM25().on(reader).search("budget")) == n + 1
        writer.delete("d0")
        assert "d0" not in reader
        assert [p.docno for p in lane.on(reader).search("d0")] == []
        assert len(lane.on(writer).search("budget")) == 3
        for change in (
            lambda: reader.add(docs("z")),
            lambda: reader.delete("d1"),
            lambda: reader.clear(),
        ):
            with pytest.raises(ReadOnlyError):
                change()
        assert reader.count() == 3


def test_a_reader_stands_still_during_a_run(folder):
    with Corpus.open(folder) as writer, Corpus.open(folder, read_only=True) as reader:
        writer.add(docs("a", "b"))
        with reader.lock:
            version = reader.version
            writer.delete("a")
            assert reader.version == version
            assert "a" in reader
            assert reader.document(0).id == "a"
        assert "a" not in reader


def test_readers_in_other_processes(folder):
    with Corpus.open(folder) as writer:
        writer.add(docs(*(f"d{n}" for n in range(50)), text="harbour {}"))
        code = """
        import sys, vcplab as vl
        corpus = vl.Corpus.open(sys.argv[1], read_only=True)
        print(len(vl.Tantivy().on(corpus).run(["harbour"]).frame), corpus.fingerprint)
        """
        assert run(code, folder) == f"50 {writer.fingerprint}"
        # The index that the reader made is the writer's, too.
        before = len(list((folder / "indexes").iterdir()))
        assert len(Tantivy().on(writer).run(["harbour"]).frame) == 50
        assert len(list((folder / "indexes").iterdir())) == before


def test_folders_that_are_something_else_are_left_alone(folder, tmp_path):
    with pytest.raises(NotFoundError):
        Corpus.open(folder, read_only=True)
    with pytest.raises(NotFoundError):
        Corpus.open(folder, create=False)
    assert not folder.exists()
    folder.mkdir()
    (folder / "diary.md").write_text("today", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="no corpus") as refused:
        Corpus.open(folder)
    assert "Corpus.read" in str(refused.value.next_step)
    assert [p.name for p in folder.iterdir()] == ["diary.md"]
    with pytest.raises(InvalidInputError, match="a file"):
        Corpus.open(folder / "diary.md")


def test_a_newer_folder_is_refused(folder):
    import sqlite3

    Corpus.open(folder).close()
    raw = sqlite3.connect(folder / "documents.sqlite3")
    raw.execute("UPDATE meta SET version = 99")
    raw.commit()
    raw.close()
    with pytest.raises(SchemaMismatchError):
        Corpus.open(folder)
    with pytest.raises(SchemaMismatchError):  # the lock was let go
        Corpus.open(folder)


def test_saving_and_closing(folder):
    corpus = Corpus(docs("a", "b"), name="mine")
    saved = corpus.save(folder)
    assert saved.fingerprint == corpus.fingerprint
    assert saved.name == "mine"
    with pytest.raises(InvalidInputError, match="already"):
        corpus.save(folder)
    saved.close()
    saved.close()
    with pytest.raises(StateError):
        saved.count()
    assert "in '" in repr(Corpus.open(folder))
    Corpus.open(folder).close()


def test_metadata_that_cannot_be_stored_changes_nothing(folder):
    with Corpus.open(folder) as corpus:
        corpus.add(docs("a"))
        before = corpus.fingerprint
        with pytest.raises(InvalidInputError, match="cannot be stored"):
            corpus.upsert([Document("a", "other"), Document("b", "x", metadata={"f": object()})])
        assert corpus.fingerprint == before


def test_a_pickle_reads_the_same_folder(folder):
    with Corpus.open(folder) as corpus:
        corpus.add(docs("a"))
        copy = pickle.loads(pickle.dumps(corpus))
        assert copy.read_only
        corpus.add(docs("b"))
        assert copy.count() == 2
        copy.close()


def test_indexes_are_opened_not_made(folder, monkeypatch):
    analysed = []
    from vcplab.text.analysis import Analyzer

    plain = Analyzer.analyze_many

    def counted(self, texts):
        analysed.extend(texts)
        return plain(self, texts)

    monkeypatch.setattr(Analyzer, "analyze_many", counted)
    with Corpus.open(folder) as corpus:
        corpus.add(docs("a", "b", text="moon {}"))
        assert len(Tantivy().on(corpus).search("moon")) == 2
    assert len(analysed) == 2
    with Corpus.open(folder) as corpus:
        assert len(Tantivy().on(corpus).search("moon")) == 2
        assert len(analysed) == 2
        corpus.add(docs("c", text="moon {}"))
        assert len(Tantivy().on(corpus).search("moon")) == 3
    assert len(analysed) == 3


@pytest.mark.parametrize("damage", ["meta.json", "about.json", "CURRENT", "seen.json"])
def test_damaged_indexes_are_made_again(folder, damage):
    with Corpus.open(folder) as corpus:
        corpus.add(docs("a", "b", text="moon {}"))
        expected = [(p.docno, p.score) for p in Tantivy().on(corpus).search("moon")]
    (target,) = (folder / "indexes").rglob(damage)
    target.write_bytes(b"\x00garbage")
    with Corpus.open(folder) as corpus:
        assert [(p.docno, p.score) for p in Tantivy().on(corpus).search("moon")] == expected


def test_other_lanes_work_on_disk_too(folder):
    dense = Dense(HashEmbedder(32))
    with Corpus.open(folder) as corpus:
        corpus.add([Document(str(n), word) for n, word in enumerate(WORDS)])
        expected = dense.on(corpus).run(["预算"]).frame
        assert np.isfinite(expected["score"]).all()
    with Corpus.open(folder) as corpus:
        again = dense.on(corpus).run(["预算"]).frame
        assert again.equals(expected)
        assert len((BM25() + Tantivy() + dense >> RRF()).on(corpus).search("budget"))


def test_an_interrupted_index_is_not_half_there(folder, monkeypatch):
    from vcplab.memory.index.tantivy import TantivyIndex

    with Corpus.open(folder) as corpus:
        corpus.add(docs("a", text="moon {}"))
        assert len(Tantivy().on(corpus).search("moon")) == 1
        corpus.add(docs("b", "c", text="moon {}"))
        plain = TantivyIndex.commit
        monkeypatch.setattr(
            TantivyIndex, "commit", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            Tantivy().on(corpus).search("moon")
        monkeypatch.setattr(TantivyIndex, "commit", plain)
        found = [p.docno for p in Tantivy().on(corpus).search("moon")]
        assert sorted(found) == ["a", "b", "c"]


def test_indexes_can_be_dropped(folder):
    with Corpus.open(folder) as corpus, Corpus.open(folder, read_only=True) as reader:
        corpus.add(docs("a", "b", text="moon {}"))
        before = [(p.docno, p.score) for p in Tantivy().on(corpus).search("moon")]
        assert [(p.docno, p.score) for p in Tantivy().on(reader).search("moon")] == before
        assert any((folder / "indexes").iterdir())
        corpus.drop_indexes()
        assert not (folder / "indexes").exists()
        assert [(p.docno, p.score) for p in Tantivy().on(reader).search("moon")] == before
        assert [(p.docno, p.score) for p in Tantivy().on(corpus).search("moon")] == before
        with pytest.raises(ReadOnlyError):
            reader.drop_indexes()
    Corpus(docs("a")).drop_indexes()


def test_deleted_documents_leave_the_statistics_when_indexes_are_dropped(folder):
    with Corpus.open(folder) as corpus:
        corpus.add(docs(*"abcdef", text="moon {}"))
        Tantivy().on(corpus).search("moon")
        corpus.delete(list("bcdef"))
        corpus.drop_indexes()
        alone = Tantivy().on(Corpus(docs("a", text="moon {}"))).search("moon")[0].score
        assert Tantivy().on(corpus).search("moon")[0].score == alone


def test_a_folder_of_the_first_version_opens(tmp_path):
    """Golden: written once by version 1 and never again."""
    golden = Path(__file__).parent / "golden" / "corpus-v1"
    shutil.copytree(golden, tmp_path / "old")
    with Corpus.open(tmp_path / "old") as corpus:
        assert corpus.fingerprint == "c1b4aba19dbc2cfaa1138cb605d1bb27"
        assert corpus["b"].tags == ("标签",)
        assert corpus["b"].metadata == {"n": (1, 2), "day": date(2026, 2, 28)}
        assert corpus["b"].time == datetime(2026, 2, 28, 9, tzinfo=timezone(timedelta(hours=8)))
        assert [p.docno for p in Tantivy().on(corpus).search("预算")] == ["b"]
        corpus.add(docs("new"))
        assert corpus.version == 4


def test_recall_of_the_dense_lane(folder):
    with Corpus.open(folder) as corpus:
        corpus.add([Document(str(n), word) for n, word in enumerate(WORDS)])
        assert Dense(HashEmbedder(32)).recall(corpus, ["budget", "月亮"], 3) == 1.0


def test_a_reader_keeps_up_with_a_writer_that_never_rests(folder):
    """Found by a soak: an index that a writer has taken further than the reader's moment."""
    writing = """
        import sys, vcplab as vl
        lane = vl.Tantivy() + vl.Dense(vl.HashEmbedder(16)) >> vl.RRF()
        with vl.Corpus.open(sys.argv[1]) as corpus:
            print("ready", flush=True)
            for turn in range(150):
                corpus.upsert([vl.Document(f"d{n}", f"moon {turn}") for n in range(turn % 40, 60)])
                if turn % 5 == 0:
                    lane.on(corpus).search("moon")
        """
    Corpus.open(folder).close()
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(writing), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline()
    lane = Tantivy() + Dense(HashEmbedder(16)) >> RRF()
    with Corpus.open(folder, read_only=True) as reader:
        looked = 0
        while child.poll() is None:
            found = [p.docno for p in lane.on(reader).search("moon", k=100)]
            assert len(found) == len(set(found))
            looked += 1
        assert looked > 5
        assert len(lane.on(reader).search("moon", k=100)) == 60
    assert child.returncode == 0
    child.stdout.close()


@pytest.mark.parametrize("lane", [Tantivy(), Dense(HashEmbedder(8)), BM25()])
def test_an_empty_corpus_finds_nothing_and_then_something(folder, lane):
    for _ in range(2):
        with Corpus.open(folder) as corpus:
            assert len(lane.on(corpus).search("moon")) == 0
    with Corpus.open(folder) as corpus:
        corpus.add(docs("a", text="moon"))
        assert len(lane.on(corpus).search("moon")) == 1
        corpus.clear()
        assert len(lane.on(corpus).search("moon")) == 0
