"""Lanes, which find candidates: ``BM25`` and ``Tantivy`` by terms, ``Dense`` by meaning."""

from __future__ import annotations

import dataclasses
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import FIELDS
from vcplab.memory.index.derived import (
    DenseDocuments,
    DocumentLanguages,
    LanguageCover,
    LexicalDocuments,
    TantivyDocuments,
    dense_documents,
    document_languages,
)
from vcplab.memory.index.ports import LexicalIndex, StructuredQuery, TermQuery
from vcplab.memory.index.weighting import BM25Weighting, Variant
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.state import Lane, Query, State
from vcplab.memory.syntax import compile_with_notices, parse
from vcplab.models.embedding import CachedEmbedder, default_embedder
from vcplab.protocol.ports import Embedder
from vcplab.text.analysis import Analyzer, default_analyzer
from vcplab.text.language import dominant_languages, is_covered

__all__ = ["BM25", "Dense", "LexicalLane", "Syntax", "Tantivy"]

Syntax = Literal["plain", "deepmemo"]

# Length of a lane's list unless more is asked for: enough for a fusion to choose from.
_CANDIDATES = 100
_EMBEDDER = (
    "name",
    "fingerprint",
    "dimension",
    "languages",
    "embed_documents",
    "embed_queries",
)


@dataclasses.dataclass(frozen=True, repr=False)
class _LaneStage(Stage):
    kind: ClassVar[StageKind] = "lane"
    fields: tuple[str, ...] = dataclasses.field(default=("text", "tags"), kw_only=True)
    candidates: int | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", tuple(self.fields))
        unknown = [name for name in self.fields if name not in FIELDS]
        if unknown or not self.fields:
            raise InvalidInputError(
                f"{unknown or 'nothing'} cannot be indexed.",
                where="fields",
                next_step=f"Choose among {', '.join(FIELDS)}.",
            )
        if self.candidates is not None and self.candidates < 1:
            raise InvalidInputError(
                f"candidates={self.candidates} would find nothing.",
                where="candidates",
                next_step="Give at least 1; 100 is usual.",
            )

    def _depth(self, context: Context) -> int:
        return max(_CANDIDATES, context.depth) if self.candidates is None else self.candidates


@dataclasses.dataclass(frozen=True, repr=False)
class LexicalLane(_LaneStage):
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
        _LaneStage.__post_init__(self)
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
        shares = {
            term: float(self.index.score({term: weight}, at)[0])
            for term, weight in asked.terms.items()
        }
        for words, weight in asked.phrases:
            phrase = StructuredQuery({}, ((words, weight),))
            shares[f'"{" ".join(words)}"'] = float(self.index.score(phrase, at)[0])
        found = sorted((t for t in shares if shares[t] > 0), key=lambda t: (-shares[t], t))
        missed = sorted(t for t in shares if shares[t] == 0)
        text = ", ".join(f"{term} {shares[term]:.2f}" for term in found) or "no term in common"
        return text + (f"; not in it: {', '.join(missed)}" if missed and found else "")


@dataclasses.dataclass(frozen=True, repr=False)
class Dense(_LaneStage):
    """The dense lane: cosine between query and document vectors.

    Attributes:
        embedder: Any embedder; the offline MiniLM if None. One with a ``fit`` method
            (:class:`vcplab.LSA`) is fitted to the corpus.
        fields: Which fields of a document are encoded.
        candidates: Length of the list; as long as is asked for and at least 100 if None.
    """

    embedder: Embedder | Any | None = None

    def __post_init__(self) -> None:
        _LaneStage.__post_init__(self)
        wanted = ("fingerprint", "fit") if hasattr(self.embedder, "fit") else _EMBEDDER
        if self.embedder is not None and not all(hasattr(self.embedder, n) for n in wanted):
            raise InvalidInputError(
                f"{self.embedder!r} is no embedder.",
                where="embedder",
                next_step='Give one: vl.SentenceTransformer("name or folder", languages=...), '
                f"vl.LSA(), or an object with {', '.join(_EMBEDDER)}.",
            )

    def apply(self, state: State, context: Context) -> Output:
        """Rank documents by cosine."""
        kept = self._kept(context.corpus)
        embedder = kept.embedder
        vectors, cost = self._vectors(state.queries, embedder)
        rankings = kept.index.search(vectors, self._depth(context), mask=state.mask)
        known = embedder.languages
        codes = dominant_languages([query.text for query in state.queries])
        documents = self._languages(context.corpus).within(known)
        judge = _Within(tuple(is_covered(code, known) for code in codes), documents)
        notices = tuple(filter(None, (embedder.cache.notice, kept.index.notice)))
        if known is not None and not (all(judge.queries) and documents.everywhere):
            notices += (
                f"{embedder.name} was trained on {', '.join(sorted(known))} only; where query or "
                "document is in another language, fusions rank by the other lanes alone.",
            )
        scorer = _DenseScorer(kept, vectors, judge)
        return Output(
            lanes=(Lane(self.name, "cosine", tuple(rankings), scorer, judge),),
            extra_milliseconds=cost,
            notices=notices,
        )

    def prepare(self, corpus: Corpus) -> None:
        """Encode the documents, after fitting the embedder to them where it wants to be."""
        self._kept(corpus)
        self._languages(corpus)

    def recall(self, corpus: Corpus, queries: Sequence[str], k: int = 10) -> float:
        """The share of the true nearest ``k`` that the index finds, mean over the queries.

        1.0 while every vector is compared; below it where a graph names the candidates.

        Args:
            corpus: The documents.
            queries: Questions as users ask them.
            k: How many.
        """
        with corpus.lock:
            kept = self._kept(corpus)
            return kept.index.recall(kept.embedder.embed_queries(list(queries)), k)

    def _kept(self, corpus: Corpus) -> DenseDocuments:
        return dense_documents(corpus, self.embedder, self.fields)

    def _languages(self, corpus: Corpus) -> DocumentLanguages:
        return document_languages(corpus, self.fields)

    def _vectors(
        self, queries: Sequence[Query], embedder: CachedEmbedder
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        vectors = np.zeros((len(queries), embedder.dimension), np.float32)
        cost = np.zeros(len(queries))
        to_encode = [i for i, query in enumerate(queries) if query.embedding is None]
        if to_encode:
            texts = [queries[i].text for i in to_encode]
            began = time.process_time()
            vectors[to_encode], cost[to_encode] = embedder.embed_with_cost(texts, "query")
            # What was spent just now (loading a model, reading the cache) is taken off the clock:
            # every query is charged what encoding it costs, whether it was cached or not.
            cost -= (time.process_time() - began) * 1000 / len(queries)
        for i, query in enumerate(queries):
            if query.embedding is not None:
                vectors[i] = _unit(query.embedding, embedder)
        return vectors, cost

    def _content(self) -> dict[str, Any]:
        embedder = self.embedder or default_embedder()
        languages = getattr(embedder, "languages", None)
        return {
            **self._children(),
            "embedder": embedder.fingerprint,
            # The same vectors fused with other languages give other rankings.
            "languages": None if languages is None else sorted(languages),
        }

    def _describe(self) -> str:
        return "Dense" if self.embedder is None else f"Dense({self.embedder.name})"


@dataclasses.dataclass(frozen=True, slots=True)
class _Within:
    """Which queries and documents are in a language that the embedder knows."""

    queries: tuple[bool, ...]
    documents: LanguageCover

    def __call__(self, query: int, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        if not self.queries[query]:
            return np.zeros(len(rows), np.bool_)
        return self.documents.rows[rows]


@dataclasses.dataclass(frozen=True, slots=True)
class _DenseScorer:
    kept: DenseDocuments
    vectors: NDArray[np.float32]
    within: _Within

    def score(self, query: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.kept.index.score(self.vectors[query], rows)

    def reasons(self, query: int, row: int) -> str:
        if not self.within.queries[query]:
            return "the query is in a language that the embedder does not know"
        if not self.within(query, np.array([row]))[0]:
            return "the document is in a language that the embedder does not know"
        return ""


def _unit(embedding: NDArray[np.float32], embedder: Embedder) -> NDArray[np.float32]:
    vector = np.asarray(embedding, np.float32).ravel()
    norm = float(np.linalg.norm(vector))
    if len(vector) != embedder.dimension or not np.isfinite(norm) or norm == 0:
        raise InvalidInputError(
            f"The query embedding has {len(vector)} values and length {norm:g}; "
            f"{embedder.name} makes vectors of {embedder.dimension}.",
            where="query_embedding",
            next_step="Make it with the model that encoded the documents: "
            "embedder.embed_queries([text])[0].",
        )
    return vector / np.float32(norm)
