"""The arguments of a request: strings of VCP text or JSON values, read alike."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .problems import FileProblem

__all__ = ["Arguments"]


def _plain(key: str) -> str:
    return key.replace("_", "").casefold()


class Arguments:
    """Arguments by name; ``filePath``, ``file_path`` and ``filepath`` are one name.

    Args:
        values: The request; keys that no command asks for are ignored.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = {_plain(str(key)): value for key, value in values.items()}

    def text(self, name: str, default: str | None = None, *, blank: bool = False) -> str:
        """A text; numbers, lists and objects are taken as their JSON text.

        Args:
            name: Name of the argument.
            default: Value when it is missing; None makes it required.
            blank: Whether an empty text is a value (contents) or missing (paths).

        Raises:
            FileProblem: When it is missing.
        """
        value = self.values.get(_plain(name))
        if value is not None and not isinstance(value, str):
            value = json.dumps(value, ensure_ascii=False)
        if value is None or (not blank and not value.strip()):
            if default is None:
                raise FileProblem(f"The argument {name} is missing: give it as text")
            return default
        return value

    def flag(self, name: str) -> bool:
        """A yes or no; missing means no.

        Raises:
            FileProblem: When it is neither.
        """
        text = self.text(name, "false").strip().lower()
        if text in {"true", "yes", "1"}:
            return True
        if text in {"false", "no", "0"}:
            return False
        raise FileProblem(f"{name} must be true or false, not {text[:40]!r}")

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number from 1 to ``most``.

        Raises:
            FileProblem: When it is not.
        """
        text = self.text(name, str(default)).strip()
        if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
            raise FileProblem(f"{name} must be a whole number from 1 to {most}, not {text[:40]!r}")
        return int(text)
