"""A dice notation cut into tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .problems import NotationProblem

__all__ = ["MAX_NOTATION", "MAX_NUMBER", "Token", "scan"]

MAX_NOTATION = 200
"""Longest notation, in characters."""

MAX_NUMBER = 1_000_000
"""Largest number that may be written, hence also the most faces of a die."""

_TOKEN = re.compile(r"(?P<number>[0-9]+)|(?P<word>kh|kl|dh|dl|d|k|f|x)|(?P<sign>[-+*()!%])")
# Chinese input methods write wide forms; each becomes exactly one plain character,
# so that positions in errors stay those of the text as it was typed.
_WIDE = {0xFF01 + i: 0x21 + i for i in range(94)}
_WIDE.update({0x3000: 0x20, ord("×"): ord("*"), ord("−"): ord("-"), ord("·"): ord("*")})


@dataclass(frozen=True)
class Token:
    """One token: a kind (``number``, a word or a sign, ``end``), its text and its place."""

    kind: str
    text: str
    position: int

    @property
    def number(self) -> int:
        """The value of a number token."""
        return int(self.text)


def scan(notation: str) -> list[Token]:
    """Cut a notation into tokens, case and white space ignored.

    Args:
        notation: For example ``2d6 + 1d20``; wide Chinese forms are read too.

    Returns:
        The tokens, closed by one of kind ``end``.

    Raises:
        NotationProblem: For a text that is empty or too long, an unknown character
            or a number above `MAX_NUMBER`.
    """
    if not notation.strip():
        raise NotationProblem("The notation is empty: write one such as 2d6+1d20", notation, 0)
    if len(notation) > MAX_NOTATION:
        raise NotationProblem(
            f"The notation has {len(notation)} characters, {MAX_NOTATION} are allowed: shorten it",
            notation,
            MAX_NOTATION,
        )
    # lower() may change a text's length ("İ"); characters that do so are no dice anyway.
    text = "".join(c.lower() if c.isascii() else c for c in notation.translate(_WIDE))
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotationProblem(
                f"{notation[at]!r} is not part of a dice notation: use digits, d, kh, kl, dh, "
                "dl, !, %, F, x, + - * and brackets",
                notation,
                at,
            )
        word = match.group()
        kind = "number" if match.lastgroup == "number" else word
        if kind == "number" and (len(word.lstrip("0")) > 7 or int(word) > MAX_NUMBER):
            raise NotationProblem(
                f"This number is too large: {MAX_NUMBER} is the limit", notation, at
            )
        tokens.append(Token(kind, word, at))
        at = match.end()
    tokens.append(Token("end", "", len(text.rstrip())))
    return tokens
