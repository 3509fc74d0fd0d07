"""TagMemo: any engine, and what its tags are related to (seed 002 §2.4)."""

from __future__ import annotations

import dataclasses
from typing import Any

from vcplab.core.errors import InvalidInputError
from vcplab.memory.recipes.base import Recipe, checked_count
from vcplab.memory.recipes.light import LightMemo
from vcplab.memory.stages.base import Stage
from vcplab.memory.stages.fusion import Convex
from vcplab.memory.stages.tag_enhance import TagEnhance
from vcplab.memory.stages.tag_field import TagField
from vcplab.memory.stages.tags import TagLane
from vcplab.memory.tags.graph import TagOrder
from vcplab.memory.tags.kernel import Kernel
from vcplab.memory.tags.network import TagNetwork
from vcplab.memory.tags.seeds import Seeds
from vcplab.memory.tags.sources import TagSource
from vcplab.memory.tags.spreading import PageRank, Spread
from vcplab.memory.tags.synonyms import Synonyms
from vcplab.text.analysis import Analyzer

__all__ = ["TagMemo"]


@dataclasses.dataclass(frozen=True, repr=False)
class TagMemo(Recipe):
    """Any engine, helped by the network of its documents' tags.

    ``[TagEnhance >>] base >> TagLane >> Convex [>> TagField]``. Energy starts at the tags that the
    query names and at those of the documents that the base finds first, spreads over tags that
    occur together, and documents are ranked by the energy of their tags beside the base's ranking.
    All parameters of seed 002's TagMemo and of upstream's ``rag_params.json`` are in the table of
    docs/tagmemo.md: under which name they are here, or why they are not.

    The defaults were chosen on train queries. Extra terms (``TagEnhance(vector=0, terms=0.3)``) and
    the field find still more of what is one tag away (benchmarks/README.md, out of fold); they cost
    time and little changes elsewhere, so they are off.

    Attributes:
        base: The engine that is helped: a recipe or a pipeline that gives one ranked list.
        tag_weight: Share of the tag lane in the sum, above 0 and below 1.
        spread: How energy spreads: :class:`~vcplab.memory.tags.spreading.PageRank`, ``Spikes``,
            ``BreadthFirst`` or ``NoSpread``.
        seeds: Where it starts.
        kernel: How edges of the tag graph become flow.
        order: Weights of pairs of tags, by their places.
        source: Where a document's tags come from: ``tags``, ``keyphrases`` or ``either``.
        synonyms: Edges between tags that mean the same; None for none.
        specificity: Exponent of a tag's inverse document frequency in a document's score.
        length: Exponent of a document's number of tags, which its score is divided by.
        enhance: True, or a :class:`~vcplab.memory.stages.tag_enhance.TagEnhance` whose network is
            replaced by this one: the query is enhanced before the base sees it.
        field: True, or a :class:`~vcplab.memory.stages.tag_field.TagField` in the same way: the
            list is reranked by the potential field.
        top_k: How many a search gives unless told otherwise.
        candidates: Length of the tag lane's list; as long as is asked for and at least 100 if None.
        embedder: For vectors of tags, where they are used; it must be the base's. The offline
            MiniLM if None.
        analyzer: How a query's words are compared with tags; the default analyser if None.
    """

    base: Stage = LightMemo()  # noqa: RUF009  (immutable values, here and below)
    tag_weight: float = 0.5
    spread: Spread = PageRank()  # noqa: RUF009
    seeds: Seeds = Seeds()  # noqa: RUF009
    kernel: Kernel = Kernel()  # noqa: RUF009
    order: TagOrder = TagOrder()  # noqa: RUF009
    source: TagSource = "tags"
    synonyms: Synonyms | None = None
    specificity: float = 1.0
    length: float = 0.5
    enhance: bool | TagEnhance = False
    field: bool | TagField = False
    top_k: int = 10
    candidates: int | None = None
    embedder: Any | None = None
    analyzer: Analyzer | None = None

    def __post_init__(self) -> None:
        checked_count("top_k", self.top_k)
        if not 0 < self.tag_weight < 1:
            raise InvalidInputError(
                f"tag_weight={self.tag_weight} leaves one side without weight.",
                where="tag_weight",
                next_step="Give a share between 0 and 1; the base alone is the base itself.",
            )
        if not isinstance(self.base, Stage):
            raise InvalidInputError(
                f"{self.base!r} is no engine.",
                where="base",
                next_step="Give a recipe or a pipeline: TagMemo(base=LightMemo()).",
            )
        if self.base.lanes_in[0] > 0 or self.base.lanes_out(0) != 1:
            raise InvalidInputError(
                f"{self.base.name} does not give one ranked list.",
                where="base",
                next_step="Start with a lane and fuse several: BM25() + Dense() >> RRF().",
            )
        self.stages()  # refuses impossible parameters where they are written

    def stages(self) -> Stage:
        """The pipeline that these parameters stand for."""
        network = TagNetwork(
            self.spread,
            self.seeds,
            self.kernel,
            self.order,
            self.source,
            self.synonyms,
            self.analyzer,
            self.embedder,
        )
        lane = TagLane(network, self.specificity, self.length, self.candidates)
        found = self.base >> lane >> Convex(weights=(1 - self.tag_weight, self.tag_weight))
        if self.enhance is not False:
            enhance = TagEnhance() if self.enhance is True else self.enhance
            found = dataclasses.replace(enhance, network=network) >> found
        if self.field is not False:
            field = TagField() if self.field is True else self.field
            found = found >> dataclasses.replace(field, network=network)
        return found
