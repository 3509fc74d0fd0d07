"""Static plugins: run now and then, what they said last stands in prompts."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Final

from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidDataError, VCPErrorCode
from vcplab.core.trace import span
from vcplab.plugins.hosts.base import Version
from vcplab.plugins.hosts.stdio import StdioHost
from vcplab.plugins.waiting import until
from vcplab.prompt.placeholders import StaticResults

__all__ = ["Statics", "checked_cron", "fold_blocks"]

_LATE: Final = 60.0
_FOLD: Final = re.compile(
    r"^\[===vcp_fold:\s*([0-9]+(?:\.[0-9]+)?)\s*(?:::desc:\s*(.*?))?\s*===\]\s*$", re.MULTILINE
)


def checked_cron(expression: str, where: str) -> None:
    """Check a cron expression of 5 fields, or 6 with seconds in front.

    Args:
        expression: The expression.
        where: What the error names.

    Raises:
        InvalidDataError: It is none.
    """
    from croniter import croniter

    fields = len(expression.split())
    if fields not in (5, 6) or not croniter.is_valid(expression, second_at_beginning=fields == 6):
        raise InvalidDataError(
            f"{expression!r} is no cron expression of 5 or 6 fields.",
            code=VCPErrorCode.INVALID_PLUGIN_MANIFEST,
            where=where,
            next_step='write e.g. "*/30 * * * *" (or "0 */30 * * * *", with seconds in front)',
        )


def fold_blocks(output: str) -> list[dict[str, Any]] | None:
    """The blocks of a folded value (facts/vcp-protocol §2); None if it is plain text.

    Args:
        output: What the plugin wrote: JSON with ``vcp_dynamic_fold``, or text with lines
            ``[===vcp_fold: 0.4 ::desc: … ===]``.

    Returns:
        ``{"threshold", "description", "content"}`` each, in order.
    """
    if output.startswith("{"):
        try:
            value = json.loads(output)
        except (ValueError, RecursionError):
            return None
        if not isinstance(value, dict) or not value.get("vcp_dynamic_fold"):
            return None
        blocks = value.get("fold_blocks")
        return [
            {
                "threshold": block.get("threshold", 0.0),
                "description": str(
                    block.get("description") or value.get("plugin_description") or ""
                ),
                "content": str(block.get("content", "")),
            }
            for block in (blocks if isinstance(blocks, list) else ())
            if isinstance(block, Mapping)
        ]
    marks = list(_FOLD.finditer(output))
    if not marks:
        return None
    ends = [mark.start() for mark in marks[1:]] + [len(output)]
    found = []
    head = output[: marks[0].start()].strip()
    if head:
        found.append({"threshold": 0.0, "description": "", "content": head})
    for mark, end in zip(marks, ends, strict=True):
        found.append(
            {
                "threshold": float(mark[1]),
                "description": mark[2] or "",
                "content": output[mark.end() : end].strip(),
            }
        )
    return found


class Statics:
    """Keeps the values of static plugins fresh.

    Args:
        host: Runs them.
        results: Where their values go, for prompts.
        told: Called with plugin and error of every run; None if it went well.
    """

    def __init__(
        self,
        host: StdioHost,
        results: StaticResults,
        told: Callable[[str, Exception | None], object],
    ) -> None:
        self.results = results
        self.folds: dict[str, list[dict[str, Any]]] = {}
        self._host = host
        self._told = told
        self._timers: dict[str, asyncio.Task[None]] = {}

    async def start(self, version: Version, log: Callable[[str], None]) -> None:
        """Begin to keep a plugin's values fresh; a plugin of the same name is replaced.

        Args:
            version: The plugin's version.
            log: Takes what it wrote to standard error.
        """
        manifest = version.manifest
        timer = self._timers.pop(manifest.name, None)
        if timer is not None:
            timer.cancel()
        known = set(self.results.names())
        for placeholder in manifest.placeholders:
            if placeholder.value is not None:
                self.results.set(placeholder.name, placeholder.value)
            elif placeholder.name not in known:
                self.results.set_loading(placeholder.name, manifest.display_name)
        if manifest.host == "stdio":
            self._timers[manifest.name] = asyncio.create_task(self._keep(version, log))

    async def stop(self, version: Version, *, keep: Collection[str] = ()) -> None:
        """Stop it, and forget its values.

        Args:
            version: The plugin's version.
            keep: Placeholders whose values stay.
        """
        timer = self._timers.pop(version.manifest.name, None)
        if timer is not None:
            timer.cancel()
            await asyncio.gather(timer, return_exceptions=True)
        for placeholder in version.manifest.placeholders:
            if placeholder.name not in keep:
                self.results.delete(placeholder.name)
                self.folds.pop(placeholder.name, None)

    async def refresh(self, version: Version, log: Callable[[str], None]) -> bool:
        """Run a plugin once; on failure its earlier value stays.

        Args:
            version: The plugin's version.
            log: Takes what it wrote to standard error.

        Returns:
            Whether there is a new value.
        """
        manifest = version.manifest
        version.enter()
        try:
            with span("plugin.static", kind="tool", tool=manifest.name, tool_type="plugin") as here:
                output = await self._host.run_static(version, log)
                here.set(output=output)
        except Exception as error:
            self._tell_failure(version, error)
            return False
        finally:
            version.leave()
        self._told(manifest.name, None)
        if not output:
            return False
        try:
            blocks = fold_blocks(output)
        except ValueError:
            blocks = None
        for placeholder in manifest.placeholders:
            if blocks is not None:
                self.folds[placeholder.name] = blocks
                text = "\n\n".join(block["content"] for block in blocks)
                self.results.set(placeholder.name, text)
            else:
                self.folds.pop(placeholder.name, None)
                self.results.set(placeholder.name, output)
        return True

    def close(self) -> None:
        """Stop all (on the library's loop)."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _tell_failure(self, version: Version, error: Exception) -> None:
        manifest = version.manifest
        for placeholder in manifest.placeholders:
            resolved = self.results.resolve(placeholder.name)
            loading = f"[{manifest.display_name} a-zheng-zai-jia-zai-zhong... ]"
            if resolved is None or resolved.text == loading:
                self.results.set_failed(placeholder.name, manifest.name, error)
        self._told(manifest.name, error)

    async def _keep(self, version: Version, log: Callable[[str], None]) -> None:
        await self.refresh(version, log)
        expression = version.manifest.cron
        if not expression:
            return
        while True:
            await self._until_due(expression)
            await self.refresh(version, log)

    async def _until_due(self, expression: str) -> None:
        from croniter import croniter

        seconds = len(expression.split()) == 6
        while True:
            now = current_clock().now()
            turns = croniter(expression, now, second_at_beginning=seconds)
            if await until(turns.get_next(datetime)) <= _LATE:
                return
