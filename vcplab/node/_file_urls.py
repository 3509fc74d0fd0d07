"""Addresses of files in the forms that servers and models write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote

__all__ = ["Place", "read_file_url"]

_LONGEST: Final = 4096
_SCHEME: Final = re.compile(r"file:", re.IGNORECASE)
_OTHER_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_DRIVE: Final = re.compile(r"/?([A-Za-z])[:|](?=[\\/])")


@dataclass(frozen=True, slots=True)
class Place:
    """What an address may mean.

    Attributes:
        kind: ``named``: in the shared folder `root`. ``home``: in the home folder. ``posix``: an
            absolute path. ``drive``: one of Windows. ``share``: one of another Windows machine.
        root: The shared folder's name.
        steps: The way from there.
        path: The absolute path.
    """

    kind: Literal["named", "home", "posix", "drive", "share"]
    root: str = ""
    steps: tuple[str, ...] = ()
    path: str = ""


def read_file_url(url: str) -> list[Place]:
    """What an address may mean, the likeliest first.

    Args:
        url: The address, or a plain path.

    Returns:
        The places; nothing is looked up.

    Raises:
        ValueError: It is no address of a file.
    """
    text = url.strip()
    if not text or len(text) > _LONGEST:
        raise ValueError("it is empty" if not text else f"it has more than {_LONGEST} characters")
    scheme = _SCHEME.match(text)
    places = _of_path(text) if scheme is None else _of_address(text[scheme.end() :])
    if any("\0" in part for place in places for part in (place.path, place.root, *place.steps)):
        raise ValueError("it holds a null character")
    return places


def _of_address(rest: str) -> list[Place]:
    # Decoded bytes that are no UTF-8 still name a file on POSIX.
    text = unquote(rest, errors="surrogateescape")
    if not text.startswith("//"):
        return _of_path(text)
    host, slash, path = text[2:].partition("/")
    if host.casefold() in ("", "localhost"):
        return _of_path(slash + path)
    if _DRIVE.match(text[2:]):  # file://C:/x, a common slip
        return _of_path(text[2:])
    if host == "~":
        return _of_path(f"~/{path}")
    return [
        Place("named", root=host, steps=_split(path)),
        Place("share", path="\\\\" + text[2:].replace("/", "\\")),
    ]


def _of_path(text: str) -> list[Place]:
    if text.startswith(("\\\\", "//")):
        return [Place("share", path="\\\\" + text[2:].replace("/", "\\"))]
    drive = _DRIVE.match(text)
    if drive is not None:
        rest = text[drive.end() :].replace("/", "\\")
        return [Place("drive", path=f"{drive[1]}:{rest}")]
    bare = text.removeprefix("/")
    if bare.startswith(("~/", "~\\")):
        return [Place("home", steps=_split(bare[2:]))]
    if _OTHER_SCHEME.match(text):
        raise ValueError("only file: addresses and paths are served")
    name, _, path = bare.partition("/")
    places = [Place("named", root=name, steps=_split(path))] if name else []
    if text.startswith("/"):
        places.append(Place("posix", path=text))
    return places


def _split(path: str) -> tuple[str, ...]:
    return tuple(step for step in path.split("/") if step)
