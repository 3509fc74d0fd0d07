"""What a purifier does, and how far."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, cast

from vcplab.core.errors import InvalidInputError
from vcplab.core.names import checked_choice, named_options
from vcplab.prompt.purifier.sensitive import FAMILIES, compiled
from vcplab.protocol.ports import Retriever
from vcplab.text.tokens import Tokenizer

__all__ = ["STRATEGIES", "PurifierOptions", "TruncateStrategy"]

TruncateStrategy = Literal["head", "tail", "middle", "smart"]

STRATEGIES: Final[tuple[TruncateStrategy, ...]] = ("head", "tail", "middle", "smart")

_SWITCHES: Final = (
    "remove_duplicates",
    "normalize_whitespace",
    "normalize_quotes",
    "collapse_newlines",
    "filter_sensitive",
    "preserve_code_blocks",
)


@dataclass(frozen=True, slots=True)
class PurifierOptions:
    """The options of a `ContextPurifier` (seed 002 §3.1; defaults of facts/vcp-agents §5).

    Attributes:
        max_tokens: The most tokens of the result, as ``tokenizer`` counts them; None for any.
        max_chars: The most characters of the result; None for any.
        remove_duplicates: Whether a paragraph that says again what an earlier one says is removed.
        duplicate_threshold: How alike such paragraphs are: the share of runs of three
            letters that they have in common (Dice), above 0 and up to 1. At 1 only
            case, spaces and punctuation may differ. Numbers and negations must always agree.
        normalize_whitespace: Whether runs of spaces become one, and trailing ones and invisible
            characters vanish; indentation stays.
        normalize_quotes: Whether curly and full-width quotation marks become straight ones.
        collapse_newlines: Whether line ends become line feeds, at most ``max_newlines`` in a row.
        max_newlines: The most line ends in a row, from 1.
        filter_sensitive: Whether what `sensitive` and `sensitive_patterns` find becomes
            ``[FILTERED]``.
        sensitive: The families to look for, by name (`vcplab.prompt.purifier.sensitive.FAMILIES`);
            or a mapping of names to true or false, in which those left out are on.
        sensitive_patterns: Regular expressions of one's own, each stopped after a second.
        preserve_code_blocks: Whether fenced and inline code stays as it is, in sensitive matters,
            too. Blocks of the VCP protocol and diary brackets always do.
        truncate_strategy: What is kept of a text that is too long: its beginning (``"head"``), its
            end (``"tail"``), both (``"middle"``), or whole sentences of both and of what a query
            asks for (``"smart"``).
        tokenizer: What counts; `vcplab.text.tokens.default_tokenizer` if None.
        retriever: Where ``"smart"`` looks up a query; without one, words alone decide.

    Raises:
        InvalidInputError: An option is impossible.
    """

    max_tokens: int | None = 8000
    max_chars: int | None = 32000
    remove_duplicates: bool = True
    duplicate_threshold: float = 0.9
    normalize_whitespace: bool = True
    normalize_quotes: bool = True
    collapse_newlines: bool = True
    max_newlines: int = 2
    filter_sensitive: bool = False
    sensitive: tuple[str, ...] = tuple(FAMILIES)
    sensitive_patterns: tuple[str | re.Pattern[str], ...] = ()
    preserve_code_blocks: bool = True
    truncate_strategy: TruncateStrategy = "smart"
    tokenizer: Tokenizer | None = None
    retriever: Retriever | None = None

    def __post_init__(self) -> None:
        for name in ("max_tokens", "max_chars"):
            _check_count(name, getattr(self, name), least=0, or_none=True)
        _check_count("max_newlines", self.max_newlines, least=1)
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise _wrong(name, getattr(self, name), "true or false")
        threshold = self.duplicate_threshold
        if isinstance(threshold, bool) or not isinstance(threshold, int | float):
            raise _wrong("duplicate_threshold", threshold, "a number above 0, up to 1")
        if not 0 < threshold <= 1:
            raise _wrong("duplicate_threshold", threshold, "a number above 0, up to 1")
        checked_choice(
            self.truncate_strategy,
            STRATEGIES,
            "truncate_strategy",
            f"There is no strategy {self.truncate_strategy!r}.",
        )
        if self.tokenizer is not None and not isinstance(self.tokenizer, Tokenizer):
            raise _wrong("tokenizer", self.tokenizer, "a Tokenizer of vcplab.text.tokens")
        if self.retriever is not None and not isinstance(self.retriever, Retriever):
            raise _wrong("retriever", self.retriever, "a Retriever (name, search)")
        object.__setattr__(self, "sensitive", _families(self.sensitive))
        object.__setattr__(self, "sensitive_patterns", _patterns(self.sensitive_patterns))

    @classmethod
    def of(
        cls, options: PurifierOptions | Mapping[str, Any] | None = None, **single: Any
    ) -> PurifierOptions:
        """Options from either spelling (``maxTokens`` or ``max_tokens``).

        Args:
            options: A value, or a mapping by the seed's names or ours.
            **single: Single options; they win.

        Raises:
            InvalidInputError: A name is unknown, or a value impossible.
        """
        given = named_options(
            cls, options, single, what="The context purifier", where="ContextPurifier"
        )
        return cls(**given)

    def changed(self, **single: Any) -> PurifierOptions:
        """These options with some others, in either spelling.

        Raises:
            InvalidInputError: A name is unknown, or a value impossible.
        """
        return type(self).of(self, **single)

    def to_dict(self) -> dict[str, Any]:
        """The options by our names, JSON-able: patterns by their text, objects by their name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["sensitive"] = list(self.sensitive)
        values["sensitive_patterns"] = [
            pattern if isinstance(pattern, str) else pattern.pattern
            for pattern in self.sensitive_patterns
        ]
        for name in ("tokenizer", "retriever"):
            values[name] = getattr(values[name], "name", None)
        return values


def _wrong(name: str, value: object, wanted: str) -> InvalidInputError:
    return InvalidInputError(
        f"{name} is {wanted}, not {value!r}.",
        where=name,
        next_step="leave it out for the default",
    )


def _check_count(name: str, value: object, *, least: int, or_none: bool = False) -> None:
    if value is None and or_none:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        wanted = f"a whole number from {least}" + (", or None" if or_none else "")
        raise _wrong(name, value, wanted)


def _families(given: object) -> tuple[str, ...]:
    if isinstance(given, Mapping):
        names = set(given)
        chosen = [name for name in FAMILIES if given.get(name, True)]
    elif isinstance(given, Iterable) and not isinstance(given, str):
        listed = list(given)
        names = set(listed)
        chosen = [name for name in FAMILIES if name in names]
    else:
        raise _wrong("sensitive", given, f"some of {', '.join(FAMILIES)}")
    for name in names:
        checked_choice(name, FAMILIES, "sensitive", f"There is no sensitive family {name!r}.")
    return tuple(chosen)


def _patterns(given: object) -> tuple[str | re.Pattern[str], ...]:
    if isinstance(given, str | re.Pattern):
        given = (given,)
    if not isinstance(given, Iterable):
        raise _wrong("sensitive_patterns", given, "a list of regular expressions")
    listed = tuple(given)
    for pattern in listed:
        if not isinstance(pattern, str | re.Pattern) or not isinstance(
            getattr(pattern, "pattern", pattern), str
        ):
            raise _wrong("sensitive_patterns", pattern, "a list of regular expressions")
        compiled(pattern)
    return cast("tuple[str | re.Pattern[str], ...]", listed)
