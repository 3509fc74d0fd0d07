"""A retrieval data set as a value: corpus, queries, judgements and what is known about them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.evaluation._options import task_options, whole_option

if TYPE_CHECKING:
    from vcplab.evaluation.retrieval import RetrievalTask
    from vcplab.memory.corpus import Corpus

__all__ = ["RetrievalData"]

# Values of a filter that tables name.
_LISTED = 5


@dataclass(frozen=True, eq=False, repr=False)
class RetrievalData:
    """A corpus, queries and judgements. A value: do not change its frames, make another one.

    Attributes:
        name: What results call it.
        corpus: The documents.
        queries: qid, query and any columns (class, language, asked_at, …), one row per query.
        qrels: qid, docno, label (int; 1 and more is relevant), one row per judgement.
        version: Version of the data set, if it states one.
        licence: Its licence, if it states one.
        languages: Language codes, if it states them.
        card: Everything its ``dataset.json`` says.
        split: The part that was chosen ("all" for everything), for tables.
        report: What was wrong in its files: file, line, id, problem.
        source: What :func:`vcplab.evaluation.datasets.load` was given, if it was.
        everything: Queries and judgements of all splits, with a column ``split``.
        parts: The splits whose queries may be here, however they were chosen.
    """

    name: str
    corpus: Corpus
    queries: pd.DataFrame
    qrels: pd.DataFrame
    version: str = ""
    licence: str = ""
    languages: tuple[str, ...] = ()
    card: Mapping[str, Any] = field(default_factory=dict)
    split: str = "all"
    report: pd.DataFrame = field(default_factory=pd.DataFrame)
    source: str = ""
    everything: tuple[pd.DataFrame, pd.DataFrame] | None = None
    parts: frozenset[str] = frozenset()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of documents, queries and judgements, whatever their order."""
        content = f"{self.corpus.fingerprint}\n{self._tables_hash}"
        return hashlib.sha256(content.encode("ascii")).hexdigest()

    @cached_property
    def _tables_hash(self) -> str:
        return _hash_rows(self.queries) + _hash_rows(self.qrels)

    @cached_property
    def judgements_hash(self) -> str:
        """SHA-256 of the judgements, whatever their order."""
        return _hash_rows(self.qrels)

    def task(self, **options: Any) -> RetrievalTask:
        """The task of ranking its documents; what ``compare`` runs.

        Args:
            **options: ``k``: documents kept per query (100).

        Raises:
            InvalidInputError: An option is unknown or out of range.
        """
        from vcplab.evaluation.retrieval import RetrievalTask

        task_options(options, ("k",), "retrieval")
        return RetrievalTask(self, **options)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the parts that can be chosen."""
        return _splits(self.everything)

    def holds(self, split: str) -> bool:
        """Whether queries of a split may be among these: by name, in "all", or filtered."""
        return split in self.parts or self.split == split

    def split_named(self, split: str) -> RetrievalData:
        """The queries and judgements of one split; the corpus stays whole.

        Args:
            split: One of :attr:`splits`, or "all".

        Raises:
            NotFoundError: There is no such split.
        """
        if self.everything is None:
            raise NotFoundError(
                f"{self.name} ({self.split}) is a part already and cannot be split.",
                where=self.name,
                next_step="Choose the split of the whole data set first, then filter.",
            )
        if split not in self.splits and split != "all":
            raise NotFoundError(
                f"{self.name} has no split {split!r}.",
                where=self.name,
                next_step=f"Its splits are: {', '.join((*self.splits, 'all'))}.",
            )
        queries, qrels = self.everything
        if split != "all":
            # A query with a split of its own belongs there; any other where it is judged.
            own = queries["split"] if "split" in queries.columns else pd.Series("", queries.index)
            judged = queries["qid"].isin(qrels.loc[qrels["split"] == split, "qid"])
            queries = queries[(own == split) | ((own == "") & judged)]
            # A judgement without a split holds in any.
            qrels = qrels[qrels["split"].isin([split, ""])]
        qrels = qrels[qrels["qid"].isin(queries["qid"])]
        return replace(
            self,
            queries=queries.reset_index(drop=True),
            qrels=qrels[["qid", "docno", "label"]]
            .drop_duplicates(["qid", "docno"])
            .reset_index(drop=True),
            split=split,
            parts=frozenset(self.splits if split == "all" else [split]),
        )

    def filter(self, **conditions: Any) -> RetrievalData:
        """The queries for which columns have given values; the corpus stays whole.

        Args:
            **conditions: Column → a value, several values, or a function of the value. Write
                ``**{"class": "temporal"}`` for the column ``class``, or ``class_="temporal"``.

        Raises:
            InvalidInputError: There is no such column, or no query is left.
        """
        keep = pd.Series(True, index=self.queries.index)
        for given, wanted in conditions.items():
            column = given if given in self.queries.columns else given.rstrip("_")
            if column not in self.queries.columns:
                raise InvalidInputError(
                    f"The queries of {self.name} have no column {given!r}.",
                    where="filter",
                    next_step=f"Columns: {', '.join(self.queries.columns)}.",
                )
            values = self.queries[column]
            if callable(wanted):
                keep &= values.map(lambda value, test=wanted: bool(test(value))).astype(bool)
            elif isinstance(wanted, list | tuple | set | frozenset):
                keep &= values.isin([str(value) for value in wanted])
            else:
                keep &= values == str(wanted)
        queries = self.queries[keep].reset_index(drop=True)
        if queries.empty:
            raise InvalidInputError(
                "No query is left.",
                where=f"filter({', '.join(conditions)})",
                next_step="data.queries shows the values that occur.",
            )
        shown = ", ".join(f"{k.rstrip('_')}={_shown(v)}" for k, v in conditions.items())
        return self._part(queries, shown)

    def head(self, count: int) -> RetrievalData:
        """The first queries; the corpus stays whole.

        Args:
            count: How many, at most.

        Raises:
            InvalidInputError: It is no positive whole number.
        """
        count = whole_option(count, "count", 10)
        if count >= len(self.queries):
            return self
        return self._part(self.queries.head(count), f"first {count}")

    def _part(self, queries: pd.DataFrame, shown: str) -> RetrievalData:
        parts = self.parts
        if self.everything is not None:
            parts = parts & _parts_of(queries, self.everything[1])
        return replace(
            self,
            queries=queries,
            qrels=self.qrels[self.qrels["qid"].isin(queries["qid"])].reset_index(drop=True),
            split=f"{self.split}, {shown}",
            everything=None,
            parts=parts,
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per query with all columns and ``relevant``, its number of relevant documents."""
        counts = self.qrels.loc[self.qrels["label"] > 0, "qid"].value_counts()
        relevant = self.queries["qid"].map(counts).fillna(0).astype("int64")
        return self.queries.assign(relevant=relevant)

    def facts(self) -> dict[str, Any]:
        """What a result says about its data, in order."""
        counted = self.to_frame()["relevant"] > 0
        return {
            "name": self.name,
            "version": self.version or "not stated",
            "split": self.split,
            "documents": len(self.corpus),
            "queries": len(self.queries),
            "judged queries": int(counted.sum()),
            "judgements": len(self.qrels),
            "languages": ", ".join(self.languages) or "not stated",
            "licence": self.licence or "not stated",
            "hash": self.fingerprint,
            "problems": len(self.report),
        }

    def __repr__(self) -> str:
        return (
            f"RetrievalData({self.name!r}, split={self.split!r}, {len(self.corpus):,} documents, "
            f"{len(self.queries):,} queries, {len(self.qrels):,} judgements)"
        )

    def _repr_html_(self) -> str:
        from vcplab.core.display import html_card, style_block

        return style_block() + html_card(f"Data: {self.name}", list(self.facts().items()))


def _splits(everything: tuple[pd.DataFrame, pd.DataFrame] | None) -> tuple[str, ...]:
    if everything is None:
        return ()
    names = [part["split"] for part in everything if "split" in part.columns]
    return tuple(sorted({str(name) for column in names for name in column.unique()} - {""}))


def _parts_of(queries: pd.DataFrame, qrels: pd.DataFrame) -> frozenset[str]:
    """The splits that queries belong to."""
    own = queries["split"] if "split" in queries.columns else pd.Series("", queries.index)
    found = set(own)
    if "split" in qrels.columns:
        found.update(qrels.loc[qrels["qid"].isin(queries.loc[own == "", "qid"]), "split"])
    return frozenset(map(str, found)) - {""}


def _hash_rows(frame: pd.DataFrame) -> str:
    columns = sorted(frame.columns)
    lines = sorted(
        "\x1f".join(map(str, row)) for row in frame[columns].itertuples(index=False, name=None)
    )
    content = "\x1e".join(["\x1f".join(columns), *lines])
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def _shown(value: Any) -> str:
    if callable(value):
        return str(getattr(value, "__name__", "function"))
    if isinstance(value, list | tuple | set | frozenset):
        listed = sorted(map(str, value))
        more = len(listed) - _LISTED
        return "|".join(listed[:_LISTED]) + (f"|… ({more} more)" if more > 0 else "")
    return str(value)
