"""Where outputs of blocks are kept: a store on disk, and the memory of this process above it.

A value is zlib-compressed JSON, never pickle. A key names everything that an output depends on, the
code of the engines included, so a stale value is never found; it is never looked up again, and so
among the first to go when the file outgrows ``cache_budget`` of the settings.
"""

from __future__ import annotations

import functools
import hashlib
import json
import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from vcplab.core.errors import InvalidDataError, InvalidInputError, StateError
from vcplab.evaluation.tasks import Output

if TYPE_CHECKING:
    from vcplab.core.store import Store

__all__ = ["BlockCache", "clear_memory", "decode", "encode", "engine_fingerprint", "key_of"]

NAMESPACE = "evaluation/outputs"
SCHEMA = "vcplab.matrix"
VERSION = 1
_MEMORY_BYTES = 64 * 2**20
# Rooms whose code cannot change what a system gives for an item, but for these modules.
_ABOVE = {"evaluation", "lab", "widgets", "server", "canvas", "_bundled"}
_OUTPUTS = {
    *("evaluation/asking.py", "evaluation/chat_task.py", "evaluation/chat_teams.py"),
    *("evaluation/detection/baselines.py", "evaluation/detection/outputs.py"),
    *("evaluation/suppression/baselines.py", "evaluation/suppression/edits.py"),
    *("evaluation/suppression/task.py", "evaluation/ranking.py"),
    *("evaluation/retrieval.py", "evaluation/systems.py"),
}


class _Memory:
    """Recently used blocks of this process, bounded by bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[str, str]) -> bytes | None:
        with self._lock:
            value = self._kept.get(key)
            if value is not None:
                self._kept.move_to_end(key)
            return value

    def put(self, key: tuple[str, str], value: bytes) -> None:
        with self._lock:
            self._size += len(value) - len(self._kept.pop(key, b""))
            self._kept[key] = value
            while self._size > self._limit and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1])

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._size = 0


_memory = _Memory(_MEMORY_BYTES)


def clear_memory() -> None:
    """Forget the blocks of this process; the stores on disk stay."""
    _memory.clear()


def encode(outputs: Sequence[Output]) -> bytes:
    """Outputs of one block as bytes.

    Raises:
        InvalidInputError: An output is not JSON-able.
    """
    try:
        text = json.dumps(outputs, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"An output cannot be stored: {error}.",
            where="outputs of a task",
            next_step="Outputs are dicts of strings, numbers, lists and dicts, without NaN.",
        ) from error
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 1)


def decode(value: bytes) -> list[Output]:
    """The outputs of :func:`encode`."""
    outputs: list[Output] = json.loads(zlib.decompress(value).decode("utf-8", "surrogatepass"))
    return outputs


def _sound(value: bytes, count: int) -> bool:
    try:
        return len(decode(value)) == count
    except (zlib.error, ValueError, TypeError):
        return False


def key_of(system: str, task: str, digest: str, items: Sequence[str], moment: str = "") -> str:
    """The key of one system's outputs for one block.

    Args:
        system: Fingerprint of the system.
        task: Fingerprint of the task.
        digest: Hash of the items' content.
        items: Ids of the items.
        moment: What else the outputs depend on (:attr:`SystemInfo.moment`).
    """
    parts = [VERSION, engine_fingerprint(), system, task, digest, list(items), moment]
    content = json.dumps(parts)
    return hashlib.sha256(content.encode("ascii")).hexdigest()


@functools.cache
def engine_fingerprint() -> str:
    """Hash of the code that makes outputs: an edited engine never meets its old outputs."""
    package = Path(__file__).resolve().parents[1]
    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        if inside.parts[0] not in _ABOVE or inside.as_posix() in _OUTPUTS:
            total.update(inside.as_posix().encode("utf-8") + b"\0" + path.read_bytes())
    return total.hexdigest()


class BlockCache:
    """Blocks of outputs by key, in the process's memory and in a store.

    Use it as a context manager: a store that it opened itself is closed at the end.

    Args:
        where: True for the settings' cache folder, False for nowhere, or a path, or a ``Store``.
    """

    def __init__(self, where: bool | str | Path | Store = True) -> None:
        self._owned = False
        self._store: Store | None = None
        self._path: Path | None = None
        self._default = where is True
        self.name = ""
        self.problem = ""
        if where is True:
            from vcplab.core.settings import get_settings

            self._path = Path(get_settings().cache_dir) / "matrix.sqlite3"
        elif isinstance(where, str | Path):
            self._path = Path(where).expanduser()
        elif where is not False:
            self._store = where
            self.name = f"store {id(where)}"
        if self._path is not None:
            self.name = str(self._path.absolute())

    @property
    def enabled(self) -> bool:
        """False if nothing is kept."""
        return self._path is not None or self._store is not None

    def __enter__(self) -> BlockCache:
        return self

    def __exit__(self, *_: object) -> None:
        if self._owned and self._store is not None:
            self._store.close()
            self._store, self._owned = None, False

    def _open(self) -> Store:
        if self._store is None:
            from vcplab.core.settings import get_settings
            from vcplab.core.store import Store

            assert self._path is not None
            try:
                self._store = Store(
                    self._path,
                    schema=SCHEMA,
                    version=VERSION,
                    budget=get_settings().cache_budget,
                    evictable=True,
                )
            except (StateError, InvalidDataError) as error:
                if not self._default:
                    raise
                # Nobody asked for this file: a folder that cannot be written stops no comparison.
                self.problem = f"nothing is kept on disk: {error.message}"
                self._store = Store.memory()
            self._owned = True
        return self._store

    def get_many(self, wanted: Mapping[str, int]) -> dict[str, bytes]:
        """What is kept of these keys.

        Args:
            wanted: Key → number of items in the block; damaged values count as not there.
        """
        if not self.enabled:
            return {}
        found: dict[str, bytes] = {}
        for key in wanted:
            value = _memory.get((self.name, key))
            if value is not None:
                found[key] = value
        missing = [key for key in wanted if key not in found]
        if missing:
            for key, value in self._open().get_many(NAMESPACE, missing).items():
                if _sound(value, wanted[key]):
                    found[key] = value
                    _memory.put((self.name, key), value)
        return found

    def put_many(self, blocks: Mapping[str, bytes]) -> None:
        """Keep finished blocks, durably."""
        if not self.enabled or not blocks:
            return
        self._open().put_many(NAMESPACE, dict(blocks))
        for key, value in blocks.items():
            _memory.put((self.name, key), value)

    def __repr__(self) -> str:
        return f"BlockCache({self.name or 'nowhere'!r})"
