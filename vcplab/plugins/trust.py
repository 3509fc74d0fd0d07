"""Trust: nothing of a folder runs before its user said so, and a change asks again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Literal, TypeAlias

from vcplab.core.store import Store

__all__ = ["Trust", "TrustState"]

TrustState: TypeAlias = Literal["trusted", "untrusted", "changed"]
_SPACE: Final = "plugin-trust"


class Trust:
    """Which folders are trusted, each with the hash of what it held.

    Args:
        store: Where it is kept. A store that cannot be written keeps it for this process only.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._here: dict[str, str | None] = {}

    def state(self, folder: Path, digest: str) -> TrustState:
        """Whether a folder with this content may run.

        Args:
            folder: The folder.
            digest: The hash of what it holds now.
        """
        known = self._known(folder)
        if known is None:
            return "untrusted"
        return "trusted" if known == digest else "changed"

    def give(self, folder: Path, digest: str) -> None:
        """Trust what a folder holds.

        Args:
            folder: The folder.
            digest: The hash of what it holds.
        """
        self._here[str(folder)] = digest
        if not self._store.read_only:
            self._store.put(_SPACE, str(folder), json.dumps(digest).encode())

    def take(self, folder: Path) -> None:
        """Trust a folder no more; in a store that cannot be written, for this process."""
        self._here[str(folder)] = None
        if not self._store.read_only:
            self._store.delete(_SPACE, str(folder))

    def _known(self, folder: Path) -> str | None:
        if str(folder) in self._here:
            return self._here[str(folder)]
        data = self._store.get(_SPACE, str(folder))
        return None if data is None else str(json.loads(data))
