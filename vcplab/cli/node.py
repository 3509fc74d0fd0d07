"""``vcplab node``: the tools of a lab in a VCP network, without Jupyter."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vcplab.cli import stand_in
from vcplab.cli.following import Follower, until_stopped
from vcplab.core.errors import (
    InvalidInputError,
    NotFoundError,
    StateError,
    VCPError,
    VCPErrorCode,
)

if TYPE_CHECKING:
    from vcplab.lab.lab import Lab
    from vcplab.node.link import Link

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "Join a VCP main server: its agents may call the tools that you expose, until Ctrl-C."

_SCRIPT: Final = "vcplab_node_tools"
_KEY_LIMIT: Final = 4096
_NODE_SETTINGS: Final = ("server_url", "server_key", "server_name", "node_port", "debug_mode")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    what = parser.add_argument_group("what is exposed")
    what.add_argument(
        "--lab",
        type=Path,
        metavar="PATH",
        help="the lab's folder, made where there is none (default: this folder if it is a lab, "
        "else one for this run only)",
    )
    what.add_argument(
        "--tools",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.py",
        help="a script that makes tools with @lab.tool; it finds the lab as 'lab'",
    )
    what.add_argument(
        "--plugins",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="a folder of plugins to add; they run only if they are trusted",
    )
    what.add_argument(
        "--trust", action="store_true", help="trust the plugins of --plugins: they run as you"
    )
    what.add_argument(
        "--discover",
        action="store_true",
        help="also add the plugins that ship with vcplab or are installed in the lab",
    )
    what.add_argument(
        "--expose",
        action="append",
        default=[],
        metavar="GLOB",
        help="expose plugins whose name fits, beside the tools of scripts; may be repeated",
    )
    what.add_argument(
        "--hide", action="append", default=[], metavar="GLOB", help="leave out what fits"
    )
    what.add_argument(
        "--prefix", default="", metavar="TEXT", help="put this before each tool's name"
    )
    what.add_argument(
        "--share",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="let the server fetch files of this folder as file:///NAME/…",
    )
    where = parser.add_argument_group(
        "which server",
        "Without these the settings decide: VCP_SERVER, VCP_KEY and SERVER_NAME in the environment "
        "or in config.env, or vcplab.toml. A key never goes on the command line, where others can "
        "read it.",
    )
    where.add_argument("--url", help='its address, such as "ws://127.0.0.1:6005"')
    where.add_argument(
        "--key-file", metavar="PATH", help="file with the server's key; - reads standard input"
    )
    where.add_argument("--name", help="how this node calls itself")
    where.add_argument(
        "--dialect",
        choices=("toolbox", "intellicore", "cherry"),
        default="toolbox",
        help="how the server takes tools (default: toolbox, which is VCPToolBox)",
    )
    where.add_argument("--ca", type=Path, metavar="PATH", help="certificates to trust, as PEM")
    where.add_argument(
        "--no-proxy", action="store_true", help="connect without the environment's proxy"
    )
    parser.add_argument(
        "--check", action="store_true", help="connect once, say how it went, and exit with 0 or 1"
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="how long the first connection may take before it is told (default: 5)",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="also print when calls begin, and arguments"
    )
    stand_in.add_arguments(parser.add_argument_group("trying out"))


def run(arguments: argparse.Namespace) -> int:
    """Show what will be exposed, connect, and print a line for each change until stopped.

    Raises:
        InvalidInputError: An option is impossible, or address or key are missing.
        NotFoundError: A file is missing.
        StateError: With ``--check``: the server is not reached.
    """
    key = _key(arguments)
    if arguments.stand_in:
        return stand_in.run(arguments, key)
    if arguments.port is not None:
        raise InvalidInputError(
            "--port is the stand-in server's.",
            where="--port",
            next_step="Add --stand-in; a server's port is part of --url.",
        )
    if not 0 < arguments.wait <= 3600:
        raise InvalidInputError(
            f"{arguments.wait:g} s is no time to wait.",
            where="--wait",
            next_step="Give seconds above 0, to 3600.",
        )
    with _lab(arguments) as lab:
        _prepare(lab, arguments)
        return _serve(lab, arguments, key)


def _serve(lab: Lab, arguments: argparse.Namespace, key: str | None) -> int:
    expose = [*arguments.expose, *(f"!{pattern}" for pattern in arguments.hide)] or None
    print(lab.node.preview(expose, prefix=arguments.prefix), flush=True)
    follower = Follower(verbose=arguments.verbose or lab.settings.debug_mode)
    with until_stopped(follower), lab.node.on_change(follower.tell):
        link: Link = lab.node.connect(
            arguments.url,
            key,
            arguments.name,
            expose,
            prefix=arguments.prefix,
            dialect=arguments.dialect,
            wait=arguments.wait,
            show=False,
            **_options(arguments),
        )
        follower.follow(link)
        if arguments.check:
            follower.print_waiting()
            _require_connected(link)
            print(repr(link.status()))
            return 0
        follower.print_until_stopped()
        if link.status().running:
            print("ending; calls that run get a moment", flush=True)
        lab.node.disconnect()
        follower.print_waiting()
    return 0


def _require_connected(link: Link) -> None:
    try:
        link.wait(0.0)
    except VCPError as error:
        bad_key = error.code == VCPErrorCode.DISTRIBUTED_AUTH_FAILED
        raise StateError(
            error.message,
            code=error.code,
            where=error.where,
            next_step="Check the key, and the path in --url: servers drop who has another."
            if bad_key
            else "Start the server, or check --url; --wait gives it more time.",
        ) from error


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if arguments.ca is not None:
        options["ca"] = arguments.ca
    if arguments.no_proxy:
        options["proxy"] = None
    return options


def _key(arguments: argparse.Namespace) -> str | None:
    """The key of ``--key-file``; None if there is none."""
    if arguments.url is not None and "VCP_Key=" in arguments.url:
        raise InvalidInputError(
            "The address on the command line holds the key, where others on this machine read it.",
            where="--url",
            next_step="Leave /VCP_Key=… out, and put the key into a file for --key-file, or into "
            "config.env as VCP_KEY. Change it if the machine is not yours alone.",
        )
    if arguments.key_file is None:
        return None
    if arguments.key_file == "-":
        text = sys.stdin.readline(_KEY_LIMIT)
    else:
        path = Path(arguments.key_file).expanduser()
        try:
            with path.open(encoding="utf-8-sig", errors="replace") as file:
                text = file.read(_KEY_LIMIT)
        except OSError as error:
            raise NotFoundError(
                f"The file of the key cannot be read: {error.strerror}.",
                where=str(path),
                next_step="Write the server's key into it, alone.",
            ) from error
    if not text.strip():
        raise InvalidInputError(
            "There is no key in what --key-file names.",
            where="--key-file",
            next_step="Write the server's key into the file, alone.",
        )
    return text.strip()


@contextmanager
def _lab(arguments: argparse.Namespace) -> Iterator[Lab]:
    from vcplab.core.settings import Settings
    from vcplab.lab.lab import Lab

    folder: Path | None = arguments.lab
    if folder is None and Path("vcplab.json").is_file():
        folder = Path()
    if folder is not None:
        with Lab(folder) as lab:
            if lab.notice:
                print(f"note: {lab.notice}", flush=True)
            yield lab
        return
    # Settings of this folder hold although the lab is elsewhere.
    settings = Settings.load()
    given = {name: getattr(settings, name) for name in _NODE_SETTINGS}
    given = {name: value for name, value in given.items() if value is not None}
    given.setdefault("server_name", f"vcplab-{Path.cwd().name}")
    # Windows cannot delete what an ending plugin still holds.
    with (
        tempfile.TemporaryDirectory(prefix="vcplab-node-", ignore_cleanup_errors=True) as home,
        Lab(home, **given) as lab,
    ):
        yield lab


def _prepare(lab: Lab, arguments: argparse.Namespace) -> None:
    """Bring the tools together."""
    for shared in arguments.share:
        name, equals, folder = shared.partition("=")
        if not equals:
            raise InvalidInputError(
                f"{shared!r} names no folder.",
                where="--share",
                next_step="Write NAME=FOLDER, such as pictures=./out",
            )
        lab.node.share(name, folder)
    if arguments.discover:
        lab.plugins.discover()
    for folder in arguments.plugins:
        lab.plugins.add(folder, trust=True if arguments.trust else None)
    for number, script in enumerate(arguments.tools):
        _run_script(lab, script, f"{_SCRIPT}_{number}")


def _run_script(lab: Lab, path: Path, name: str) -> None:
    """Run a script that makes tools."""
    path = path.expanduser().absolute()
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise NotFoundError(
            "There is no such Python script.",
            where=str(path),
            next_step="Name a .py file that makes tools with @lab.tool.",
        )
    module = importlib.util.module_from_spec(spec)
    module.lab = lab  # type: ignore[attr-defined]
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))  # as python does: a script may import its neighbours
    try:
        spec.loader.exec_module(module)
    except VCPError:
        raise
    except (Exception, SystemExit) as error:
        raise InvalidInputError(
            f"The script failed: {type(error).__name__}: {error}.",
            where=str(path),
            next_step="Run it again with --debug to see where.",
        ) from error
