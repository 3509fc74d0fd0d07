"""The table of commands, single requests and numbered batches."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .arguments import Arguments
from .changing import append_file, apply_diff, create_canvas, edit_file, update_history, write_file
from .desk import Desk
from .moving import copy_file, create_directory, delete_file, move_file, rename_file
from .problems import FileProblem, in_words
from .reading import file_info, list_allowed, list_directory, read_file
from .roots import read_roots
from .searching import search_files
from .settings import Settings, here
from .web import download_file, web_read_file

__all__ = ["COMMANDS", "MAX_STEPS", "answer", "run"]

Command = Callable[[Desk, Arguments], dict[str, Any]]

COMMANDS: dict[str, Command] = {
    "ListAllowedDirectories": list_allowed,
    "ReadFile": read_file,
    "WebReadFile": web_read_file,
    "WriteFile": write_file,
    "AppendFile": append_file,
    "EditFile": edit_file,
    "ListDirectory": list_directory,
    "FileInfo": file_info,
    "CopyFile": copy_file,
    "MoveFile": move_file,
    "RenameFile": rename_file,
    "DeleteFile": delete_file,
    "CreateDirectory": create_directory,
    "SearchFiles": search_files,
    "DownloadFile": download_file,
    "ApplyDiff": apply_diff,
    "UpdateHistory": update_history,
    "CreateCanvas": create_canvas,
}
"""Each command of the plugin by its name."""

MAX_STEPS = 50
"""Most steps of one batch."""

_NUMBERED = re.compile(r"(.*[^0-9])([0-9]{1,4})")


def answer(args: dict[str, Any]) -> dict[str, Any]:
    """Answer one request with the configuration of this process.

    Args:
        args: The arguments; keys that are not known are ignored.

    Returns:
        The result.

    Raises:
        FileProblem: When it cannot be done.
    """
    return run(args, here())


def run(args: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Answer one request, single or a batch; see `answer`."""
    desk = Desk(settings, read_roots(settings))
    if any(re.fullmatch(r"command[0-9]+", key.strip().casefold()) for key in args):
        return _batch(desk, args)
    return _one(desk, args)


def _one(desk: Desk, args: dict[str, Any]) -> dict[str, Any]:
    found = Arguments(args)
    name = found.text("command", "").strip()
    command = {key.casefold(): key for key in COMMANDS}.get(name.casefold())
    if command is None:
        told = f"There is no command {name[:40]!r}" if name else "The argument command is missing"
        raise FileProblem(f"{told}: the commands are {', '.join(COMMANDS)}")
    try:
        return COMMANDS[command](desk, found)
    except FileProblem as problem:
        raise FileProblem(f"{command}: {problem}") from problem
    except OSError as error:
        path = next(
            (p for k in ("filePath", "directoryPath", "searchPath", "sourcePath")
             if (p := found.text(k, ""))),
            "",
        )  # fmt: skip
        raise in_words(error, f"{command} {path[:200]}".strip()) from error


def _steps(args: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    shared: dict[str, Any] = {}
    numbered: dict[int, dict[str, Any]] = {}
    for key, value in args.items():
        match = _NUMBERED.fullmatch(key.strip())
        if match:
            numbered.setdefault(int(match.group(2)), {})[match.group(1)] = value
        elif key.strip().casefold() not in {"command", "onerror", "on_error"}:
            shared[key] = value
    steps = []
    for number in sorted(numbered):
        own = numbered[number]
        taken = {key.replace("_", "").casefold() for key in own}
        rest = {k: v for k, v in shared.items() if k.replace("_", "").casefold() not in taken}
        steps.append((number, {**rest, **own}))
    return steps


def _batch(desk: Desk, args: dict[str, Any]) -> dict[str, Any]:
    steps = _steps(args)
    if len(steps) > MAX_STEPS:
        raise FileProblem(f"The batch has {len(steps)} steps, {MAX_STEPS} are allowed: split it")
    mode = Arguments(args).text("onError", "stop").strip().lower()
    if mode not in {"stop", "continue"}:
        raise FileProblem(f"onError must be stop or continue, not {mode[:40]!r}")
    rows: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    failed: list[str] = []
    for number, own in steps:
        row: dict[str, Any] = {"step": number, "command": str(own.get("command", ""))[:40]}
        rows.append(row)
        if failed and mode == "stop":
            row["status"] = "not run"
            continue
        try:
            result = dict(_one(desk, own))
        except FileProblem as problem:
            row.update(status="error", error=str(problem))
            failed.append(f"step {number} failed ({problem})")
            continue
        content = result.pop("content", None)
        if content:
            parts += [{"type": "text", "text": f"[step {number}: {result['path']}]"}, *content]
        row.update(status="success", result=result)
    reply: dict[str, Any] = {"steps": rows}
    if parts:
        summary = "\n".join(
            f"{r['step']}. {r['command']}: {r['status']}"
            + (f" - {r['result']['message']}" if "message" in r.get("result", {}) else "")
            for r in rows
        )
        reply["content"] = [{"type": "text", "text": summary}, *parts]
    if failed:
        finished = [str(r["step"]) for r in rows if r["status"] == "success"]
        left = [str(r["step"]) for r in rows if r["status"] == "not run"]
        tale = f"Of {len(rows)} steps {'; '.join(failed)}"
        tale += f". Done: {', '.join(finished) or 'none'}"
        tale += f". Not run: {', '.join(left)}" if left else ""
        raise FileProblem(f"{tale}. Send the steps that are missing again.", reply)
    return reply
