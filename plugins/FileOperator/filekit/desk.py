"""What every command works with: the settings, the roots and a few shared steps."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass

from .arguments import Arguments
from .folders import Folder
from .problems import FileProblem
from .roots import Place, Roots
from .settings import Settings
from .storing import read_all
from .texts import Text, decode

__all__ = ["Desk", "described", "kind_of", "moment"]


@dataclass(frozen=True)
class Desk:
    """One run of the plugin."""

    settings: Settings
    roots: Roots

    def readable(self, args: Arguments, name: str = "filePath") -> Place:
        """The place an argument names, links followed."""
        return self.roots.place(args.text(name))

    def changeable(self, args: Arguments, name: str, *, follow: bool = False) -> Place:
        """The place an argument names, where something may be changed.

        Raises:
            FileProblem: For a root itself and for the trash.
        """
        place = self.roots.place(args.text(name), follow=follow)
        if not place.parts:
            raise FileProblem(f"{place.shown} is a root itself: name something inside it")
        if place.in_trash:
            raise FileProblem(
                f"{place.shown} is in the trash, where nothing is written or deleted: move it "
                "out with MoveFile first, or empty the trash by hand"
            )
        return place

    def text_of(self, folder: Folder, place: Place) -> tuple[Text, bytes, os.stat_result]:
        """A text file, decoded.

        Raises:
            FileProblem: When it is too large or no text.
        """
        data, status = read_all(folder, place.name, self.settings.max_bytes)
        text = decode(data)
        if text is None:
            raise FileProblem(f"{place.shown} is a binary file: only texts can be edited")
        return text, data, status

    def fits(self, data: bytes) -> bytes:
        """The data, when it is not above the size limit.

        Raises:
            FileProblem: When it is.
        """
        if len(data) > self.settings.max_bytes:
            raise FileProblem(
                f"The content has {len(data)} bytes, the limit is {self.settings.max_bytes}: "
                "write less, or raise MAX_FILE_MB in the plugin's config.env"
            )
        return data


def kind_of(status: os.stat_result) -> str:
    """``file``, ``folder``, ``link`` or ``other``."""
    if stat.S_ISREG(status.st_mode):
        return "file"
    if stat.S_ISDIR(status.st_mode):
        return "folder"
    return "link" if stat.S_ISLNK(status.st_mode) else "other"


def moment(seconds: float) -> str:
    """A time of the file system as ISO text in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def described(name: str, status: os.stat_result) -> dict[str, object]:
    """One row of a listing: name, type, size in bytes (files only) and time of change."""
    row: dict[str, object] = {"name": name, "type": kind_of(status)}
    if row["type"] == "file":
        row["size"] = status.st_size
    row["modified"] = moment(status.st_mtime)
    return row
