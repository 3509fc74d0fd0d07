"""A function of the notebook becomes a plugin's folder."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from vcplab.core.errors import InvalidInputError
from vcplab.plugins.functions import FunctionSpec, describe_function
from vcplab.plugins.parameters import Parameter
from vcplab.plugins.scaffold.describing import (
    filled,
    manifest_text,
    readme_text,
    sdk_source,
    settings_text,
)
from vcplab.plugins.scaffold.distributions import requirements_of
from vcplab.plugins.scaffold.folder import checked_folder, checked_name, write_folder
from vcplab.plugins.scaffold.following import Needs, follow
from vcplab.protocol.requests import RESERVED_KEYS, ToolRequest, VCPProtocolParser
from vcplab.sdk import stdio

__all__ = ["export_function"]

_COMMAND: Final = "python plugin.py"
_DEFAULT_SECONDS: Final = 60.0


def export_function(
    function: Callable[..., Any],
    to: str | Path = ".",
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    display_name: str | None = None,
) -> Path:
    """Write a function as a synchronous plugin in the form of VCPToolBox (facts/vcp-protocol §2).

    The folder runs on machines without vcplab: its script holds the function and what it uses of
    the notebook, `vcplab.sdk.stdio` is copied beside it, and packages that it imports stand in
    ``requirements.txt``. Its tests need the standard library only: ``python -m unittest``.

    Decorators named ``tool`` are left out, all others are kept. Modules and imported names become
    import statements; functions and classes of the notebook come along as source; constants of
    plain values are written down with the value they have now. Limits in ``Annotated`` hints are
    not checked there.

    Args:
        function: A function, async ones too, or what a decorator made of one.
        to: The folder of plugins; the plugin's own folder is made in it.
        name: The plugin's name; by default the function's.
        description: What it does; by default from the docstring.
        timeout: Seconds that a call may take; 60 by default.
        display_name: The name for people; by default the plugin's.

    Returns:
        The plugin's folder, ``to/name``.

    Raises:
        InvalidInputError: It is no function with a source, its parameters cannot be given in a
            tool request, or it uses something that cannot be taken along; each is named.
        StateError: The folder exists and is not empty, or cannot be written.
    """
    plain = _plain_function(function)
    checked_name(name if name is not None else plain.__name__, "export_function")
    if timeout is not None and not timeout > 0:
        raise InvalidInputError(
            f"A call cannot take {timeout!r} seconds.",
            where="export_function",
            next_step="give a positive number of seconds",
        )
    spec = describe_function(plain, name=name, description=description)
    checked_folder(spec.name, to)
    _check_parameters(spec)
    needs = follow(plain)
    seconds = _DEFAULT_SECONDS if timeout is None else timeout
    manifest = _manifest(spec, seconds, display_name or spec.name)
    example = manifest["capabilities"]["invocationCommands"][0]["example"]
    request = VCPProtocolParser().parse_tool_requests(example)[0]
    _check_example(plain, spec, request)
    requirements = requirements_of(needs.modules)
    summary = spec.description.partition("\n")[0] or spec.name
    contents = {
        "plugin-manifest.json": manifest_text(manifest),
        "plugin.py": _script(plain.__name__, manifest["displayName"], summary, needs),
        "vcp_stdio.py": sdk_source(),
        "config.env.example": settings_text({}),
        "README.md": _readme(spec, manifest, request, summary, bool(requirements)),
        "tests/__init__.py": "",
        "tests/test_plugin.py": filled("test_plugin", calls="[]"),
    }
    if requirements:
        contents["requirements.txt"] = "".join(f"{line}\n" for line in requirements)
    return write_folder(spec.name, to, contents)


def _plain_function(function: Any) -> types.FunctionType:
    """The function with the source."""
    shown = getattr(function, "__name__", None) or type(function).__name__
    found: Any = function
    if not isinstance(function, partial | types.MethodType | type):
        if not isinstance(found, types.FunctionType):
            # A tool object holds its function under one of these names.
            inner = getattr(found, "__wrapped__", None) or getattr(found, "function", None)
            found = inner if inner is not None else found
        found = inspect.unwrap(found)
    if not isinstance(found, types.FunctionType) or found.__name__ == "<lambda>":
        raise InvalidInputError(
            f"{shown} is no function that was defined by `def`.",
            where="export_function",
            next_step="write a function in a cell that calls it, and export that",
        )
    if inspect.isgeneratorfunction(found) or inspect.isasyncgenfunction(found):
        raise InvalidInputError(
            f"{shown} is a generator; a plugin gives one reply.",
            where=shown,
            next_step="return a list",
        )
    return found


def _check_parameters(spec: FunctionSpec) -> None:
    if spec.takes_context:
        raise InvalidInputError(
            f"{spec.name} takes a ToolContext, which exists in the lab only.",
            where=spec.name,
            next_step="leave the parameter out; print() goes to the log of the server",
        )
    for parameter in spec.parameters:
        if not parameter.name.isascii() or parameter.name in RESERVED_KEYS:
            raise InvalidInputError(
                f"The parameter {parameter.name!r} cannot be given in a tool request.",
                where=spec.name,
                next_step="use ASCII letters, digits and _, and none of the server's own words: "
                + ", ".join(sorted(RESERVED_KEYS)),
            )


def _manifest(spec: FunctionSpec, seconds: float, display_name: str) -> dict[str, Any]:
    manifest = spec.manifest(command=_COMMAND, timeout=seconds)
    manifest["displayName"] = display_name
    manifest["entryPoint"] = {"type": "stdio", "command": _COMMAND}
    # Servers read description and example; the schema is for those that check calls.
    manifest["capabilities"]["invocationCommands"][0]["parameters"] = {
        "type": "object",
        "properties": {p.name: _schema(p) for p in spec.parameters},
        "required": [p.name for p in spec.parameters if p.required],
        "additionalProperties": spec.extra,
    }
    return manifest


def _schema(parameter: Parameter) -> dict[str, Any]:
    schema = parameter.to_schema()
    if parameter.description:
        schema.setdefault("description", parameter.description)
    if parameter.has_default:
        schema.setdefault("default", parameter.default)
    return schema


def _script(function: str, display_name: str, summary: str, needs: Needs) -> str:
    title = f"{display_name}: {summary}".replace("\\", "\\\\").replace('"""', "'''")
    title = title if title[-1] in ".!?。！？" else f"{title}."
    parts = [
        f'"""{title}\n\nA function of a notebook, as a plugin. `vcp_stdio` reads the arguments and '
        'writes the reply.\n"""\n\nfrom __future__ import annotations\n\nimport vcp_stdio',
    ]
    imports = _imports(needs)
    if imports:
        parts += [
            '\nif __name__ == "__main__":\n'
            "    # What the imports below print is no part of the reply.\n"
            "    vcp_stdio.claim_stdout()\n",
            *imports,
        ]
    for text in needs.definitions.values():
        large = text.startswith(("def ", "async def ", "class ", "@"))
        parts.append(("\n\n" if large else "\n") + text)
    parts.append(f'\n\nif __name__ == "__main__":\n    vcp_stdio.serve({function})\n')
    return "\n".join(parts)


def _imports(needs: Needs) -> list[str]:
    """The import statements, each once; ``import a.b`` makes an ``import a`` idle."""
    statements = set(needs.imports.values()) | {f"import {path}" for path in needs.submodules}
    idle = {s for s in statements if any(other.startswith(f"{s}.") for other in statements)}
    idle = {s for s in idle if s.startswith("import ")}
    return sorted(statements - idle, key=lambda s: (s.startswith("from "), s.lower()))


def _check_example(plain: Callable[..., Any], spec: FunctionSpec, request: ToolRequest) -> None:
    """Check that the copied module reads the hints as the notebook does."""
    try:
        hints = typing.get_type_hints(plain)
    except Exception:
        return  # the spec has told of it
    for key, text in request.args.items():
        try:
            stdio.convert(text, hints.get(key, Any))
        except stdio.ArgumentError as error:
            raise InvalidInputError(
                f"The type of the parameter {key!r} is read in the notebook only: {error}.",
                where=spec.name,
                next_step="use str, int, float, bool, an Enum, a Literal, a date, a Path, or lists "
                "and dicts of them",
            ) from error


def _readme(
    spec: FunctionSpec,
    manifest: Mapping[str, Any],
    request: ToolRequest,
    summary: str,
    requirements: bool,
) -> str:
    described = [
        ("plugin-manifest.json", "what servers read"),
        ("plugin.py", "the function and what it uses"),
        ("vcp_stdio.py", "what it runs on; leave it as it is"),
        ("tests/", "checks of the contract; add your own calls"),
    ]
    if requirements:
        described.insert(3, ("requirements.txt", "packages that it imports"))
    example = manifest["capabilities"]["invocationCommands"][0]["example"]
    return readme_text(
        spec.name,
        manifest["displayName"],
        summary,
        described=described,
        script=_COMMAND,
        arguments=dict(request.args),
        settings=False,
        use=f"Models call it like this:\n\n```\n{example}\n```",
        requirements=requirements,
    )
