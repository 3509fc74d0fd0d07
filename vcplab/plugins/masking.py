"""Keeping plugins' secrets out of logs, errors and the trace.

What a plugin's settings hold, the addresses that it reports to, and the administrator's code are
known here; results are the caller's and stay as they are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vcplab.core.redaction import MASK
from vcplab.protocol.results import ToolFailure

__all__ = ["Masking"]

_SHORTEST = 6


class Masking:
    """Knows secrets, and tells those who write things down of new ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: tuple[str, ...] = ()
        self._listeners: list[Callable[..., object]] = []

    def learn(self, secrets: Iterable[str]) -> None:
        """Learn secrets; those of fewer than six characters would be found everywhere."""
        with self._lock:
            fresh = [s for s in secrets if len(s) >= _SHORTEST and s not in self._secrets]
            if not fresh:
                return
            # Long ones first: one may hold another.
            self._secrets = tuple(sorted({*self._secrets, *fresh}, key=len, reverse=True))
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(*fresh)

    def on_secret(self, listener: Callable[..., object]) -> None:
        """Tell somebody of every secret, e.g. a redactor's ``add``."""
        with self._lock:
            self._listeners.append(listener)
            known = self._secrets
        if known:
            listener(*known)

    def text(self, text: str) -> str:
        """A text without secrets."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        return text

    def value(self, value: Any) -> Any:
        """A value of mappings, sequences and texts without secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value

    def failure(self, error: ToolFailure) -> None:
        """Take secrets out of an error."""
        if self._secrets:
            error.message = self.text(error.message)
            error.args = (error.message,)
            error.details = self.value(error.details)
