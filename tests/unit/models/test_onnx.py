"""The ONNX path beside the model it was exported from."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

import numpy as np
import pytest

import vcplab as vl
from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    MissingDependencyError,
    StateError,
)
from vcplab.models.embedding import _onnx_export, onnx
from vcplab.models.embedding.minilm import minilm_folder
from vcplab.models.embedding.onnx import OnnxEmbedder
from vcplab.protocol.ports import Embedder

_HERE = all(map(importlib.util.find_spec, ("onnx", "onnxruntime", "sentence_transformers")))
exporting = pytest.mark.skipif(
    not (_HERE and minilm_folder()), reason="needs the [onnx] and the [dense] extra"
)

TEXTS = [
    "",
    " ",
    "budget",
    "Budget",
    "When did Alice talk about the budget?",
    "我们什么时候谈过预算？",
    "预算 budget 混合 mixed",
    "𠮷野家 😀 café naïve",
    "lone \ud800 surrogate",
    "\udfff",
    "NUL \0 tab \t line\nbreak",
    "word " * 600,
    "很长的一段话，" * 200,
    "x" * 5000,
    "The girl carries a baby.",
    "A man is eating food.",
    "2026-01-31 12:00 +08:00",
    "<script>alert(1)</script>",
    "[CLS] [SEP] [PAD]",
    "a",
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache folder in which MiniLM is exported."""
    folder = tmp_path_factory.mktemp("cache")
    with vl.override_settings(cache_dir=folder):
        OnnxEmbedder().embed_queries(["export"])
    return folder


@pytest.fixture
def here(cache):
    with vl.override_settings(cache_dir=cache):
        yield cache


def _files(cache):
    (graph,) = (cache / "onnx").glob("*.onnx")
    return graph, graph.with_suffix(".json")


@exporting
@pytest.mark.dense
def test_vectors_are_those_of_torch(here):
    ours, theirs = OnnxEmbedder(), vl.MiniLM()
    for role in ("embed_queries", "embed_documents"):
        a, b = getattr(ours, role)(TEXTS), getattr(theirs, role)(TEXTS)
        assert a.dtype == np.float32
        assert (a * b).sum(axis=1).min() >= 0.999
        np.testing.assert_allclose(a, b, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(a, axis=1), 1, atol=1e-5)


@exporting
@pytest.mark.dense
def test_order_and_batch_size_do_not_matter(here):
    many = [f"{'word ' * (i % 7)}{i}" for i in range(40)]
    whole = OnnxEmbedder().embed_documents(many)
    # Blocks of 16 batches of one text each: more than one block.
    alone = OnnxEmbedder(vl.MiniLM(batch_size=1)).embed_documents(many)
    np.testing.assert_allclose(whole, alone, atol=1e-5)
    assert OnnxEmbedder().embed_documents([]).shape == (0, 384)


@exporting
@pytest.mark.dense
def test_a_later_process_never_loads_torch(here):
    code = (
        "import sys\n"
        "from vcplab.models.embedding.onnx import OnnxEmbedder\n"
        "vector = OnnxEmbedder().embed_queries(['budget'])[0]\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'onnx'} & set(sys.modules)\n"
        "print(sorted(heavy), repr(float(vector[0])))\n"
    )
    # -P: a folder named onnx beside the script must not pass for the package.
    out = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code],
        env=os.environ | {"VCPLAB_CACHE_DIR": str(here), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert out.returncode == 0, out.stderr
    heavy, value = out.stdout.rsplit(" ", 1)
    assert heavy == "[]"
    assert float(value) == pytest.approx(
        float(vl.MiniLM().embed_queries(["budget"])[0][0]), abs=1e-5
    )


@exporting
@pytest.mark.dense
def test_concurrent_calls(here, monkeypatch):
    monkeypatch.setattr(onnx, "_loaded", {})
    loads = []
    load = onnx._load
    monkeypatch.setattr(onnx, "_load", lambda path: loads.append(path) or load(path))
    expected = vl.MiniLM().embed_queries(TEXTS)
    with ThreadPoolExecutor(6) as pool:
        # The override of the settings belongs to this thread; each call takes a copy along.
        calls = [
            pool.submit(copy_context().run, OnnxEmbedder().embed_queries, [TEXTS[i % 20]])
            for i in range(60)
        ]
    for i, call in enumerate(calls):
        np.testing.assert_allclose(call.result()[0], expected[i % 20], atol=1e-5)
    assert len(loads) == 1


def _truncate(graph, description):
    graph.write_bytes(graph.read_bytes()[:1000])


def _flip_one_bit(graph, description):
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)


def _half_description(graph, description):
    description.write_bytes(description.read_bytes()[:50])


def _other_format(graph, description):
    description.write_text(
        json.dumps(json.loads(description.read_text(encoding="utf-8")) | {"format": 0}),
        encoding="utf-8",
    )


def _no_description(graph, description):
    description.unlink()


def _broken_tokenizer(graph, description):
    description.write_text(
        json.dumps(json.loads(description.read_text(encoding="utf-8")) | {"tokenizer": "{}"}),
        encoding="utf-8",
    )


@exporting
@pytest.mark.dense
@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _flip_one_bit,
        _half_description,
        _other_format,
        _no_description,
        _broken_tokenizer,
    ],
)
def test_a_damaged_export_is_made_again(here, monkeypatch, damage):
    graph, description = _files(here)
    good = graph.read_bytes(), description.read_bytes()
    exported = []

    def export(base):
        exported.append(base)
        return good[0], onnx.Description(**json.loads(good[1]))

    # The real export was tested above; here only that it is called for.
    monkeypatch.setattr(onnx, "export_model", export)
    monkeypatch.setattr(onnx, "_loaded", {})
    damage(graph, description)
    try:
        assert OnnxEmbedder().dimension == 384
        vector = OnnxEmbedder().embed_queries(["budget"])
        assert exported == [vl.MiniLM()]
        np.testing.assert_allclose(vector, vl.MiniLM().embed_queries(["budget"]), atol=1e-5)
        assert graph.read_bytes() == good[0]
        assert description.read_bytes() == good[1]
    finally:
        graph.write_bytes(good[0])
        description.write_bytes(good[1])


@exporting
@pytest.mark.dense
def test_an_export_that_disagrees_with_torch_is_not_stored(tmp_path, monkeypatch, cache):
    graph, _ = _files(cache)
    monkeypatch.setattr(_onnx_export, "_trace", lambda *_: graph.read_bytes())

    class Other(vl.MiniLM):
        def embed_documents(self, texts):
            return -super().embed_documents(texts)

    with (
        vl.override_settings(cache_dir=tmp_path),
        pytest.raises(StateError, match="other vectors"),
    ):
        OnnxEmbedder(Other()).embed_queries(["x"])
    assert not [path for path in tmp_path.rglob("*") if path.suffix in {".onnx", ".json"}]


@exporting
@pytest.mark.dense
def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with (
        vl.override_settings(cache_dir=tmp_path / "file"),
        pytest.raises(StateError, match="cannot be stored") as caught,
    ):
        OnnxEmbedder().embed_queries(["x"])
    assert "VCPLAB_CACHE_DIR" in caught.value.next_step


@exporting
@pytest.mark.dense
def test_two_models_are_kept_loaded(here, monkeypatch):
    monkeypatch.setattr(onnx, "_loaded", {Path("a"): object(), Path("b"): object()})
    OnnxEmbedder().embed_queries(["x"])
    assert next(iter(onnx._loaded)) == Path("b")
    assert len(onnx._loaded) == 2


def test_it_is_a_value_that_knows_its_base():
    embedder = OnnxEmbedder()
    assert isinstance(embedder, Embedder)
    assert embedder == OnnxEmbedder(vl.MiniLM())
    assert hash(embedder) == hash(OnnxEmbedder())
    assert embedder.languages == {"en"}
    assert embedder.fingerprint == "onnx-fp32-" + vl.MiniLM().fingerprint
    assert embedder.name == "all-MiniLM-L6-v2-onnx"
    with pytest.raises(InvalidInputError, match="HashEmbedder"):
        OnnxEmbedder(vl.HashEmbedder())


def test_the_dimension_needs_no_export(tmp_path):
    with vl.override_settings(cache_dir=tmp_path):
        assert OnnxEmbedder().dimension == 384
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["onnxruntime", "onnx"])
def test_missing_packages(tmp_path, monkeypatch, missing):
    for package in ("onnxruntime", "onnx"):
        monkeypatch.setitem(sys.modules, package, object())
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr(_onnx_export, "_refuse_unsupported", lambda folder: None)
    monkeypatch.setattr(vl.MiniLM, "folder", lambda self: tmp_path)
    with (
        vl.override_settings(cache_dir=tmp_path),
        pytest.raises(MissingDependencyError, match=f"needs {missing},") as caught,
    ):
        OnnxEmbedder().embed_queries(["x"])
    assert 'pip install "vcplab[onnx]"' in caught.value.next_step


def _model(folder, pooling, *more):
    modules = [
        {"path": "", "type": "sentence_transformers.models.Transformer"},
        {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        *({"path": f"2_{kind}", "type": f"sentence_transformers.models.{kind}"} for kind in more),
    ]
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("pooling", "more", "said"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, (), "pools by cls"),
        ({"pooling_mode": ["mean", "max"]}, (), "pools by mean and max"),
        ({"pooling_mode": "lasttoken"}, (), "pools by lasttoken"),
        ({"pooling_mode": "mean", "include_prompt": False}, (), "mean without the prompt"),
        ({"pooling_mode": "mean"}, ("Dense",), "has a Dense module"),
    ],
)
def test_other_pooling_is_refused(tmp_path, pooling, more, said):
    with pytest.raises(InvalidInputError, match=said):
        _onnx_export._refuse_unsupported(_model(tmp_path, pooling, *more))


@pytest.mark.parametrize(
    "pooling",
    [
        {"pooling_mode": "mean", "embedding_dimension": 8},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False},
    ],
)
def test_mean_pooling_is_known_in_both_spellings(tmp_path, pooling):
    _onnx_export._refuse_unsupported(_model(tmp_path, pooling, "Normalize"))


@pytest.mark.parametrize("content", [None, "{", "[1]", '[{"type": "x.Pooling"}]', b"\xff"])
def test_a_broken_model_folder_is_told(tmp_path, content):
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "modules.json").write_bytes(data)
    with pytest.raises(InvalidDataError, match="modules of the model"):
        _onnx_export._refuse_unsupported(tmp_path)
