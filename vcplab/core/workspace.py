"""A lab folder on disk, owned by one process at a time.

::

    my-lab/
      vcplab.json            schema, version, when and by which vcplab it was made
      .vcplab/               private: state.sqlite3 and its blobs, the lock and who holds it
      …                      the user's own files

The first opener owns the folder until it closes or ends, however it ends. A second one, in another
process or the same, opens read-only and says who owns it.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PureWindowsPath
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from vcplab.core._version import package_version
from vcplab.core.clock import current_clock
from vcplab.core.display import html_card, style_block
from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    NotFoundError,
    ReadOnlyError,
    SchemaMismatchError,
    StateError,
)
from vcplab.core.files import write_atomic
from vcplab.core.store import GcReport, Store

__all__ = ["Workspace"]

_SCHEMA = "vcplab-workspace"
_VERSION = 1
_STATE_SCHEMA = "vcplab-state"
_STATE_VERSION = 1
# Seconds in which the owner of a brand-new folder will have written its manifest.
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class _Manifest:
    version: int
    created: datetime
    created_by: str


class Workspace:
    """A lab folder.

    Args:
        path: The folder; ``~`` is expanded.
        create: Make the folder, or turn an existing one into a lab, where there is none yet. Files
            that are there already are left alone.

    Raises:
        NotFoundError: No lab is there and ``create`` is False.
        InvalidInputError: The path is a file.
        InvalidDataError: ``vcplab.json`` cannot be read.
        SchemaMismatchError: The folder was made by a newer vcplab, or is something else.
        StateError: The folder cannot be made.
    """

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        self._path = Path(os.path.realpath(Path(path).expanduser()))
        self._pid = os.getpid()
        self._guard = threading.Lock()
        self._lock: FileLock | None = None
        self._store: Store | None = None
        self._notice: str | None = None
        self._closed = False
        if self._path.exists() and not self._path.is_dir():
            raise InvalidInputError(
                "A lab is a folder; this is a file.",
                where=str(self._path),
                next_step="Give the path of a folder, new or existing.",
            )
        # Looked at before anything is made, so that a folder we must refuse stays as it is.
        manifest = self._read_manifest()
        if manifest is None and not create:
            raise NotFoundError(
                "There is no lab here.",
                where=str(self._path),
                next_step="Check the path, or open it with create=True.",
            )
        self._acquire(make=manifest is None)
        try:
            self._manifest = self._settled_manifest()
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> Path:
        """The folder, absolute and free of links."""
        return self._path

    @property
    def private(self) -> Path:
        """The folder inside for what is not the user's."""
        return self._path / ".vcplab"

    @property
    def created(self) -> datetime:
        """When the lab was made."""
        return self._manifest.created

    @property
    def read_only(self) -> bool:
        """Whether somebody else owns the folder (a forked child never owns it)."""
        return self._lock is None or self._pid != os.getpid()

    @property
    def notice(self) -> str | None:
        """Why the lab is read-only; None when it is not."""
        if self._notice is None and self._pid != os.getpid():
            return f"Read-only: opened by process {self._pid}, of which this one is a fork."
        return self._notice

    @property
    def store(self) -> Store:
        """The lab's state, opened when first needed; read-only where the lab is.

        A reader of a lab whose owner has stored nothing yet gets an empty store, and the real one
        as soon as it exists.

        Raises:
            StateError: The workspace was closed.
        """
        self._refuse_closed()
        if self._pid != os.getpid():
            return self._open_store()  # the parent's lock may be held, its store is writable
        with self._guard:
            if self._store is None:
                store = self._open_store()
                if store.path is None:
                    return store
                self._store = store
            return self._store

    def resolve(self, relative: str | Path) -> Path:
        """The absolute path of something in the lab, which need not exist.

        Raises:
            InvalidInputError: The path is absolute, has a ``..`` part, or leads out by a link.
        """
        text = os.fspath(relative)
        # By the rules of Windows too: a lab, and what peers say about it, travels between systems.
        foreign = PureWindowsPath(text)
        if Path(text).is_absolute() or foreign.drive or foreign.root:
            problem = "is absolute"
        elif ".." in foreign.parts:
            problem = "has a '..' part"
        elif "\0" in text:
            problem = "holds a NUL character"
        else:
            try:
                found = Path(os.path.realpath(self._path / text))
            except (OSError, ValueError) as error:  # a lone surrogate, a circle of links
                problem = f"is impossible ({error})"
            else:
                if found.is_relative_to(self._path):
                    return found
                problem = "leads out of the lab through a link"
        raise InvalidInputError(
            f"The path {text[:200]!a} {problem}.",
            where=str(self._path),
            next_step="Give a path relative to the lab's folder that stays inside it.",
        )

    def require_writable(self) -> None:
        """Check before a write.

        Raises:
            ReadOnlyError: Somebody else owns the lab.
            StateError: It was closed.
        """
        self._refuse_closed()
        if self.read_only:
            raise ReadOnlyError(
                self.notice or "The lab is read-only.",
                where=str(self._path),
                next_step="Close it there and open it again here, or work on a copy of the folder.",
            )

    def write(self, relative: str | Path, data: bytes | str) -> Path:
        """Replace or make a file of the lab in one step (`write_atomic`), with its folders.

        Raises:
            ReadOnlyError: Somebody else owns the lab.
            InvalidInputError: The path leads out of it.
        """
        self.require_writable()
        target = self.resolve(relative)
        self._write(target, data)
        return target

    def gc(self, *, keep_seconds: float = 3600.0) -> GcReport:
        """Collect the state's garbage (`Store.gc`); only its owner may, else `ReadOnlyError`."""
        self.require_writable()
        return self.store.gc(keep_seconds=keep_seconds)

    def close(self) -> None:
        """Give the folder up; closing twice is allowed."""
        with self._guard:
            self._closed = True
            store, self._store = self._store, None
            lock, self._lock = self._lock, None
        if self._pid != os.getpid():
            return  # a fork neither owns the lock nor may touch the parent's connections
        if store is not None:
            store.close()
        if lock is not None:
            self._owner_file.unlink(missing_ok=True)
            lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Workspace {self._path}: {self._state}>"

    def _repr_html_(self) -> str:
        return style_block() + html_card(
            f"Lab {self._path.name}",
            [
                ("Folder", str(self._path)),
                ("State", self._state),
                ("Made", f"{self.created:%Y-%m-%d %H:%M} by {self._manifest.created_by}"),
            ],
        )

    @property
    def _state(self) -> str:
        return "closed" if self._closed else self.notice or "open"

    @property
    def _manifest_file(self) -> Path:
        return self._path / "vcplab.json"

    @property
    def _owner_file(self) -> Path:
        # Beside the lock and not in it: on Windows nobody else can read a locked file.
        return self.private / ".lock.json"

    def _refuse_closed(self) -> None:
        if self._closed:
            where = str(self._path)
            raise StateError("The lab was closed.", where=where, next_step="Open it anew.")

    def _acquire(self, *, make: bool) -> None:
        try:
            if make:
                self._path.mkdir(parents=True, exist_ok=True)
            self.private.mkdir(exist_ok=True)
            # Not thread-local: a kernel opens in one thread and closes in another.
            lock = FileLock(self.private / ".lock", thread_local=False)
            lock.acquire(blocking=False)
        except Timeout:
            self._notice = self._describe_owner()
            return
        except OSError as error:
            if make:
                raise StateError(
                    f"The lab's folder cannot be made: {error.strerror}.",
                    where=str(self._path),
                    next_step="Give a path in a folder that you may write.",
                ) from error
            self._notice = f"Read-only: the folder cannot be written ({error.strerror})."
            return
        self._lock = lock
        owner = {
            "pid": self._pid,
            "host": platform.node(),
            "since": current_clock().now().isoformat(timespec="seconds"),
        }
        try:
            self._write(self._owner_file, json.dumps(owner))
        except BaseException:
            self.close()
            raise

    def _write(self, target: Path, data: bytes | str) -> None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(target, data)
        except OSError as error:
            raise StateError(
                f"The file cannot be written: {error.strerror}.",
                where=str(target),
                next_step="Check that the folder may be written and that the disk is not full.",
            ) from error

    def _describe_owner(self) -> str:
        try:
            owner = json.loads(self._owner_file.read_text(encoding="utf-8"))
            pid, host, since = owner["pid"], owner["host"], owner["since"]
        except (OSError, ValueError, KeyError, TypeError):
            return "Read-only: another process owns this lab."
        if pid == self._pid and host == platform.node():
            return f"Read-only: this very process has had the lab open since {since}; close() that."
        return f"Read-only: process {pid} on {host} has had the lab open since {since}."

    def _settled_manifest(self) -> _Manifest:
        # Read again, now that nobody else can make it.
        manifest = self._read_manifest()
        if manifest is None and self._lock is not None:
            manifest = _Manifest(
                _VERSION,
                current_clock().now().replace(microsecond=0),
                f"vcplab {package_version()}",
            )
            content = {
                "schema": _SCHEMA,
                "version": manifest.version,
                "created": manifest.created.isoformat(),
                "created_by": manifest.created_by,
            }
            self._write(self._manifest_file, json.dumps(content, indent=2) + "\n")
        deadline = time.monotonic() + _PATIENCE
        while manifest is None:  # the owner has just made the folder
            if time.monotonic() > deadline:
                raise StateError(
                    "The owner of this folder has not made it a lab.",
                    where=str(self._path),
                    next_step=f"{self._notice} Try again when it is done.",
                )
            time.sleep(0.02)
            manifest = self._read_manifest()
        return manifest

    def _read_manifest(self) -> _Manifest | None:
        try:
            content: Any = json.loads(self._manifest_file.read_text(encoding="utf-8-sig"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise self._unreadable(str(error)) from error
        if not isinstance(content, dict) or not isinstance(content.get("schema"), str):
            raise self._unreadable("it names no schema")
        schema, version = content["schema"], content.get("version")
        if schema != _SCHEMA:
            raise SchemaMismatchError(
                f"The folder is of schema {schema[:80]!a}, not {_SCHEMA!a}.",
                where=str(self._manifest_file),
                next_step="Give another folder.",
                details={"found": schema, "expected": _SCHEMA},
            )
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise self._unreadable("its version is no positive whole number")
        if version > _VERSION:
            raise SchemaMismatchError(
                f"The lab has version {version}; this vcplab reads up to {_VERSION}.",
                where=str(self._manifest_file),
                next_step="Update vcplab, or give another folder.",
                details={"found": version, "expected": _VERSION},
            )
        try:
            created = datetime.fromisoformat(content["created"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._unreadable("it does not say when it was created") from error
        return _Manifest(version, created, str(content.get("created_by", "unknown")))

    def _unreadable(self, why: str) -> InvalidDataError:
        return InvalidDataError(
            f"The lab's vcplab.json cannot be read: {why}.",
            where=str(self._manifest_file),
            next_step="Mend it or restore a copy; without it, the folder becomes a new lab.",
        )

    def _open_store(self) -> Store:
        try:
            return Store(
                self.private / "state.sqlite3",
                schema=_STATE_SCHEMA,
                version=_STATE_VERSION,
                read_only=self.read_only,
            )
        except NotFoundError:
            return Store.memory(schema=_STATE_SCHEMA, version=_STATE_VERSION, read_only=True)
