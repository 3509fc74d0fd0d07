"""Texts as tokens that can be compared: lower-cased, stemmed, with exact offsets."""

from __future__ import annotations

import re
import threading
from typing import Final, NamedTuple

from vcplab.grounding.features._irregular import BASES
from vcplab.text.words import tagged_words

__all__ = ["FUNCTION_WORDS", "Token", "tokenise", "word_set"]


def word_set(words: str) -> frozenset[str]:
    """The words of a text that are parted by spaces."""
    return frozenset(words.split())


# Chinese, Japanese and Korean scripts, which do without spaces.
CJK: Final = (
    "\u1100-\u11ff\u3005-\u3007\u3041-\u30ff\u3131-\u318e\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
)
_PIECES: Final = re.compile(
    rf"(?P<cjk>[{CJK}]+)"
    r"|(?P<number>[$€£¥]?[0-9]+(?:[.,:][0-9]+)*(?:%|[a-z]{1,2}\b)?)"
    rf"|(?P<word>[^\W_{CJK}]+(?:['’][^\W_{CJK}]+)*)"
)
_DIGITS: Final = re.compile("[0-9]")
_AFTER_NUMBER: Final = re.compile(r"[a-z%]+$")

FUNCTION_WORDS: Final = word_set(
    "a an the this that these those and or but nor so yet if then than as at by for from in "
    "into of "
    "off on onto out over to up with within without about above across after against along among "
    "around before behind below beneath beside between beyond down during except inside near "
    "outside since through throughout toward towards under until upon via while although though "
    "because whereas whether unless i me my mine myself you your yours he him his himself she her "
    "hers herself it its itself we us our ours they them their theirs themselves who whom whose "
    "which what when where why how there here is am are was were be been being do does did doing "
    "done have has had having can could will would shall should may might must not no 's also too "
    "very just only both each either neither some any all such same other another more most less "
    "least own s t re ve ll d m one's don doesn didn isn wasn weren aren won wouldn couldn "
    "shouldn hasn haven hadn it's he's she's that's there's as well et al"
) | word_set(
    "的 了 在 是 和 与 及 以及 或 或者 而 而且 并 并且 也 都 就 还 又 再 才 很 更 最 把 被 给 "
    "对 对于 向 从 到 由 于 以 "
    "为 为了 因 因为 所以 但 但是 不过 如果 那么 这 那 这个 那个 这些 那些 其 其中 他 她 它 "
    "他们 她们 它们 我 我们 你 你们 "
    "您 自己 着 过 地 得 之 所 等 等等 吗 呢 吧 啊 呀 嘛 有 一个 一 个 上 下 中 里 时 后 前 内 "
    "外 会 要 能 可以 将 则 即 及其 "
    "没有 不 没 未 并未 说 称 表示 通过 根据 按照 关于 进行 这样 那样 这里 那里 什么 怎么 谁 "
    "哪 哪里 多少 几 "
)
"""Words that say little by themselves; whether they occur in a source tells nothing."""


class Token(NamedTuple):
    """A token of a text.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last.
        key: What it is compared by: the stem of a word, the digits of a number.
        lower: The token in small letters.
        kind: ``word``, ``number`` or ``cjk``.
        content: Whether it is no function word.
        capital: Whether it begins with a capital letter.
    """

    start: int
    end: int
    key: str
    lower: str
    kind: str
    content: bool
    capital: bool


_local = threading.local()
_KEPT: Final = 100_000


def _stem(word: str) -> str:
    known: dict[str, str] | None = getattr(_local, "known", None)
    if known is None:
        import Stemmer

        known = _local.known = {}
        _local.stem = Stemmer.Stemmer("english", 0).stemWord
    stem = known.get(word)
    if stem is None:
        if len(known) >= _KEPT:
            known.clear()
        bare = word.replace("’", "'")
        if bare.endswith("'s"):
            bare = bare[:-2]
        stem = known[word] = _local.stem(BASES.get(bare, bare)) or bare
    return stem


def tokenise(text: str) -> list[Token]:
    """The tokens of a text, punctuation left out.

    Words of letters are lower-cased and stemmed (English Snowball); hyphenated words are several
    tokens.  Chinese runs are cut by jieba's dictionary.  Numbers keep their digits without group
    commas, currency signs or short endings (``1,200`` and ``1200``, ``3rd`` and ``3``).

    Args:
        text: Any string.

    Returns:
        The tokens in order.

    Raises:
        MissingDependencyError: rjieba is not installed, and the text is Chinese.
    """
    found: list[Token] = []
    for match in _PIECES.finditer(text):
        kind = match.lastgroup
        start, end = match.span()
        piece = match[0]
        if kind == "word":
            lower = piece.lower()
            if _DIGITS.search(lower):
                found.append(Token(start, end, lower, lower, "number", True, False))
                continue
            found.append(
                Token(
                    start, end, _stem(lower), lower, "word",
                    lower not in FUNCTION_WORDS, piece[0].isupper(),
                )
            )  # fmt: skip
        elif kind == "number":
            lower = piece.lower()
            key = _AFTER_NUMBER.sub("", lower.lstrip("$€£¥").replace(",", ""))
            found.append(Token(start, end, key, lower, "number", True, False))
        else:
            found += [
                Token(
                    start + word.start, start + word.end, word.text, word.text, "cjk",
                    word.text not in FUNCTION_WORDS, False,
                )
                for word in tagged_words(piece)
            ]  # fmt: skip
    return found
