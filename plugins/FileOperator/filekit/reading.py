"""The commands that only look: ListAllowedDirectories, ReadFile, ListDirectory, FileInfo."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import os
import stat
from typing import Any

from .arguments import Arguments
from .desk import Desk, described, kind_of, moment
from .folders import folder, holder
from .problems import FileProblem
from .roots import Place
from .storing import read_all
from .texts import Text, decode, image_type, pick_lines

__all__ = [
    "MAX_IMAGE",
    "MAX_REPLY",
    "file_info",
    "image_result",
    "list_allowed",
    "list_directory",
    "read_file",
    "text_result",
]

MAX_REPLY = 200_000
"""Most characters of a text in one reply."""

MAX_IMAGE = 5_000_000
"""Largest picture that is sent, in bytes."""


def list_allowed(desk: Desk, args: Arguments) -> dict[str, Any]:
    """ListAllowedDirectories: the roots, their folders, and whether they are there."""
    rows: list[dict[str, Any]] = [
        {
            "name": root.name,
            "prefix": f"{root.name}:",
            "path": root.path,
            "exists": os.path.isdir(root.real),
            "writable": os.access(root.real, os.W_OK),
        }
        for root in desk.roots.all
    ]
    if rows:
        names = ", ".join(row["prefix"] for row in rows)
        message = f"Paths begin with one of {names}, for example {rows[0]['prefix']}notes.txt"
    else:
        message = (
            "No folder is allowed yet: name one in the plugin's config.env, for example "
            "ALLOWED_DIRECTORIES=docs=/home/me/docs"
        )
    return {"directories": rows, "network": desk.settings.network, "message": message}


def read_file(desk: Desk, args: Arguments) -> dict[str, Any]:
    """ReadFile: a text or some of its lines, a picture, or what a binary file is."""
    place = desk.readable(args)
    with holder(place) as found:
        data, _ = read_all(found, place.name, desk.settings.max_bytes)
    kind = image_type(data)
    if kind and len(data) <= MAX_IMAGE:
        return image_result(place.shown, data, kind)
    text = decode(data)
    if text is None:
        guess = kind or mimetypes.guess_type(place.name)[0] or "application/octet-stream"
        large = f"; pictures are sent up to {MAX_IMAGE} bytes" if kind else ""
        return {
            "path": place.shown,
            "binary": True,
            "mimeType": guess,
            "size": len(data),
            "message": f"{place.shown} is no text but {guess} with {len(data)} bytes{large}.",
        }
    return text_result(place.shown, text, len(data), args.text("lines", ""))


def image_result(shown: str, data: bytes, kind: str) -> dict[str, Any]:
    """A picture as a reply.

    Args:
        shown: Where it is from.
        data: Its bytes.
        kind: Its media type.

    Returns:
        ``content`` with a text part and an ``image_url`` part, and the facts beside it.
    """
    url = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return {
        "path": shown,
        "mimeType": kind,
        "size": len(data),
        "content": [
            {"type": "text", "text": f"{shown} ({kind}, {len(data)} bytes)"},
            {"type": "image_url", "image_url": {"url": url}},
        ],
    }


def text_result(shown: str, text: Text, size: int, wanted: str) -> dict[str, Any]:
    """A text, or the wanted lines of it, as a reply.

    Args:
        shown: Where it is from.
        text: The decoded file.
        size: Its size in bytes.
        wanted: The ``lines`` argument.

    Returns:
        ``content`` (first part: exactly the text, line ends plain) and the facts beside it.
    """
    lines = text.text.replace("\r\n", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
        ends = True
    else:
        ends = False
    first, last = pick_lines(len(lines), wanted)
    chosen, used = [], 0
    for line in lines[first - 1 : last]:
        if used + len(line) + 1 > MAX_REPLY:
            break
        chosen.append(line)
        used += len(line) + 1
    cut = len(chosen) < last - first + 1
    body = "\n".join(chosen)
    end = first + len(chosen) - 1
    if cut and not chosen:
        body, end = lines[first - 1][:MAX_REPLY], first
    elif chosen and (ends or end < len(lines)):
        body += "\n"
    note = ""
    if cut:
        more = f"go on with lines {end + 1}-{last}" if end < last else "the line itself is longer"
        note = f"Cut after {MAX_REPLY} characters: {more}."
    elif len(chosen) < len(lines):
        note = f"Lines {first}-{end} of {len(lines)}." if chosen else f"No lines of {len(lines)}."
    content = [{"type": "text", "text": body}]
    if note:
        content.append({"type": "text", "text": f"[{shown}: {note}]"})
    return {
        "path": shown,
        "size": size,
        "encoding": text.encoding,
        "lineEnds": "crlf" if text.crlf else "lf",
        "totalLines": len(lines),
        "firstLine": first,
        "lastLine": end,
        "truncated": cut,
        "content": content,
    }


def list_directory(desk: Desk, args: Arguments) -> dict[str, Any]:
    """ListDirectory: what is in a folder; folders first, the trash hidden."""
    text = args.text("directoryPath", "")
    if not text:
        if len(desk.roots.needed()) > 1:
            return list_allowed(desk, args)
        text = f"{desk.roots.all[0].name}:"
    place = desk.roots.place(text)
    with folder(place) as found:
        rows = [
            described(name, status)
            for name, status in found.entries()
            if not Place(place.root, (*place.parts, name)).in_trash or place.in_trash
        ]
    rows.sort(key=lambda row: (row["type"] != "folder", str(row["name"]).casefold()))
    shown = rows[: desk.settings.max_entries]
    message = f"{place.shown} has {len(rows)} entries."
    if len(rows) > len(shown):
        message += f" The first {len(shown)} are shown: look for the others with SearchFiles."
    return {
        "path": place.shown,
        "entries": shown,
        "total": len(rows),
        "truncated": len(rows) > len(shown),
        "message": message,
    }


def file_info(desk: Desk, args: Arguments) -> dict[str, Any]:
    """FileInfo: type, size, times, and for files the media type, encoding, lines and hash."""
    place = desk.readable(args)
    if not place.parts:
        with folder(place):
            status = os.stat(place.root.real)
        return {"path": place.shown, **described(place.name, status)}
    with holder(place) as found:
        seen = found.status(place.name)
        if seen is None:
            raise FileProblem(f"{place.shown} does not exist: see what is there with ListDirectory")
        facts: dict[str, Any] = {
            "path": place.shown,
            **described(place.name, seen),
            "accessed": moment(seen.st_atime),
            "permissions": stat.filemode(seen.st_mode),
        }
        if kind_of(seen) != "file":
            return facts
        if seen.st_size > desk.settings.max_bytes:
            return {**facts, "note": "too large to be read: no hash, no encoding"}
        data, _ = read_all(found, place.name, desk.settings.max_bytes)
    text = decode(data)
    facts["sha256"] = hashlib.sha256(data).hexdigest()
    facts["mimeType"] = (
        image_type(data)
        or mimetypes.guess_type(place.name)[0]
        or ("text/plain" if text else "application/octet-stream")
    )
    facts["binary"] = text is None
    if text is not None:
        plain = text.text.replace("\r\n", "\n")
        facts["encoding"] = text.encoding
        facts["totalLines"] = plain.count("\n") + (not plain.endswith("\n") and bool(plain))
    return facts
