"""Seed 002's memory calls under their own names: ``window.api.advancedMemory`` and its channels.

The calls take the payloads of the seed as they are, or the same names in Python spelling; they are
thin: each makes a recipe and runs it. See docs/seed-names.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from vcplab.core.errors import InvalidInputError
from vcplab.core.names import snake_keys
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document
from vcplab.memory.filters import And, Or, as_condition
from vcplab.memory.recipes.base import Recipe
from vcplab.memory.recipes.deep import DeepMemo
from vcplab.memory.recipes.light import LightMemo
from vcplab.memory.recipes.mesh import MeshMemo
from vcplab.memory.retriever import Hits
from vcplab.protocol.channels import Channels

__all__ = ["AdvancedMemory"]


class AdvancedMemory(Channels):
    """One corpus behind the calls of seed 002.

    ::

        memory = AdvancedMemory(corpus)
        memory.light_memo_search({"query": "搜索词", "config": {"bm25Weight": 0.3, "topK": 10}})
        memory.light_memo_search("搜索词", bm25_weight=0.3, top_k=10)      # the same
        memory.invoke("AdvancedMemory_GetDocumentCount")

    Args:
        corpus: The documents; an empty one in memory if None.
        embedder: For the dense lanes, where a call names none.
    """

    CHANNELS: ClassVar[Mapping[str, str]] = {
        "AdvancedMemory_LightMemoSearch": "light_memo_search",
        "AdvancedMemory_DeepMemoSearch": "deep_memo_search",
        "AdvancedMemory_MeshMemoSearch": "mesh_memo_search",
        "AdvancedMemory_AddDocument": "add_document",
        "AdvancedMemory_AddDocuments": "add_documents",
        "AdvancedMemory_Clear": "clear",
        "AdvancedMemory_GetDocumentCount": "get_document_count",
    }

    def __init__(self, corpus: Corpus | None = None, *, embedder: Any = None) -> None:
        self.corpus = Corpus(name="advanced-memory") if corpus is None else corpus
        self.embedder = embedder

    def light_memo_search(self, request: Any = "", /, **config: Any) -> Hits:
        """``lightMemoSearch``: a :class:`LightMemo` with the request's ``config``.

        Args:
            request: A query, or ``{"query", "queryEmbedding", "config"}``.
            **config: Parameters of the recipe, beside or instead of the request's ``config``.

        Raises:
            InvalidInputError: A parameter is unknown, or a value impossible.
        """
        return self._search(LightMemo, request, config)

    def deep_memo_search(self, request: Any = "", /, **config: Any) -> Hits:
        """``deepMemoSearch``: a :class:`DeepMemo` with the request's ``config``."""
        return self._search(DeepMemo, request, config)

    def mesh_memo_search(self, request: Any = "", /, **config: Any) -> Hits:
        """``meshMemoSearch``: a :class:`MeshMemo` with the request's ``config``.

        The seed puts the query into ``config`` here; ``logic`` (``and``, ``or``) joins ``filters``,
        and ``customFilter`` is a function of a document that must agree as well.
        """
        return self._search(MeshMemo, request, config)

    def add_document(self, document: Any) -> int:
        """``addDocument``: add one, or replace the one of its id.

        Args:
            document: A :class:`Document`, or a mapping with ``id`` and ``content`` (or ``text``),
                and if wanted ``title``, ``tags``, ``time`` (or ``timestamp``) and ``metadata``.

        Returns:
            Number of documents in the corpus.
        """
        return self.add_documents([document])

    def add_documents(self, documents: Iterable[Any]) -> int:
        """``addDocuments``: add many, or replace those of their ids, all or none."""
        self.corpus.upsert([_document(given) for given in documents])
        return self.corpus.count()

    def clear(self) -> None:
        """``clear``: remove every document."""
        self.corpus.clear()

    def get_document_count(self) -> int:
        """``getDocumentCount``: number of documents."""
        return self.corpus.count()

    def _arguments(self, payload: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        # A payload is the one argument of a call here, whose own names are those of the seed.
        return () if payload is None else (payload,), {}

    def __repr__(self) -> str:
        return f"AdvancedMemory({self.corpus!r})"

    def _search(self, recipe: type[Recipe], request: Any, config: Mapping[str, Any]) -> Hits:
        if isinstance(request, Mapping):
            asked = snake_keys(request)
            settings = {**snake_keys(asked.pop("config", None) or {}), **config}
            settings.update({name: asked.pop(name) for name in list(asked) if name in _SEARCH})
            if asked:
                raise _unknown(recipe, next(iter(asked)))
        else:
            settings = {"query": request, **config}
        search = {name: settings.pop(name) for name in _SEARCH if name in settings}
        query = search.pop("query", "")
        filters = _joined(settings)
        if filters is not None:
            settings["filters"] = filters
        known = {field.name for field in dataclasses.fields(recipe)}
        for name in settings:
            if name not in known:
                raise _unknown(recipe, name)
        if self.embedder is not None:
            settings.setdefault("embedder", self.embedder)
        return recipe(**settings).on(self.corpus).search(query, **search)


_SEARCH = ("query", "query_embedding", "asked_at")


def _joined(settings: dict[str, Any]) -> Any:
    """The seed's filters, their logic and the function beside them, as one condition."""
    logic = str(settings.pop("logic", settings.pop("filter_logic", "and"))).lower()
    custom = settings.pop("custom_filter", None)
    filters = settings.pop("filters", None)
    if filters is not None and isinstance(filters, list | tuple):
        parts = tuple(as_condition(item) for item in filters)
        filters = Or(parts) if logic == "or" and parts else And(parts)
    if custom is None:
        return filters
    return as_condition(custom) if filters is None else as_condition([filters, custom])


def _document(given: Any) -> Document:
    if isinstance(given, Document):
        return given
    if not isinstance(given, Mapping):
        raise InvalidInputError(
            f"{str(given)[:100]!r} is no document.",
            where="document",
            next_step='Give {"id": "d1", "content": "…"}, or a vl.Document.',
        )
    names = snake_keys(given)
    text = names.pop("content", None)
    text = names.pop("text", "") if text is None else text
    metadata = dict(names.pop("metadata", None) or {})
    if names.get("embedding") is not None:
        raise InvalidInputError(
            "Documents come without vectors: they are encoded when they are searched.",
            where="embedding",
            next_step="Leave it out, and give AdvancedMemory the embedder that made it, so that "
            "queries and documents share a model.",
        )
    names.pop("embedding", None)
    time = names.pop("time", names.pop("timestamp", None))
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError:
            raise InvalidInputError(
                f"The time {time!r} cannot be read.",
                where="time",
                next_step="Write ISO times: 2026-02-28T09:00:00+08:00.",
            ) from None
    docno = names.pop("id", "")
    return Document(
        str(docno), text, tuple(names.pop("tags", None) or ()), time, {**names, **metadata}
    )


def _unknown(recipe: type[Recipe], name: str) -> InvalidInputError:
    known = [field.name for field in dataclasses.fields(recipe) if field.compare]
    return InvalidInputError(
        f"{recipe.__name__} has no parameter {name!r}.",
        where="config",
        next_step=f"Known, in Python or camelCase spelling: {', '.join(known)}.",
    )
