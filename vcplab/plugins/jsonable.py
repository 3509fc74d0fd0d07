"""Any value as JSON, as far as it has a form there."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

__all__ = ["jsonable"]

_DEEPEST: Final = 60
_METHODS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("model_dump", {"mode": "json"}),  # pydantic
    ("to_dict", {}),
    ("tolist", {}),  # NumPy, also its scalars
    ("isoformat", {}),
)


def jsonable(value: Any) -> Any:
    """A value as JSON: frames as rows, arrays as lists, what is no number as None, else as text.

    Args:
        value: The value; what is too deep or holds itself ends as text.
    """
    return _converted(value, 0, ())


def _converted(value: Any, depth: int, around: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if depth >= _DEEPEST or id(value) in around:
        return _text(value) if depth < _DEEPEST else "…"
    inside = (*around, id(value))
    if isinstance(value, Mapping):
        return {_text(key): _converted(item, depth + 1, inside) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_converted(item, depth + 1, inside) for item in value]
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return _converted(fields, depth + 1, inside)
    if not isinstance(value, type):
        made = _by_method(value)
        if made is not None:
            return _converted(made, depth + 1, inside)
    return _text(value)


def _by_method(value: Any) -> Any:
    for method, arguments in _METHODS:
        convert = getattr(value, method, None)
        if not callable(convert):
            continue
        if type(value).__name__ == "DataFrame":
            arguments = {"orient": "records"}
        with suppress(Exception):  # another method of this name: the next one, or its text
            return convert(**arguments)
    return None


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"
