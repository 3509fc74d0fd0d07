"""The purifier: a context in one shape, without repetitions and secrets, within its budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from vcplab.core.errors import InvalidInputError
from vcplab.prompt.purifier.duplicates import duplicate_edits
from vcplab.prompt.purifier.offsets import Draft, Edit
from vcplab.prompt.purifier.options import PurifierOptions
from vcplab.prompt.purifier.protect import protected_spans
from vcplab.prompt.purifier.quotes import quote_edits
from vcplab.prompt.purifier.result import Modification, ModificationType, PurifyResult
from vcplab.prompt.purifier.sensitive import FAMILIES, MARK, sensitive_edits
from vcplab.prompt.purifier.truncating import Budget, truncate_edits
from vcplab.prompt.purifier.whitespace import newline_edits, whitespace_edits
from vcplab.text.tokens import default_tokenizer

__all__ = ["ContextPurifier", "create_context_purifier"]

# One change may make room for another (two paragraphs alike once their spaces are); the steps are
# repeated until nothing changes, so that purifying twice is purifying once.
_ROUNDS: Final = 12


class ContextPurifier:
    """Purifies contexts (seed 002 §3.1).

    ::

        purifier = ContextPurifier(max_tokens=4000, truncate_strategy="smart")
        result = purifier.purify(context, query="When does the train leave?")
        result.content, result.offsets.to_input(0)

    It keeps nothing between calls, may be used from several threads, and purifying a result again
    changes nothing.

    Args:
        options: Options by the seed's names or ours (`PurifierOptions`).
        **single: Single options; they win.

    Raises:
        InvalidInputError: An option is unknown or impossible.
    """

    def __init__(
        self, options: PurifierOptions | Mapping[str, Any] | None = None, **single: Any
    ) -> None:
        self._options = PurifierOptions.of(options, **single)

    def __repr__(self) -> str:
        default = PurifierOptions()
        changed = ", ".join(
            f"{name}={getattr(self._options, name)!r}"
            for name in PurifierOptions.__dataclass_fields__
            if getattr(self._options, name) != getattr(default, name)
        )
        return f"ContextPurifier({changed})"

    @property
    def options(self) -> PurifierOptions:
        """What it does."""
        return self._options

    def get_config(self) -> PurifierOptions:
        """``getConfig``: what it does."""
        return self._options

    def update_config(
        self, options: PurifierOptions | Mapping[str, Any] | None = None, **single: Any
    ) -> None:
        """``updateConfig``: change some options for the calls that follow.

        Raises:
            InvalidInputError: An option is unknown or impossible; nothing is changed.
        """
        if isinstance(options, PurifierOptions):
            self._options = options.changed(**single)
        else:
            self._options = self._options.changed(**{**(options or {}), **single})

    def purify(self, text: str, *, query: str | None = None) -> PurifyResult:
        """Purify a text.

        Spaces, quotation marks, line ends, sensitive data, repeated paragraphs, length: in this
        order, as the options say. Code, blocks of the VCP protocol and diary brackets stay as they
        are, or, where the budget has no room for one, are left out as a whole.

        Args:
            text: The text.
            query: What the text is wanted for; ``"smart"`` truncation keeps what answers it.

        Returns:
            The purified text, what was done, and where each character comes from.

        Raises:
            InvalidInputError: ``text`` or ``query`` is no text.
            MissingDependencyError: Paragraphs are to be compared, and datasketch is not installed.
            OperationTimeoutError: A sensitive pattern of one's own takes too long.
        """
        for name, given in (("text", text), ("query", query)):
            if not isinstance(given, str) and not (name == "query" and given is None):
                raise InvalidInputError(
                    f"A {name} is a str, not {type(given).__name__}.",
                    where=name,
                    next_step="purify the messages of a conversation one by one"
                    if name == "text"
                    else "leave it out, or give the question as text",
                )
        return _Run(self._options, text, query).result()


def create_context_purifier(
    options: PurifierOptions | Mapping[str, Any] | None = None, **single: Any
) -> ContextPurifier:
    """``createContextPurifier``: a purifier.

    Args:
        options: Options by the seed's names or ours (`PurifierOptions`).
        **single: Single options; they win.

    Raises:
        InvalidInputError: An option is unknown or impossible.
    """
    return ContextPurifier(options, **single)


class _Run:
    """One text on its way."""

    def __init__(self, options: PurifierOptions, text: str, query: str | None) -> None:
        self._options = options
        self._query = query
        self._draft = Draft(text)
        self._counts: Counter[ModificationType] = Counter()
        self._left = 0
        tokenizer = options.tokenizer or default_tokenizer()
        self._budget = Budget(tokenizer, options.max_tokens, options.max_chars)

    def result(self) -> PurifyResult:
        for _ in range(_ROUNDS):
            if not self._round():
                break
        draft = self._draft
        return PurifyResult(
            content=draft.text,
            original_length=len(draft.original),
            purified_length=len(draft.text),
            estimated_tokens=self._budget.tokenizer.count(draft.text),
            modifications=tuple(self._modifications()),
            truncated=self._counts["truncate"] > 0,
            duplicates_removed=self._counts["duplicate"],
            offsets=draft.offsets(),
            sensitive_left=self._left,
            tokenizer=self._budget.tokenizer.name,
            original=draft.original,
        )

    def _round(self) -> bool:
        """Whether the steps changed anything."""
        steps: dict[ModificationType, tuple[bool, Callable[[], tuple[list[Edit], int]]]] = {
            "whitespace": (self._options.normalize_whitespace, self._whitespace),
            "quote": (self._options.normalize_quotes, self._quotes),
            "newline": (self._options.collapse_newlines, self._newlines),
            "sensitive": (self._options.filter_sensitive, self._sensitive),
            "duplicate": (self._options.remove_duplicates, self._duplicates),
            "truncate": (True, self._truncation),
        }
        changed = False
        for kind, (wanted, step) in steps.items():
            if wanted:
                edits, count = step()
                self._draft.apply(edits)
                self._counts[kind] += count
                changed = changed or bool(edits)
        return changed

    def _whitespace(self) -> tuple[list[Edit], int]:
        edits = whitespace_edits(self._draft.text, self._protected())
        return edits, len(edits)

    def _quotes(self) -> tuple[list[Edit], int]:
        edits = quote_edits(self._draft.text, self._protected())
        return edits, len(edits)

    def _newlines(self) -> tuple[list[Edit], int]:
        edits = newline_edits(self._draft.text, self._protected(), self._options.max_newlines)
        return edits, len(edits)

    def _sensitive(self) -> tuple[list[Edit], int]:
        edits, self._left = sensitive_edits(
            self._draft.text,
            self._protected(),
            [FAMILIES[name] for name in self._options.sensitive],
            self._options.sensitive_patterns,
        )
        return edits, len(edits)

    def _duplicates(self) -> tuple[list[Edit], int]:
        threshold = self._options.duplicate_threshold
        return duplicate_edits(self._draft.text, protected_spans(self._draft.text), threshold)

    def _truncation(self) -> tuple[list[Edit], int]:
        text = self._draft.text
        edits = truncate_edits(
            text,
            protected_spans(text),
            self._budget,
            self._options.truncate_strategy,
            query=self._query,
            retriever=self._options.retriever,
        )
        return edits, sum(edit.end - edit.start for edit in edits)

    def _protected(self) -> Any:
        return protected_spans(self._draft.text, code=self._options.preserve_code_blocks)

    def _modifications(self) -> list[Modification]:
        told: dict[ModificationType, tuple[str, str, str]] = {
            "whitespace": ("run", "runs", "of spaces or invisible characters aligned"),
            "quote": ("quotation mark", "quotation marks", "made straight"),
            "newline": ("run", "runs", "of line ends aligned"),
            "sensitive": ("piece", "pieces", f"of sensitive data replaced by {MARK}"),
            "duplicate": ("repeated paragraph", "repeated paragraphs", "removed"),
            "truncate": (
                "character",
                "characters",
                f"left out ({self._options.truncate_strategy})",
            ),
        }
        return [
            Modification(kind, f"{count} {one if count == 1 else many} {done}", count)
            for kind, (one, many, done) in told.items()
            if (count := self._counts[kind])
        ]
