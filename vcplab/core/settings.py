"""Settings: one frozen value, and where each part of it came from.

Sources in rising priority: defaults; the user's ``vcplab.toml`` in the platform's configuration
folder; ``config.env`` and ``vcplab.toml`` of the lab's folder (or the working directory); the
environment variables ``VCP_SERVER``, ``VCP_KEY``, ``SERVER_NAME``, ``DIST_SERVER_PORT`` and
``DEBUG_MODE``; environment variables ``VCPLAB_*``; keywords. Secrets are never shown.

``config.env`` is the file of VCP nodes (seed 000); those five names are read from it, and no other.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import platformdirs
from pydantic import (
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_serializer,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from vcplab.core._settings_sources import (
    FILE,
    PREFIX,
    SHARED,
    Labelled,
    Reading,
    check_names,
    env_file,
    explained,
    file_label,
    nearest_name,
    read_env_file,
    read_file,
    read_shared,
    setting_files,
    shown_value,
)
from vcplab.core.clock import resolve_zone
from vcplab.core.display import html_table, style_block
from vcplab.core.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SettingRow", "Settings", "get_settings", "override_settings"]


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of ``Settings.sources``.

    Attributes:
        name: The setting, or the variable or file that a notice is about.
        shown: Its value as text; secrets as dots.
        source: Where the value came from, or the notice.
    """

    name: str
    shown: str
    source: str


_reading: ContextVar[Reading | None] = ContextVar("vcplab_settings_reading", default=None)


class Settings(BaseSettings):
    """What the user decided once for all: folders, seed, network, server and model.

    ``Settings()`` reads all sources; ``Settings.load(folder)`` looks for the file in that folder.
    Relative paths in a file are relative to that file; elsewhere to the working directory.

    Attributes:
        cache_dir: Folder for what can be computed again.
        cache_budget: Bytes that each cache file in it may take, with its blobs, from 1 MiB; what
            was used least recently goes first.
        data_dir: Folder of data sets, or None for those that are bundled.
        seed: The seed of every random choice, from 0.
        timezone: IANA name of the zone in which dates are told; None means the machine's.
        offline: Whether nothing may be fetched from outside.
        jobs: How many processes a comparison may use, from 1.
        progress: Whether bars are shown.
        server_url: Address of the VCP main server (``VCP_SERVER``).
        server_key: Its key (``VCP_KEY``).
        server_name: The name under which this node appears there (``SERVER_NAME``).
        node_port: Port on 127.0.0.1 on which the node takes the reports of plugins of other
            programs (``DIST_SERVER_PORT``); None for none.
        debug_mode: Whether plugins are to say what they do (``DEBUG_MODE``).
        model_url: Address of an OpenAI-compatible model server.
        model_key: Its key.

    Raises:
        InvalidInputError: A file is broken, a name is unknown, or a value has the wrong form; the
            error names the file, variable or keyword and what is allowed.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        protected_namespaces=(),
        validate_default=False,
    )

    cache_dir: Path = Field(default_factory=lambda: platformdirs.user_cache_path("vcplab"))
    cache_budget: int = Field(default=4 * 2**30, ge=2**20)
    data_dir: Path | None = None
    seed: int = Field(default=0, ge=0)
    timezone: str | None = None
    offline: bool = True
    jobs: int = Field(default=1, ge=1)
    progress: bool = True
    server_url: str | None = None
    server_key: SecretStr | None = None
    server_name: str | None = None
    node_port: int | None = Field(default=None, ge=1, le=65535)
    debug_mode: bool = False
    model_url: str | None = None
    model_key: SecretStr | None = None

    _found: dict[str, str] = PrivateAttr(default_factory=dict)
    _ignored: dict[str, str] = PrivateAttr(default_factory=dict)

    def __init__(self, **values: Any) -> None:
        check_names(values, "keyword")
        reading = _reading.get() or Reading()
        token = _reading.set(reading)
        try:
            super().__init__(**values)
        except ValidationError as error:
            # `from None`: pydantic's own text could repeat a secret.
            raise explained(error, reading.found) from None
        finally:
            _reading.reset(token)
        self._found = reading.found
        self._ignored = reading.ignored

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources, best first (called by pydantic-settings)."""
        reading = _reading.get() or Reading()
        found = reading.found
        keywords = Labelled(settings_cls, init_settings, lambda name: "keyword", found)
        if reading.keywords_only:
            return (keywords,)
        environment = Labelled(
            settings_cls,
            env_settings,
            lambda name: f"environment variable {PREFIX}{name.upper()}",
            found,
        )
        variables = {name: variable for variable, name in SHARED.items()}
        shared = Labelled(
            settings_cls,
            lambda: read_shared(os.environ, reading.ignored),
            lambda name: f"environment variable {variables[name]}",
            found,
        )
        lab, *users = (
            Labelled(
                settings_cls,
                functools.partial(read_file, path),
                functools.partial(file_label, path),
                found,
            )
            for path in setting_files(reading.folder)
        )
        node_file = env_file(reading.folder)
        node = Labelled(
            settings_cls,
            lambda: read_env_file(node_file, reading.ignored),
            lambda name: f"{variables[name]} in {file_label(node_file, name)}",
            found,
        )
        return (keywords, environment, shared, lab, node, *users)

    @field_validator("cache_dir", "data_dir")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        # Absolute from the start: a notebook may change its working directory later.
        if path is None:
            return None
        try:
            return path.expanduser().absolute()
        except RuntimeError:
            raise ValueError("write the path out, since there is no such home folder") from None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        try:
            resolve_zone(name)
        except NotFoundError as error:
            raise ValueError(error.next_step) from None
        return name

    @field_serializer("server_url", "model_url", when_used="json")
    def _without_keys(self, url: str | None) -> str | None:
        return None if url is None else shown_value(url)

    @classmethod
    def load(cls, folder: str | Path | None = None, **overrides: Any) -> Self:
        """Read all sources.

        Args:
            folder: The lab's folder, whose ``vcplab.toml`` is read if there is one; None means the
                working directory.
            **overrides: Settings that win over every other source.

        Returns:
            The settings.

        Raises:
            InvalidInputError: A file is broken, a name is unknown, a value has the wrong form, or
                ``folder`` is a file.
        """
        where = None if folder is None else Path(folder).expanduser()
        if where is not None and where.exists() and not where.is_dir():
            raise InvalidInputError(
                f"{where} is not a folder.", where="folder", next_step=f"pass the folder of {FILE}"
            )
        return cls._read(Reading(folder=where), overrides)

    @classmethod
    def _read(cls, reading: Reading, values: Mapping[str, Any]) -> Self:
        token = _reading.set(reading)
        try:
            return cls(**values)
        finally:
            _reading.reset(token)

    def _with(self, values: Mapping[str, Any]) -> Self:
        present = {name: getattr(self, name) for name in type(self).model_fields}
        settings = self._read(Reading(keywords_only=True), {**present, **values})
        settings._found = {**self._found, **dict.fromkeys(values, "override_settings")}
        settings._ignored = self._ignored
        return settings

    def sources(self) -> list[SettingRow]:
        """Every setting with the place it came from, then notices on variables that were ignored.

        Returns:
            One row per setting, in the order of the class, then one per variable that was ignored:
            unknown ``VCPLAB_*`` environment variables, and shared names of a wrong form (values are
            not shown: they may be mistyped secrets).
        """
        names = type(self).model_fields
        rows = [
            SettingRow(name, shown_value(getattr(self, name)), self._found.get(name, "default"))
            for name in names
        ]
        for variable in sorted(os.environ):
            name = variable.upper().removeprefix(PREFIX).lower()
            if variable.upper().startswith(PREFIX) and name not in names:
                near = nearest_name(name)
                hint = f"; did you mean {PREFIX}{near.upper()}?" if near else ""
                rows.append(SettingRow(variable, "–", f"ignored: no such setting{hint}"))
        rows += [SettingRow(variable, "–", notice) for variable, notice in self._ignored.items()]
        return rows

    def to_frame(self) -> pd.DataFrame:
        """``sources`` as a frame.

        Returns:
            A frame with the columns ``name``, ``shown`` and ``source``.
        """
        import pandas as pd

        rows = [(row.name, row.shown, row.source) for row in self.sources()]
        return pd.DataFrame(rows, columns=["name", "shown", "source"])

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        # pydantic builds repr, str and rich's view from this: only what is not a default, unsecret.
        for name in type(self).model_fields:
            if name in self._found:
                value = getattr(self, name)
                hide = isinstance(value, SecretStr) or name.endswith("_url")
                yield name, shown_value(value) if hide and value is not None else value

    def _repr_html_(self) -> str:
        rows = [(row.name, row.shown, row.source) for row in self.sources()]
        table = html_table(["setting", "value", "source"], rows, caption="Settings")
        return style_block() + table


@functools.cache
def _loaded() -> Settings:
    return Settings.load()


_override: ContextVar[Settings | None] = ContextVar("vcplab_settings", default=None)


def get_settings() -> Settings:
    """The settings in force here: the innermost ``override_settings``, else those of all sources.

    The sources are read at the first call of the process and kept.

    Returns:
        The settings.

    Raises:
        InvalidInputError: A source is broken; see ``Settings``.
    """
    return _override.get() or _loaded()


@contextmanager
def override_settings(**values: Any) -> Iterator[Settings]:
    """Change some settings for a block; tasks and copied contexts inherit them.

    Args:
        **values: The settings to change.

    Yields:
        The settings in force in the block.

    Raises:
        InvalidInputError: A name is unknown or a value has the wrong form.
    """
    settings = get_settings()._with(values)
    token = _override.set(settings)
    try:
        yield settings
    finally:
        _override.reset(token)
