"""Plugins that arrive as a folder or an archive: unpacked whole and harmless, or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from vcplab.core.errors import InvalidDataError, InvalidInputError, VCPErrorCode
from vcplab.plugins._members import (
    Limits,
    MemberNames,
    check_links,
    name_problem,
    write_links,
    write_member,
)
from vcplab.plugins._sources import open_source

__all__ = ["MANIFESTS", "Limits", "unpack_plugin"]

MANIFESTS = ("plugin-manifest.json", "manifest.json")
"""A folder with one of these files is a plugin's."""


def unpack_plugin(
    source: str | os.PathLike[str], into: str | os.PathLike[str], *, limits: Limits | None = None
) -> Path:
    """Copy a plugin from a folder or an archive into a folder of plugins.

    The manifest (see `MANIFESTS`) lies at the top or in the single top folder. Everything is
    checked and written to a temporary folder inside ``into`` first, and renamed when it is whole:
    no half of a plugin is ever seen, and what is refused leaves nothing behind (DESIGN, "Trust":
    archives cannot escape their root).

    Refused are names that are absolute, climb (``..``), name a drive, hold control characters,
    backslashes or colons, are reserved by Windows, end in a dot or a space, or are the same to a
    file system that ignores case or Unicode normalisation; symbolic and hard links that lead out of
    the plugin; devices, pipes and sockets; encrypted and damaged archives; and archives that unpack
    to more than the limits. Of the permissions only "may be executed" is kept. What is
    never part of a plugin (`vcplab.plugins.tree.SKIPPED`, macOS's ``__MACOSX``) is left out.

    Args:
        source: A folder, or a .zip, .tar, .tar.gz (.tgz), .tar.bz2 or .tar.xz; the content tells
            which, not the name.
        into: The folder of plugins; made if it is missing.
        limits: Other limits than the defaults.

    Returns:
        The new folder: ``into``/<name of the plugin's folder>. Where the manifest lies at the top
        of an archive, the name is the archive's without its endings.

    Raises:
        InvalidInputError: There is no such source, it is neither, ``into`` lies in it, or a plugin
            of that folder's name is there already.
        InvalidDataError: A member is refused (the message names it and says why), the archive is
            damaged or too large, or there is no manifest.
    """
    origin, target = Path(source), Path(into)
    bounds = limits or Limits()
    stem = _stem(origin)
    _refuse_nested(origin, target)
    made = _make_folder(target)
    try:
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=target) as temporary:
            # One folder further down, where nobody who looks for `*/plugin-manifest.json` finds it.
            content = Path(temporary) / "content"
            content.mkdir()
            links = _fill(origin, content, bounds)
            root, name = _plugin_in(content, stem, origin)
            check_links(content, root, links, origin.name)
            final = target / name
            _refuse_taken(final)
            root.chmod(0o755)
            root.rename(final)
    except BaseException as error:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError) and not isinstance(error, InvalidInputError):
            raise _unwritable(target, error) from error
        raise
    return final


def _stem(origin: Path) -> str:
    name = Path(os.path.abspath(origin)).name
    lower = name.lower()
    for ending in (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tbz2", ".txz", ".tar", ".zip"):
        if lower.endswith(ending) and not origin.is_dir():
            return name[: -len(ending)]
    return name


def _refuse_nested(origin: Path, target: Path) -> None:
    if origin.is_dir() and target.resolve().is_relative_to(origin.resolve()):
        raise InvalidInputError(
            "The folder of plugins lies inside the plugin that is to be copied into it.",
            where=str(target),
            next_step="Give another `into`.",
        )


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder; returns those that were missing, the innermost first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return missing


def _unwritable(folder: Path, error: OSError) -> InvalidInputError:
    return InvalidInputError(
        f"The folder of plugins cannot be written: {error.strerror or error}.",
        where=str(folder),
        next_step="Give a folder that you may write to, on a disk with room.",
    )


def _fill(origin: Path, content: Path, limits: Limits) -> list[tuple[tuple[str, ...], str]]:
    names = MemberNames(limits, origin.name)
    links: list[tuple[tuple[str, ...], str]] = []
    with open_source(origin, limits) as members:
        for member in members:
            parts = names.admit(member)
            if parts is None:
                continue
            if member.kind == "link":
                links.append((parts, names.link_target(member, parts)))
            else:
                write_member(content, parts, member, names)
    # Links come last, so that nothing is ever written through one.
    write_links(content, links, origin.name)
    return links


def _plugin_in(content: Path, stem: str, origin: Path) -> tuple[Path, str]:
    """The plugin's folder within what was unpacked, and the name it shall have."""
    if _has_manifest(content):
        if problem := name_problem(stem):
            raise InvalidInputError(
                f"The name {stem!r} cannot be a plugin's folder: it {problem}.",
                where=origin.name,
                next_step="Rename the source.",
            )
        return content, stem
    tops = list(content.iterdir())
    if len(tops) == 1 and not tops[0].is_symlink() and tops[0].is_dir() and _has_manifest(tops[0]):
        return tops[0], tops[0].name
    raise InvalidDataError(
        f"There is no plugin in {origin.name!r}: no manifest at the top or in a single top folder.",
        code=VCPErrorCode.INVALID_PLUGIN_MANIFEST,
        where=origin.name,
        next_step=f"Give the folder that holds one of {', '.join(MANIFESTS)}, or an archive of it.",
    )


def _has_manifest(folder: Path) -> bool:
    return any((folder / name).is_file() for name in MANIFESTS)


def _refuse_taken(final: Path) -> None:
    wanted = MemberNames.key(final.name)
    for other in final.parent.iterdir():
        if MemberNames.key(other.name) == wanted:
            raise InvalidInputError(
                f"There is a plugin folder {other.name!r} already.",
                where=str(final.parent),
                next_step="Uninstall that one first, or unpack into another folder.",
            )
