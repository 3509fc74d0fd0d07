"""Lanes: the stages that find candidates. ``BM25`` looks at terms, ``Dense`` at meaning."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import FIELDS
from vcplab.memory.index.derived import (
    DenseDocuments,
    DocumentLanguages,
    FittedDocuments,
    LanguageCover,
    LexicalDocuments,
)
from vcplab.memory.index.ports import LexicalIndex, TermQuery
from vcplab.memory.index.weighting import BM25Weighting, Variant
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.state import Lane, Query, State
from vcplab.models.embedding import CachedEmbedder, cached, default_embedder
from vcplab.protocol.ports import Embedder
from vcplab.text.analysis import Analyzer, default_analyzer
from vcplab.text.language import dominant_languages, is_covered

__all__ = ["BM25", "Dense"]

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
class BM25(_LaneStage):
    """The lexical lane: BM25 over words and CJK bigrams.

    Attributes:
        k1: Term-frequency saturation.
        b: Length normalisation, 0 to 1.
        variant: ``lucene``, ``robertson``, ``atire``, ``bm25l`` or ``bm25+``
            (:class:`~vcplab.memory.index.weighting.BM25Weighting`).
        analyzer: Text to terms; the default analyser if None.
        fields: Which fields of a document are indexed.
        candidates: Length of the list; as long as is asked for and at least 100 if None.
    """

    k1: float = 1.2
    b: float = 0.75
    variant: Variant = "lucene"
    analyzer: Analyzer | None = None

    def __post_init__(self) -> None:
        _LaneStage.__post_init__(self)
        if self.analyzer is not None and not isinstance(self.analyzer, Analyzer):
            raise InvalidInputError(
                f"{self.analyzer!r} is no analyser.",
                where="analyzer",
                next_step="Give a vl.Analyzer(...), or None for the default one.",
            )
        self._weighting()  # refuses impossible parameters where they are written

    def apply(self, state: State, context: Context) -> Output:
        """Rank documents by shared terms."""
        analyzer = self._analyzer()
        index = self._index(context.corpus)
        queries = [self._terms(query, analyzer) for query in state.queries]
        rankings = index.search(queries, self._depth(context))
        scorer = _LexicalScorer(index, queries)
        return Output(lanes=(Lane(self.name, "bm25", tuple(rankings), scorer),))

    def prepare(self, corpus: Corpus) -> None:
        """Build the index."""
        self._index(corpus)

    def _terms(self, query: Query, analyzer: Analyzer) -> TermQuery:
        terms: TermQuery = {
            t: float(n) for t, n in Counter(analyzer.analyze_query(query.text)).items()
        }
        for term, weight in query.terms.items():
            terms[term] = terms.get(term, 0.0) + weight
        return terms

    def _index(self, corpus: Corpus) -> LexicalIndex:
        analyzer = self._analyzer()
        kept = corpus.derived(
            ("lexical", analyzer.fingerprint, self.fields),
            lambda: LexicalDocuments(analyzer, self.fields),
        )
        return kept.index.view(self._weighting())

    def _weighting(self) -> BM25Weighting:
        delta = 1.0 if self.variant == "bm25+" else 0.5
        return BM25Weighting(self.k1, self.b, self.variant, delta)

    def _analyzer(self) -> Analyzer:
        return self.analyzer or default_analyzer()

    def _content(self) -> dict[str, Any]:
        return {**self._children(), "analyzer": self._analyzer()}


@dataclasses.dataclass(frozen=True, slots=True)
class _LexicalScorer:
    index: LexicalIndex
    queries: Sequence[TermQuery]

    def score(self, query: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.index.score(self.queries[query], rows)

    def reasons(self, query: int, row: int) -> str:
        at = np.array([row], np.int64)
        shares = {
            term: float(self.index.score({term: weight}, at)[0])
            for term, weight in self.queries[query].items()
        }
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
        rankings = kept.index.search(vectors, self._depth(context))
        known = embedder.languages
        codes = dominant_languages([query.text for query in state.queries])
        documents = self._languages(context.corpus).within(known)
        judge = _Within(tuple(is_covered(code, known) for code in codes), documents)
        notices: tuple[str, ...] = (embedder.cache.notice,) if embedder.cache.notice else ()
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

    def _kept(self, corpus: Corpus) -> DenseDocuments:
        embedder = default_embedder() if self.embedder is None else self.embedder
        if hasattr(embedder, "fit"):
            key = ("fitted", embedder.fingerprint, self.fields)
            return corpus.derived(key, lambda: FittedDocuments(embedder, self.fields)).current(
                corpus
            )
        encoder = cached(embedder)
        key = ("dense", encoder.fingerprint, self.fields)
        return corpus.derived(key, lambda: DenseDocuments(encoder, self.fields))

    def _languages(self, corpus: Corpus) -> DocumentLanguages:
        return corpus.derived(("languages", self.fields), lambda: DocumentLanguages(self.fields))

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
