"""The commands that move: Copy, Move, Rename, Delete, and CreateDirectory."""

from __future__ import annotations

import errno
import stat
from typing import Any

from .arguments import Arguments
from .changing import done
from .desk import Desk, kind_of
from .folders import Folder, folder, holder
from .history import to_trash
from .problems import FileProblem
from .roots import Place
from .storing import add_new, give_name, read_all

__all__ = ["copy_file", "create_directory", "delete_file", "move_file", "rename_file"]


def _is_folder(place: Place) -> bool:
    try:
        with folder(place):
            return True
    except OSError:
        return False


def _target(desk: Desk, args: Arguments, name: str) -> Place:
    """Where a destination means: a folder that exists takes the thing under its old name."""
    text = args.text("destinationPath")
    followed = desk.roots.place(text)
    place = followed.inside(name) if _is_folder(followed) else desk.roots.place(text, follow=False)
    if place.in_trash:
        raise FileProblem(f"{place.shown} is in the trash: use DeleteFile to put things there")
    return place


def copy_file(desk: Desk, args: Arguments) -> dict[str, Any]:
    """CopyFile: one file to a new place, under a free name."""
    source = desk.roots.place(args.text("sourcePath"))
    if _is_folder(source):
        raise FileProblem(f"{source.shown} is a folder: CopyFile copies single files")
    target = _target(desk, args, source.name)
    with holder(source) as found:
        data, _ = read_all(found, source.name, desk.settings.max_bytes)
    with holder(target, make=True) as found:
        name = add_new(found, target.name, data)
    written = target.beside(name)
    message = f"Copied: {source.shown} to {written.shown} ({len(data)} bytes)."
    if name != target.name:
        message += f" {target.shown} exists and is never overwritten, so a free name was taken."
    log = {"from": source.shown, "size": len(data)}
    return done(args, "CopyFile", written, message, log, renamed=name != target.name)


def _move(
    desk: Desk, args: Arguments, command: str, source: Place, target: Place
) -> dict[str, Any]:
    if source == target:
        raise FileProblem(f"{source.shown} is already there: name another destination")
    with holder(source) as old:
        status = old.status(source.name)
        if status is None:
            raise FileProblem(
                f"{source.shown} does not exist: see what is there with ListDirectory"
            )
        with holder(target, make=True) as new:
            try:
                if stat.S_ISDIR(status.st_mode):
                    if new.status(target.name) is not None:
                        raise FileExistsError(errno.EEXIST, "taken")
                    old.rename(source.name, new, target.name)
                else:
                    _move_file(desk, old, source, new, target)
            except FileExistsError as error:
                raise FileProblem(
                    f"{target.shown} exists and is never overwritten: choose another name"
                ) from error
    message = f"Moved: {source.shown} to {target.shown}."
    return done(args, command, target, message, {"from": source.shown}, type=kind_of(status))


def _move_file(desk: Desk, old: Folder, source: Place, new: Folder, target: Place) -> None:
    try:
        give_name(old, source.name, new, target.name, exact=True)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # Another disk: the bytes go over first, then the old name goes.
        data, _ = read_all(old, source.name, desk.settings.max_bytes)
        add_new(new, target.name, data, exact=True)
        old.unlink(source.name)


def _source(desk: Desk, args: Arguments) -> Place:
    source = desk.roots.place(args.text("sourcePath"), follow=False)
    if not source.parts:
        raise FileProblem(f"{source.shown} is a root itself: name something inside it")
    if source.in_trash and len(source.parts) == 1:
        raise FileProblem(f"{source.shown} is the trash itself: name something in it")
    return source


def move_file(desk: Desk, args: Arguments) -> dict[str, Any]:
    """MoveFile: a file or folder to another place; also back out of the trash."""
    source = _source(desk, args)
    return _move(desk, args, "MoveFile", source, _target(desk, args, source.name))


def rename_file(desk: Desk, args: Arguments) -> dict[str, Any]:
    """RenameFile: a new name; a plain one stays in the folder the file is in."""
    source = _source(desk, args)
    wanted = args.text("destinationPath").strip()
    if any(c in wanted for c in "/\\:"):
        target = _target(desk, args, source.name)
    else:
        if wanted in {".", ".."}:
            raise FileProblem(f"{wanted!r} is no name: give one such as plan.txt")
        # The name alone goes through the same checks as any path; its folder is known already.
        checked = desk.roots.place(f"{source.root.name}:{wanted}", follow=False)
        target = source.beside(checked.name)
        if target.in_trash:
            raise FileProblem(f"{source.shown} is in the trash: move it out with MoveFile")
    return _move(desk, args, "RenameFile", source, target)


def delete_file(desk: Desk, args: Arguments) -> dict[str, Any]:
    """DeleteFile: a file or folder into the trash of its root."""
    place = desk.changeable(args, "filePath")
    with holder(place) as found:
        if found.status(place.name) is None:
            raise FileProblem(f"{place.shown} does not exist: see what is there with ListDirectory")
        kept = to_trash(place, found)
    message = (
        f"Deleted: {place.shown}. It is kept as {kept.shown}; MoveFile brings it back from there."
    )
    return done(args, "DeleteFile", place, message, {"trash": kept.shown})


def create_directory(desk: Desk, args: Arguments) -> dict[str, Any]:
    """CreateDirectory: a folder with the folders above it."""
    place = desk.changeable(args, "directoryPath", follow=True)
    if _is_folder(place):
        return {"path": place.shown, "created": False, "message": f"{place.shown} exists already."}
    with folder(place, make=True):
        pass
    return done(args, "CreateDirectory", place, f"Created: {place.shown}.", {}, created=True)
