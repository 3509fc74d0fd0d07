"""Members of archives: which names and kinds are let in, and how they are written. Private."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from vcplab.core.errors import InvalidDataError
from vcplab.plugins.tree import SKIPPED

__all__ = [
    "LEFT_OUT",
    "Limits",
    "Member",
    "MemberNames",
    "check_links",
    "name_problem",
    "refuse",
    "write_links",
    "write_member",
]

_CHUNK = 2**16
_LONGEST_NAME = 255  # bytes, on every file system in use
_LONGEST_PATH = 1024
_DEEPEST = 40
LEFT_OUT = SKIPPED | {"__MACOSX"}
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.I)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a plugin may be.

    Attributes:
        files: Members, folders included.
        total_bytes: Bytes of all files together.
        ratio: How many times its own size an archive may unpack to, beyond the first 16 MiB.
    """

    files: int = 20_000
    total_bytes: int = 512 * 2**20
    ratio: int = 200


@dataclass(frozen=True, slots=True)
class Member:
    """One thing in a source.

    Attributes:
        name: As the source spells it, with ``/`` between the parts.
        kind: What it is; "same" is a hard link, whose target is the name of an earlier file.
        open: Gives the content of a file.
        target: Where a link leads, as the source spells it.
        executable: Whether the file may be executed.
    """

    name: str
    kind: Literal["file", "folder", "link", "same", "other"]
    open: Callable[[], BinaryIO] | None = None
    target: str = ""
    executable: bool = False


def refuse(source: str, name: str, reason: str) -> InvalidDataError:
    """The error for a member that is not let in."""
    return InvalidDataError(
        f"The member {name[:200]!r} is refused: it {reason}.",
        where=source,
        next_step="Unpack it nowhere; ask whoever made it for a plugin without such members.",
        details={"member": name[:1000], "reason": reason},
    )


def name_problem(part: str) -> str | None:
    """Why one part of a path cannot be a file's name everywhere; None if it can."""
    if part in ("", ".", ".."):
        return "has a part that is no name"
    try:
        length = len(part.encode("utf-8"))
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    if length > _LONGEST_NAME:
        return f"has a name longer than {_LONGEST_NAME} bytes"
    if any(unicodedata.category(character) == "Cc" for character in part):
        return "has a control character in its name"
    if "\\" in part or "/" in part:
        return "has a backslash or slash in its name"
    if ":" in part:
        return "has a colon in its name (a drive or a stream on Windows)"
    if _RESERVED.fullmatch(part):
        return "has a name that Windows reserves"
    if part[-1] in ". ":
        return "has a name that ends in a dot or a space, which Windows drops"
    return None


@dataclass(slots=True)
class MemberNames:
    """What has been let in so far: counts it, and sees to it that no two names are one.

    Attributes:
        limits: How much may come.
        source: The source's name, for errors.
    """

    limits: Limits
    source: str
    size: int = 0
    _count: int = 0
    _seen: dict[tuple[str, ...], tuple[tuple[str, ...], str]] = field(default_factory=dict)

    @staticmethod
    def key(part: str) -> str:
        """The same for names that some file system takes for one."""
        return unicodedata.normalize("NFC", unicodedata.normalize("NFD", part).casefold())

    def admit(self, member: Member) -> tuple[str, ...] | None:
        """The parts of a member's path; None for one that is left out.

        Raises:
            InvalidDataError: It is refused.
        """
        self._count += 1
        if self._count > self.limits.files:
            raise refuse(
                self.source, member.name, f"is one more than the {self.limits.files} allowed"
            )
        parts = self._parts(member.name)
        if not parts or LEFT_OUT.intersection(parts):
            return None
        if member.kind == "other":
            reason = "is a device, pipe or socket, or of another kind that no plugin has"
            raise refuse(self.source, member.name, reason)
        for length in range(1, len(parts)):
            self._enter(parts[:length], "folder", member.name)
        self._enter(parts, "folder" if member.kind == "folder" else "file", member.name)
        return parts

    def link_target(self, member: Member, parts: tuple[str, ...]) -> str:
        """The target of a symbolic link that stays inside.

        ``..`` may only come first: after a name it would climb from wherever that name, if it is a
        link itself, leads to.

        Raises:
            InvalidDataError: It leaves the plugin.
        """
        target = member.target
        steps = [step for step in target.split("/") if step not in ("", ".")]
        climbs = next((i for i, step in enumerate(steps) if step != ".."), len(steps))
        if target.startswith("/") or climbs > len(parts) - 1:
            raise refuse(self.source, member.name, f"is a link out of the plugin ({target!r})")
        for step in steps[climbs:]:
            if problem := name_problem(step):
                raise refuse(self.source, member.name, f"is a link whose target {problem}")
        if not steps:
            raise refuse(self.source, member.name, "is a link to nothing")
        return "/".join(steps)

    def same_target(self, member: Member) -> tuple[str, ...]:
        """The earlier file that a hard link names.

        Raises:
            InvalidDataError: There is none.
        """
        parts = self._parts(member.target, member.name)
        seen = self._seen.get(tuple(map(self.key, parts)))
        if seen is None or seen != (parts, "file"):
            reason = f"is a hard link to {member.target[:200]!r}, which is no earlier file"
            raise refuse(self.source, member.name, reason)
        return parts

    def grow(self, amount: int, name: str) -> None:
        """Count bytes that were read.

        Raises:
            InvalidDataError: They are too many.
        """
        self.size += amount
        if self.size > self.limits.total_bytes:
            limit = self.limits.total_bytes
            raise refuse(self.source, name, f"makes the plugin larger than {limit:,} bytes")

    def _parts(self, name: str, member: str | None = None) -> tuple[str, ...]:
        shown = name if member is None else member
        if name.startswith(("/", "\\")):
            raise refuse(self.source, shown, "has an absolute path")
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if ".." in parts:
            raise refuse(self.source, shown, "climbs out of the plugin with '..'")
        for part in parts:
            if problem := name_problem(part):
                raise refuse(self.source, shown, problem)
        if len(parts) > _DEEPEST or len(name) > _LONGEST_PATH:
            raise refuse(self.source, shown, "lies too deep")
        return parts

    def _enter(self, parts: tuple[str, ...], kind: str, name: str) -> None:
        known, known_kind = self._seen.setdefault(tuple(map(self.key, parts)), (parts, kind))
        if known != parts:
            reason = f"is {'/'.join(known)!r} to a file system that ignores case or normalisation"
            raise refuse(self.source, name, reason)
        if kind != known_kind:
            raise refuse(self.source, name, "is both a file and a folder")
        if kind == "file":
            # Marked, so that the second of the name is told from the first.
            if (key := ("", *parts)) in self._seen:
                raise refuse(self.source, name, "is there twice")
            self._seen[key] = (parts, "")


def write_member(root: Path, parts: tuple[str, ...], member: Member, names: MemberNames) -> None:
    """Write a file or folder below ``root``, into which no link leads yet."""
    path = root.joinpath(*parts)
    if member.kind == "folder":
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if member.kind == "same":
        source = root.joinpath(*names.same_target(member))
        if not source.is_file():
            reason = f"is a hard link to {member.target[:200]!r}, which is no earlier file"
            raise refuse(names.source, member.name, reason)
        content: BinaryIO = source.open("rb")
        executable = bool(source.stat().st_mode & 0o100)
    else:
        assert member.open is not None, "a file has content"
        content, executable = member.open(), member.executable
    with content, path.open("xb") as file:
        while chunk := content.read(_CHUNK):
            names.grow(len(chunk), member.name)
            file.write(chunk)
    path.chmod(0o755 if executable else 0o644)


def write_links(root: Path, links: list[tuple[tuple[str, ...], str]], source: str) -> None:
    """Make the symbolic links below ``root``."""
    for parts, target in links:
        path = root.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.symlink_to(target)
        except OSError as error:  # Windows lets few users make one
            reason = f"is a link, which cannot be made here ({error.strerror})"
            raise refuse(source, "/".join(parts), reason) from error


def check_links(
    root: Path, plugin: Path, links: list[tuple[tuple[str, ...], str]], source: str
) -> None:
    """See that the links below ``root`` really stay in the plugin's folder."""
    inside = Path(os.path.realpath(plugin))
    for parts, target in links:
        led = Path(os.path.realpath(root.joinpath(*parts)))
        if not led.is_relative_to(inside):
            raise refuse(source, "/".join(parts), f"is a link out of the plugin ({target!r})")
