"""SearchFiles: names that match a pattern, below a folder."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Iterator
from typing import Any

from .arguments import Arguments
from .desk import Desk, described
from .folders import Folder, folder
from .problems import FileProblem
from .roots import Place

__all__ = ["matches", "search_files"]

_MAX_SEEN = 200_000
_MAX_DEPTH = 60
_SECONDS = 20.0


def search_files(desk: Desk, args: Arguments) -> dict[str, Any]:
    """SearchFiles: files and folders by name, links not followed, the trash left out."""
    place = desk.roots.place(args.text("searchPath"))
    pattern = args.text("pattern").strip()
    if len(pattern) > 200:
        raise FileProblem("The pattern has more than 200 characters: shorten it")
    most = args.number("maxResults", min(200, desk.settings.max_entries), desk.settings.max_entries)
    walk = _Walk(place)
    found: list[dict[str, Any]] = []
    more = False
    with folder(place) as start:
        for path, status in walk.below(start, ()):
            if matches(path, pattern):
                if len(found) >= most:
                    more = True
                    break
                found.append({"path": place.inside(*path).shown, **described(path[-1], status)})
    found.sort(key=lambda row: str(row["path"]).casefold())
    message = f"{len(found)} names match {pattern} below {place.shown}."
    if more:
        message += f" There are more: narrow the pattern, or raise maxResults (now {most})."
    if walk.stopped:
        message += f" {walk.stopped}"
    return {
        "path": place.shown,
        "pattern": pattern,
        "results": found,
        "truncated": more or bool(walk.stopped),
        "message": message,
    }


class _Walk:
    def __init__(self, place: Place) -> None:
        self.place = place
        self.seen = 0
        self.stopped = ""
        self.until = time.monotonic() + _SECONDS

    def below(self, here: Folder, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        children: list[str] = []
        for name, status in here.entries():
            if self.place.inside(*path, name).in_trash and not self.place.in_trash:
                continue
            self.seen += 1
            if self.seen > _MAX_SEEN or time.monotonic() > self.until:
                self.stopped = "The folder is very large and was not searched to the end."
                return
            yield (*path, name), status
            if (status.st_mode & 0o170000) == 0o040000:
                children.append(name)
        if len(path) + 1 >= _MAX_DEPTH and children:
            self.stopped = f"Folders deeper than {_MAX_DEPTH} were not searched."
            return
        for name in sorted(children):
            try:
                child = here.child(name)
            except OSError:
                # Not readable, or swapped for a link: it is no part of the answer.
                continue
            try:
                yield from self.below(child, (*path, name))
            finally:
                child.close()
            if self.seen > _MAX_SEEN or time.monotonic() > self.until:
                return


def matches(path: tuple[str, ...], pattern: str) -> bool:
    """Whether a path fits a pattern, case ignored.

    Args:
        path: The names from the searched folder down.
        pattern: With ``*``, ``?`` and ``[…]`` within a name and ``**`` for any folders; with
            a slash it is matched to the whole path, else to the name; without any wildcard
            it may stand anywhere in the name.

    Returns:
        True when it fits.
    """
    wanted = pattern.replace("\\", "/").casefold()
    names = [name.casefold() for name in path]
    if "/" not in wanted:
        if not any(c in wanted for c in "*?["):
            return wanted in names[-1]
        return fnmatch.fnmatchcase(names[-1], wanted)
    # Which prefixes of the path the pattern's parts so far can have eaten: no backtracking.
    reached = {0}
    for part in wanted.strip("/").split("/"):
        if part == "**":
            reached = set(range(min(reached), len(names) + 1))
        else:
            reached = {
                i + 1 for i in reached if i < len(names) and fnmatch.fnmatchcase(names[i], part)
            }
        if not reached:
            return False
    return len(names) in reached
