"""The lexical lanes: ``BM25`` in memory with any parameters, ``Tantivy`` on disk."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.corpus import Corpus
from vcplab.memory.index.derived import LexicalDocuments, TantivyDocuments
from vcplab.memory.index.ports import LexicalIndex, StructuredQuery, TermQuery
from vcplab.memory.index.weighting import BM25Weighting, Variant
from vcplab.memory.stages.base import Context, Output
from vcplab.memory.stages.lanes import LaneStage
from vcplab.memory.stages.state import Lane, Query, State
from vcplab.memory.syntax import compile_with_notices, parse
from vcplab.text.analysis import Analyzer, default_analyzer

__all__ = ["BM25", "LexicalLane", "Syntax", "Tantivy"]

# Terms that a reason names as missing.
_MISSED = 12

Syntax = Literal["plain", "deepmemo"]


@dataclasses.dataclass(frozen=True, repr=False)
class LexicalLane(LaneStage):
    """What the lexical lanes share: how a query becomes terms, and a ranking of them.

    Attributes:
        analyzer: Text to terms; the default analyser if None.
        syntax: ``plain``: no character of a query is syntax. ``deepmemo``: the query language of
            DeepMemo (docs/query-language.md); what does not parse is an error that points at it.
        preset: With ``deepmemo``, a query that is added to every query.
        fields: Which fields of a document are indexed.
        candidates: Length of the list; as long as is asked for and at least 100 if None.
    """

    analyzer: Analyzer | None = dataclasses.field(default=None, kw_only=True)
    syntax: Syntax = dataclasses.field(default="plain", kw_only=True)
    preset: str | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        LaneStage.__post_init__(self)
        if self.analyzer is not None and not isinstance(self.analyzer, Analyzer):
            raise InvalidInputError(
                f"{self.analyzer!r} is no analyser.",
                where="analyzer",
                next_step="Give a vl.Analyzer(...), or None for the default one.",
            )
        if self.syntax not in get_args(Syntax):
            raise InvalidInputError(
                f"There is no query syntax {self.syntax!r}.",
                where="syntax",
                next_step=f"Use {' or '.join(get_args(Syntax))}.",
            )
        if self.preset is not None:
            if self.syntax != "deepmemo":
                raise InvalidInputError(
                    "A preset query is part of the query language.",
                    where="preset",
                    next_step='Set syntax="deepmemo" with it.',
                )
            parse(self.preset)

    def apply(self, state: State, context: Context) -> Output:
        """Rank documents by shared terms."""
        index, notices = self._index(context.corpus)
        queries: list[TermQuery | StructuredQuery] = []
        for query in state.queries:
            asked, told = self._asked(query)
            queries.append(asked)
            notices += tuple(notice for notice in told if notice not in notices)
        rankings = index.search(queries, self._depth(context), mask=state.mask)
        scorer = _LexicalScorer(index, queries)
        lane = Lane(self.name, "bm25", tuple(rankings), scorer)
        return Output(lanes=(lane,), notices=notices)

    def prepare(self, corpus: Corpus) -> None:
        """Build the index."""
        self._index(corpus)

    @abstractmethod
    def _index(self, corpus: Corpus) -> tuple[LexicalIndex, tuple[str, ...]]:
        """The index, up to date, and what the reader should know about it."""

    def _asked(self, query: Query) -> tuple[TermQuery | StructuredQuery, tuple[str, ...]]:
        analyzer = self._analyzer()
        tree = query.tree
        if tree is None and self.syntax == "deepmemo":
            tree = parse(query.text)
            if self.preset is not None:
                tree += parse(self.preset)
        if tree is not None:
            compiled, notices = compile_with_notices(tree, analyzer)
            if query.terms:
                terms = _summed(compiled.terms, query.terms)
                compiled = dataclasses.replace(compiled, terms=terms)
            return compiled, notices
        counts = Counter(analyzer.analyze_query(query.text))
        return _summed({term: float(n) for term, n in counts.items()}, query.terms), ()

    def _analyzer(self) -> Analyzer:
        return self.analyzer or default_analyzer()

    def _content(self) -> dict[str, Any]:
        return {**self._children(), "analyzer": self._analyzer()}


def _summed(terms: Mapping[str, float], more: Mapping[str, float]) -> TermQuery:
    return {t: terms.get(t, 0.0) + more.get(t, 0.0) for t in {**terms, **more}}


@dataclasses.dataclass(frozen=True, repr=False)
class BM25(LexicalLane):
    """The lexical lane in memory: BM25 over words and CJK bigrams, with any parameters.

    Attributes:
        k1: Term-frequency saturation.
        b: Length normalisation, 0 to 1.
        variant: ``lucene``, ``robertson``, ``atire``, ``bm25l`` or ``bm25+``
            (:class:`~vcplab.memory.index.weighting.BM25Weighting`).
        analyzer: Text to terms; the default analyser if None.
        syntax: ``plain`` or ``deepmemo`` (:class:`LexicalLane`).
        preset: With ``deepmemo``, a query that is added to every query.
        fields: Which fields of a document are indexed.
        candidates: Length of the list; as long as is asked for and at least 100 if None.
    """

    k1: float = 1.2
    b: float = 0.75
    variant: Variant = "lucene"

    def __post_init__(self) -> None:
        LexicalLane.__post_init__(self)
        self._weighting()  # refuses impossible parameters where they are written

    def _index(self, corpus: Corpus) -> tuple[LexicalIndex, tuple[str, ...]]:
        return _in_memory(corpus, self._analyzer(), self.fields, self._weighting()), ()

    def _weighting(self) -> BM25Weighting:
        delta = 1.0 if self.variant == "bm25+" else 0.5
        return BM25Weighting(self.k1, self.b, self.variant, delta)


@dataclasses.dataclass(frozen=True, repr=False)
class Tantivy(LexicalLane):
    """The lexical lane on disk: Tantivy's BM25 (k1 = 1.2, b = 0.75) over the same terms.

    On a corpus that lives in a folder the index is kept beside the documents and opened again in
    no time; on any other it is made in memory. Where tantivy is missing, the index in memory takes
    its place, with a notice.

    Attributes:
        analyzer: Text to terms; the default analyser if None.
        syntax: ``plain`` or ``deepmemo`` (:class:`LexicalLane`).
        preset: With ``deepmemo``, a query that is added to every query.
        fields: Which fields of a document are indexed.
        candidates: Length of the list; as long as is asked for and at least 100 if None.
    """

    def _index(self, corpus: Corpus) -> tuple[LexicalIndex, tuple[str, ...]]:
        analyzer, fields = self._analyzer(), self.fields
        try:
            kept = corpus.lasting(
                ("tantivy", analyzer.fingerprint, fields),
                lambda folder: TantivyDocuments(analyzer, fields, folder),
            )
        except ImportError:
            index = _in_memory(corpus, analyzer, fields, BM25Weighting())
            return index, ("tantivy is not installed: the index is kept in memory instead.",)
        return kept.index, ()


def _in_memory(
    corpus: Corpus, analyzer: Analyzer, fields: tuple[str, ...], weighting: BM25Weighting
) -> LexicalIndex:
    kept = corpus.derived(
        ("lexical", analyzer.fingerprint, fields),
        lambda: LexicalDocuments(analyzer, fields, corpus.documents),
    )
    return kept.index.view(weighting)


@dataclasses.dataclass(frozen=True, slots=True)
class _LexicalScorer:
    index: LexicalIndex
    queries: Sequence[TermQuery | StructuredQuery]

    def score(self, query: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.index.score(self.queries[query], rows)

    def reasons(self, query: int, row: int) -> str:
        at = np.array([row], np.int64)
        asked = self.queries[query]
        if not isinstance(asked, StructuredQuery):
            asked = StructuredQuery(asked)
        for words in asked.excluded:
            only = StructuredQuery({}, ((words, 1.0),)) if len(words) > 1 else {words[0]: 1.0}
            if self.index.score(only, at)[0] > 0:
                return f"excluded by [{' '.join(words)}]"
        shares = self._shares(asked, at)
        found = sorted((t for t in shares if shares[t] > 0), key=lambda t: (-shares[t], t))
        missed = sorted(t for t in shares if shares[t] == 0)
        text = ", ".join(f"{term} {shares[term]:.2f}" for term in found) or "no term in common"
        if len(missed) > _MISSED:
            missed = [*missed[:_MISSED], f"{len(missed) - _MISSED} more"]
        return text + (f"; not in it: {', '.join(missed)}" if missed and found else "")

    def terms(self, query: int, row: int) -> tuple[tuple[str, float], ...]:
        """Matched terms and phrases with their shares of the score, largest first."""
        asked = self.queries[query]
        if not isinstance(asked, StructuredQuery):
            asked = StructuredQuery(asked)
        shares = self._shares(asked, np.array([row], np.int64))
        found = [(term, share) for term, share in shares.items() if share > 0]
        return tuple(sorted(found, key=lambda pair: (-pair[1], pair[0])))

    def _shares(self, asked: StructuredQuery, at: NDArray[np.int64]) -> dict[str, float]:
        shares = {
            term: float(self.index.score({term: weight}, at)[0])
            for term, weight in asked.terms.items()
        }
        for words, weight in asked.phrases:
            phrase = StructuredQuery({}, ((words, weight),))
            shares[f'"{" ".join(words)}"'] = float(self.index.score(phrase, at)[0])
        return shares
