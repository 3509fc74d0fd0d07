"""The disk index: BM25 by Tantivy over our own tokens.

Tokens are joined by spaces into a field that Tantivy cuts at white space, so that documents and
queries are analysed by one analyser, ours, and no text of a user is ever parsed as a query.

Tantivy's BM25 has k1 = 1.2 and b = 0.75, keeps document lengths in one byte (as Lucene does), and
its statistics count removed documents until their segment is merged; for exact statistics and
other parameters there is :class:`~vcplab.memory.index.postings.PostingsIndex`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidDataError
from vcplab.core.files import write_atomic
from vcplab.memory.index.ports import Ranking, StructuredQuery, TermQuery

__all__ = ["TantivyIndex"]

_BODY, _ROW = "body", "row"
# Tantivy keeps the factor k1 + 1, which Lucene and our own index leave out.
_SCALE = 2.2
_SEEN = "seen.json"
# Bytes that the writer fills before it cuts a segment; and for a few documents only.
_HEAP, _SMALL_HEAP = 128_000_000, 15_000_000
_FEW = 1000
# Rows that one clause names; a mask of more is applied to a longer list of hits.
_MAX_NAMED = 2000
# Hits that are fetched beyond those asked for, to see where a tie ends.
_SPARE = 10
# Ranges of rows that one clause names.
_MAX_RANGES = 64


class TantivyIndex:
    """A Tantivy index in a folder or in memory (a ``LexicalIndex``). Thread-safe.

    What was added or deleted is found at once by this object's next search, and by other processes
    after :meth:`commit`. A process that is killed leaves the index of the last commit.

    Args:
        folder: Where it lies, possibly nothing yet; None for memory.

    Raises:
        InvalidDataError: The folder's files are damaged.
        ImportError: tantivy is not installed.
    """

    def __init__(self, folder: Path | None = None) -> None:
        import tantivy

        self._tantivy = tantivy
        self._folder = folder
        self._lock = RLock()
        self._writer: Any = None
        builder = tantivy.SchemaBuilder()
        builder.add_text_field(_BODY, tokenizer_name="space", index_option="position")
        builder.add_unsigned_field(_ROW, indexed=True, fast=True)
        self._schema = builder.build()
        self._open()

    def _open(self) -> None:
        tantivy = self._tantivy
        try:
            self._index = tantivy.Index(
                self._schema, path=None if self._folder is None else str(self._folder)
            )
            # No thread that watches the folder: whoever searches says when to look again.
            self._index.config_reader("manual")
            space = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
            self._index.register_tokenizer("space", space)
            self._index.reload()
            self._searcher = self._index.searcher()
        except (ValueError, OSError) as error:
            raise InvalidDataError(
                f"The index cannot be opened: {str(error)[:300]}.",
                where=str(self._folder),
                next_step="Delete the folder: the index is made again from the documents.",
            ) from error

    def __len__(self) -> int:
        with self._lock:
            return int(self._fresh().num_docs)

    # Changes

    def add(self, rows: Sequence[int], tokens: Sequence[Sequence[str]]) -> None:
        """Add documents; ``rows`` are new, ascending and larger than any added before."""
        document = self._tantivy.Document
        with self._lock:
            write = self._writing(len(rows)).add_document
            for row, words in zip(rows, tokens, strict=True):
                made = document()
                made.add_text(_BODY, _encodable(" ".join(words)))
                made.add_unsigned(_ROW, int(row))
                write(made)

    def delete(self, rows: Sequence[int]) -> None:
        """Remove documents; unknown rows are ignored."""
        if not len(rows):
            return
        with self._lock:
            writer = self._writing(0)
            named = sorted({int(row) for row in rows if row >= 0})
            for start in range(0, len(named), _MAX_NAMED):
                writer.delete_documents_by_query(self._rows(named[start : start + _MAX_NAMED]))

    def commit(self, added: int | None = None, removed: int | None = None) -> None:
        """Make what was added and deleted durable and visible to others.

        Args:
            added: With ``removed``, what :meth:`seen` shall report.
            removed: See ``added``.
        """
        with self._lock:
            if self._writer is not None:
                writer, self._writer = self._writer, None
                try:
                    writer.commit()
                except ValueError as error:
                    raise self._unwritable(error) from error
                # Merging ends before anybody looks, so that segments, and with them the
                # statistics, do not depend on timing.
                writer.wait_merging_threads()
            self._look()
            if self._folder is not None and added is not None:
                seen = json.dumps({"added": added, "removed": removed})
                write_atomic(self._folder / _SEEN, seen)

    def seen(self) -> tuple[int, int]:
        """Rows and removals taken in as of the last commit (``Lasting``)."""
        with self._lock:
            added = removed = 0
            if self._folder is not None:
                try:
                    noted = json.loads((self._folder / _SEEN).read_text(encoding="utf-8"))
                    added, removed = int(noted["added"]), int(noted["removed"])
                except (OSError, ValueError, KeyError, TypeError):
                    pass  # killed before it was first written: the index itself tells the rows
            # The note is written after the commit, and may be one commit behind it.
            last = self._searcher.search(
                self._tantivy.Query.all_query(), 1, count=False, order_by_field=_ROW
            ).hits
            if last:
                added = max(added, int(last[0][0]) + 1)
            return added, removed

    def reload(self) -> None:
        """Take over what another process has committed; forget what was not committed here."""
        with self._lock:
            if self._writer is not None:
                writer, self._writer = self._writer, None
                writer.rollback()
                writer.wait_merging_threads()
            self._look()

    # Searching

    def search(
        self,
        queries: Sequence[TermQuery | StructuredQuery],
        k: int,
        *,
        mask: NDArray[np.bool_] | None = None,
    ) -> list[Ranking]:
        """The best ``k`` rows with a positive score.

        Args:
            queries: Terms with their weights, or structured queries.
            k: How many rows at most.
            mask: bool, shape (rows,): False, or being beyond its end, excludes a row.

        Returns:
            One ranking per query.
        """
        with self._lock:
            searcher = self._fresh()
            within = None if mask is None else _Mask(mask)
            clause = None if within is None else self._clause(within)
            return [self._search(searcher, query, k, within, clause) for query in queries]

    def score(
        self, query: TermQuery | StructuredQuery, rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The scores that :meth:`search` would give to ``rows``, shape (len(rows),)."""
        scores = np.zeros(len(rows))
        with self._lock:
            searcher = self._fresh()
            asked = self._query(query)
            if asked is None:
                return scores
            for start in range(0, len(rows), _MAX_NAMED):
                part = rows[start : start + _MAX_NAMED]
                named = self._rows(part.tolist())
                found, values = self._hits(searcher, self._both(asked, named), len(part))
                at = dict(zip(found.tolist(), values.tolist(), strict=True))
                scores[start : start + len(part)] = [at.get(row, 0.0) for row in part.tolist()]
        return scores

    # Inside; the lock is held.

    def _writing(self, documents: int) -> Any:
        if self._writer is None:
            heap = _SMALL_HEAP if documents < _FEW else _HEAP
            # One thread: one segment where several would write several, which are slower to read.
            try:
                self._writer = self._index.writer(heap, 1)
                if self._folder is not None:
                    # A process that was killed leaves files that no commit names. Doing over what
                    # it did gives them the same names, and Tantivy overwrites nothing.
                    self._writer.garbage_collect_files()
            except ValueError as error:
                raise self._unwritable(error) from error
        return self._writer

    def _unwritable(self, error: ValueError) -> InvalidDataError:
        return InvalidDataError(
            f"The index cannot be written: {str(error)[:300]}.",
            where=str(self._folder),
            next_step="Close the program that writes to it, or delete the folder: the index is "
            "made again from the documents.",
        )

    def _fresh(self) -> Any:
        if self._writer is not None:
            self.commit()
        return self._searcher

    def _look(self) -> None:
        self._index.reload()
        self._searcher = self._index.searcher()

    def _search(
        self,
        searcher: Any,
        query: TermQuery | StructuredQuery,
        k: int,
        within: _Mask | None,
        clause: Any,
    ) -> Ranking:
        asked = self._query(query)
        if asked is None or (within is not None and not within.count):
            return Ranking.empty()
        if clause is not None:
            asked = self._both(asked, clause)
        # Segments do not know each other's rows: where the k-th ties with the last one that was
        # fetched, the smallest rows among all who tie may still be missing.
        single = searcher.num_segments <= 1
        limit = k if single else k + _SPARE
        if within is not None and clause is None:
            # As many more as the mask is likely to take away, and some.
            limit = min(int(1.2 * k / within.share) + _SPARE, len(within) + k)
        while True:
            rows, scores = self._hits(searcher, asked, limit)
            exhausted = len(rows) < limit
            lowest = scores[-1] if len(scores) else 0.0
            if within is not None and clause is None:
                keep = within.allows(rows)
                rows, scores = rows[keep], scores[keep]
            settled = len(rows) >= k and (single or scores[k - 1] > lowest)
            if exhausted or settled:
                return Ranking.of(rows, scores, k)
            limit = limit * 4 if len(rows) < k else limit * 2

    def _hits(
        self, searcher: Any, query: Any, limit: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        hits = searcher.search(query, limit, count=False).hits
        if not hits:
            return np.empty(0, np.int64), np.empty(0)
        scores, addresses = zip(*hits, strict=True)
        rows = searcher.fast_field_values(_ROW, list(addresses))
        return np.array(rows, np.int64), np.array(scores, np.float64) / _SCALE

    def _query(self, query: TermQuery | StructuredQuery) -> Any:
        """Tantivy's query, or None if nothing is asked for."""
        make, schema, occur = self._tantivy.Query, self._schema, self._tantivy.Occur
        if not isinstance(query, StructuredQuery):
            query = StructuredQuery(query)
        terms = query.terms
        parts: list[tuple[Any, Any]] = []
        # Sorted terms make the float sum, and so the ranking, independent of word order.
        for term in sorted(terms):
            weight = terms[term]
            if weight > 0:
                part = make.term_query(schema, _BODY, _encodable(term), "freq")
                parts.append((occur.Should, _weighted(make, part, weight)))
        for words, weight in query.phrases:
            if weight > 0 and words:
                part = self._in_a_row(words)
                parts.append((occur.Should, _weighted(make, part, weight)))
        if not parts:
            return None
        wanted = make.boolean_query(parts)
        if not query.excluded:
            return wanted
        without = [(occur.MustNot, self._in_a_row(words)) for words in query.excluded if words]
        return make.boolean_query([(occur.Must, wanted), *without])

    def _in_a_row(self, words: Sequence[str]) -> Any:
        safe: list[str | tuple[int, str]] = [_encodable(word) for word in words]
        if len(safe) == 1:
            return self._tantivy.Query.term_query(self._schema, _BODY, safe[0], "freq")
        return self._tantivy.Query.phrase_query(self._schema, _BODY, safe)

    def _rows(self, rows: Sequence[int]) -> Any:
        return self._tantivy.Query.term_set_query(self._schema, _ROW, list(rows))

    def _both(self, query: Any, condition: Any) -> Any:
        """The query among documents that meet a condition, scores unchanged."""
        make, occur = self._tantivy.Query, self._tantivy.Occur
        silent = make.const_score_query(condition, 0.0)
        return make.boolean_query([(occur.Must, query), (occur.Must, silent)])

    def _clause(self, mask: _Mask) -> Any:
        """A mask as a condition on rows, or None where applying it to the hits is cheaper."""
        make, occur = self._tantivy.Query, self._tantivy.Occur
        if mask.count <= _MAX_NAMED:
            return self._rows(mask.rows().tolist())
        ranges = mask.ranges(_MAX_RANGES)
        if ranges is None:
            return None
        kind = self._tantivy.FieldType.Unsigned
        return make.boolean_query(
            [
                (occur.Should, make.range_query(self._schema, _ROW, kind, first, last))
                for first, last in ranges
            ]
        )


class _Mask:
    """A mask over rows: which documents may be found."""

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        self._mask = mask
        self.count = int(np.count_nonzero(mask))

    def __len__(self) -> int:
        return len(self._mask)

    @property
    def share(self) -> float:
        return max(self.count / max(1, len(self._mask)), 1e-6)

    def rows(self) -> NDArray[np.int64]:
        return np.flatnonzero(self._mask).astype(np.int64)

    def allows(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        inside = rows < len(self._mask)
        return inside & self._mask[np.where(inside, rows, 0)]

    def ranges(self, limit: int) -> list[tuple[int, int]] | None:
        """First and last row of each run of allowed rows, or None if there are more runs."""
        edges = np.flatnonzero(np.diff(np.r_[False, self._mask, False].astype(np.int8)))
        if len(edges) > 2 * limit:
            return None
        return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _weighted(make: Any, query: Any, weight: float) -> Any:
    return query if weight == 1 else make.boost_query(query, float(weight))


def _encodable(term: str) -> str:
    """A term as UTF-8 can hold it: a lone surrogate is in no document that was indexed so."""
    return term if term.isascii() else term.encode("utf-8", "replace").decode("utf-8")
