"""Docstrings of the three usual styles: Google, NumPy and reST."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docstring_parser import Docstring

__all__ = ["parse_docstring"]

# "int", "dict[str, int]", "Path | None" are types; "The answer" before a colon is prose.
_TYPE = re.compile(r"[\w.]+(?:\[.*\])?(?:\s*(?:\||,|or)\s*[\w.]+(?:\[.*\])?)*", re.DOTALL)


def parse_docstring(text: str | None) -> tuple[str, dict[str, str], str]:
    """Take a docstring apart.

    Args:
        text: The docstring, indented or not; None counts as empty.

    Returns:
        The summary and the body, the descriptions of the parameters by name, and what is returned.
        Descriptions are one line each. A text that cannot be taken apart is all body.
    """
    import inspect

    import docstring_parser

    clean = inspect.cleandoc(text or "")
    if not clean:
        return "", {}, ""
    try:
        parsed = docstring_parser.parse(clean)
    except docstring_parser.ParseError:
        return clean, {}, ""
    told = [part.strip() for part in (parsed.short_description, parsed.long_description) if part]
    parameters: dict[str, str] = {}
    for entry in parsed.params:
        # NumPy's "x, y : int" describes several at once; "*" and "**" are no part of a name.
        for name in entry.arg_name.split(","):
            parameters.setdefault(name.strip().lstrip("*\\"), _line(entry.description))
    return "\n\n".join(told), parameters, _returned(parsed)


def _returned(parsed: Docstring) -> str:
    entry = parsed.returns
    if entry is None:
        return ""
    kind, told = entry.type_name or "", _line(entry.description)
    if not kind:  # a type that the parser overlooks: "int | None: The number."
        head, colon, rest = told.partition(": ")
        return rest if colon and re.search(r"[|\[]", head) and _TYPE.fullmatch(head) else told
    if not _TYPE.fullmatch(kind.strip()):
        return f"{kind}: {told}" if told else kind
    return told


def _line(text: str | None) -> str:
    return " ".join((text or "").split())
