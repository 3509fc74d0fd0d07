"""Results of plugins as placeholders: static ones, and those of tasks that run on.

Both are filled by others; until plugins are there, by hand. What a plugin wrote is never expanded:
it is not the author of the prompt.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any, Final

from vcplab.core.errors import InvalidInputError
from vcplab.prompt.placeholders.provider import Resolved
from vcplab.prompt.placeholders.syntax import bare_name, checked_name

__all__ = ["AsyncResults", "StaticResults"]

_ASYNC: Final = re.compile(r"VCP_ASYNC_RESULT::([A-Za-z0-9_.-]+)::([A-Za-z0-9_-]+)")


class StaticResults:
    """What static plugins told last, e.g. the weather as ``{{VCPWeatherInfo}}``.

    Args:
        values: Placeholders, with or without braces → values.
        name: What the provider is called.

    Raises:
        InvalidInputError: A name or a value is impossible.
    """

    def __init__(self, values: Mapping[str, str] | None = None, *, name: str = "static") -> None:
        self.name = name
        self._values: dict[str, str] = {}
        for placeholder, value in (values or {}).items():
            self.set(placeholder, value)

    def set(self, placeholder: str, value: str) -> None:
        """Tell a result.

        Args:
            placeholder: The placeholder, with or without braces.
            value: The result.

        Raises:
            InvalidInputError: The name is impossible, or the value is no text.
        """
        name = checked_name(bare_name(placeholder), "placeholder")
        if not isinstance(value, str):
            raise InvalidInputError(
                f"A static result is text, not {type(value).__name__}.",
                where=name,
                next_step="pass str(value), or JSON",
            )
        self._values[name] = value

    def set_loading(self, placeholder: str, display_name: str) -> None:
        """Say that the first result is still to come, in the words of facts/vcp-protocol §3.

        Args:
            placeholder: The placeholder, with or without braces.
            display_name: The plugin's name for people.

        Raises:
            InvalidInputError: The name is impossible.
        """
        self.set(placeholder, f"[{display_name} a-zheng-zai-jia-zai-zhong... ]")

    def set_failed(self, placeholder: str, plugin: str, error: object) -> None:
        """Say that a plugin failed, in the words of facts/vcp-protocol §3.

        Args:
            placeholder: The placeholder, with or without braces.
            plugin: The plugin's name.
            error: What went wrong.

        Raises:
            InvalidInputError: The name is impossible.
        """
        self.set(placeholder, f"[Error updating {plugin}: {error}]")

    def delete(self, placeholder: str) -> bool:
        """Forget a result.

        Args:
            placeholder: The placeholder, with or without braces.

        Returns:
            Whether there was one.
        """
        return self._values.pop(bare_name(placeholder), None) is not None

    def clear(self) -> None:
        """Forget all results."""
        self._values.clear()

    def names(self) -> list[str]:
        """The placeholders that have a result."""
        return list(self._values)

    def resolve(self, key: str) -> Resolved | None:
        """The value of a placeholder, or None.

        Args:
            key: Its name.
        """
        value = self._values.get(key)
        return None if value is None else Resolved(value, recurse=False)

    def __repr__(self) -> str:
        return f"StaticResults({len(self._values)} results)"


class AsyncResults:
    """Results of tasks that run on: ``{{VCP_ASYNC_RESULT::plugin::id}}``, with 2 to 4 braces.

    A task that did not report yet reads as pending, also one that nobody knows: after a restart
    the report may still come. The rules are those of facts/vcp-protocol §3.

    Args:
        name: What the provider is called.
    """

    def __init__(self, *, name: str = "async") -> None:
        self.name = name
        self._lock = threading.Lock()
        self._results: dict[tuple[str, str], str] = {}

    def set(self, placeholder: str, result: str | Mapping[str, Any]) -> None:
        """Tell the result of a task.

        Args:
            placeholder: ``VCP_ASYNC_RESULT::plugin::id``, with or without braces.
            result: Text, or what the plugin called back with: its ``message`` counts, else its
                ``status`` (``Succeed``, ``Failed``, anything else: done).

        Raises:
            InvalidInputError: The placeholder is none of a task, or the result no text or mapping.
        """
        match = _ASYNC.fullmatch(bare_name(placeholder)) if isinstance(placeholder, str) else None
        if match is None:
            raise InvalidInputError(
                f"{placeholder!r} is no placeholder of a task.",
                where="placeholder",
                next_step="write VCP_ASYNC_RESULT::plugin::id (letters, digits, _ and -)",
            )
        plugin, task = match[1], match[2]
        text = result if isinstance(result, str) else _told(plugin, task, result)
        with self._lock:
            self._results[plugin, task] = text

    def delete(self, placeholder: str) -> bool:
        """Forget a result; it reads as pending again.

        Args:
            placeholder: The placeholder, with or without braces.

        Returns:
            Whether there was one.
        """
        match = _ASYNC.fullmatch(bare_name(placeholder))
        with self._lock:
            return match is not None and self._results.pop((match[1], match[2]), None) is not None

    def clear(self) -> None:
        """Forget all results."""
        with self._lock:
            self._results.clear()

    def names(self) -> list[str]:
        """The placeholders that have a result."""
        with self._lock:
            return [f"VCP_ASYNC_RESULT::{plugin}::{task}" for plugin, task in self._results]

    def resolve(self, key: str) -> Resolved | None:
        """The value of a placeholder, or None.

        Args:
            key: Its name.
        """
        match = _ASYNC.fullmatch(key)
        if match is None:
            return None
        text = self._results.get((match[1], match[2]))
        if text is None:
            text = f"[任务 {match[1]} (ID: {match[2]}) 结果待更新...]"
        return Resolved(text, recurse=False)

    def __repr__(self) -> str:
        return f"AsyncResults({len(self._results)} results)"


def _told(plugin: str, task: str, report: object) -> str:
    if not isinstance(report, Mapping):
        raise InvalidInputError(
            f"The result of a task is text or a mapping, not {type(report).__name__}.",
            where=f"VCP_ASYNC_RESULT::{plugin}::{task}",
            next_step='pass text, or e.g. {"status": "Succeed", "message": "…"}',
        )
    message = report.get("message")
    if isinstance(message, str) and message:
        return message
    who = f"任务 {plugin} (ID: {task})"
    status = report.get("status")
    if status == "Succeed":
        return f"{who} 已成功完成。"
    if status == "Failed":
        reason = report.get("reason")
        told = f"原因: {reason}" if isinstance(reason, str) and reason else ""
        return f"{who} 处理失败。{told}"
    return f"{who} 已完成。"
