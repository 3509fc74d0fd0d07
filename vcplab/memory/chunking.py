"""Chunks: long texts in pieces of whole sentences, each with the way back to its parent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vcplab.core.errors import InvalidInputError
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document
from vcplab.text.sentences import sentences
from vcplab.text.tokens import Tokenizer, default_tokenizer

__all__ = ["chunk", "chunks_of"]


def chunk(
    documents: Corpus | Iterable[Document],
    size: int = 200,
    overlap: int = 40,
    *,
    tokenizer: Tokenizer | None = None,
) -> Corpus:
    """A corpus of pieces, to be searched instead of the whole texts.

    ``Parents()`` behind the lanes gives one piece per text again, ``Expand()`` its neighbours.

    Args:
        documents: What is cut.
        size: Tokens of a piece at most, unless a single sentence is longer.
        overlap: Tokens that a piece repeats from the one before it, in whole sentences.
        tokenizer: What counts tokens; the default one if None.

    Returns:
        Documents ``<id>#0``, ``<id>#1`` … with tags, time and metadata of their parent, and in the
        metadata ``parent``, ``position`` and ``chunks`` (how many there are).

    Raises:
        InvalidInputError: A size is impossible, or two parents share an id.
    """
    if size < 1 or not 0 <= overlap < size:
        raise InvalidInputError(
            f"size={size}, overlap={overlap} cannot be cut by.",
            where="chunk",
            next_step="size counts from 1, overlap from 0, and it is below size: 200 and 40.",
        )
    counter = default_tokenizer() if tokenizer is None else tokenizer
    name = documents.name if isinstance(documents, Corpus) else "corpus"
    pieces = (piece for doc in documents for piece in chunks_of(doc, size, overlap, counter))
    return Corpus(pieces, name=f"{name}, in chunks")


def chunks_of(
    document: Document, size: int, overlap: int, tokenizer: Tokenizer
) -> Iterator[Document]:
    """The pieces of one document; see :func:`chunk`."""
    spans = list(_pieces(document.text, size, overlap, tokenizer)) or [(0, len(document.text))]
    for position, (start, end) in enumerate(spans):
        yield Document(
            f"{document.id}#{position}",
            document.text[start:end],
            document.tags,
            document.time,
            {
                **document.metadata,
                "parent": document.id,
                "position": position,
                "chunks": len(spans),
                "start": start,
            },
            document.source,
        )


def _pieces(text: str, size: int, overlap: int, tokenizer: Tokenizer) -> Iterator[tuple[int, int]]:
    parts = sentences(text)
    costs = [tokenizer.count(text[part.start : part.end]) for part in parts]
    first = 0
    while first < len(parts):
        last, used = first, costs[first]
        while last + 1 < len(parts) and used + costs[last + 1] <= size:
            last += 1
            used += costs[last]
        yield parts[first].start, parts[last].end
        if last + 1 == len(parts):
            return
        # Back by whole sentences, but always ahead of where this piece began.
        following, repeated = last + 1, 0
        while following - 1 > first and repeated + costs[following - 1] <= overlap:
            following -= 1
            repeated += costs[following]
        first = following
