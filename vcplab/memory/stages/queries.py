"""Query stages: what changes a question before any lane sees it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

from vcplab.core.errors import InvalidInputError
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.state import Query, State

__all__ = ["Rewrite"]


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
