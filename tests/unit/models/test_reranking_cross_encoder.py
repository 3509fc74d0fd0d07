"""The cross-encoder path with a real model: a BERT of 10,000 weights, made here."""

from __future__ import annotations

import dataclasses
import itertools
import json
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import vcplab as vl
from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    MissingDependencyError,
    NotFoundError,
    StateError,
)
from vcplab.memory.stages.rerank import Rerank
from vcplab.models.reranking import CrossEncoder, cross_encoder, score_lists
from vcplab.protocol.ports import Reranker

TOPICS = ("budget", "kitchen", "预算")
FILLERS = ("cat", "硬盘", "the", "a", "was", "changed", "on", "friday", "we", "spoke", "about")
SENTENCE = "we spoke about the {}"


def _save(folder, *, labels=1, head=True):
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *TOPICS, *FILLERS]
    vocabulary = {word: i for i, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=24,
    )
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
        num_labels=labels,
        initializer_range=0.2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if head:
            model = transformers.BertForSequenceClassification(config)
        else:
            model = transformers.BertModel(config)
        if head and labels == 1:
            _fit(model.eval(), fast)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def _fit(model, tokenizer):
    """Make a document relevant if it holds the word of the query: the scoring layer, solved."""
    import torch

    pairs = list(itertools.product(TOPICS, TOPICS))
    inputs = tokenizer(
        [query for query, _ in pairs],
        [SENTENCE.format(topic) for _, topic in pairs],
        return_tensors="pt",
        padding=True,
    )
    wanted = torch.tensor([[3.0 if query == topic else -3.0] for query, topic in pairs])
    with torch.no_grad():
        # 9 pairs and 32 features: there is an exact solution.
        features = model.bert(**inputs).pooler_output
        solved = torch.linalg.lstsq(features, wanted, driver="gelsd").solution
        model.classifier.weight.copy_(solved.T)
        model.classifier.bias.zero_()


def _quiet():
    pytest.importorskip("sentence_transformers", reason="needs the [dense] extra")
    from transformers.utils import logging

    logging.disable_progress_bar()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    _quiet()
    return _save(tmp_path_factory.mktemp("models") / "tiny-reranker")


QUERY = "budget"
DOCUMENTS = [
    "the cat was on the kitchen",
    "we spoke about the budget",
    "",
    "friday " * 60,
    "we spoke about the kitchen",
    "预算 硬盘 \ud800",
]


@pytest.mark.dense
def test_a_relevant_document_scores_above_the_others(folder):
    model = CrossEncoder(str(folder))
    scores = model.score(QUERY, DOCUMENTS)
    assert scores.dtype == np.float64
    assert scores.shape == (6,)
    assert scores[1] > 0.9 > 0.1 > scores[4]
    for topic in TOPICS:
        own = model.score(topic, [SENTENCE.format(other) for other in TOPICS])
        assert TOPICS[own.argmax()] == topic


@pytest.mark.dense
def test_scores_are_those_of_the_library(folder):
    import sentence_transformers

    theirs = sentence_transformers.CrossEncoder(str(folder), device="cpu", local_files_only=True)
    documents = [d.encode("utf-8", "replace").decode() for d in DOCUMENTS]
    wanted = theirs.predict([(QUERY, d) for d in documents], show_progress_bar=False)
    np.testing.assert_array_equal(
        CrossEncoder(str(folder)).score(QUERY, DOCUMENTS), wanted.astype(np.float64)
    )
    # One pair at a time pads nothing and rounds otherwise.
    small = CrossEncoder(str(folder), batch_size=1).score(QUERY, DOCUMENTS)
    np.testing.assert_allclose(small, wanted, atol=1e-3)


@pytest.mark.dense
def test_a_pipeline_is_reranked(folder):
    texts = {topic: SENTENCE.format(topic) for topic in TOPICS}
    corpus = vl.Corpus([vl.Document(topic, text) for topic, text in texts.items()])
    # Every document has what is asked for in the first place; one is about it.
    plain = vl.Rewrite(lambda query: dataclasses.replace(query, terms={"spoke": 1.0}), whole=True)
    model = CrossEncoder(str(folder))
    retriever = (plain >> vl.BM25() >> Rerank(model)).on(corpus)
    run = retriever.run(list(TOPICS))
    assert run.frame.loc[run.frame["rank"] == 0, "docno"].tolist() == list(TOPICS)
    assert len(run.frame) == 9
    wanted = model.score("kitchen", [texts["kitchen"]])[0]
    assert retriever.search("kitchen", 1)[0].score == pytest.approx(wanted, abs=1e-3)
    assert run.notices == ()


@pytest.mark.dense
def test_activation_and_length_are_what_they_say(folder):
    plain = CrossEncoder(str(folder), activation="none").score(QUERY, DOCUMENTS)
    sigmoid = CrossEncoder(str(folder), activation="sigmoid").score(QUERY, DOCUMENTS)
    np.testing.assert_allclose(1 / (1 + np.exp(-plain)), sigmoid, atol=1e-6)
    np.testing.assert_array_equal(sigmoid, CrossEncoder(str(folder)).score(QUERY, DOCUMENTS))
    # [CLS] budget [SEP] and one word of the document are left.
    short = CrossEncoder(str(folder), max_length=5).score(QUERY, ["a budget", "a cat"])
    assert short[0] == short[1]
    with pytest.raises(InvalidInputError, match="24 positions"):
        CrossEncoder(str(folder), max_length=25).score(QUERY, ["a"])


@pytest.mark.dense
def test_many_queries_fill_batches_together(folder):
    model = CrossEncoder(str(folder))
    queries = ["budget", "cat", "预算"]
    documents = [DOCUMENTS, [], DOCUMENTS[:2]]
    together = model.score_many(queries, documents)
    assert [len(scores) for scores in together] == [6, 0, 2]
    for query, own, scores in zip(queries, documents, together, strict=True):
        np.testing.assert_allclose(scores, model.score(query, own), atol=1e-3)
    again = score_lists(model, queries, documents)
    np.testing.assert_array_equal(again[0], together[0])
    assert model.score_many([], []) == []


@pytest.mark.dense
def test_threads_take_turns(folder):
    model = CrossEncoder(str(folder))
    wanted = {topic: model.score(topic, DOCUMENTS) for topic in TOPICS}
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda topic: model.score(topic, DOCUMENTS), TOPICS * 4))
    for topic, scores in zip(TOPICS * 4, found, strict=True):
        np.testing.assert_array_equal(scores, wanted[topic])


@pytest.mark.dense
def test_the_fingerprint_is_that_of_the_content(folder, tmp_path):
    copy = tmp_path / "another-name"
    shutil.copytree(folder, copy)
    model = CrossEncoder(str(folder))
    assert isinstance(model, Reranker)
    assert model.name == "tiny-reranker"
    assert CrossEncoder(copy).fingerprint == model.fingerprint
    assert CrossEncoder(str(folder), batch_size=2).fingerprint == model.fingerprint
    others = [CrossEncoder(str(folder), max_length=8), CrossEncoder(str(folder), activation="none")]
    assert len({model.fingerprint, *(other.fingerprint for other in others)}) == 3
    # Trained again in place: a new object sees it, the old one says so.
    old = CrossEncoder(str(copy))
    before = old.fingerprint
    old.score(QUERY, DOCUMENTS)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 0.1}))
    with pytest.raises(StateError, match="have changed") as caught:
        old.score(QUERY, DOCUMENTS)
    assert "Make a new one" in caught.value.next_step
    new = CrossEncoder(str(copy))
    assert new.fingerprint != before
    assert not np.array_equal(new.score(QUERY, DOCUMENTS), model.score(QUERY, DOCUMENTS))


@pytest.mark.dense
def test_a_pickle_holds_no_model(folder):
    model = CrossEncoder(str(folder))
    scores = model.score(QUERY, DOCUMENTS)
    data = pickle.dumps(model)
    assert len(data) < 1000
    copy = pickle.loads(data)
    assert copy == model
    assert copy.fingerprint == model.fingerprint
    np.testing.assert_array_equal(copy.score(QUERY, DOCUMENTS), scores)


@pytest.mark.dense
def test_what_is_no_cross_encoder_is_refused(tmp_path):
    _quiet()
    encoder = _save(tmp_path / "encoder", head=False)
    with pytest.raises(InvalidDataError, match="an encoder, not a cross-encoder"):
        CrossEncoder(str(encoder)).score(QUERY, DOCUMENTS)
    (encoder / "modules.json").write_text("[]")
    (encoder / "config_sentence_transformers.json").write_text(
        '{"model_type": "SentenceTransformer"}'
    )
    with pytest.raises(InvalidDataError, match="an encoder"):
        CrossEncoder(str(encoder)).prepare()
    classifier = _save(tmp_path / "classifier", labels=3)
    with pytest.raises(InvalidDataError, match="3 scores per pair"):
        CrossEncoder(str(classifier)).score(QUERY, DOCUMENTS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidDataError, match="cannot be loaded"):
        CrossEncoder(str(tmp_path / "empty")).score(QUERY, DOCUMENTS)


@pytest.mark.dense
def test_a_device_that_is_not_there(folder):
    with pytest.raises(InvalidDataError, match="cannot be loaded") as caught:
        CrossEncoder(str(folder), device="nonsense").score(QUERY, DOCUMENTS)
    assert "'nonsense'" in caught.value.next_step


@pytest.mark.dense
def test_a_score_that_is_no_number_is_an_error(folder, tmp_path):
    from safetensors.numpy import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    weights = load_file(broken / "model.safetensors")
    weights["classifier.bias"] = np.full_like(weights["classifier.bias"], np.nan)
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    model = CrossEncoder(str(broken))
    with pytest.raises(InvalidDataError, match="document 0 of 6 as nan"):
        model.score(QUERY, DOCUMENTS)
    (error,) = score_lists(model, [QUERY], [DOCUMENTS])
    assert isinstance(error, InvalidDataError)


def test_an_absent_model_is_not_downloaded():
    pytest.importorskip("huggingface_hub", reason="needs the [dense] extra")
    with pytest.raises(NotFoundError, match="no model") as caught:
        CrossEncoder("nobody/nothing").score(QUERY, ["x"])
    assert "offline=False" in caught.value.next_step


def test_without_documents_nothing_is_loaded():
    assert CrossEncoder("nobody/nothing").score(QUERY, []).shape == (0,)


def test_missing_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    cross_encoder._load.cache_clear()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(MissingDependencyError, match="not installed") as caught:
        CrossEncoder(str(tmp_path)).prepare()
    assert "vcplab[dense]" in caught.value.next_step


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"max_length": 0}, {"activation": "softmax"}])
def test_wrong_parameters_are_refused_where_they_are_written(wrong):
    with pytest.raises(InvalidInputError):
        CrossEncoder("x", **wrong)


def test_documents_must_be_texts():
    with pytest.raises(InvalidInputError, match="must be strings, not NoneType"):
        CrossEncoder("x").score(QUERY, [None])
