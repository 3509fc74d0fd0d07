"""Query stages: what changes a question before any lane sees it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from vcplab.core.errors import InvalidInputError
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.state import Query, State
from vcplab.memory.syntax import compile_query, parse
from vcplab.text.analysis import Analyzer, default_analyzer

__all__ = ["Exclusions", "QueryLanguage", "Rewrite"]


@dataclasses.dataclass(frozen=True, repr=False)
class Rewrite(Stage):
    """Rewrite queries with a function of one's own.

    ::

        Rewrite(str.lower) >> BM25()
        Rewrite(lambda text: dataclasses.replace(...), version="1") >> Dense()

    Attributes:
        function: Text → text, or :class:`~vcplab.memory.stages.state.Query` → Query with
            ``whole=True``.
        version: A name for what the function does today. With it results are cached between runs;
            without it they are computed anew each time, since a function's behaviour cannot be
            read off it.
        whole: Whether the function takes and gives a whole Query (its terms, embedding, time).
    """

    kind: ClassVar[StageKind] = "query"
    function: Callable[..., Any] = str
    version: str | None = None
    whole: bool = False

    @property
    def cacheable(self) -> bool:
        """Whether results may be kept between runs."""
        return self.version is not None and super().cacheable

    def apply(self, state: State, context: Context) -> Output:
        """Rewrite every query."""
        queries = tuple(self._rewritten(query) for query in state.queries)
        return Output(queries=queries)

    def _rewritten(self, query: Query) -> Query:
        result = self.function(query if self.whole else query.text)
        if self.whole and isinstance(result, Query):
            return result
        if not self.whole and isinstance(result, str):
            # A caller's vector was made for the old words.
            return dataclasses.replace(query, text=result, embedding=None)
        raise InvalidInputError(
            f"The rewriting function gave {type(result).__name__}.",
            where=self.name,
            next_step=f"Return {'a Query' if self.whole else 'a string'}.",
        )

    def _content(self) -> dict[str, Any]:
        name = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        # Without a version only this very function object is the same.
        identity = self.version if self.version is not None else f"volatile-{id(self.function)}"
        return {"function": name, "version": identity, "whole": self.whole}

    def _describe(self) -> str:
        return f"Rewrite({getattr(self.function, '__name__', 'function')})"


@dataclasses.dataclass(frozen=True, repr=False)
class QueryLanguage(Stage):
    """Read queries as DeepMemo's query language (docs/query-language.md), for all that follows.

    Lexical lanes ask for the tree; dense lanes and rerankers read the wanted words without the
    marks; :class:`Exclusions` behind the lanes drops what is excluded, whichever lane found it.

    Attributes:
        preset: A query that is added to every query (VCPChat's ``QueryPreset``).
        lenient: What does not parse is taken as plain words, with a notice, instead of refused.
    """

    kind: ClassVar[StageKind] = "query"
    preset: str | None = None
    lenient: bool = False

    def __post_init__(self) -> None:
        if self.preset is not None:
            parse(self.preset)

    def apply(self, state: State, context: Context) -> Output:
        """Parse every query."""
        queries: list[Query] = []
        notices: dict[str, None] = {}
        for query in state.queries:
            tree = parse(query.text, lenient=self.lenient)
            if self.preset is not None:
                tree += parse(self.preset)
            notices.update(dict.fromkeys(tree.notices))
            queries.append(dataclasses.replace(query, text=tree.plain(), tree=tree))
        return Output(queries=tuple(queries), notices=tuple(notices))


@dataclasses.dataclass(frozen=True, repr=False)
class Exclusions(Stage):
    """Drop what a query of the query language excludes, whichever lane found it.

    Attributes:
        analyzer: Text to terms; the default analyser if None.
        fields: Which fields of a document are looked at.
    """

    kind: ClassVar[StageKind] = "ranking"
    analyzer: Analyzer | None = None
    fields: tuple[str, ...] = ("text", "tags")

    def apply(self, state: State, context: Context) -> Output:
        """Drop from every list."""
        (lane,) = state.lanes
        analyzer = self.analyzer or default_analyzer()
        rankings = list(lane.rankings)
        for number, (query, ranking) in enumerate(zip(state.queries, rankings, strict=True)):
            if query.tree is None or not len(ranking):
                continue
            excluded = compile_query(query.tree, analyzer).excluded
            if not excluded:
                continue
            documents = context.corpus.documents(ranking.rows.tolist())
            texts = analyzer.analyze_many([doc.field_text(self.fields) for doc in documents])
            keep = np.array([not any(_has(terms, words) for words in excluded) for terms in texts])
            rankings[number] = Ranking(ranking.rows[keep], ranking.scores[keep])
        return Output(lanes=(dataclasses.replace(lane, rankings=tuple(rankings)),))

    def _content(self) -> dict[str, Any]:
        return {**self._children(), "analyzer": self.analyzer or default_analyzer()}


def _has(terms: Sequence[str], words: tuple[str, ...]) -> bool:
    n = len(words)
    return any(
        term == words[0] and tuple(terms[at : at + n]) == words for at, term in enumerate(terms)
    )
