"""Settings: one frozen value, and where each part of it came from.

Sources in rising priority: defaults; the user's ``vcplab.toml`` in the platform's configuration
folder; ``vcplab.toml`` of the lab's folder (or the working directory); environment variables
``VCPLAB_*``; keywords. Secrets are never shown.
"""

from __future__ import annotations

import functools
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from difflib import get_close_matches
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
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from vcplab.core.clock import resolve_zone
from vcplab.core.display import html_table, style_block
from vcplab.core.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SettingRow", "Settings", "get_settings", "override_settings"]

_FILE = "vcplab.toml"
_PREFIX = "VCPLAB_"
_HIDDEN = "•••"
# Keys travel inside VCP addresses too (`…/VCP_Key=…`), so an address is not free of secrets.
_USER_INFO = re.compile(r"(?<=//)[^/?#]*@")
_KEY_IN_URL = re.compile(r"(?i)(key|token|secret|password)=[^/&?#]*")

# What each setting accepts, for the errors.
_FORMS: Mapping[str, str] = {
    "cache_dir": "the path of a folder",
    "data_dir": "the path of a folder",
    "seed": "a whole number from 0",
    "timezone": "an IANA time zone such as 'Asia/Shanghai'",
    "offline": "true or false",
    "jobs": "a whole number from 1",
    "progress": "true or false",
    "server_url": "an address such as 'ws://127.0.0.1:6005'",
    "server_key": "text",
    "model_url": "an address such as 'http://127.0.0.1:11434/v1'",
    "model_key": "text",
}


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


@dataclass(slots=True)
class _Reading:
    """One construction: which folder to look in, and what was found where."""

    folder: Path | None = None
    keywords_only: bool = False
    found: dict[str, str] = field(default_factory=dict)


_reading: ContextVar[_Reading | None] = ContextVar("vcplab_settings_reading", default=None)


class _Labelled(PydanticBaseSettingsSource):
    """Another source, noting which settings it decides (sources are asked best first)."""

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        read: Callable[[], dict[str, Any]],
        label: Callable[[str], str],
        found: dict[str, str],
    ) -> None:
        super().__init__(settings_cls)
        self._read = read
        self._label = label
        self._found = found

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        values = self._read()
        for name in values:
            self._found.setdefault(name, self._label(name))
        return values


class Settings(BaseSettings):
    """What the user decided once for all: folders, seed, network, server and model.

    ``Settings()`` reads all sources; ``Settings.load(folder)`` looks for the file in that folder.
    Relative paths in a file are relative to that file; elsewhere to the working directory.

    Attributes:
        cache_dir: Folder for what can be computed again.
        data_dir: Folder of data sets, or None for those that are bundled.
        seed: The seed of every random choice, from 0.
        timezone: IANA name of the zone in which dates are told; None means the machine's.
        offline: Whether nothing may be fetched from outside.
        jobs: How many processes a comparison may use, from 1.
        progress: Whether bars are shown.
        server_url: Address of the VCP main server.
        server_key: Its key.
        model_url: Address of an OpenAI-compatible model server.
        model_key: Its key.

    Raises:
        InvalidInputError: A file is broken, a name is unknown, or a value has the wrong form; the
            error names the file, variable or keyword and what is allowed.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        protected_namespaces=(),
        validate_default=False,
    )

    cache_dir: Path = Field(default_factory=lambda: platformdirs.user_cache_path("vcplab"))
    data_dir: Path | None = None
    seed: int = Field(default=0, ge=0)
    timezone: str | None = None
    offline: bool = True
    jobs: int = Field(default=1, ge=1)
    progress: bool = True
    server_url: str | None = None
    server_key: SecretStr | None = None
    model_url: str | None = None
    model_key: SecretStr | None = None

    _found: dict[str, str] = PrivateAttr(default_factory=dict)

    def __init__(self, **values: Any) -> None:
        _check_names(values, "keyword")
        reading = _reading.get() or _Reading()
        token = _reading.set(reading)
        try:
            super().__init__(**values)
        except ValidationError as error:
            # `from None`: pydantic's own text could repeat a secret.
            raise _explained(error, reading.found) from None
        finally:
            _reading.reset(token)
        self._found = reading.found

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
        reading = _reading.get() or _Reading()
        found = reading.found
        keywords = _Labelled(settings_cls, init_settings, lambda name: "keyword", found)
        if reading.keywords_only:
            return (keywords,)
        environment = _Labelled(
            settings_cls,
            env_settings,
            lambda name: f"environment variable {_PREFIX}{name.upper()}",
            found,
        )
        files = (
            _Labelled(
                settings_cls,
                functools.partial(_read_file, path),
                functools.partial(_file_label, path),
                found,
            )
            for path in _files(reading.folder)
        )
        return (keywords, environment, *files)

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
        return None if url is None else _shown(url)

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
                f"{where} is not a folder.", where="folder", next_step=f"pass the folder of {_FILE}"
            )
        return cls._read(_Reading(folder=where), overrides)

    @classmethod
    def _read(cls, reading: _Reading, values: Mapping[str, Any]) -> Self:
        token = _reading.set(reading)
        try:
            return cls(**values)
        finally:
            _reading.reset(token)

    def _with(self, values: Mapping[str, Any]) -> Self:
        present = {name: getattr(self, name) for name in type(self).model_fields}
        settings = self._read(_Reading(keywords_only=True), {**present, **values})
        settings._found = {**self._found, **dict.fromkeys(values, "override_settings")}
        return settings

    def sources(self) -> list[SettingRow]:
        """Every setting with the place it came from, then notices on variables that were ignored.

        Returns:
            One row per setting, in the order of the class, then one per unknown ``VCPLAB_*``
            environment variable (whose value is not shown: it may be a mistyped secret).
        """
        names = type(self).model_fields
        rows = [
            SettingRow(name, _shown(getattr(self, name)), self._found.get(name, "default"))
            for name in names
        ]
        for variable in sorted(os.environ):
            name = variable.upper().removeprefix(_PREFIX).lower()
            if variable.upper().startswith(_PREFIX) and name not in names:
                near = _nearest(name)
                hint = f"; did you mean {_PREFIX}{near.upper()}?" if near else ""
                rows.append(SettingRow(variable, "–", f"ignored: no such setting{hint}"))
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
                yield name, _shown(value) if hide and value is not None else value

    def _repr_html_(self) -> str:
        rows = [(row.name, row.shown, row.source) for row in self.sources()]
        table = html_table(["setting", "value", "source"], rows, caption="Settings")
        return style_block() + table


def _shown(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, SecretStr):
        return _HIDDEN
    if isinstance(value, str):
        return _KEY_IN_URL.sub(rf"\1={_HIDDEN}", _USER_INFO.sub(f"{_HIDDEN}@", value))
    return str(value)


def _nearest(name: str) -> str | None:
    near = get_close_matches(name.lower().replace("-", "_"), _FORMS, n=1)
    return near[0] if near else None


def _check_names(values: Mapping[str, Any], where: str) -> None:
    for name in values:
        if name not in _FORMS:
            near = _nearest(name)
            raise InvalidInputError(
                f"There is no setting named {name!r}.",
                where=where,
                next_step=f"did you mean {near!r}?" if near else f"use one of {', '.join(_FORMS)}",
            )


def _explained(error: ValidationError, found: Mapping[str, str]) -> InvalidInputError:
    problems, steps, places = [], [], []
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0])
        given = ""
        if not name.endswith(("_key", "_url")):
            given = f", not {str(problem['input'])[:60]!r}"
        problems.append(f"{name} must be {_FORMS[name]}{given}")
        places.append(found.get(name, "default"))
        cause = problem.get("ctx", {}).get("error")
        steps.append(str(cause) if cause else f"set {name} to {_FORMS[name]}")
    return InvalidInputError(
        "; ".join(problems) + ".",
        where=", ".join(dict.fromkeys(places)),
        next_step="; ".join(steps),
    )


def _files(folder: Path | None) -> tuple[Path, ...]:
    lab = (Path.cwd() if folder is None else folder).absolute() / _FILE
    user = platformdirs.user_config_path("vcplab").absolute() / _FILE
    return (lab,) if lab == user else (lab, user)


def _file_label(path: Path, name: str) -> str:
    return f"file {path}"


def _read_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    where = _file_label(path, "")
    try:
        # utf-8-sig: Windows editors like to put a byte order mark in front.
        values = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(
            f"The file is not valid TOML: {error}.",
            where=where,
            next_step="correct that line; text needs quotes, e.g. timezone = 'Asia/Shanghai'",
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            "The file is not UTF-8 text.", where=where, next_step="save it as UTF-8"
        ) from error
    except OSError as error:
        raise InvalidInputError(
            f"The file cannot be read: {error.strerror}.",
            where=where,
            next_step="check its permissions",
        ) from error
    _check_names(values, where)
    for name in ("cache_dir", "data_dir"):
        value = values.get(name)
        if isinstance(value, str) and not value.startswith("~"):
            values[name] = str(path.parent / value)
    return values


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
