"""How texts of strangers are put before a chat model: between marks that none of them contains."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

__all__ = ["code_for", "delimited"]


def code_for(texts: Sequence[str]) -> str:
    """A word that is in none of the texts, the same for the same texts.

    Args:
        texts: What will stand between marks with it.
    """
    joined = "\0".join(texts)
    digest = hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()
    while digest[:12] in joined:
        digest = hashlib.sha256(digest.encode()).hexdigest()
    return digest[:12]


def delimited(what: str, text: str, code: str) -> str:
    """A text between its marks.

    Args:
        what: What it is, for the model, e.g. ``SOURCE 1``.
        text: The text.
        code: The word of `code_for`.
    """
    return f"[{what} {code}]\n{text}\n[END {what} {code}]"
