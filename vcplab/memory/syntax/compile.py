"""Tree to the query of an index: words become terms, phrases and exclusions tokens in a row."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from itertools import chain

from vcplab.memory.index.ports import StructuredQuery
from vcplab.memory.syntax.errors import QuerySyntaxError
from vcplab.memory.syntax.tree import AnyOf, Boosted, Excluded, Item, Phrase, QueryTree
from vcplab.text.analysis import Analyzer

__all__ = ["compile_query", "compile_with_notices"]

# CJK writing begins here at the earliest.
_FIRST_CJK = "\u1100"


def compile_query(tree: QueryTree, analyzer: Analyzer) -> StructuredQuery:
    """The query that an index is asked.

    A word counts by its terms, as in a plain query; a phrase by its terms in a row, a phrase of
    one term as that term. What is excluded excludes by its terms in a row too, so that ``[分词器]``
    concerns 分词器 and not every 分词. The same term twice adds up; a weight of 0 leaves a part
    out.

    Args:
        tree: The query.
        analyzer: The analyser of the documents.

    Returns:
        A query; one that finds nothing if no word has a term (stop words, punctuation).

    Raises:
        QuerySyntaxError: All parts exclude, so that nothing is asked for; not if the tree is
            lenient.
    """
    return compile_with_notices(tree, analyzer)[0]


def compile_with_notices(
    tree: QueryTree, analyzer: Analyzer
) -> tuple[StructuredQuery, tuple[str, ...]]:
    """:func:`compile_query`, with what the reader should know: the tree's notices and new ones.

    Args:
        tree: The query.
        analyzer: The analyser of the documents.

    Returns:
        The query, and notices: parts without terms, weights of 0, a query that finds nothing.

    Raises:
        QuerySyntaxError: As for :func:`compile_query`.
    """
    compiler = _Compiler(analyzer)
    for part in tree.parts:
        if isinstance(part, Excluded):
            compiler.exclude(part)
        elif isinstance(part, Boosted | AnyOf):
            compiler.weigh(part)
            groups = part.options if isinstance(part, AnyOf) else (part.items,)
            for item in chain.from_iterable(groups):
                compiler.ask(item, part.weight)
        else:
            compiler.ask(part, 1.0)
    notices = compiler.notices
    if tree.parts and all(isinstance(part, Excluded) for part in tree.parts):
        if not tree.lenient:
            raise QuerySyntaxError.at(
                "The query only says what not to find",
                tree.source or str(tree),
                tree.parts[0].span[0],
                expected="a word to look for",
                next_step="Add a word or a phrase to look for.",
            )
        notices["The query only says what not to find: it finds nothing."] = None
    query = compiler.query()
    if not (query.terms or query.phrases) and any(map(_asks, tree.parts)):
        notices["No part of the query has a term to look for: it finds nothing."] = None
    return query, tuple(dict.fromkeys((*tree.notices, *notices)))


def _asks(part: object) -> bool:
    return not isinstance(part, Excluded)


class _Compiler:
    def __init__(self, analyzer: Analyzer) -> None:
        self.analyzer = analyzer
        # The words of "both" stand behind the pairs of their run; pairs alone are in a row.
        self._rows = (
            dataclasses.replace(analyzer, cjk="bigrams") if analyzer.cjk == "both" else analyzer
        )
        self._terms: dict[str, float] = {}
        self._phrases: dict[tuple[str, ...], float] = {}
        self._excluded: dict[tuple[str, ...], None] = {}
        self.notices: dict[str, None] = {}

    def query(self) -> StructuredQuery:
        return StructuredQuery(self._terms, tuple(self._phrases.items()), tuple(self._excluded))

    def ask(self, item: Item, weight: float) -> None:
        """Take in what is looked for."""
        if isinstance(item, Phrase):
            words = self._in_a_row(item, "finds")
            if len(words) > 1:
                _add(self._phrases, words, weight)
            else:
                _add_all(self._terms, words, weight)
        else:
            _add_all(self._terms, self.analyzer.analyze_query(item.text), weight)

    def exclude(self, part: Excluded) -> None:
        """Take in what must not occur."""
        for item in part.items:
            if words := self._in_a_row(item, "excludes"):
                self._excluded[words] = None

    def weigh(self, part: Boosted | AnyOf) -> None:
        """Say so if a part is left out."""
        if part.weight == 0:
            self.notices[f"{_shown(part)} has the weight 0 and is left out."] = None

    def _in_a_row(self, item: Item, does: str) -> tuple[str, ...]:
        words = tuple(self._rows.analyze_query(item.text))
        if not words:
            self.notices[
                f"{_shown(item)} has no terms (stop words, punctuation): it {does} nothing."
            ] = None
        elif len(words) > 1 and self.analyzer.cjk == "words" and max(item.text) >= _FIRST_CJK:
            self.notices[
                f'{_shown(item)}: with Analyzer(cjk="words") terms in a row are found only where a '
                'text is cut into the same words; cjk="bigrams" finds them everywhere.'
            ] = None
        return words


def _add(into: dict[tuple[str, ...], float], words: tuple[str, ...], weight: float) -> None:
    if weight > 0:
        into[words] = into.get(words, 0.0) + weight


def _add_all(into: dict[str, float], terms: Iterable[str], weight: float) -> None:
    if weight > 0:
        for term in terms:
            into[term] = into.get(term, 0.0) + weight


def _shown(part: object) -> str:
    text = str(part)
    return text if len(text) <= 40 else f"{text[:39]}…"
