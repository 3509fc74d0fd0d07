"""The commands that write texts: Write, Append, Edit, ApplyDiff, CreateCanvas, UpdateHistory."""

from __future__ import annotations

import difflib
import re
import time
from typing import Any

from .arguments import Arguments
from .desk import Desk
from .folders import holder
from .history import keep_old, note, past
from .problems import FileProblem
from .roots import Place
from .storing import add_new, append, replace
from .texts import Text

__all__ = [
    "append_file",
    "apply_diff",
    "create_canvas",
    "done",
    "edit_file",
    "update_history",
    "write_file",
]


def done(
    args: Arguments, command: str, place: Place, message: str, log: dict[str, Any], **facts: Any
) -> dict[str, Any]:
    """Note a change in the history and make its reply.

    Args:
        args: The request.
        command: The command.
        place: What was changed.
        message: The sentence for the caller.
        log: Facts for the history; they stand in the reply as well.
        **facts: Facts for the reply alone.

    Returns:
        The reply.
    """
    warning = note(place, command, args.text("maid", ""), **log)
    reply = {"path": place.shown, **log, **facts, "message": message}
    if warning:
        reply["warning"] = warning
    return reply


def _new(desk: Desk, args: Arguments, command: str, place: Place, content: str) -> dict[str, Any]:
    data = desk.fits(Text("").encode(content))
    with holder(place, make=True) as found:
        name = add_new(found, place.name, data)
    written = place.beside(name)
    message = f"Written: {written.shown} ({len(data)} bytes)."
    if name != place.name:
        message += f" {place.shown} exists and is never overwritten, so a free name was taken."
    return done(args, command, written, message, {"size": len(data)}, renamed=name != place.name)


def write_file(desk: Desk, args: Arguments) -> dict[str, Any]:
    """WriteFile: a new file; an existing one is never overwritten."""
    place = desk.changeable(args, "filePath")
    return _new(desk, args, "WriteFile", place, args.text("content", blank=True))


def append_file(desk: Desk, args: Arguments) -> dict[str, Any]:
    """AppendFile: text at the end of a file, in its encoding; a missing file is made."""
    place = desk.changeable(args, "filePath", follow=True)
    content = args.text("content", blank=True)
    with holder(place, make=True) as found:
        if found.status(place.name) is None:
            data = desk.fits(Text("").encode(content))
            add_new(found, place.name, data, exact=True)
            total = len(data)
        else:
            text, old, _ = desk.text_of(found, place)
            data = text.encode(text.with_ends(content), whole=False)
            desk.fits(old + data)
            append(found, place.name, data)
            total = len(old) + len(data)
    message = f"Appended {len(data)} bytes to {place.shown}, now {total} bytes."
    return done(args, "AppendFile", place, message, {"added": len(data), "size": total})


def edit_file(desk: Desk, args: Arguments) -> dict[str, Any]:
    """EditFile: a whole new text for an existing file; the former one goes to the trash."""
    place = desk.changeable(args, "filePath", follow=True)
    content = args.text("content", blank=True)
    with holder(place) as found:
        if found.status(place.name) is None:
            raise FileProblem(f"{place.shown} does not exist: make it with WriteFile")
        text, old, status = desk.text_of(found, place)
        data = desk.fits(text.encode(text.with_ends(content)))
        kept = keep_old(place, old)
        replace(found, place.name, data, status.st_mode)
    message = f"Rewritten: {place.shown} ({len(data)} bytes). The former text is {kept.shown}."
    return done(args, "EditFile", place, message, {"size": len(data), "former": kept.shown})


def apply_diff(desk: Desk, args: Arguments) -> dict[str, Any]:
    """ApplyDiff: one passage replaced by another; the former text goes to the trash."""
    place = desk.changeable(args, "filePath", follow=True)
    search = args.text("searchString", blank=True)
    new = args.text("replaceString", "", blank=True)
    everywhere = args.flag("replaceAll")
    if not search:
        raise FileProblem("searchString is empty: give the passage to replace, word for word")
    with holder(place) as found:
        text, old, status = desk.text_of(found, place)
        # ReadFile shows plain line ends, so a passage copied from there fits either kind.
        pattern = "\r?\n".join(re.escape(line) for line in search.replace("\r\n", "\n").split("\n"))
        spots = list(re.finditer(pattern, text.text))
        if not spots:
            raise FileProblem(
                f"searchString is not in {place.shown}: {_nearest(text.text, search)}"
            )
        if len(spots) > 1 and not everywhere:
            lines = ", ".join(str(text.text.count("\n", 0, m.start()) + 1) for m in spots[:20])
            raise FileProblem(
                f"searchString is {len(spots)} times in {place.shown} (lines {lines}): make it "
                "longer until it is there once, or give replaceAll: true"
            )
        changed = re.sub(pattern, lambda _: text.with_ends(new), text.text)
        data = desk.fits(text.encode(changed))
        kept = keep_old(place, old)
        replace(found, place.name, data, status.st_mode)
    message = f"Replaced {len(spots)} passage(s) in {place.shown}. The former text is {kept.shown}."
    return done(
        args,
        "ApplyDiff",
        place,
        message,
        {"replaced": len(spots), "size": len(data), "former": kept.shown},
        diff=_diff(text.text, changed, place.shown),
    )


def _nearest(text: str, search: str) -> str:
    wanted = next((line.strip() for line in search.splitlines() if line.strip()), "")
    lines = text.splitlines()[:5000]
    near = difflib.get_close_matches(wanted[:200], [x.strip()[:200] for x in lines], 1, 0.6)
    if not near:
        return "read the file with ReadFile and copy the passage word for word"
    number = next(i for i, line in enumerate(lines, 1) if line.strip()[:200] == near[0])
    return f"the nearest line is {number}: {near[0]!r}; copy the passage word for word"


def _diff(old: str, new: str, name: str) -> str:
    # difflib needs very long for very long texts; the picture of a change is not worth it.
    if max(len(old), len(new)) > 300_000:
        return ""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), name, name, lineterm="", n=2)
    return "\n".join(lines)[:20_000]


def create_canvas(desk: Desk, args: Arguments) -> dict[str, Any]:
    """CreateCanvas: a new text file in the folder ``canvas`` of a root."""
    wanted = args.text("root", "").strip().rstrip(":")
    root = desk.roots.named(wanted) if wanted else desk.roots.needed()[0]
    name = args.text("fileName", "").strip() or time.strftime("canvas-%Y%m%d-%H%M%S.txt")
    if re.search(r"[/\\:]", name) or name in {".", ".."}:
        raise FileProblem(f"fileName {name[:60]!r} is a path: give a plain name such as plan.txt")
    if "." not in name:
        name += ".txt"
    content = args.text("content", "", blank=True)
    place = desk.roots.place(f"{root.name}:canvas/{name}", follow=False)
    if place.in_trash:
        raise FileProblem(f"{place.shown} is in the trash: rename the link named canvas")
    reply = _new(desk, args, "CreateCanvas", place, content)
    return {**reply, "text": content}


def update_history(desk: Desk, args: Arguments) -> dict[str, Any]:
    """UpdateHistory: what this plugin changed, newest first; ``note`` adds a remark."""
    limit = args.number("limit", 50, 1000)
    path = args.text("filePath", "")
    only = desk.roots.place(path, follow=False) if path else None
    roots = (only.root,) if only else desk.roots.needed()
    remark = args.text("note", "").strip()
    warning = None
    if remark:
        place = only or Place(roots[0], ())
        warning = note(place, "UpdateHistory", args.text("maid", ""), note=remark[:2000])
    rows: list[dict[str, Any]] = []
    for root in roots:
        rows += past(root) if only is None else [r for r in past(root) if _below(r, only)]
    rows.sort(key=lambda row: str(row.get("time", "")))
    rows = rows[::-1]
    reply: dict[str, Any] = {
        "history": rows[:limit],
        "total": len(rows),
        "message": f"{len(rows)} changes are written down"
        + (f", the newest {limit} are shown." if len(rows) > limit else "."),
    }
    return {**reply, "warning": warning} if warning else reply


def _below(row: dict[str, Any], place: Place) -> bool:
    top = place.shown.rstrip("/")
    for key in ("path", "from", "trash"):
        path = str(row.get(key, ""))
        if path == top or path.startswith(top if top.endswith(":") else top + "/"):
            return True
    return False
