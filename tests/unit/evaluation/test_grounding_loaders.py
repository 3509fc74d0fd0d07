"""Readers of published sets, on tiny files written in each published format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError, VCPError
from vcplab.evaluation import datasets
from vcplab.evaluation.loaders import grounding
from vcplab.evaluation.samples import GroundingData


def lines(path: Path, *records: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in records) + "\n", "utf-8")
    return path


def array(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), "utf-8")
    return path


def texts(data: GroundingData, id: str) -> list[tuple[str, str | None]]:
    sample = data[id]
    return [(sample.response[s.start : s.end], s.type) for s in sample.spans]


# --- one's own tables ------------------------------------------------------------------------


def test_own_json_lines_by_a_mapping(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "own.jsonl",
        {"key": 7, "answer": "三十五岁 🙂 in Rome.", "src": {"a": "x", "b": ["y", "z"]},
         "verdict": "bad", "marks": [{"start": 7, "end": 14, "text": "in Rome", "kind": "k"}],
         "model": "m1", "part": "dev"},
        {"key": 8, "answer": "Fine.", "src": {"a": "x", "b": []}, "verdict": "good", "marks": [],
         "model": "m2", "part": "test"},
    )  # fmt: skip
    data = datasets.from_records(
        path,
        {
            "id": "key",
            "response": "answer",
            "context": ["src.a"],
            "history": "src.b",
            "label": "verdict",
            "spans": lambda r: [{**m, "type": m["kind"]} for m in r["marks"]],
            "meta": ["model"],
            "split": "part",
        },
        positive="bad",
        types={"k": "attribution"},
        licence="mine",
    )
    assert (data.name, data.licence, len(data)) == ("own", "mine", 2)
    first = data["7"]
    assert (first.label, first.context, first.history) == (True, ("x",), ("y", "z"))
    assert texts(data, "7") == [("in Rome", "attribution")]
    assert first.meta == {"model": "m1"}
    assert data["8"].label is False
    assert data["8"].spans == ()
    assert [s.id for s in data.split_named("dev")] == ["7"]


def test_own_tables_need_no_mapping_where_names_agree(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(
        'id,response,context,label,spans\na,"One, two","[""c1"", ""c2""]",yes,"[""two""]"\n'
        'b,"Line\nbreak",c3,0,\nc,Open,,,\n',
        "utf-8",
    )
    data = datasets.from_records(path)
    assert data["a"].context == ("c1", "c2")
    assert texts(data, "a") == [("two", None)]
    assert [s.label for s in data] == [True, False, None]
    assert data["b"].response == "Line\nbreak"
    assert data["b"].spans == ()
    assert data["c"].spans is None


def test_a_label_follows_from_spans(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "own.jsonl",
        {"response": "abc", "spans": ["b"]},
        {"response": "abc", "spans": []},
        {"response": "abc"},
    )
    assert [s.label for s in datasets.from_records(path)] == [True, False, None]


def test_offsets_are_mended_and_told(tmp_path: Path) -> None:
    # 🙂 is two UTF-16 units and one code point.
    path = lines(
        tmp_path / "own.jsonl",
        {"response": "🙂 red car", "spans": [{"start": 3, "end": 6, "text": "red"}]},
        {"response": "a red car, red", "spans": [{"start": 9, "end": 12, "text": "red"}]},
        {"response": "a red car", "spans": [{"start": 2, "end": 6, "text": "blue"}]},
    )
    data = datasets.from_records(path)
    assert texts(data, "own-1") == [("red", None)]
    assert (data["own-2"].spans[0].start, data["own-2"].spans[0].end) == (11, 14)
    assert data["own-3"].meta["unlocated"] == ["blue"]
    assert data["own-3"].label is True
    assert [(row.line, row.problem.split()[-1]) for row in data.report.itertuples()] == [
        (1, "units"), (2, "text"), (3, "response"),
    ]  # fmt: skip
    with pytest.raises(InvalidDataError, match="UTF-16") as caught:
        datasets.from_records(path, strict=True)
    assert caught.value.where == "own.jsonl, line 1"


@pytest.mark.parametrize(
    ("content", "mapping", "told", "where"),
    [
        ('{"response": "a"}\n{oops', {}, "Not JSON", "own.jsonl, line 2"),
        ('{"response": "a"}\n[1]', {}, "list is no record", "own.jsonl, line 2"),
        ('{"response": "a"}\n\n{"answer": "b"}', {}, "no response", "own.jsonl, line 3"),
        ('{"response": "a"}', {"label": "gold"}, "no column 'gold'", "own.jsonl, line 1"),
        ('{"response": "a", "label": "perhaps"}', {}, "neither true nor false", "line 1"),
        ('{"response": "a", "spans": "a"}', {}, "spans that are no list", "line 1"),
        ('{"response": "a", "spans": [{"start": "0"}]}', {}, "whole numbers", "line 1"),
        ('{"response": "a"}', {"label": lambda r: r["x"]}, "mapping failed: KeyError", "line 1"),
        ('{"response": ["a"]}', {}, "has a list as its response", "line 1"),
    ],
)
def test_errors_name_file_and_line(
    tmp_path: Path, content: str, mapping: dict, told: str, where: str
) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(content, "utf-8")
    with pytest.raises(InvalidDataError, match=told) as caught:
        datasets.from_records(path, mapping)
    assert where in str(caught.value.where)
    assert caught.value.next_step


def test_wrong_mappings_are_refused(tmp_path: Path) -> None:
    path = lines(tmp_path / "own.jsonl", {"response": "a"})
    with pytest.raises(InvalidInputError, match="no field 'answer'"):
        datasets.from_records(path, {"answer": "response"})
    with pytest.raises(InvalidInputError, match="no type 'wrong'"):
        datasets.from_records(path, types={"x": "wrong"})
    with pytest.raises(InvalidInputError, match="no option 'colour'"):
        datasets.from_records(path, colour="red")
    with pytest.raises(NotFoundError, match="no such file"):
        datasets.from_records(tmp_path / "missing.csv")
    with pytest.raises(NotFoundError, match="no format 'other'"):
        datasets.load_grounding(path, "other")


# --- published sets --------------------------------------------------------------------------


def test_summedits(tmp_path: Path) -> None:
    seed = "Ann buys 3 apples."
    rows = [
        {"id": "og", "doc": "D", "summary": seed, "label": 1, "original_summary": seed,
         "edit_types": [], "split": "test"},
        {"id": "1", "doc": "D", "summary": "Ann buys 4 apples.", "label": 0,
         "original_summary": seed, "edit_types": ["entity_modification"], "split": "test"},
    ]  # fmt: skip
    array(tmp_path / "news.json", rows)
    array(tmp_path / "mail.json", rows)
    data = grounding.load_summedits(tmp_path)
    assert len(data) == 4
    assert len(set(data.groups)) == 4 / 2
    wrong = data["news-1"]
    assert (wrong.label, wrong.correction, wrong.spans) == (True, seed, None)
    assert data["news-og"].spans == ()
    assert data["news-og"].correction is None
    assert data.value(wrong, "type") == "factual"
    assert [value for value, _, _ in data.leave_out("domain")] == ["mail", "news"]
    assert set(data.report["problem"]) == {
        "4 samples were read, 4,681 were published",
        "2 documents were read, 162 were published",
        "2 domains were read, 8 were published",
    }
    with pytest.raises(InvalidDataError, match="4 samples were read"):
        grounding.load_summedits(tmp_path, strict=True)
    alone = grounding.load_summedits(tmp_path / "news.json")
    assert len(alone) == 2
    assert alone.report.empty
    rows[0]["label"] = "1"
    with pytest.raises(InvalidDataError, match="the label '1'") as caught:
        grounding.load_summedits(array(tmp_path / "bad.json", rows))
    assert caught.value.where == "bad.json, record 1"


def _wice(label: str, **more: Any) -> dict:
    return {
        "label": label,
        "claim": "Ann won, 3 prizes in  Rome.",
        "evidence": ["Title", "Ann won."],
        "supporting_sentences": [[1]],
        "meta": {"id": "dev1", "claim_title": "Ann"},
        **more,
    }


def test_wice_claims(tmp_path: Path) -> None:
    labels = ["supported", "partially_supported", "not_supported"]
    rows = [_wice(x, meta={"id": f"d{n}", "claim_title": "T"}) for n, x in enumerate(labels)]
    lines(tmp_path / "claim_dev.jsonl", *rows)
    lines(tmp_path / "claim_test.jsonl", _wice("supported", meta={"id": "t", "claim_title": "U"}))
    data = grounding.load_wice(tmp_path)
    assert [s.label for s in data] == [False, True, True, False]
    assert data.splits == ("dev", "test")
    assert data["d0"].context == ("Title\nAnn won.",)
    assert data["d0"].group == "T"
    assert data.card["counts"] == {"samples": 4, "dev claims": 3, "test claims": 1}
    # The published folders do as well.
    lines(tmp_path / "p/entailment_retrieval/claim/dev.jsonl", *rows)
    assert len(grounding.load_wice(tmp_path / "p", split="dev")) == 3
    with pytest.raises(InvalidDataError, match="label 'maybe'"):
        grounding.load_wice(lines(tmp_path / "claim_x.jsonl", _wice("maybe")))


def test_wice_tokens_become_runs_with_their_white_space(tmp_path: Path) -> None:
    tokens = ["Ann", "won", ",", "3", "prizes", "in", "Rome", "."]
    flags = [False, False, False, True, True, False, True, False]
    row = _wice("partially_supported", claim_tokens=tokens, non_supported_spans=flags)
    data = grounding.load_wice_spans(lines(tmp_path / "nst_dev.jsonl", row))
    assert texts(data, "dev1") == [("3 prizes", None), ("Rome", None)]
    short = {**row, "non_supported_spans": flags[:-1]}
    with pytest.raises(InvalidDataError, match="one flag per token"):
        grounding.load_wice_spans(lines(tmp_path / "nst_a.jsonl", short))
    other = {**row, "claim_tokens": ["Bob", *tokens[1:]]}
    with pytest.raises(InvalidDataError, match="'Bob', which is not next"):
        grounding.load_wice_spans(lines(tmp_path / "nst_b.jsonl", other))


def test_halueval_general(tmp_path: Path) -> None:
    lines(
        tmp_path / "general_data.json",
        {"ID": "1", "user_query": "q", "chatgpt_response": "It is red. It is red, and blue.",
         "hallucination": "yes", "hallucination_spans": ["red", "red", "green"]},
        {"ID": "1", "user_query": "q2", "chatgpt_response": "ok", "hallucination": "no",
         "hallucination_spans": []},
    )  # fmt: skip
    data = grounding.load_halueval(tmp_path)
    assert [(s.start, s.end) for s in data["general-1"].spans] == [(6, 9), (17, 20)]
    assert data["general-1"].meta["unlocated"] == ["green"]
    assert data["general-2"].spans == ()
    assert data.card["counts"] == {"samples": 2, "hallucinated": 1, "spans": 3, "unlocated": 1}
    assert "1 of 3 spans are not in their response" in data.report["problem"].to_list()


def test_halueval_pairs(tmp_path: Path) -> None:
    lines(
        tmp_path / "qa_data.json",
        {"knowledge": "K", "question": "Q", "right_answer": "R", "hallucinated_answer": "H"},
    )
    lines(
        tmp_path / "dialogue_data.json",
        {
            "knowledge": "K",
            "dialogue_history": "[Human]: a [Assistant]: b [Human]: c",
            "right_response": "R",
            "hallucinated_response": "H",
        },
    )
    lines(
        tmp_path / "summarization_data.json",
        {"document": "D", "right_summary": "R", "hallucinated_summary": "H"},
    )
    qa = grounding.load_halueval(tmp_path, kind="qa")
    assert [(s.response, s.label, s.correction) for s in qa] == [
        ("R", False, None),
        ("H", True, "R"),
    ]
    assert len(set(qa.groups)) == 1
    talk = grounding.load_halueval(tmp_path, kind="dialogue")
    assert (talk[0].history, talk[0].question) == (("a", "b"), "c")
    summary = grounding.load_halueval(tmp_path / "summarization_data.json")
    assert summary[1].context == ("D",)
    assert summary.name == "halueval-summarization"
    with pytest.raises(InvalidDataError, match="none of general, qa"):
        grounding.load_halueval(lines(tmp_path / "x.json", {"a": 1}))


def _ragtruth(folder: Path) -> Path:
    lines(
        folder / "source_info.jsonl",
        {"source_id": "1", "task_type": "Summary", "source": "CNN/DM", "source_info": "Text.",
         "prompt": "p"},
        {"source_id": "2", "task_type": "QA", "source": "MARCO", "source_info": {
            "question": "why?", "passages": "passage 1:First.\n\npassage 2:Second.\n\n"}},
        {"source_id": "3", "task_type": "Data2txt", "source": "Yelp", "source_info": {
            "name": "Bar", "hours": {"Monday": "9:0-22:30"}, "attributes": {"WiFi": None,
            "Outdoor": True}, "review_info": [{"review_stars": 5.0, "review_text": "Nice."}]}},
    )  # fmt: skip

    def label(start: int, end: int, text: str, kind: str, **more: Any) -> dict:
        found = {"start": start, "end": end, "text": text, "label_type": kind, "meta": ""}
        return {"implicit_true": False, "due_to_null": False, **found, **more}

    def response(id: str, source: str, text: str, labels: list, **more: Any) -> dict:
        base = {"model": "m", "temperature": 0.7, "split": "test", "quality": "good"}
        return {"id": id, "source_id": source, "labels": labels, "response": text, **base, **more}

    lines(
        folder / "response.jsonl",
        response("a", "1", "It is wrong here.", [label(6, 11, "wrong", "Evident Conflict")]),
        response("b", "2", "It adds x, y.", [
            label(8, 9, "x", "Subtle Baseless Info", implicit_true=True),
            label(11, 12, "y", "Evident Baseless Info", due_to_null=True)], split="train"),
        response("c", "3", "Fine.", [], quality="truncated"),
    )  # fmt: skip
    return folder


def test_ragtruth(tmp_path: Path) -> None:
    data = grounding.load_ragtruth(_ragtruth(tmp_path))
    assert texts(data, "a") == [("wrong", "contextual")]
    assert texts(data, "b") == [("x", "confabulation"), ("y", "confabulation")]
    assert data["a"].context == ("Text.",)
    assert (data["b"].context, data["b"].question) == (("First.", "Second."), "why?")
    assert data["c"].context == (
        "name: Bar\nhours Monday: 9:0-22:30\nattributes Outdoor: yes",
        "review_stars: 5.0\nreview_text: Nice.",
    )
    assert [s.label for s in data] == [True, True, False]
    assert [s.group for s in data] == ["1", "2", "3"]
    assert [s.id for s in data.filter(quality="good")] == ["a", "b"]
    assert [s.id for s in grounding.load_ragtruth(tmp_path, task="QA")] == ["b"]
    assert [s.id for s in grounding.load_ragtruth(tmp_path, split="test")] == ["a", "c"]
    strictly = grounding.load_ragtruth(tmp_path, implicit=False, due_to_null=False)
    assert strictly["b"].label is False
    assert strictly["b"].spans == ()
    assert "3 samples were read, 17,790 were published" in data.report["problem"].to_list()
    with pytest.raises(NotFoundError, match="no task 'Chat'"):
        grounding.load_ragtruth(tmp_path, task="Chat")


def test_ragtruth_without_its_sources(tmp_path: Path) -> None:
    path = _ragtruth(tmp_path) / "response.jsonl"
    (tmp_path / "source_info.jsonl").unlink()
    data = grounding.load_ragtruth(path)
    assert all(not s.context for s in data)
    assert "responses have no context" in data.report["problem"].iloc[0]


def test_faithbench(tmp_path: Path) -> None:
    def mark(labels: list[str], start: int, end: int, text: str) -> dict:
        return {
            "annot_id": 1, "annotator_id": "x", "annotator_name": "y", "label": labels, "note": "",
            "summary_span": text, "summary_start": start, "summary_end": end,
        }  # fmt: skip

    def sample(n: int, marks: list) -> dict:
        meta = {"summarizer": "m", "hhemv1": 0.5}
        return {"sample_id": n, "source": "S", "summary": "A red car.", "annotations": marks,
                "metadata": meta}  # fmt: skip

    array(tmp_path / "data_for_release/batch_1.json", {"samples": [
        sample(0, [mark(["Unwanted", "Unwanted.Intrinsic"], 2, 5, "red")]),
        sample(1, [mark(["Questionable"], 2, 5, "red")]),
        sample(2, [mark(["Benign"], 2, 5, "red")]),
        sample(3, []),
        sample(4, [mark(["Unwanted.Extrinsic"], 6, 9, "car")]),
    ]})  # fmt: skip
    data = grounding.load_faithbench(tmp_path)
    assert [s.label for s in data] == [True, False, False, False, True]
    assert texts(data, "batch_1-0") == [("red", "contextual")]
    assert texts(data, "batch_1-4") == [("car", "confabulation")]
    assert data.card["counts"] == {"samples": 5, "sources": 1, "spans": 4}
    wider = grounding.load_faithbench(tmp_path / "data_for_release", level="questionable")
    assert sum(s.label for s in wider) == 3
    assert sum(s.label for s in grounding.load_faithbench(tmp_path, level="any")) == 4
    with pytest.raises(InvalidInputError, match="level 'all'"):
        grounding.load_faithbench(tmp_path, level="all")
    with pytest.raises(InvalidDataError, match="no list of objects 'samples'"):
        grounding.load_faithbench(array(tmp_path / "batch_9.json", {"rows": []}))


def test_begin(tmp_path: Path) -> None:
    head = "model\tdata_source\tknowledge\tmessage\tresponse\tbegin_label\n"
    rows = [
        'gpt2\twow\tHe said "no\thi\tYes.\tFully attributable',
        't5\twow\tK\t\tNo "way.\tNot fully attributable',
        "t5\twow\tK\thi\tHm.\tGeneric",
    ]
    (tmp_path / "wow").mkdir()
    (tmp_path / "wow/begin_dev_wow.tsv").write_text(head + "\n".join(rows) + "\n", "utf-8")
    data = grounding.load_begin(tmp_path)
    # A quotation mark quotes nothing: three rows are three samples.
    assert [(s.response, s.label) for s in data] == [
        ("Yes.", False), ('No "way.', True), ("Hm.", True),
    ]  # fmt: skip
    assert data[0].context == ('He said "no',)
    assert data[0].history == ("hi",)
    assert (data.splits, data[0].meta["source"]) == (("dev",), "wow")
    assert [s.label for s in grounding.load_begin(tmp_path, generic="faithful")][-1] is False
    assert len(grounding.load_begin(tmp_path, generic="left out")) == 2
    assert "3 dev wow were read, 430 were published" in data.report["problem"].to_list()


def test_qags(tmp_path: Path) -> None:
    def sentence(text: str, *said: str) -> dict:
        answers = [{"worker_id": n, "response": word} for n, word in enumerate(said)]
        return {"sentence": text, "responses": answers}

    lines(
        tmp_path / "mturk_xsum.jsonl",
        {"article": "A", "summary_sentences": [
            sentence("One is right.", "yes", "yes", "no"),
            sentence("Two is not.", "no", "no", "yes")]},
        {"article": "B", "summary_sentences": [sentence("Fine.", "yes", "yes", "yes")]},
    )  # fmt: skip
    data = grounding.load_qags(tmp_path)
    assert [s.label for s in data] == [True, False]
    assert texts(data, "xsum-1") == [("Two is not.", None)]
    assert data["xsum-1"].meta["domain"] == "xsum"
    bad = {"article": "A", "summary_sentences": [sentence("x", "maybe")]}
    with pytest.raises(InvalidDataError, match="neither yes nor no"):
        grounding.load_qags(lines(tmp_path / "mturk_x.jsonl", bad))


def test_cliff_and_goyal21(tmp_path: Path) -> None:
    text = (
        "doc,summ,model_name,error_type,annotated_span,cut\n"
        "D,Ann won 3 prizes in Rome.,bart,\"['intrinsic', 'extrinsic']\",\"['3', 'in Rome']\",val\n"
        'E,All is well.,bart,[],[],test\nF,Bob ran far.,t5,extrinsic,"far away",test\n'
    )
    folder = tmp_path / "error_type_mapping"
    folder.mkdir()
    (folder / "CLIFF_error_types.csv").write_text(text, "utf-8")
    (folder / "Goyal21_error_types.csv").write_text(text, "utf-8")
    data = grounding.load_cliff(tmp_path)
    assert [s.label for s in data] == [True, False, True]
    assert texts(data, "cliff-1") == [("3", "contextual"), ("in Rome", "confabulation")]
    assert data.splits == ("dev", "test")
    assert data["cliff-3"].meta["unlocated"] == ["far away"]
    assert "a span is not in the summary" in data.report["problem"].iloc[0]
    assert grounding.load_goyal21(tmp_path, split="test").name == "goyal21"


def test_truthfulqa(tmp_path: Path) -> None:
    (tmp_path / "TruthfulQA.csv").write_text(
        "Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\n"
        'Adversarial,Myths,Why?,"No, never","No, never; It is not",Yes; Always; ,http://x\n',
        "utf-8",
    )
    data = grounding.load_truthfulqa(tmp_path)
    assert [(s.response, s.label) for s in data] == [
        ("No, never", False), ("It is not", False), ("Yes", True), ("Always", True),
    ]  # fmt: skip
    assert len(set(data.groups)) == 1
    assert data.card["counts"]["questions"] == 1


def test_halluqa(tmp_path: Path) -> None:
    row = {"question_id": 3, "Category": "Misleading", "Question": "问题？", "Best Answer1": "不是",
           "Best Answer2": "", "Wrong_Answer1": "是的", "Wrong_Answer2": "没错"}  # fmt: skip
    data = grounding.load_halluqa(array(tmp_path / "HalluQA.json", [row]))
    assert [(s.response, s.label, s.language) for s in data] == [
        ("不是", False, "zh"), ("是的", True, "zh"), ("没错", True, "zh"),
    ]  # fmt: skip
    with pytest.raises(InvalidDataError, match="neither 'Best Answer1'") as caught:
        grounding.load_halluqa(array(tmp_path / "x.json", [row, {"Question": "?"}]))
    assert caught.value.where == "x.json, record 2"


def test_tofueval(tmp_path: Path) -> None:
    head = "doc_id,annotation_id,topic,model_name,sent_idx,summ_sent,sent_label,exp,type\n"
    folder = tmp_path / "factual_consistency"
    folder.mkdir()
    (folder / "mediasum_factual_eval_dev.csv").write_text(
        head + "d1,0,T,M,0,Good.,yes,,\nd1,0,T,M,1,Bad.,no,because,Extrinsic Information\n"
        'd2,1,T,M,0,Bad.,no,"x, y","Reasoning Error, Tense/modality Error"\n',
        "utf-8",
    )
    data = grounding.load_tofueval(tmp_path)
    assert [s.label for s in data] == [False, True, True]
    assert [data.value(s, "type") for s in data] == [None, "confabulation", "logical + temporal"]
    assert all(not s.context for s in data)
    (tmp_path / "mediasum_dev_doc.csv").write_text('doc_id,source\nd1,"A: hi\nB: ho"\n', "utf-8")
    whole = grounding.load_tofueval(tmp_path, documents=tmp_path)
    assert whole[0].context == ("A: hi\nB: ho",)
    assert "there is no transcript 'd2'" in whole.report["problem"].to_list()


@pytest.mark.parametrize("format", sorted(grounding.FORMATS))
def test_every_reader_says_what_is_missing(tmp_path: Path, format: str) -> None:
    with pytest.raises(VCPError) as caught:
        datasets.load_grounding(tmp_path / "nowhere", format)
    assert "nowhere" in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(VCPError) as caught:
        datasets.load_grounding(tmp_path / "empty", format)
    assert caught.value.next_step


@pytest.mark.parametrize("format", sorted(set(grounding.FORMATS) - {"pairs"}))
def test_a_file_of_something_else_is_refused_with_its_place(tmp_path: Path, format: str) -> None:
    suffix = {"begin": ".tsv", "cliff": ".csv", "goyal21": ".csv", "tofueval": ".csv",
              "truthfulqa": ".csv"}.get(format, ".jsonl")  # fmt: skip
    path = tmp_path / f"other{suffix}"
    if suffix == ".jsonl":
        lines(path, {"colour": "red"})
    else:
        separator = "\t" if suffix == ".tsv" else ","
        path.write_text(f"colour{separator}size\nred{separator}9\n", "utf-8")
    with pytest.raises(InvalidDataError) as caught:
        datasets.load_grounding(path, format)
    assert path.name in str(caught.value.where)
    # A batch of FaithBench is one object: the file is all there is to name.
    assert format == "faithbench" or str(caught.value.where).endswith(" 1")
