"""A plugin's configuration: layers, types and the environment of its process.

Rising: the schema's ``default``, the process's environment, ``config.json`` and ``config.env`` of
the plugin's folder, what the user set in the lab (facts/vcp-protocol §2; defaults and JSON are
the seeds').
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from vcplab.core.dotenv import parse_dotenv
from vcplab.core.errors import InvalidDataError
from vcplab.core.redaction import is_secret_name
from vcplab.plugins.manifest.manifest import ConfigKey, Manifest

__all__ = ["DEBUG_NAMES", "Config", "resolve_config"]

DEBUG_NAMES: Final = ("DebugMode", "DEBUG_MODE")
"""Upstream's word and seed 000's; both are always there."""

_LEADING_INTEGER: Final = re.compile(r"\s*([+-]?\d{1,300})")


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one plugin, in force.

    Attributes:
        values: Key → value; secrets are ``SecretStr``.
        sources: Key → the layer it came from.
        notes: What could not be used, e.g. an integer that is none.
    """

    values: Mapping[str, Any]
    sources: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """The values with secrets in the clear, for the plugin alone."""
        return {key: _plain(value) for key, value in self.values.items()}

    def secrets(self) -> Iterator[str]:
        """The secrets in the clear, for redaction."""
        for value in self.values.values():
            if isinstance(value, SecretStr):
                yield value.get_secret_value()

    def environment(self) -> dict[str, str]:
        """The values as environment variables, written as JavaScript writes them."""
        return {key: _as_text(value) for key, value in self.plain().items()}


def resolve_config(
    manifest: Manifest,
    folder: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    *,
    debug: bool = False,
) -> Config:
    """The configuration in force.

    Args:
        manifest: Its ``configSchema`` says which keys there are, and their types.
        folder: The plugin's folder with ``config.json`` and ``config.env``; None for none.
        environ: The process's environment.
        overrides: What the user set in the lab; also keys outside the schema.
        debug: What ``DebugMode`` is unless a layer says otherwise.

    Raises:
        InvalidDataError: One of the files cannot be read.
    """
    own: dict[str, Any] = {}
    if folder is not None and manifest.config_schema:
        own = {**_json_file(folder), **_env_file(folder)}
    given = dict(overrides or {})
    layers = (("lab", given), ("folder", own), ("environment", environ))
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    notes: list[str] = []
    known = {key.name: key for key in manifest.config_schema}
    for name in (*known, *(name for name in given if name not in known)):
        key = known.get(name, ConfigKey(name))
        for source, layer in layers:
            if name in layer:
                value = _typed(key, layer[name])
                if value is None:
                    notes.append(f"{name} of {source} is no {key.type} and was left out")
                break
        else:
            source, value = "default", _typed(key, key.default)
        if value is not None:
            values[name], sources[name] = _guarded(key, value), source
    told, source = next(
        ((layer[w], name) for name, layer in layers for w in DEBUG_NAMES if w in layer),
        (debug, "default"),
    )
    for word in DEBUG_NAMES:
        if word not in values:
            values[word], sources[word] = _is_true(told), source
    return Config(values, sources, tuple(notes))


def _typed(key: ConfigKey, value: Any) -> Any:
    if value is None:
        return None
    if key.type == "integer":
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        found = _LEADING_INTEGER.match(str(value))  # as JavaScript's parseInt: "7x" is 7
        return int(found[1]) if found else None
    if key.type == "boolean":
        return _is_true(value)
    return value if isinstance(value, str | int | float | bool) else json.dumps(value)


def _is_true(value: Any) -> bool:
    return str(value).strip().lower() == "true"


def _guarded(key: ConfigKey, value: Any) -> Any:
    secret = key.secret or (is_secret_name(key.name) and not isinstance(value, bool))
    return SecretStr(_as_text(value)) if secret else value


def _plain(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _env_file(folder: Path) -> dict[str, Any]:
    file = folder / "config.env"
    text = _text(file)
    return dict(parse_dotenv(text)) if text is not None else {}


def _json_file(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    text = _text(file)
    if text is None:
        return {}
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable(file, str(error)) from error
    return content if isinstance(content, dict) else {}


def _text(file: Path) -> str | None:
    try:
        return file.read_text("utf-8-sig") if file.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(file, str(error)) from error


def _unreadable(file: Path, why: str) -> InvalidDataError:
    return InvalidDataError(
        f"The configuration cannot be read: {why}.", where=str(file), next_step="mend the file"
    )
