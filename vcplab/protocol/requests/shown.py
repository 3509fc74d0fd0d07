"""A parsed answer as HTML: what is text, what is reasoning, what is a request, what was skipped."""

from __future__ import annotations

from collections.abc import Iterable

from vcplab.core.display import escape, style_block
from vcplab.core.redaction import MASK
from vcplab.protocol.requests.pieces import Piece, PlainText, Reasoning
from vcplab.protocol.requests.request import ToolRequest

__all__ = ["answer_html"]

_BOX = "border-left:3px solid {colour};padding:2px 8px;margin:4px 0;white-space:pre-wrap;"
_REQUEST = _BOX.format(colour="var(--vcp-mark)") + "background:var(--vcp-band);"
_SKIPPED = _BOX.format(colour="#c62828")
_REASONING = "color:var(--vcp-soft);font-style:italic;white-space:pre-wrap;"
_TEXT = "white-space:pre-wrap;"


def answer_html(pieces: Iterable[Piece]) -> str:
    """Static, escaped HTML of an answer's pieces, in order.

    Args:
        pieces: Text, reasoning, requests and what was skipped.
    """
    parts = [_part(piece) for piece in pieces]
    return f'{style_block()}<div class="vcplab">{"".join(parts)}</div>'


def _part(piece: Piece) -> str:
    # Built by f-strings alone: adding to a SafeHtml would escape what is markup on purpose.
    if isinstance(piece, PlainText):
        return f'<span style="{_TEXT}">{escape(piece.text)}</span>' if piece.text.strip() else " "
    if isinstance(piece, Reasoning):
        return f'<div style="{_REASONING}">{escape(piece.text.strip())}</div>'
    if isinstance(piece, ToolRequest):
        return f'<div style="{_REQUEST}">{_request(piece)}</div>'
    hint = f" ({piece.hint})" if piece.hint else ""
    head = f"<b>skipped: {escape(piece.reason)}</b>{escape(hint)}"
    return f'<div style="{_SKIPPED}">{head}\n{escape(piece.text)}</div>'


def _request(request: ToolRequest) -> str:
    lines: list[str] = [f"<b>{escape(request.name)}</b>"]
    flags = [name for name in ("archery", "ink") if getattr(request, name)]
    flags += [
        f"{name} {getattr(request, name)}"
        for name in ("river", "vref", "timely_contact")
        if getattr(request, name) is not None
    ]
    if request.tool_password is not None:
        flags.append(f"tool_password {MASK}")
    if flags:
        lines[0] += f"  [{escape(', '.join(flags))}]"
    for key, value in request.args.items():
        lines.append(f"<i>{escape(key)}</i>: {escape(value)}")
    return "\n".join(lines)
