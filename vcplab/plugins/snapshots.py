"""Snapshots: a plugin runs from a copy of its folder, so an edit never meets a running call.

The copy stands where the plugin stood: the folders around it are linked beside it, so that
``../../node_modules`` and ``require('../Other/…')`` are found. What a plugin writes into its folder
lands in the copy and is carried over to the next one, unless the new version brings that file
itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from collections import Counter
from pathlib import Path
from typing import Final

from vcplab.core.errors import StateError
from vcplab.core.files import write_atomic
from vcplab.plugins.tree import DEPENDENCIES, SKIPPED, Tree, digest_of, read_tree

__all__ = ["Snapshot", "Snapshots", "project_base"]

_RECORD: Final = "tree.json"
_PROJECT: Final = "project"
_MOST_LINKS: Final = 500


def project_base(folder: Path) -> Path:
    """The folder that a plugin takes for its server's: two up from ``Plugin/<Name>``, else one."""
    parent = folder.parent
    return parent.parent if parent.name.lower() in ("plugin", "plugins") else parent


class Snapshot:
    """One copy of a plugin's folder.

    Attributes:
        folder: The plugin's folder in it.
        tree: What was copied.
    """

    __slots__ = ("_home", "folder", "tree")

    def __init__(self, home: Path, folder: Path, tree: Tree) -> None:
        self._home = home
        self.folder = folder
        self.tree = tree

    def drop(self) -> None:
        """Delete it."""
        # Renamed first: nobody who looks for it may find half of it.
        doomed = self._home.with_name(f".{self._home.name}.gone")
        with contextlib.suppress(OSError):
            self._home.replace(doomed)
            shutil.rmtree(doomed, ignore_errors=True)

    def __repr__(self) -> str:
        return f"<Snapshot {self.tree.digest[:12]} of {self.folder.name}>"


class Snapshots:
    """Where the copies are.

    Args:
        home: A folder of ours; made when needed.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._uses: Counter[Path] = Counter()

    def take(self, folder: Path, previous: Snapshot | None = None) -> Snapshot:
        """Copy a plugin's folder, or find the copy of the same content; `release` it afterwards.

        Args:
            folder: The folder.
            previous: The copy in use, whose written files are carried over.

        Raises:
            StateError: The folder does not keep still.
            InvalidDataError: It cannot be copied; see `read_tree`.
            OSError: The same.
        """
        for _ in range(5):
            before = read_tree(folder)
            with self._lock:
                copy = self._find(folder, before) or self._copy(folder, before, previous)
                if copy is not None:
                    self._uses[copy.folder] += 1
                    return copy
        raise StateError(
            "The plugin's folder changed while it was copied, five times.",
            where=str(folder),
            next_step="wait until whatever writes there is done",
        )

    def latest(self, folder: Path) -> Snapshot | None:
        """The latest copy of a plugin's folder, perhaps an earlier session's; None if none."""
        found = [record for record in self._records() if record[1] == str(folder)]
        if not found:
            return None
        home, _, tree = max(found, key=lambda record: (record[0] / _RECORD).stat().st_mtime)
        return Snapshot(home, home / _PROJECT / _relative(folder), tree)

    def release(self, snapshot: Snapshot, *, drop: bool = False) -> None:
        """A version uses a copy no more.

        Args:
            snapshot: The copy.
            drop: Whether it is deleted if nobody else uses it; else it stays, with what the plugin
                wrote in it.
        """
        with self._lock:
            self._uses[snapshot.folder] -= 1
            unused = self._uses[snapshot.folder] <= 0
            if unused:
                del self._uses[snapshot.folder]
                if drop:
                    snapshot.drop()

    def clear(self) -> None:
        """Delete copies that are neither in use nor the latest of their folder."""
        if not self._home.is_dir():
            return
        sources = {source for _, source, _ in self._records()}
        newest = (self.latest(Path(source)) for source in sources)
        kept = {path.resolve() for path in self._uses} | {
            one.folder.resolve() for one in newest if one is not None
        }
        for home in self._home.iterdir():
            if not any(path.is_relative_to(home.resolve()) for path in kept):
                shutil.rmtree(home, ignore_errors=True)

    def _records(self) -> list[tuple[Path, str, Tree]]:
        found = []
        for record in self._home.glob(f"*/{_RECORD}") if self._home.is_dir() else ():
            with contextlib.suppress(OSError, ValueError, KeyError):
                content = json.loads(record.read_text("utf-8"))
                tree = Tree(content["files"], content["digest"])
                found.append((record.parent, str(content["source"]), tree))
        return found

    def _find(self, folder: Path, tree: Tree) -> Snapshot | None:
        home = self._place(folder, tree)
        if not (home / _RECORD).is_file():
            return None
        (home / _RECORD).touch()  # the latest is the one that was used last
        return Snapshot(home, home / _PROJECT / _relative(folder), tree)

    def _place(self, folder: Path, tree: Tree) -> Path:
        # The same content may stand in two places, with other things around it.
        mark = digest_of(f"{folder}\0{tree.digest}".encode("utf-8", "surrogateescape"))
        return self._home / f"{folder.name[:60]}-{mark[:16]}"

    def _copy(self, folder: Path, tree: Tree, previous: Snapshot | None) -> Snapshot | None:
        target = self._place(folder, tree)
        home = target.with_name(f".{target.name}.{os.getpid()}.new")
        shutil.rmtree(home, ignore_errors=True)
        try:
            relative = _relative(folder)
            inside = home / _PROJECT / relative
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            inside.mkdir(parents=True)
            _link_around(folder, home / _PROJECT, relative)
            _copy_files(folder, inside, tree)
            # The copy is compared, not the source: what runs is what was hashed.
            if read_tree(inside).files != _own(tree):
                return None
            _link_packages(folder, inside, tree)
            if previous is not None:
                _carry_over(previous, inside, tree)
            record = {"source": str(folder), "digest": tree.digest, "files": tree.files}
            write_atomic(home / _RECORD, json.dumps(record))
            shutil.rmtree(target, ignore_errors=True)  # an unfinished one of a killed process
            home.replace(target)
        except FileNotFoundError:
            return None  # a file went away between listing and copying
        finally:
            shutil.rmtree(home, ignore_errors=True)
        return Snapshot(target, target / _PROJECT / relative, tree)


def _relative(folder: Path) -> Path:
    return folder.relative_to(project_base(folder))


def _copy_files(folder: Path, inside: Path, tree: Tree) -> None:
    for name, what in _own(tree).items():
        source, target = folder / name, inside / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if what.startswith("link:"):
            target.symlink_to(what.removeprefix("link:"))
        else:
            shutil.copyfile(source, target)  # of a link that leads out, what it leads to
            shutil.copymode(source, target)


def _own(tree: Tree) -> dict[str, str]:
    return {k: what for k, what in tree.files.items() if not what.startswith("packages:")}


def _link_packages(folder: Path, inside: Path, tree: Tree) -> None:
    """Link installed packages, and folders that lie outside."""
    for name, what in tree.files.items():
        if what.startswith("packages:"):
            (inside / name).parent.mkdir(parents=True, exist_ok=True)
            (inside / name).symlink_to(folder / name)


def _link_around(folder: Path, project: Path, relative: Path) -> None:
    """Link what stands beside the plugin, on every level up to its project's folder."""
    base = project_base(folder)
    level, place = base, project
    for part in relative.parts:
        try:
            siblings = [entry.name for entry in os.scandir(level) if entry.name != part]
        except OSError:
            siblings = []
        if len(siblings) > _MOST_LINKS:  # somebody's home or temporary folder, no project
            siblings = [name for name in siblings if name in DEPENDENCIES]
        for name in siblings:
            if name not in SKIPPED and not (place / name).exists():
                with contextlib.suppress(OSError):
                    (place / name).symlink_to(level / name)
        level, place = level / part, place / part


def _carry_over(previous: Snapshot, inside: Path, tree: Tree) -> None:
    """Copy what the plugin itself wrote or changed in its earlier copy."""
    try:
        now = read_tree(previous.folder).files
    except (OSError, StateError):
        return
    for name, what in now.items():
        before = previous.tree.files.get(name)
        written = what != before and not what.startswith(("link:", "packages:"))
        # A file that the new version changed as well is the developer's.
        if written and tree.files.get(name) == before:
            target = inside / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):
                shutil.copy2(previous.folder / name, target)
