"""Texts of exceptions. Private."""

from __future__ import annotations

__all__ = ["error_text"]


def error_text(error: BaseException | None) -> str:
    """An exception's text, also where its ``__str__`` fails: that it happened must not be hidden.

    Args:
        error: The exception.
    """
    try:
        return str(error)
    except Exception:
        return "(its text cannot be shown)"
