"""Tree to the query of an index: words become terms, phrases and exclusions tokens in a row."""

from __future__ import annotations

from collections.abc import Iterable

from vcplab.memory.index.ports import StructuredQuery
from vcplab.memory.syntax.parser import QuerySyntaxError
from vcplab.memory.syntax.tree import AnyOf, Boosted, Excluded, Item, Phrase, QueryTree, Word
from vcplab.text.analysis import Analyzer

__all__ = ["compile_query"]


def compile_query(tree: QueryTree, analyzer: Analyzer) -> StructuredQuery:
    """The query that an index is asked.

    A word counts by its terms, as in a plain query; a phrase by its terms in a row, a phrase of
    one term as that term. A Chinese word of several terms that is excluded excludes them in a row.
    The same term twice adds up; a weight of 0 leaves a part out.

    Args:
        tree: The query.
        analyzer: The analyser of the documents.

    Returns:
        A query that finds nothing if all its words are stop words.

    Raises:
        QuerySyntaxError: All parts exclude, so that nothing is asked for.
    """
    terms: dict[str, float] = {}
    phrases: dict[tuple[str, ...], float] = {}
    excluded: dict[tuple[str, ...], None] = {}

    def count(items: Iterable[Item], weight: float) -> None:
        for item in items:
            words = tuple(analyzer.analyze_query(item.text))
            if isinstance(item, Phrase) and len(words) > 1:
                phrases[words] = phrases.get(words, 0.0) + weight
            else:
                for word in words:
                    terms[word] = terms.get(word, 0.0) + weight

    for part in tree.parts:
        if isinstance(part, Word | Phrase):
            count([part], 1.0)
        elif isinstance(part, Boosted):
            count(part.items, part.weight)
        elif isinstance(part, AnyOf):
            count((item for option in part.options for item in option), part.weight)
        else:
            rows = (tuple(analyzer.analyze_query(item.text)) for item in part.items)
            excluded.update((words, None) for words in rows if words)
    if tree.parts and all(isinstance(part, Excluded) for part in tree.parts):
        raise QuerySyntaxError(
            "The query only says what not to find",
            tree.source,
            tree.parts[0].span[0],
            "Add a word to look for. To leave documents out of every search, use a Filter.",
        )
    return StructuredQuery(
        {term: weight for term, weight in terms.items() if weight > 0},
        tuple((words, weight) for words, weight in phrases.items() if weight > 0),
        tuple(excluded),
    )
