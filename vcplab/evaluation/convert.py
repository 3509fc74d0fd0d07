"""Rankings in the forms of other tools: TREC run files, ranx, ir_measures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vcplab.core.errors import InvalidInputError, MissingDependencyError
from vcplab.core.files import write_atomic
from vcplab.evaluation.tasks import Output

__all__ = ["RunFrame", "run_frame"]


def run_frame(outputs: Mapping[str, Output], texts: Mapping[str, str], name: str) -> RunFrame:
    """The ranking of one system.

    Args:
        outputs: Query id → output, in the order in which rankings are read.
        texts: Query id → query.
        name: The system.
    """
    rows = [
        (qid, texts[qid], docno, score, rank)
        for qid, output in outputs.items()
        for rank, (docno, score) in enumerate(
            zip(output.get("docnos", ()), output.get("scores", ()), strict=True)
        )
    ]
    frame = RunFrame(rows, columns=["qid", "query", "docno", "score", "rank"])
    frame.attrs["name"] = name
    return frame


class RunFrame(pd.DataFrame):
    """A ranking as a frame: qid, query, docno, score, rank (0-based), best first per query."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        # What is cut out of a run need not be a run any more.
        return pd.DataFrame

    def to_trec(self, path: str | Path, tag: str | None = None) -> Path:
        """Write a TREC run file (qid Q0 docno rank score tag; rank from 0, as PyTerrier writes).

        Args:
            path: The file, replaced at once when complete.
            tag: Name of the run in the file.

        Returns:
            The path.

        Raises:
            InvalidInputError: An id contains white space or half a character, which the format
                cannot hold.
        """
        label = "_".join(str(tag or self.attrs.get("name") or "vcplab").split())
        for column in ("qid", "docno"):
            broken = next((value for value in self[column] if not _writable(value)), None)
            if broken is not None:
                raise InvalidInputError(
                    f"The {column} {broken!r} cannot be written: TREC ids are text without white "
                    "space.",
                    where=str(path),
                    next_step="Rename the ids.",
                )
        lines = [
            f"{qid} Q0 {docno} {rank} {score!r} {label}\n"
            for qid, docno, rank, score in zip(
                self["qid"],
                self["docno"],
                self["rank"].tolist(),
                self["score"].tolist(),
                strict=True,
            )
        ]
        target = Path(path).expanduser()
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(target, "".join(lines))
        return target

    def to_ir_measures(self) -> pd.DataFrame:
        """The frame that ir_measures reads: query_id, doc_id, score."""
        return pd.DataFrame(
            {
                "query_id": self["qid"].to_numpy(),
                "doc_id": self["docno"].to_numpy(),
                "score": self["score"].to_numpy(dtype=np.float64),
            }
        )

    def to_ranx(self, name: str | None = None) -> Any:
        """A ``ranx.Run``.

        Args:
            name: Its name; the system's by default.

        Raises:
            MissingDependencyError: ranx is not installed.
        """
        try:
            from ranx import Run  # type: ignore[import-untyped]
        except ImportError as error:
            raise MissingDependencyError(
                "ranx is not installed.",
                where="to_ranx",
                next_step="pip install ranx, or use to_ir_measures() or to_trec().",
            ) from error
        nested: dict[str, dict[str, float]] = {}
        for qid, docno, score in zip(
            self["qid"], self["docno"], self["score"].tolist(), strict=True
        ):
            nested.setdefault(qid, {})[docno] = score
        return Run(nested, name=str(name or self.attrs.get("name") or "vcplab"))


def _writable(id: str) -> bool:
    # A lone surrogate is half a character: no file in UTF-8 can hold it.
    return len(id.split()) == 1 and not any("\ud800" <= letter <= "\udfff" for letter in id)
