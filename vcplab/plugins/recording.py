"""Calls recorded, replayed as tests, and compared between two versions of a plugin."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vcplab.core.display import html_table, style_block
from vcplab.core.errors import InvalidDataError, StateError, VCPError
from vcplab.core.files import write_atomic
from vcplab.plugins.calling import Caller
from vcplab.plugins.events import PluginErrorEvent, PluginExecuted
from vcplab.plugins.jsonable import jsonable
from vcplab.plugins.manager import PluginManager

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "OutputRow",
    "Outputs",
    "RecordedCall",
    "Recording",
    "compare_versions",
    "output_row",
]

_VERSION: Final = 1
_VOLATILE: Final = ("timestamp",)


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One call and what came of it.

    Attributes:
        tool: The tool.
        arguments: What it was given.
        output: What it gave, as JSON: ``{"value": …}`` or ``{"error": text}``.
    """

    tool: str
    arguments: Mapping[str, Any]
    output: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OutputRow:
    """A call's output then and now, or of one version and another.

    Attributes:
        tool: The tool.
        arguments: What it was given.
        before: The one output.
        after: The other.
        same: Whether they are equal, but for what was to be ignored.
    """

    tool: str
    arguments: Mapping[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    same: bool

    @property
    def diff(self) -> str:
        """The difference, line by line; empty where there is none."""
        before, after = (
            json.dumps(value, ensure_ascii=False, indent=1).split("\n")
            for value in (self.before, self.after)
        )
        lines = difflib.unified_diff(before, after, "before", "after", lineterm="", n=1)
        return "" if self.same else "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Outputs:
    """Outputs side by side.

    Attributes:
        rows: One for each call.
    """

    rows: tuple[OutputRow, ...]

    @property
    def same(self) -> bool:
        """Whether all are equal."""
        return all(row.same for row in self.rows)

    def check(self) -> None:
        """Raise if an output differs, for tests.

        Raises:
            StateError: One or more differ; the text shows the first differences.
        """
        different = [row for row in self.rows if not row.same]
        if different:
            shown = "\n\n".join(
                f"{row.tool} {json.dumps(dict(row.arguments), ensure_ascii=False)}\n{row.diff}"
                for row in different[:3]
            )
            raise StateError(
                f"{len(different)} of {len(self.rows)} calls gave another output:\n{shown}",
                where=different[0].tool,
                next_step="mend the plugin, or record the calls again",
            )

    def to_frame(self) -> pd.DataFrame:
        """A row for each call: ``tool``, ``arguments``, ``before``, ``after``, ``same``."""
        import pandas as pd

        names = ("tool", "arguments", "before", "after", "same")
        return pd.DataFrame(
            [[getattr(row, name) for name in names] for row in self.rows], columns=list(names)
        )

    def __repr__(self) -> str:
        different = sum(not row.same for row in self.rows)
        return f"<Outputs of {len(self.rows)} calls, {different} different>"

    def _repr_html_(self) -> str:
        cells = [
            (row.tool, json.dumps(dict(row.arguments), ensure_ascii=False)[:500],
             "same" if row.same else "different", row.diff[:4000])
            for row in self.rows
        ]  # fmt: skip
        header = ["tool", "arguments", "", "difference"]
        return style_block() + html_table(header, cells, caption=repr(self)[1:-1])


@dataclass
class Recording:
    """Calls and their outputs; made by ``lab.tools.record()``.

    ::

        with lab.tools.record() as recording:
            lab.tools.SuperDice(notation="2d6", seed=7)
        recording.save("dice.jsonl")
        lab.tools.replay("dice.jsonl").check()        # in a test

    Attributes:
        calls: The calls, in the order in which they ended.
    """

    calls: list[RecordedCall] = field(default_factory=list)

    def save(self, path: str | Path) -> Path:
        """Write it to a file, a JSON object in each line.

        Args:
            path: The file; an existing one is replaced.
        """
        head = json.dumps({"vcplab": "plugin calls", "version": _VERSION})
        lines = (
            json.dumps(
                {"tool": c.tool, "arguments": dict(c.arguments), "output": dict(c.output)},
                ensure_ascii=False,
            )
            for c in self.calls
        )
        write_atomic(path, "\n".join([head, *lines]) + "\n")
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """Read a file that `save` wrote.

        Args:
            path: The file.

        Raises:
            InvalidDataError: It is none, or of a later version.
        """
        text = Path(path).read_text("utf-8")
        try:
            head, *lines = (json.loads(line) for line in text.splitlines() if line.strip())
            if head["vcplab"] != "plugin calls" or head["version"] > _VERSION:
                raise ValueError(f"its first line says {head}")
            calls = [RecordedCall(one["tool"], one["arguments"], one["output"]) for one in lines]
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidDataError(
                f"This is no recording of calls: {error}.",
                where=str(path),
                next_step="record them anew: with lab.tools.record() as recording: …",
            ) from error
        return cls(calls)

    def replay(self, caller: Caller, *, ignore: Iterable[str] = _VOLATILE) -> Outputs:
        """Make the calls again, one after the other, and compare.

        Args:
            caller: Calls the tools.
            ignore: Keys whose values may differ, wherever they stand.
        """
        return Outputs(
            tuple(
                output_row(call, call.output, _output(caller, call.tool, call.arguments), ignore)
                for call in self.calls
            )
        )

    @contextmanager
    def listening(self, manager: PluginManager) -> Iterator[Recording]:
        """Note the calls of a manager for as long as a block lasts."""

        def executed(event: PluginExecuted) -> None:
            output = {"value": jsonable(event.result)}
            self.calls.append(RecordedCall(event.plugin, jsonable(event.arguments), output))

        def failed(event: PluginErrorEvent) -> None:
            if event.arguments is not None:
                output = {"error": _told(event.error)}
                self.calls.append(RecordedCall(event.plugin, jsonable(event.arguments), output))

        with (
            manager.events.subscribe(PluginExecuted, executed),
            manager.events.subscribe(PluginErrorEvent, failed),
        ):
            yield self

    def __repr__(self) -> str:
        return f"<Recording of {len(self.calls)} calls>"


def compare_versions(
    caller: Caller,
    name: str,
    other: str | Path,
    calls: Recording | Iterable[Mapping[str, Any]],
    *,
    ignore: Iterable[str] = _VOLATILE,
) -> Outputs:
    """Make the same calls to a plugin and to another version of it.

    Args:
        caller: Calls the plugin.
        name: The plugin.
        other: The folder of the other version, which this call trusts.
        calls: Arguments, or a recording, of which the calls of this plugin count.
        ignore: Keys whose values may differ, wherever they stand.

    Returns:
        The outputs, ``before`` of the plugin and ``after`` of the other version.

    Raises:
        NotFoundError: There is no such folder.
        PluginUnavailableError: It holds no version of this plugin that can be called.
    """
    given = (
        [call.arguments for call in calls.calls if call.tool == name]
        if isinstance(calls, Recording)
        else list(calls)
    )
    manager = PluginManager()
    try:
        manager.add(other, trust=True)
        manager.catalogue.ready(name)
        second = Caller(manager)
        return Outputs(
            tuple(
                output_row(
                    RecordedCall(name, arguments, {}),
                    _output(caller, name, arguments),
                    _output(second, name, arguments),
                    ignore,
                )
                for arguments in given
            )
        )
    finally:
        manager.close()


def _output(caller: Caller, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    try:
        output = caller.raw(tool, arguments)
    except VCPError as error:
        return {"error": _told(error)}
    return {"value": jsonable(output)}


def _told(error: Exception) -> str:
    return error.message if isinstance(error, VCPError) else str(error)


def output_row(
    call: RecordedCall,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    ignore: Iterable[str],
) -> OutputRow:
    """Two outputs of a call side by side.

    Args:
        call: The call.
        before: The one.
        after: The other.
        ignore: Keys whose values may differ, wherever they stand.
    """
    left_out = frozenset(ignore)
    same = _without(before, left_out) == _without(after, left_out)
    return OutputRow(call.tool, call.arguments, before, after, same)


def _without(value: Any, ignore: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _without(item, ignore) for key, item in value.items() if key not in ignore}
    if isinstance(value, list):
        return [_without(item, ignore) for item in value]
    return value
