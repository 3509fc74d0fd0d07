"""What `demo` and `compare` share: systems by name, and a comparison told on a terminal."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcplab.core.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from vcplab.evaluation.comparison import Comparison

__all__ = [
    "SYSTEMS",
    "group_table",
    "make_systems",
    "show",
    "split_list",
    "to_json",
    "work_line",
]

DEFAULT_METRICS = "nDCG@10,R@20,RR"


def _bm25(embedder: Any) -> Any:
    from vcplab.memory.stages.lexical import BM25

    return BM25()


def _dense(embedder: Any) -> Any:
    from vcplab.memory.stages.dense import Dense

    return Dense(embedder)


def _rrf(embedder: Any) -> Any:
    from vcplab.memory.stages.fusion import RRF

    return _bm25(embedder) + _dense(embedder) >> RRF()


def _light_memo(embedder: Any) -> Any:
    from vcplab.memory.recipes.light import LightMemo

    return LightMemo(embedder=embedder)


def _deep_memo(embedder: Any) -> Any:
    from vcplab.memory.recipes.deep import DeepMemo

    return DeepMemo(embedder=embedder)


def _mesh_memo(embedder: Any) -> Any:
    from vcplab.memory.recipes.mesh import MeshMemo

    return MeshMemo(embedder=embedder)


def _tantivy(embedder: Any) -> Any:
    from vcplab.memory.stages.lexical import Tantivy

    return Tantivy()


def _tag_memo(embedder: Any) -> Any:
    from vcplab.memory.recipes.light import LightMemo
    from vcplab.memory.recipes.tag import TagMemo

    return TagMemo(base=LightMemo(embedder=embedder), embedder=embedder)


# Name on the command line → a function of the embedder (None: the default one).
SYSTEMS: Mapping[str, Callable[[Any], Any]] = {
    "BM25": _bm25,
    "Tantivy": _tantivy,
    "Dense": _dense,
    "RRF": _rrf,
    "LightMemo": _light_memo,
    "DeepMemo": _deep_memo,
    "MeshMemo": _mesh_memo,
    "TagMemo": _tag_memo,
}


def make_systems(names: Iterable[str], embedder: str | None = None) -> dict[str, Any]:
    """Systems by the names that the command line uses.

    Args:
        names: Keys of :data:`SYSTEMS`, in any case.
        embedder: What :func:`make_embedder` takes.

    Raises:
        NotFoundError: There is no such system.
        InvalidInputError: No system, or one twice.
    """
    known = {name.lower(): name for name in SYSTEMS}
    encoder = make_embedder(embedder)
    made: dict[str, Any] = {}
    for name in names:
        key = known.get(name.lower())
        if key is None:
            near = get_close_matches(name.lower(), known, n=1)
            raise NotFoundError(
                f"there is no system {name!r}",
                where="--systems",
                next_step=(f"did you mean {known[near[0]]}? " if near else "")
                + f"The systems are: {', '.join(SYSTEMS)}",
            )
        if key in made:
            raise InvalidInputError(
                f"{key} is named twice", where="--systems", next_step="name each system once"
            )
        made[key] = SYSTEMS[key](encoder)
    if not made:
        raise InvalidInputError(
            "no system is named",
            where="--systems",
            next_step=f"name some of: {', '.join(SYSTEMS)}",
        )
    return made


def make_embedder(name: str | None) -> Any:
    """The embedder of the dense systems.

    Args:
        name: ``minilm`` or None for the default, ``lsa``, or a sentence-transformers model (a
            folder, or a name that is in the local Hugging Face cache).
    """
    if name is None or name.lower() == "minilm":
        return None
    if name.lower() == "lsa":
        from vcplab.models.embedding.lsa import LSA

        return LSA()
    from vcplab.models.embedding.sentence import SentenceTransformer

    return SentenceTransformer(name)


def split_list(text: str) -> list[str]:
    """The parts of a comma-separated list; commas inside brackets belong to their part."""
    return [part.strip() for part in re.split(r",(?![^()]*\))", text) if part.strip()]


def group_table(board: Comparison, column: str) -> str:
    """Means of the first metric per group of queries: a row per group, a column per system."""
    from vcplab.core.display import plain_table

    metric = board.metrics[0]
    frame = board.by(column)
    rows = []
    for value in frame[column].unique():
        part = frame[frame[column] == value].set_index("system")
        if part["n"].iloc[0]:
            rows.append([value, int(part["n"].iloc[0]), *part.loc[list(board.names), metric]])
        else:
            # Nothing to find in this group, so it has no mean.
            rows.append([value, 0, *[None] * len(board.names)])
    return plain_table(
        [column, "n", *board.names],
        rows,
        caption=f"{metric} by {column}",
        align=["left", *["right"] * (len(board.names) + 1)],  # type: ignore[list-item]
    )


def show(board: Comparison, report: Path | None) -> None:
    """Print the table, the table per class of query, and where the report is."""
    print(board)
    if "class" in board.data.queries.columns:
        print()
        print(group_table(board, "class"))
    if report is not None:
        print(f"\nreport: {report.resolve()}")


def to_json(board: Comparison, report: Path | None) -> str:
    """The same as :func:`show` for programs."""
    from vcplab.models.embedding import encoded_texts

    grouped = "class" in board.data.queries.columns
    told = {
        "data": board.data.facts(),
        "baseline": board.baseline,
        "metrics": list(board.metrics),
        "queries": board.n,
        "left_out": board.excluded,
        "results": _records(board.to_frame()),
        "by_class": _records(board.by("class")) if grouped else [],
        "ms_per_query": {name: _number(board.milliseconds(name)) for name in board.names},
        "seed": board.plan.seed,
        "notices": list(board.notices),
        "report": str(report.resolve()) if report is not None else None,
        "encoded_texts": encoded_texts(),
        "torch_loaded": "torch" in sys.modules,
    }
    return json.dumps(told, ensure_ascii=False, indent=1, allow_nan=False, default=str)


def work_line() -> str:
    """What the process had to do: texts encoded, and whether torch was needed."""
    from vcplab.models.embedding import encoded_texts

    loaded = "yes" if "torch" in sys.modules else "no"
    return f"encoded {encoded_texts()} texts this run; torch loaded: {loaded}"


def _records(frame: Any) -> Sequence[Mapping[str, Any]]:
    return [
        {str(key): _number(value) for key, value in row.items()} for row in frame.to_dict("records")
    ]


def _number(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
