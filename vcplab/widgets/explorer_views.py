"""The parts of the explorer, each made from what is wanted: table, query, document and tags."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from vcplab.core.errors import InvalidInputError
from vcplab.memory.explaining.code import as_code
from vcplab.memory.explaining.search import why_not
from vcplab.memory.tag_picture import tag_picture
from vcplab.widgets.explorer_engine import Exploration
from vcplab.widgets.explorer_graph import graph_message
from vcplab.widgets.explorer_messages import (
    control_message,
    cut,
    document_message,
    hits_message,
    plain,
    row_message,
    score_messages,
    why_message,
)
from vcplab.widgets.explorer_parameters import changed, controls, stage_of

__all__ = ["VIEWS", "Wanted", "read_wanted", "recall", "system_message"]

_TEXT = 4000


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """What the browser wants to see.

    Attributes:
        place: Which system is selected.
        value: It, with its parameters as they stand.
        beside: Which system stands beside it; None for the selected one as given.
        values: All systems as they stand.
        edited: Whether the selected one differs from what was given.
        metric: Of the scatter.
        qid: The query that is open; None for none or for free text.
        text: What is asked; empty for nothing.
        docno: The document that is explained; None for none.
        cutoff: Length of the lists.
        recall: Whether the smallest change that recalls the document is wanted.
    """

    place: int
    value: Any
    beside: int | None
    values: tuple[Any, ...]
    edited: bool
    metric: str
    qid: str | None
    text: str
    docno: str | None
    cutoff: int
    recall: bool

    @property
    def other(self) -> int:
        """The place of the system beside."""
        return self.place if self.beside is None else self.beside


def read_wanted(exploration: Exploration, state: Mapping[str, Any]) -> Wanted:
    """What a browser's state means; nothing in it is trusted.

    Raises:
        InvalidInputError: It names what is not there, or a system refuses its parameters.
    """
    count = len(exploration.systems)
    place = _whole(state.get("system"), 0, count - 1, 0)
    beside = state.get("beside")
    other = None if beside is None else _whole(beside, 0, count - 1, 0)
    if other == place:
        other = None
    params = state.get("params")
    values = tuple(
        _apply(exploration, at, params.get(str(at)) if isinstance(params, Mapping) else None)
        for at in range(count)
    )
    metric = state.get("metric")
    qid, text, docno = state.get("qid"), state.get("text"), state.get("docno")
    if qid is not None and qid not in set(exploration.qids):
        raise InvalidInputError(
            "The data have no such query.", where="explorer", next_step="Choose one of the list."
        )
    text = exploration.text(qid) if qid is not None else str(text or "")[:_TEXT].strip()
    known = isinstance(docno, str) and docno in exploration.corpus
    given = exploration.systems[place].value
    return Wanted(
        place=place,
        value=values[place],
        beside=other,
        values=values,
        edited=values[place] is not given and _differs(values[place], given),
        metric=metric if metric in exploration.metrics else next(iter(exploration.metrics), ""),
        qid=qid,
        text=text,
        docno=docno if known and text else None,
        cutoff=_whole(state.get("cutoff"), 1, exploration.k, 10),
        recall=state.get("recall") is True,
    )


def _whole(value: Any, low: int, high: int, otherwise: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        return otherwise
    return min(max(value, low), high)


def _differs(value: Any, given: Any) -> bool:
    return bool(getattr(value, "fingerprint", None) != getattr(given, "fingerprint", None))


def _apply(exploration: Exploration, place: int, params: Any) -> Any:
    """A system with the browser's parameters; choices come as numbers into what is offered.

    "=" names a system that the search for a recall has found, from which the others start.
    """
    value = exploration.systems[place].value
    stage = stage_of(value)
    if stage is None or not isinstance(params, Mapping) or not params:
        return value
    current = exploration.kept(params.get("=")) or stage
    own = {str(name): given for name, given in params.items() if name != "="}
    current = changed(current, own, by_number=True)
    if current is stage:
        return value
    return current if value is stage else type(value)(current, value.corpus)


def system_message(exploration: Exploration, wanted: Wanted) -> dict[str, Any]:
    """The selected system: its sliders as they are now, and its code."""
    stage = stage_of(wanted.value)
    given = stage_of(exploration.systems[wanted.place].value)
    return {
        "place": wanted.place,
        "edited": wanted.edited,
        "controls": [control_message(c) for c in controls(stage, given)] if stage else [],
        "code": as_code(stage) if stage is not None else "",
    }


def _table(
    exploration: Exploration, wanted: Wanted, cancelled: Callable[[], bool]
) -> dict[str, Any] | None:
    if exploration.data is None:
        return None
    systems = exploration.systems
    names = [system.name for system in systems]
    values = list(wanted.values)
    places = list(range(len(systems)))
    roles = ["" for _ in systems]
    roles[wanted.place] = "a"
    if wanted.beside is None:
        if wanted.edited:
            names.append(f"{names[wanted.place]}, as given")
            values.append(systems[wanted.place].value)
            places.append(wanted.place)
            roles.append("b")
    else:
        roles[wanted.beside] = "b"
    beside = roles.index("b") if "b" in roles else wanted.place
    answers = [
        exploration.answer(place, value, cancelled)
        for place, value in zip(places, values, strict=True)
    ]
    rows = exploration.table(names, answers, beside)
    notices = [
        f"{name}: {notice}"
        for name, answer in zip(names, answers, strict=True)
        for notice in answer.notices
    ]
    return {
        "metric": wanted.metric,
        "rows": [
            row_message(row, repr(stage_of(value) or ""), role)
            for row, value, role in zip(rows, values, roles, strict=True)
        ],
        "a": score_messages(answers[wanted.place], wanted.metric),
        "b": score_messages(answers[beside], wanted.metric),
        "names": [cut(names[wanted.place], 120), cut(names[beside], 120)],
        "n": int((~answers[0].scores.isna().all(axis=1)).sum()),
        "notices": [cut(notice, 600) for notice in dict.fromkeys(notices)],
    }


def _pair(exploration: Exploration, wanted: Wanted) -> list[tuple[str, int, Any]]:
    """Selected and beside: name, place and value; the selected alone if there is no other."""
    systems = exploration.systems
    own = (systems[wanted.place].name, wanted.place, wanted.value)
    if wanted.beside is not None:
        other = systems[wanted.beside].name, wanted.beside, wanted.values[wanted.beside]
    elif wanted.edited:
        given = systems[wanted.place]
        other = f"{given.name}, as given", wanted.place, given.value
    else:
        return [own]
    return [own, other]


def _query(
    exploration: Exploration, wanted: Wanted, cancelled: Callable[[], bool]
) -> dict[str, Any] | None:
    if not wanted.text:
        return None
    pair = _pair(exploration, wanted)
    found = [exploration.found(value, place, wanted.qid, wanted.text) for _, place, value in pair]
    lists = []
    for at, (name, _, _) in enumerate(pair):
        output, notices = found[at]
        other = found[1 - at][0] if len(pair) == 2 else {}
        told = hits_message(exploration, output, other, wanted.qid, wanted.text, wanted.cutoff)
        lists.append({**told, "name": cut(name, 120), "notices": [cut(n, 600) for n in notices]})
    return {"qid": wanted.qid, "text": cut(wanted.text, _TEXT), "lists": lists}


def _why(
    exploration: Exploration, wanted: Wanted, cancelled: Callable[[], bool]
) -> dict[str, Any] | None:
    if wanted.docno is None:
        return None
    whys = []
    for name, _, value in _pair(exploration, wanted):
        retriever = exploration.retriever(value)
        if retriever is None or wanted.docno not in retriever.corpus:
            continue
        why = retriever.why(
            wanted.text, wanted.docno, exploration.k, asked_at=exploration.asked_at(wanted.qid)
        )
        whys.append({**why_message(why), "name": cut(name, 120)})
    labels = exploration.labels.get(wanted.qid, {}) if wanted.qid is not None else {}
    return {
        "document": document_message(exploration, wanted.docno, wanted.text),
        "label": labels.get(wanted.docno),
        "whys": whys,
    }


def _graph(
    exploration: Exploration, wanted: Wanted, cancelled: Callable[[], bool]
) -> dict[str, Any] | None:
    if not wanted.text:
        return None
    query = exploration.parsed(wanted.qid, wanted.text)
    stage = stage_of(wanted.value)
    return graph_message(tag_picture(stage, exploration.corpus, query, wanted.docno))


def recall(
    exploration: Exploration, wanted: Wanted, cancelled: Callable[[], bool]
) -> dict[str, Any] | None:
    """The smallest change that brings the document into the list, and what it does to the table."""
    stage = stage_of(wanted.value)
    if not wanted.recall or wanted.docno is None or stage is None:
        return None
    query = exploration.parsed(wanted.qid, wanted.text)
    found = why_not(
        stage, exploration.corpus, query, wanted.docno, wanted.cutoff, depth=exploration.k
    )
    facts = [[name, cut(text, 600)] for name, text in found.facts() if name != "code"]
    then_used = None if found.recalled else found.system
    cost = []
    if then_used is not None and exploration.data is not None:
        answers = [
            exploration.answer(wanted.place, value, cancelled) for value in (stage, then_used)
        ]
        then = exploration.table(["now", "then"], answers, 0)[1]
        cost = [
            [metric, plain(then.cells[metric][0]), *map(plain, then.deltas[metric])]
            for metric in exploration.metrics
        ]
    return {
        "docno": cut(wanted.docno, 300),
        "facts": facts,
        "cost": cost,
        "apply": exploration.keep(then_used) if then_used is not None else None,
    }


VIEWS: dict[str, Callable[[Exploration, Wanted, Callable[[], bool]], dict[str, Any] | None]] = {
    "table": _table,
    "query": _query,
    "why": _why,
    "graph": _graph,
}
