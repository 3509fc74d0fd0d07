"""A linter for prompts: what would not do what its author meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal, TypeAlias

from vcplab.core.display import html_table, style_block
from vcplab.core.errors import VCPError
from vcplab.prompt.placeholders.engine import VariableEngine
from vcplab.prompt.placeholders.syntax import Found, find_placeholders
from vcplab.protocol.requests import ParserConfig, Skipped, ToolRequest, VCPProtocolParser

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["IssueKind", "PromptIssue", "PromptReport", "lint_prompt"]

IssueKind: TypeAlias = Literal[
    "unresolved placeholder",
    "not a placeholder",
    "placeholder error",
    "unknown tool",
    "skipped in a request",
]

# What looks like a placeholder and is none: blanks at the edges, one brace, full-width braces.
_ALMOST = re.compile(
    r"\{\{[ \t]+[^{}\r\n]{1,100}\}\}|\{\{[^{}\r\n]{1,100}[ \t]+\}\}"
    r"|(?<!\{)\{\{[^{}\r\n]{1,100}\}(?!\})|(?<!\{)\{[A-Za-z_]\w{0,100}\}\}"
    r"|｛[｛{]?[^{}｛｝\r\n]{1,100}[｝}]?｝"
)


@dataclass(frozen=True, slots=True)
class PromptIssue:
    """One thing that would go wrong.

    Attributes:
        kind: What sort of thing.
        text: The place in the prompt.
        line: Its line, from 1.
        column: Its column, from 1.
        message: What happens, and what to do.
    """

    kind: IssueKind
    text: str
    line: int
    column: int
    message: str


@dataclass(frozen=True, slots=True)
class PromptReport:
    """What a linter found; empty is good.

    Attributes:
        issues: In the order of the prompt.
    """

    issues: tuple[PromptIssue, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per issue: kind, text, line, column, message."""
        import pandas as pd

        columns = list(PromptIssue.__dataclass_fields__)
        rows = [[getattr(issue, name) for name in columns] for issue in self.issues]
        return pd.DataFrame(rows, columns=columns)

    def __iter__(self) -> Iterator[PromptIssue]:
        return iter(self.issues)

    def __len__(self) -> int:
        return len(self.issues)

    def __bool__(self) -> bool:
        return bool(self.issues)

    def __repr__(self) -> str:
        if not self.issues:
            return "<PromptReport: nothing to mend>"
        lines = [f"{i.line}:{i.column}: {i.kind}: {i.message}" for i in self.issues]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [(f"{i.line}:{i.column}", i.kind, i.text, i.message) for i in self.issues]
        caption = "Prompt" if rows else "Prompt: nothing to mend"
        header = ["place", "kind", "text", "message"]
        return style_block() + html_table(header, rows, caption=caption)


def lint_prompt(
    text: str,
    engine: VariableEngine | None = None,
    tools: Iterable[str] | None = None,
    config: ParserConfig | None = None,
) -> PromptReport:
    """Look for what would not do what the prompt's author meant.

    Placeholders that nobody knows, circles, what only looks like a placeholder, examples of tool
    requests that name an unknown tool or hold fields that a server skips.

    Args:
        text: The prompt.
        engine: Who knows placeholders; without one they are not looked up.
        tools: Names of the tools there are; without them every name is taken as known.
        config: Marks of tool requests; the standard ones if None.

    Returns:
        The issues; the prompt itself is not changed.
    """
    found: list[tuple[int, IssueKind, str, str]] = []
    if engine is not None:
        found.extend(_unresolved(text, engine))
    for match in _ALMOST.finditer(text):
        message = "it stays as it is; a placeholder is {{name}}, without blanks at its edges"
        found.append((match.start(), "not a placeholder", match[0], message))
    found.extend(_requests(text, None if tools is None else list(tools), config))
    found.sort(key=lambda issue: issue[0])
    issues = []
    for at, kind, shown, message in found:
        line = text.count("\n", 0, at) + 1
        column = at - (text.rfind("\n", 0, at) + 1) + 1
        issues.append(PromptIssue(kind, shown, line, column, message))
    return PromptReport(tuple(issues))


def _unresolved(text: str, engine: VariableEngine) -> Iterator[tuple[int, IssueKind, str, str]]:
    known = engine.names()
    seen: dict[str, VCPError | bool] = {}
    for place in find_placeholders(text):
        whole = text[place.start : place.end]
        # One by one, so that a circle in one does not hide what is wrong with the others.
        state = seen.get(place.name)
        if state is None:
            state = seen[place.name] = _state(whole, place, engine)
        if isinstance(state, VCPError):
            yield place.start, "placeholder error", whole, f"{state.message} {state.next_step}"
        elif not state:
            near = get_close_matches(place.name, known, n=1)
            step = f"did you mean {{{{{near[0]}}}}}?" if near else "nobody knows it"
            yield place.start, "unresolved placeholder", whole, f"it stays as it is; {step}"


def _state(whole: str, place: Found, engine: VariableEngine) -> VCPError | bool:
    try:
        return place.name not in engine.explain(whole).unresolved
    except VCPError as error:
        return error


def _requests(
    text: str, tools: list[str] | None, config: ParserConfig | None
) -> Iterator[tuple[int, IssueKind, str, str]]:
    # A prompt is no answer: what it says about reasoning is not reasoning.
    parser = VCPProtocolParser(config, strip_reasoning=False)
    for piece in parser.parse(text).pieces:
        if isinstance(piece, Skipped):
            hint = f"; {piece.hint}" if piece.hint else ""
            yield piece.span[0], "skipped in a request", piece.text[:200], f"{piece.reason}{hint}"
        elif isinstance(piece, ToolRequest) and tools is not None and piece.name not in tools:
            assert piece.span is not None, "it was parsed"
            near = get_close_matches(piece.name, tools, n=1)
            step = f"did you mean {near[0]!r}?" if near else "no such tool is loaded"
            yield piece.span[0], "unknown tool", piece.name, step
