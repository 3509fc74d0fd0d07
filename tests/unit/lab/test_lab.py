"""A lab: its folder, its settings, its trace."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.core.trace import span


def test_everything_in_the_process_is_traced(tmp_path: Path) -> None:
    with vl.Lab(tmp_path / "lab") as lab:
        corpus = vl.Corpus.from_documents([vl.Document(id="a", text="the budget")])
        vl.BM25().on(corpus).search("budget", 1)
        assert lab.trace.spans(search="search")
        frame = lab.trace.to_frame()
        assert list(frame.columns)[:4] == ["span_id", "trace_id", "parent_id", "name"]
        assert len(frame) == lab.trace.store.count()
        assert "Latest requests" in lab.trace._repr_html_()


def test_a_tree_as_text(tmp_path: Path) -> None:
    with vl.Lab(tmp_path / "lab") as lab:
        with pytest.raises(NotFoundError):
            lab.trace.tree()
        with span("request"):
            with span("a"):
                pass
            with pytest.raises(ValueError, match="bad"), span("b"):
                raise ValueError("bad")
        lines = lab.trace.tree().split("\n")
        assert [line.split(" [")[0] for line in lines] == ["request", "  a", "  b"]
        assert lines[2].endswith("! ValueError: bad")


def test_it_is_all_there_again(tmp_path: Path) -> None:
    with vl.Lab(tmp_path / "lab") as lab, lab.trace.log.call("T", {"x": "y" * 9000}) as call:
        call.set(output=[1])
    with vl.Lab(tmp_path / "lab") as lab:
        (found,) = lab.trace.log.get_recent_calls()
        assert (found.input, found.output) == ({"x": "y" * 9000}, [1])
        path = lab.trace.export_jsonl(tmp_path / "out.jsonl")
        line = json.loads(path.read_text(encoding="utf-8"))
        assert line["attributes"]["input"] == {"x": "y" * 9000}


def test_secrets_of_the_labs_own_settings(tmp_path: Path) -> None:
    with vl.Lab(tmp_path / "lab", server_key="planted-lab-key") as lab:
        with span("a", text="uses planted-lab-key"):
            pass
        assert "planted" not in json.dumps(lab.trace.spans()[0].to_dict())


def test_a_second_process_reads(tmp_path: Path) -> None:
    with vl.Lab(tmp_path / "lab") as lab:
        with span("a"):
            pass
        lab.trace.flush()
        code = (
            "import sys, vcplab as vl\n"
            "with vl.Lab(sys.argv[1]) as lab:\n"
            "    print(lab.read_only, [s.name for s in lab.trace.spans()], bool(lab.notice))\n"
            "    try:\n"
            "        lab.gc()\n"
            "    except vl.VCPError as error:\n"
            "        print(error.code)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(lab.path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout.split("\n")[:2] == ["True ['a'] True", "READ_ONLY"]


def test_a_cell_that_is_run_again(tmp_path: Path) -> None:
    lab = vl.Lab(tmp_path / "lab")
    panel = lab.trace.panel()
    with span("a"):
        pass
    lab = vl.Lab(tmp_path / "lab")
    assert not lab.read_only
    assert [s.name for s in lab.trace.spans()] == ["a"]
    assert "closed" in panel._details("x")["text"]
    lab.close()


def test_closing_twice_and_collecting(tmp_path: Path) -> None:
    lab = vl.Lab(tmp_path / "lab")
    lab.gc()
    assert "open" in repr(lab)
    lab.close()
    lab.close()
    assert "closed" in repr(lab)
    with span("after"):
        pass


def test_a_wrong_setting_leaves_no_lock(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError):
        vl.Lab(tmp_path / "lab", nonsense=1)
    with vl.Lab(tmp_path / "lab") as lab:
        assert not lab.read_only
