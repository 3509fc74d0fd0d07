"""Named roots: the only folders the plugin ever touches, and paths inside them."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from .problems import FileProblem
from .settings import Settings

__all__ = ["TRASH", "Place", "Root", "Roots", "read_roots"]

TRASH = ".trash"
"""Folder inside each root that holds what was deleted and the history."""

_HOW = (
    "name one in the plugin's config.env, for example ALLOWED_DIRECTORIES=docs=/home/me/docs "
    "(several: docs=/home/me/docs;data=/srv/data)"
)
_NAME = re.compile(r"[\w-][\w. -]*[\w-]")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Root:
    """A root: its name, the folder as configured and its real path."""

    name: str
    path: str
    real: str


@dataclass(frozen=True)
class Place:
    """A place inside a root: real folder names from the root down, no link among them."""

    root: Root
    parts: tuple[str, ...]

    @property
    def shown(self) -> str:
        """The place as it is told to callers: ``name:relative/path``."""
        return f"{self.root.name}:{'/'.join(self.parts)}"

    @property
    def name(self) -> str:
        """The last part of the path, or the root's name."""
        return self.parts[-1] if self.parts else self.root.name

    @property
    def in_trash(self) -> bool:
        """Whether this is the trash folder or something in it."""
        return bool(self.parts) and self.parts[0].casefold() == TRASH

    def beside(self, name: str) -> Place:
        """Another name in the same folder."""
        return Place(self.root, (*self.parts[:-1], name))

    def inside(self, *names: str) -> Place:
        """A place further down."""
        return Place(self.root, (*self.parts, *names))


class Roots:
    """The configured roots, and the way from a text to a place in one of them."""

    def __init__(self, roots: tuple[Root, ...]) -> None:
        self.all = roots
        self._named = {root.name.casefold(): root for root in roots}

    def needed(self) -> tuple[Root, ...]:
        """All roots, at least one.

        Raises:
            FileProblem: Without any root; the text says how to name one.
        """
        if not self.all:
            raise FileProblem(f"No folder is allowed yet: {_HOW}")
        return self.all

    def named(self, name: str) -> Root:
        """The root of a name, case ignored.

        Raises:
            FileProblem: When there is none.
        """
        self.needed()
        root = self._named.get(name.strip().casefold())
        if root is None:
            raise FileProblem(f"There is no root named {name[:60]!r}: {self._names()}")
        return root

    def place(self, text: str, *, follow: bool = True) -> Place:
        """Find the place that a path means.

        Args:
            text: ``name:relative/path``, a path without name when there is one root, an
                absolute path or a ``file://`` URL inside a root.
            follow: Whether a link as the last part stands for its target (reading,
                editing) or for itself (deleting, moving, new names).

        Returns:
            The place; it need not exist.

        Raises:
            FileProblem: For anything outside the roots, by whatever way.
        """
        self.needed()
        text = text.strip()
        if not text or any(ord(c) < 32 for c in text):
            raise FileProblem(
                f"The path {text[:60]!r} is empty or has control characters: "
                "give one such as name:relative/path"
            )
        root, path = self._split(text)
        try:
            real = _real(path, follow)
            os.fsencode(real)
        except (OSError, ValueError) as error:
            raise FileProblem(f"The path {text[:200]!r} cannot be read: {error}") from error
        homes = [root] if root else sorted(self.all, key=lambda r: -len(r.real))
        for home in homes:
            parts = _below(real, home.real)
            if parts is not None:
                return Place(home, parts)
        raise FileProblem(f"{text[:200]!r} is outside the allowed folders: {self._names()}")

    def _names(self) -> str:
        names = ", ".join(f"{root.name}:" for root in self.all)
        return f"begin the path with one of {names}"

    def _split(self, text: str) -> tuple[Root | None, str]:
        if text[:7].lower() == "file://":
            text = self._from_url(text)
            if text[:1] in {"/", "\\"} or os.path.splitdrive(text)[0]:
                return None, self._absolute(text)
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
            raise FileProblem(
                f"{text[:200]!r} is a URL, not a path: use WebReadFile or DownloadFile"
            )
        name, colon, rest = text.partition(":")
        if colon and not re.search(r"[/\\]", name):
            if len(name) == 1 and name.isascii() and name.isalpha():
                return None, self._drive(text)
            root = self.named(name)
            return root, _join(root, rest)
        if text[0] in "/\\":
            return None, self._absolute(text)
        if len(self.all) > 1:
            raise FileProblem(f"{text[:200]!r} does not say which root: {self._names()}")
        return self.all[0], _join(self.all[0], text)

    def _from_url(self, text: str) -> str:
        parts = urlsplit(text)
        if parts.netloc.lower() not in {"", "localhost"}:
            raise FileProblem(f"{text[:200]!r} names another machine: {self._names()}")
        path = url2pathname(parts.path) if os.name == "nt" else unquote(parts.path)
        if not path or "\0" in path:
            raise FileProblem(f"{text[:200]!r} names no file: {self._names()}")
        return path

    def _absolute(self, text: str) -> str:
        if text[:2] in {"//", "\\\\", "/\\", "\\/"} or (text[0] == "\\" and os.name != "nt"):
            raise FileProblem(f"{text[:200]!r} is a network or device path: {self._names()}")
        return text

    def _drive(self, text: str) -> str:
        if os.name != "nt" or text[2:3] not in {"/", "\\"}:
            raise FileProblem(f"{text[:200]!r} is a drive path that is in no root: {self._names()}")
        _check_windows(text[3:])
        return text


def _join(root: Root, rest: str) -> str:
    # A backslash separates everywhere, so one notation means one place on every system.
    rest = rest.replace("\\", "/").lstrip("/")
    if os.name == "nt":
        _check_windows(rest)
    return os.path.join(root.real, *rest.split("/"))


def _check_windows(rest: str) -> None:
    for part in re.split(r"[/\\]", rest):
        # Streams, devices, and names whose end Windows silently cuts off.
        if ":" in part or _RESERVED.fullmatch(part) or (part.strip(".") and part[-1:] in ". "):
            raise FileProblem(f"{part[:60]!r} is no name for a file on Windows: choose another one")


def _real(path: str, follow: bool) -> str:
    if follow:
        return os.path.realpath(path)
    head, tail = os.path.split(path.rstrip("/" + os.sep) or path)
    if tail in {"", ".", ".."}:
        return os.path.realpath(path)
    return os.path.join(os.path.realpath(head), tail)


def _below(real: str, root: str) -> tuple[str, ...] | None:
    here, home = os.path.normcase(real), os.path.normcase(root)
    if here == home:
        return ()
    if not here.startswith(home.rstrip(os.sep) + os.sep):
        return None
    return tuple(part for part in real[len(root.rstrip(os.sep)) :].split(os.sep) if part)


def read_roots(settings: Settings) -> Roots:
    """Read ``ALLOWED_DIRECTORIES``.

    Args:
        settings: ``name=path;name2=path2``, a JSON object of names and paths, or plain
            paths, which get their folder's name.

    Returns:
        The roots; a folder that does not exist is kept and told when it is used.

    Raises:
        FileProblem: When the text cannot be read; the text says how to write it.
    """
    roots: list[Root] = []
    for name, path in _pairs(settings.allowed):
        full = os.path.expanduser(path)
        if not os.path.isabs(full):
            if not settings.base:
                raise FileProblem(
                    f"The root {path[:200]!r} of ALLOWED_DIRECTORIES is not an absolute path: "
                    "write it from the top, such as /home/me/docs"
                )
            full = os.path.join(settings.base, full)
        chosen = name or _folder_name(full)
        taken = {root.name.casefold() for root in roots}
        if chosen.casefold() in taken:
            if name:
                raise FileProblem(f"ALLOWED_DIRECTORIES names {name!r} twice: rename one of them")
            chosen = next(
                n for i in range(2, 1000) if (n := f"{chosen}-{i}").casefold() not in taken
            )
        roots.append(Root(chosen, full, os.path.realpath(full)))
    return Roots(tuple(roots))


def _folder_name(path: str) -> str:
    name = re.sub(r"[^\w. -]", "-", os.path.basename(os.path.normpath(path)))
    # One letter would read as a Windows drive.
    return name if _NAME.fullmatch(name) else f"root-{name.strip('. ')}".rstrip("-")


def _bad_name(name: str) -> FileProblem:
    return FileProblem(
        f"ALLOWED_DIRECTORIES cannot have {name[:60]!r}: a name has two or more letters, digits, "
        "dots or hyphens (one letter would be a Windows drive), and its value is a path"
    )


def _pairs(text: str) -> list[tuple[str, str]]:
    if text.startswith("{"):
        try:
            value = json.loads(text)
        except ValueError as error:
            raise FileProblem(f"ALLOWED_DIRECTORIES is no JSON object ({error}): {_HOW}") from error
        pairs = [(str(name).strip(), path) for name, path in value.items()]
        for name, path in pairs:
            if not _NAME.fullmatch(name) or not isinstance(path, str) or not path.strip():
                raise _bad_name(name)
        return pairs
    found: list[tuple[str, str]] = []
    for item in text.replace("\n", ";").split(";"):
        name, sign, path = (part.strip() for part in item.partition("="))
        if sign and path and _NAME.fullmatch(name):
            found.append((name, path))
        elif sign and name and not re.search(r"[/\\]", name):
            raise _bad_name(name)
        elif item.strip():
            found.append(("", item.strip()))
    return found
