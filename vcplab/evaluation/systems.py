"""What may be compared, and under which name."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError, VCPError
from vcplab.evaluation.loaders.common import Problems, read_text
from vcplab.memory.reading.tables import id_text

if TYPE_CHECKING:
    import pandas as pd

    from vcplab.evaluation.data import RetrievalData

__all__ = [
    "System",
    "as_system",
    "as_systems",
    "check_coverage",
    "check_qids",
    "read_run",
    "unique_names",
]

_KINDS = (
    "a recipe or pipeline (LightMemo(), BM25() + Dense() >> RRF()), a bound retriever, "
    "a function frame → frame (qid, query → qid, docno, score), "
    "or a finished run (DataFrame qid, docno, score, or the path of a TREC run file)"
)


@dataclass(frozen=True, slots=True)
class System:
    """One competitor.

    Attributes:
        name: What tables call it.
        kind: How it is run.
        value: The object that was given (for a finished run: its frame).
        fingerprint: Of its configuration; None if unknown (a plain function).
        parameters: JSON-able configuration.
    """

    name: str
    kind: Literal["recipe", "retriever", "function", "run"]
    value: Any
    fingerprint: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def as_systems(systems: Any) -> tuple[System, ...]:
    """Competitors with names of their own.

    Args:
        systems: One system, a sequence of them, or a mapping name → system.

    Raises:
        InvalidInputError: Nothing to compare, or something that is not a system.
    """
    if isinstance(systems, Mapping):
        made = [as_system(value, str(name)) for name, value in systems.items()]
    elif isinstance(systems, Sequence) and not isinstance(systems, str):
        made = [as_system(value) for value in systems]
    else:
        made = [as_system(systems)]
    if not made:
        raise InvalidInputError(
            "There is no system to compare.", where="systems", next_step=f"Give {_KINDS}."
        )
    names = unique_names(system.name for system in made)
    return tuple(replace(system, name=name) for system, name in zip(made, names, strict=True))


def unique_names(names: Iterable[str]) -> list[str]:
    """Names in order; a repeated one gets " (2)", " (3)" and so on."""
    given = list(names)
    taken = set(given)
    seen: set[str] = set()
    unique = []
    for name in given:
        candidate, number = name, 2
        while candidate in seen or (number > 2 and candidate in taken):
            candidate, number = f"{name} ({number})", number + 1
        seen.add(candidate)
        unique.append(candidate)
    return unique


def as_system(value: Any, name: str | None = None) -> System:
    """One competitor out of anything that may be compared.

    Args:
        value: A recipe, a bound retriever, a function, a frame, or a path.
        name: What tables should call it.

    Raises:
        InvalidInputError: It cannot be run.
        NotFoundError: A run file does not exist.
    """
    import pandas as pd

    if isinstance(value, System):
        return replace(value, name=name) if name else value
    if isinstance(value, pd.DataFrame):
        return _finished(value, name or str(value.attrs.get("name") or "run"), {})
    if isinstance(value, str | Path):
        path = Path(value).expanduser()
        if not path.is_file():
            raise NotFoundError(
                f"There is no run file {str(value)!r}.",
                where="systems",
                next_step=f"A system is {_KINDS}.",
            )
        return _finished(read_run(path), name or path.stem, {"run file": path.name})
    if isinstance(value, type):
        raise InvalidInputError(
            f"{value.__name__} is a class, not a system.",
            where="systems",
            next_step=f"Call it: {value.__name__}().",
        )
    own = name or str(getattr(value, "name", "") or "")
    fingerprint = _fingerprint(value)
    parameters = _parameters(value)
    if callable(getattr(value, "on", None)):
        return System(own or type(value).__name__, "recipe", value, fingerprint, parameters)
    if callable(getattr(value, "run", None)) or callable(getattr(value, "search", None)):
        return System(own or type(value).__name__, "retriever", value, fingerprint, parameters)
    if callable(value):
        return _function(value, own, fingerprint)
    raise InvalidInputError(
        f"{type(value).__name__} object is not a system.",
        where="systems",
        next_step=f"A system is {_KINDS}.",
    )


def read_run(path: Path) -> pd.DataFrame:
    """A TREC run file (qid Q0 docno rank score tag) as a frame qid, docno, score, rank.

    Args:
        path: The file.

    Raises:
        InvalidDataError: It is no text, a line does not have six fields, or a score is no number.
    """
    import pandas as pd

    rows: list[tuple[str, str, float, int]] = []
    problems = Problems()
    text = read_text(path, problems)
    if text is None:
        raise InvalidDataError(
            "The run file holds no text.",
            where=path.name,
            next_step=str(problems.to_frame()["problem"].iloc[-1]),
        )
    for number, line in enumerate(text.split("\n"), 1):
        fields = line.split()
        if not fields:
            continue
        try:
            qid, _, docno, rank, score, *_ = fields
            rows.append((qid, docno, float(score), int(rank)))
        except ValueError as error:
            raise InvalidDataError(
                "Not a line of a TREC run.",
                where=f"{path.name}, line {number}",
                next_step="Each line is: qid Q0 docno rank score tag.",
            ) from error
    return pd.DataFrame(rows, columns=["qid", "docno", "score", "rank"])


def check_coverage(run: System, data: RetrievalData) -> str:
    """What a finished run leaves out of the queries of a data set; "" if nothing.

    Args:
        run: A finished run.
        data: What it is measured on.

    Raises:
        InvalidDataError: None of its queries, or none of its documents, is there.
    """
    answered = check_qids(run.value, run.name, data.queries["qid"])
    docnos = run.value["docno"].unique().tolist()
    judged = set(data.qrels["docno"])
    if docnos and not any(docno in data.corpus or docno in judged for docno in docnos):
        there = next((document.id for document in data.corpus), "")
        raise InvalidDataError(
            f"The run {run.name!r} names none of the documents of {data.name}.",
            where="docno",
            next_step=f"Its ids are like {docnos[0]!r}, those of the corpus like {there!r}: "
            "rename one side.",
        )
    total = len(data.queries)
    if answered == total:
        return ""
    return f"{run.name}: answers {answered} of {total} queries; the others count as not found."


def check_qids(run: pd.DataFrame, name: str, qids: pd.Series[str]) -> int:
    """How many of these queries a ranking answers.

    Raises:
        InvalidDataError: It has rows, but none for these queries.
    """
    asked = qids.tolist()
    given = run["qid"].unique().tolist()
    answered = len(set(asked).intersection(given))
    if given and not answered:
        raise InvalidDataError(
            f"{name!r} answers none of the queries.",
            where="qid",
            next_step=f"Its ids are like {given[0]!r}, those of the queries like {asked[0]!r}: "
            "rename one side.",
        )
    return answered


def _finished(frame: pd.DataFrame, name: str, parameters: Mapping[str, Any]) -> System:
    import numpy as np
    import pandas as pd

    missing = [c for c in ("qid", "docno", "score") if c not in frame.columns]
    if missing:
        raise InvalidInputError(
            f"The run {name!r} lacks the column(s) {', '.join(missing)}.",
            where="systems",
            next_step="A run has the columns qid, docno, score (and optionally rank).",
        )
    scores = pd.to_numeric(frame["score"], errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(scores).all():
        raise InvalidDataError(
            f"The run {name!r} has scores that are not finite numbers.",
            where="score",
            next_step="Drop those rows.",
        )
    tidy = pd.DataFrame(
        {
            "qid": [id_text(value) for value in frame["qid"].tolist()],
            "docno": [id_text(value) for value in frame["docno"].tolist()],
            "score": scores,
        }
    )
    order = frame["rank"].to_numpy() if "rank" in frame.columns else np.arange(len(frame))
    # Best score first; what ties keeps the order it came in.
    tidy = tidy.iloc[np.lexsort((order, -scores))].reset_index(drop=True)
    lines = zip(tidy["qid"], tidy["docno"], tidy["score"].tolist(), strict=True)
    content = "\n".join(sorted(f"{q}\t{d}\t{s!r}" for q, d, s in lines))
    digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
    return System(name, "run", tidy, f"run:{digest}", {**parameters, "rows": len(tidy)})


def _function(value: Any, name: str, fingerprint: str | None) -> System:
    inner = value
    while isinstance(inner, functools.partial):
        inner = inner.func
    plain = getattr(inner, "__name__", type(inner).__name__)
    label = name or (plain if plain.isidentifier() else "function")
    version = getattr(value, "version", None)
    if fingerprint is None and version is not None:
        # The author vouches for the code. Values that it captured are part of it; where they have
        # no plain content, only a `fingerprint` of the author's own can say when they change.
        captured = _captured(value)
        if captured is not None:
            where = f"{getattr(inner, '__module__', '')}.{getattr(inner, '__qualname__', '')}"
            fingerprint = f"function:{where}:{plain}:{version}:{captured}"
    parameters = {"function": plain} | ({"version": str(version)} if version is not None else {})
    return System(label, "function", value, fingerprint, parameters)


def _captured(value: Any) -> str | None:
    parts: list[Any] = []
    while isinstance(value, functools.partial):
        parts += [*value.args, *value.keywords.items()]
        value = value.func
    if not inspect.isfunction(value):
        return None
    parts += [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).items()]
    try:
        parts += [cell.cell_contents for cell in value.__closure__ or ()]
        return json.dumps(parts, sort_keys=True)
    except (TypeError, ValueError):  # not plain, or a cell that is still empty
        return None


def _fingerprint(value: Any) -> str | None:
    try:
        # A pipeline with a function of the user's own says so: its behaviour may change unseen.
        fingerprint = getattr(value, "fingerprint", None) if _cacheable(value) else None
    except VCPError:  # a part of it has no stable content: it cannot be cached
        return None
    return fingerprint if isinstance(fingerprint, str) and fingerprint else None


def _cacheable(value: Any) -> bool:
    return bool(getattr(value, "cacheable", True))


def _parameters(value: Any) -> dict[str, Any]:
    getter = getattr(value, "get_params", None)
    if not callable(getter):
        # A bound retriever names what it was made from.
        getter = getattr(getattr(value, "system", None), "get_params", None)
    if not callable(getter):
        return {}
    return {str(key): _plain(item) for key, item in dict(getter()).items()}


def _plain(item: Any) -> Any:
    if item is None or isinstance(item, bool | int | float | str):
        return item
    if isinstance(item, Mapping):
        return {str(key): _plain(inner) for key, inner in item.items()}
    if isinstance(item, list | tuple | set | frozenset):
        return [_plain(inner) for inner in item]
    name = getattr(item, "name", None)
    return name if isinstance(name, str) else repr(item)
