"""The command line: ``vcplab demo | compare | lab | node | new-plugin | doctor``.

Exit codes: 0 done, 1 it could not be done (one message on standard error says why and what to do
next), 2 the command was not understood. Each command is a module with ``SUMMARY``,
``add_arguments(parser)`` and ``run(arguments) -> exit code``; nothing heavy is imported before a
command runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from vcplab.cli import compare, demo, doctor, lab, new_plugin, node
from vcplab.core.errors import VCPError

__all__ = ["build_parser", "main"]

_COMMANDS: dict[str, ModuleType] = {
    "demo": demo,
    "compare": compare,
    "lab": lab,
    "node": node,
    "new-plugin": new_plugin,
    "doctor": doctor,
}


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from vcplab.cli.checks import own_version

        print(f"vcplab {own_version() or '(not installed)'}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="vcplab",
        description="A Jupyter research workbench for agent memory, tools and group chats.",
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="print the version and exit", default=None
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in _COMMANDS.items():
        command = commands.add_parser(name, help=module.SUMMARY, description=module.SUMMARY)
        module.add_arguments(command)
        command.add_argument(
            "--debug", action="store_true", help="show the full traceback of an error"
        )
        command.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What follows the program's name; the process's own by default.

    Returns:
        The exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        # A Windows console or a pipe may not know Chinese: show a question mark, do not crash.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    parsed = build_parser().parse_args(arguments)
    try:
        code = int(parsed.run(parsed))
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("vcplab: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of a pipe (`| head`) has left; the interpreter must not try to flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except VCPError as error:
        if parsed.debug:
            raise
        print(_explain(error), file=sys.stderr)
        return 1
    return code


def _explain(error: VCPError) -> str:
    lines = [f"vcplab: {error.message}" + (f" (in {error.where})" if error.where else "")]
    if error.next_step:
        lines.append(f"  next: {error.next_step}")
    lines.append(f"  code: {error.code}")
    return "\n".join(lines)
