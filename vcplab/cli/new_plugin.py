"""``vcplab new-plugin``: a working plugin folder to start from."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "Write a small working plugin in the form of VCPToolBox, tests included."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("name", metavar="NAME", help="the plugin's name: letters, digits, _ and -")
    parser.add_argument(
        "--type",
        choices=("synchronous", "asynchronous", "static"),
        default="synchronous",
        help="synchronous answers a call, asynchronous answers at once and reports later, static "
        "fills a placeholder (default: synchronous)",
    )
    parser.add_argument(
        "--language",
        choices=("python", "javascript"),
        default="python",
        help="what it is written in (default: python)",
    )
    parser.add_argument(
        "--to",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="folder of plugins, in which the folder NAME is made (default: this one)",
    )
    parser.add_argument("--description", default="", metavar="TEXT", help="what the plugin does")


def run(arguments: argparse.Namespace) -> int:
    """Write the folder and say what to do next.

    Raises:
        InvalidInputError: The name cannot be a plugin's.
        StateError: The folder exists and is not empty, or cannot be written.
    """
    from vcplab.plugins.scaffold import new_plugin

    folder = new_plugin(
        arguments.name,
        arguments.to,
        plugin_type=arguments.type,
        language=arguments.language,
        description=arguments.description,
    )
    print(f"{folder}:")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            print(f"  {path.relative_to(folder).as_posix()}")
    name = arguments.name
    print("next:")
    print(f'  check it:   cd "{folder}" && python -m unittest')
    print(f'  in a lab:   lab.plugins.add(r"{folder}", trust=True, watch=True)')
    if arguments.type == "static":
        print("  use it:     its placeholder stands in the README; write it in a system prompt")
    else:
        print(f'  call it:    lab.tools.call("{name}", {{"text": "…"}})')
    print("  publish it: copy the folder into the server's Plugin folder")
    return 0
