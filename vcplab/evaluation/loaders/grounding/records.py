"""Any table of responses: JSON lines, a JSON array, CSV or TSV, by a mapping of its columns.

::

    data = vl.datasets.from_records("answers.csv", {
        "response": "answer",
        "context": ["passage_1", "passage_2"],
        "label": "verdict",
        "meta": ["model"],
    }, positive="unsupported")
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args

from vcplab.core.errors import InvalidDataError, InvalidInputError
from vcplab.evaluation.loaders.grounding.common import (
    Notes,
    Record,
    finish,
    located,
    place_of,
    read_records,
    spans_of_offsets,
)
from vcplab.evaluation.samples import GroundingData
from vcplab.protocol.grounding import GoldSpan, HallucinationType, Sample

__all__ = ["from_records"]

_TEXTS = ("id", "response", "question", "correction", "split", "group", "language")
_LISTS = ("context", "history", "others")
_KNOWN = (*_TEXTS, *_LISTS, "label", "spans", "meta")
_TRUE = {"1", "true", "yes", "y", "hallucinated", "hallucination", "unsupported"}
_FALSE = {"0", "false", "no", "n", "faithful", "supported", "consistent", ""}
_TYPES = frozenset(get_args(HallucinationType))

Column = str | Sequence[str] | Callable[[Mapping[str, Any]], Any]


def from_records(
    path: str | Path,
    mapping: Mapping[str, Any] | None = None,
    *,
    positive: Any = None,
    types: Mapping[str, str] | None = None,
    name: str | None = None,
    licence: str = "",
    language: str = "",
    split: str | None = None,
    strict: bool = False,
) -> GroundingData:
    """Samples from a table of the user's.

    Args:
        path: A file: ``.jsonl``, ``.json`` (an array), ``.csv`` or ``.tsv``.
        mapping: Field of a sample → column: a name, a path into objects (``"source.text"``),
            several names (for ``context``, ``history``, ``others`` and ``meta``), or a function of
            the record. A field that is not named is read from the column of its own name, if there
            is one. Fields: id, response, context, question, history, others, label, spans,
            correction, split, group, language, meta. Spans are a list of objects with ``start``,
            ``end`` and possibly ``text``, ``type`` (or ``label_type``, ``label``); or of texts,
            which are looked for in the response.
        positive: The value of the label, or several, that means hallucinated; every other value
            that is not empty then means faithful. By default true, 1, yes, hallucinated,
            unsupported; and false, 0, no, faithful, supported, consistent.
        types: Type of spans in the file's words → one of
            :data:`~vcplab.protocol.grounding.HALLUCINATION_TYPES`; those themselves need no entry.
        name: What results call it; the file's name if None.
        licence: Its licence.
        language: Language of samples that do not say.
        split: The part to take; all if None.
        strict: Whether spans that are not where their offsets say stop the reading.

    Returns:
        The data; what had to be mended is in its ``report``.

    Raises:
        NotFoundError: There is no such file or split.
        InvalidDataError: A record is no sample; the error names file and line.
        InvalidInputError: The mapping names an unknown field or type.
    """
    columns = dict(mapping or {})
    for field in columns:
        if field not in _KNOWN:
            raise InvalidInputError(
                f"A sample has no field {field!r}.",
                where="mapping",
                next_step=f"Fields: {', '.join(_KNOWN)}.",
            )
    named = dict(types or {})
    for kind in named.values():
        if kind not in _TYPES:
            raise InvalidInputError(
                f"There is no type {kind!r}.",
                where="types",
                next_step=f"Types: {', '.join(sorted(_TYPES))}.",
            )
    file = place_of(path, "*.jsonl", "*.json", "*.csv", "*.tsv")[0]
    notes = Notes(strict=strict)
    records = read_records(file)
    samples = [
        _sample(record, columns, positive, named, language, f"{file.stem}-{number}", notes)
        for number, record in enumerate(records, 1)
    ]
    return finish(
        samples,
        notes,
        name or file.stem,
        path,
        licence=licence,
        citation="",
        counts={"samples": len(samples)},
        split=split,
    )


def _sample(
    record: Record,
    columns: Mapping[str, Column],
    positive: Any,
    types: Mapping[str, str],
    language: str,
    fallback: str,
    notes: Notes,
) -> Sample:
    def value(field: str) -> Any:
        return _value(record, columns.get(field, field), field in columns)

    texts = {field: _text(record, field, value(field)) for field in _TEXTS}
    response = texts["response"]
    if not response.strip():
        raise record.wrong(f"has no response in {columns.get('response', 'response')!r}")
    id = texts["id"] or fallback
    meta_columns = columns.get("meta", "meta")
    meta: dict[str, Any] = {}
    if isinstance(meta_columns, str):
        found = _value(record, meta_columns, "meta" in columns)
        meta = dict(found) if isinstance(found, Mapping) else {}
        if not meta and found not in (None, ""):
            meta = {meta_columns: found}
    elif callable(meta_columns):
        meta = dict(meta_columns(record.data))
    else:
        meta = {name: _value(record, name, True) for name in meta_columns}
    spans, lost = _spans(record, response, value("spans"), types, id, notes)
    if lost:
        meta["unlocated"] = lost
    label = _label(record, value("label"), positive)
    return Sample(
        id=id,
        response=response,
        context=_list(record, "context", value("context")),
        question=texts["question"],
        history=_list(record, "history", value("history")),
        others=_list(record, "others", value("others")),
        label=bool(spans or lost) if label is None and spans is not None else label,
        spans=() if spans is None and label is False else spans,
        correction=texts["correction"] or None,
        split=texts["split"],
        group=texts["group"],
        language=texts["language"] or language,
        meta=meta,
    )


def _value(record: Record, column: Column, asked_for: bool) -> Any:
    if callable(column):
        try:
            return column(record.data)
        except Exception as error:
            raise InvalidDataError(
                f"A function of the mapping failed: {type(error).__name__}: {error}.",
                where=record.where,
                next_step="It is given the record, a mapping from columns to values.",
            ) from error
    if not isinstance(column, str):
        return [_value(record, name, asked_for) for name in column]
    if column in record.data:
        return record.data[column]
    found: Any = record.data
    for key in column.split("."):
        if not isinstance(found, Mapping) or key not in found:
            if asked_for:
                raise record.wrong(f"has no column {column!r}")
            return None
        found = found[key]
    return found


def _text(record: Record, field: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise record.wrong(f"has a {type(value).__name__} as its {field}")


def _decoded(value: Any) -> Any:
    """A list or object that a table keeps as JSON."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _list(record: Record, field: str, value: Any) -> tuple[str, ...]:
    value = _decoded(value)
    several = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return tuple(
        text for text in (_text(record, field, _flat(one)) for one in several) if text.strip()
    )


def _flat(value: Any) -> Any:
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False)
    return value


def _label(record: Record, value: Any, positive: Any) -> bool | None:
    if value is None:
        return None
    if positive is not None:
        wanted = (
            list(positive) if isinstance(positive, list | tuple | set | frozenset) else [positive]
        )
        return None if value == "" else value in wanted
    said = str(value).strip().lower()
    if said in ("1.0", "0.0"):
        said = said[0]
    if said in _TRUE:
        return True
    if said in _FALSE:
        return None if said == "" else False
    raise record.wrong(f"has the label {value!r}, which is neither true nor false")


def _spans(
    record: Record,
    response: str,
    value: Any,
    types: Mapping[str, str],
    id: str,
    notes: Notes,
) -> tuple[tuple[GoldSpan, ...] | None, list[str]]:
    value = _decoded(value)
    if value is None or value == "":
        return None, []
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise record.wrong("has spans that are no list")
    if value and all(isinstance(one, str) for one in value):
        found, lost = located(response, [(text, None, "") for text in value])
        for text in lost:
            notes.add(record, id, f"a span is not in the response: {text[:60]!r}")
        return found, lost
    given = []
    for one in value:
        if not isinstance(one, Mapping):
            raise record.wrong(f"has the span {one!r}, which is no object")
        start, end = one.get("start"), one.get("end")
        if not isinstance(start, int) or not isinstance(end, int):
            raise record.wrong("has a span without whole numbers start and end")
        raw = str(next((one[k] for k in ("type", "label_type", "label") if one.get(k)), ""))
        kind = types.get(raw, raw if raw in _TYPES else None)
        given.append(
            (start, end, str(one.get("text") or ""), cast("HallucinationType | None", kind), raw)
        )
    return spans_of_offsets(response, given, record, id, notes)
