"""The children of plugins: how a version's process is started, and which ones run."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from vcplab.core.errors import VCPError
from vcplab.plugins.failures import ContractError, ToolTimeoutError, execution_failure
from vcplab.plugins.hosts.base import Call, Version
from vcplab.plugins.hosts.environment import child_environment
from vcplab.plugins.hosts.lines import LogLines
from vcplab.plugins.jsonable import jsonable
from vcplab.plugins.manifest import Config, Manifest, resolve_config
from vcplab.plugins.processes import Child, CommandLine, Limits, command_line
from vcplab.plugins.processes.command import program
from vcplab.plugins.runners import runner_path
from vcplab.plugins.snapshots import project_base
from vcplab.protocol.results import ToolFailure

__all__ = ["Children", "stopped", "timed_out"]


class Children:
    """Starts processes of plugins and knows those that run.

    Attributes:
        limits: What each may do.

    Args:
        callback_url: Gives the ``CALLBACK_BASE_URL`` of a plugin.
        debug: Says whether ``DebugMode`` is on unless a plugin's settings say otherwise.
        admin_code: Gives the administrator's code, or None.
        learn: Told of the secrets that a child is given.
    """

    def __init__(
        self,
        callback_url: Callable[[str], Awaitable[str]],
        debug: Callable[[], bool],
        admin_code: Callable[[], str | None],
        learn: Callable[[Iterable[str]], object],
    ) -> None:
        self.limits = Limits()
        self._callback_url = callback_url
        self._debug = debug
        self._admin_code = admin_code
        self._learn = learn
        self._running: dict[Child, tuple[Version, LogLines]] = {}

    async def start(
        self,
        version: Version,
        call: Call,
        *,
        on_output: Callable[[bytearray], object] | None = None,
        operation: str = "call",
        fields: Mapping[str, Any] | None = None,
    ) -> Child:
        """Start the process of a call; whoever does must `close` it.

        Args:
            version: The plugin's version.
            call: The call.
            on_output: Called with all of its output whenever there is more.
            operation: What a module's adapter is asked to do.
            fields: What the adapter reads beside arguments and configuration.

        Raises:
            ContractError: It cannot be started.
        """
        manifest, folder = version.manifest, _folder(version)
        config = resolve_config(
            manifest, folder, os.environ, version.overrides, debug=self._debug()
        )
        project = project_base(version.source) if version.source is not None else None
        extra = await self._extra(manifest)
        self._learn([*config.secrets(), *_secrets_of(extra)])
        environment = child_environment(config, project, extra)
        try:
            if manifest.entry.command is not None:
                command, data = _commanded(version, call.arguments)
            else:
                command, data = _adapted(version, call.arguments, config, operation, fields or {})
            lines = LogLines(call.log)
            child = await Child.start(
                command,
                folder,
                environment,
                data,
                limits=self.limits,
                on_output=on_output,
                on_error_text=lines.feed,
            )
        except VCPError as error:
            raise _not_started(call, error.message, error.next_step) from error
        except OSError as error:
            raise _not_started(call, error.strerror or str(error), None) from error
        self._running[child] = version, lines
        return child

    async def close(self, child: Child) -> None:
        """End a child and all that it started."""
        await child.close()
        _, lines = self._running.pop(child, (None, None))
        if lines is not None:
            lines.close()

    async def close_all(self, version: Version | None = None) -> None:
        """End every child, or those of one version."""
        for child, (its, _) in list(self._running.items()):
            if version is None or its is version:
                child.stopped = True
                await self.close(child)

    async def _extra(self, manifest: Manifest) -> dict[str, str]:
        extra: dict[str, str] = {}
        if manifest.type == "asynchronous":
            extra["CALLBACK_BASE_URL"] = await self._callback_url(manifest.name)
            extra["PLUGIN_NAME_FOR_CALLBACK"] = manifest.name
        if manifest.requires_admin:
            code = self._admin_code()
            if code is None:
                raise execution_failure(
                    ToolFailure,
                    f'Plugin "{manifest.name}" requires the administrator\'s code.',
                    manifest.name,
                    "set lab.plugins.admin_code",
                )
            extra["DECRYPTED_AUTH_CODE"] = code
        return extra


def _secrets_of(extra: Mapping[str, str]) -> list[str]:
    """The administrator's code, and what makes the callback address unguessable."""
    token = extra.get("CALLBACK_BASE_URL", "").rpartition("/")[2]
    return [secret for secret in (token, extra.get("DECRYPTED_AUTH_CODE")) if secret]


def stopped(call: Call) -> ToolFailure:
    """The failure of a call that we ended ourselves: its plugin has done nothing wrong."""
    return execution_failure(
        ToolFailure,
        f'Plugin "{call.tool}" was stopped while it ran.',
        call.tool,
        "it was cancelled or unloaded, or the lab was closed",
    )


def timed_out(what: str, call: Call) -> ToolFailure:
    """The failure of a call that took too long, in upstream's words."""
    return execution_failure(
        ToolTimeoutError,
        f'Plugin "{call.tool}" {what}',
        call.tool,
        "give it more time: timeout= of the call, or communication.timeout of its manifest",
    )


def _commanded(version: Version, arguments: Mapping[str, Any]) -> tuple[CommandLine, bytes]:
    """A command line of the manifest; without arguments nothing is written to it."""
    manifest = version.manifest
    assert manifest.entry.command is not None
    data = _json(arguments) if arguments or manifest.lenient else b""
    return command_line(manifest.entry.command, _folder(version), os.environ), data


def _adapted(
    version: Version,
    arguments: Mapping[str, Any],
    config: Config,
    operation: str,
    fields: Mapping[str, Any],
) -> tuple[CommandLine, bytes]:
    """A module of the folder, run by an adapter."""
    manifest, folder = version.manifest, _folder(version)
    script = manifest.entry.script
    assert script is not None
    language = "python" if script.endswith(".py") else "javascript"
    interpreter = program("python" if language == "python" else "node", folder, os.environ)
    line = (interpreter, str(runner_path(language)), operation, str(folder / script))
    document = {
        "tool": _module_tool(manifest, arguments),
        "args": dict(arguments),
        "config": config.plain(),
        "style": manifest.entry.style,
        **fields,
    }
    return CommandLine(line), _json(document)


def _module_tool(manifest: Manifest, arguments: Mapping[str, Any]) -> str:
    """The tool of a module that is meant: it may have several (seed 000's ``getTools``)."""
    command = manifest.command_of(arguments)
    if manifest.entry.style == "module" and command is not None and command.identifier:
        return command.identifier
    return manifest.name


def _folder(version: Version) -> Path:
    assert version.snapshot is not None
    return version.snapshot.folder


def _json(value: Any) -> bytes:
    plain = jsonable(value)  # arrays as lists, frames as rows, NaN as null
    try:
        return json.dumps(plain, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # lone surrogates cannot be UTF-8; JSON carries them escaped
        return json.dumps(plain).encode()


def _not_started(call: Call, why: str, next_step: str | None) -> ToolFailure:
    return execution_failure(
        ContractError,
        f'Failed to start plugin "{call.tool}": {why}',
        call.tool,
        next_step or "check entryPoint.command in its manifest",
    )
