"""Where settings come from: the files, what each source decided, and errors that say so.

Beside the workbench's own names there are those of nodes: ``VCP_SERVER`` and ``VCP_KEY``, and the
``SERVER_NAME``, ``DIST_SERVER_PORT`` and ``DEBUG_MODE`` of seed 000's ``config.env``. They are
shared with other programs, whose environment and whose ``config.env`` it may be; so of these what
has the wrong form is ignored and told, and never stops a lab from opening.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from vcplab.core.dotenv import parse_dotenv
from vcplab.core.errors import InvalidInputError

__all__ = [
    "ENV_FILE",
    "FILE",
    "FORMS",
    "PREFIX",
    "SHARED",
    "Labelled",
    "Reading",
    "check_names",
    "env_file",
    "explained",
    "file_label",
    "nearest_name",
    "read_env_file",
    "read_file",
    "read_shared",
    "setting_files",
    "shown_value",
]

FILE = "vcplab.toml"
ENV_FILE = "config.env"
PREFIX = "VCPLAB_"
# Names that VCP programs share → settings.
SHARED: Mapping[str, str] = {
    "VCP_SERVER": "server_url",
    "VCP_KEY": "server_key",
    "SERVER_NAME": "server_name",
    "DIST_SERVER_PORT": "node_port",
    "DEBUG_MODE": "debug_mode",
}
_HIDDEN = "•••"
# Keys travel inside VCP addresses too (`…/VCP_Key=…`), so an address is not free of secrets.
_USER_INFO = re.compile(r"(?<=//)[^/?#]*@")
_KEY_IN_URL = re.compile(r"(?i)(key|token|secret|password)=[^/&?#]*")
# The rest of the path, slashes and all (facts/vcp-protocol §4.1).
_VCP_KEY_IN_URL = re.compile(r"(?i)(vcp_key)=[^?#]*")
_PORT = re.compile(r"[0-9]{1,5}")
# As pydantic reads them.
_SWITCHES = frozenset(["true", "false", "t", "f", "yes", "no", "y", "n", "on", "off", "1", "0"])

# What each setting accepts, for the errors.
FORMS: Mapping[str, str] = {
    "cache_dir": "the path of a folder",
    "cache_budget": "a whole number of bytes from 1048576",
    "data_dir": "the path of a folder",
    "seed": "a whole number from 0",
    "timezone": "an IANA time zone such as 'Asia/Shanghai'",
    "offline": "true or false",
    "jobs": "a whole number from 1",
    "progress": "true or false",
    "server_url": "an address such as 'ws://127.0.0.1:6005'",
    "server_key": "text",
    "server_name": "text",
    "node_port": "a port from 1 to 65535",
    "debug_mode": "true or false",
    "model_url": "an address such as 'http://127.0.0.1:11434/v1'",
    "model_key": "text",
}


@dataclass(slots=True)
class Reading:
    """One construction: which folder to look in, and what was found where."""

    folder: Path | None = None
    keywords_only: bool = False
    found: dict[str, str] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)


class Labelled(PydanticBaseSettingsSource):
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


def shown_value(value: object) -> str:
    """A value as text that holds no secret.

    Args:
        value: The value of a setting.

    Returns:
        The text; secrets, and the user and keys of an address, as dots; None as a dash.
    """
    if value is None:
        return "–"
    if isinstance(value, SecretStr):
        return _HIDDEN
    if isinstance(value, str):
        text = _VCP_KEY_IN_URL.sub(rf"\1={_HIDDEN}", _USER_INFO.sub(f"{_HIDDEN}@", value))
        return _KEY_IN_URL.sub(rf"\1={_HIDDEN}", text)
    return str(value)


def nearest_name(name: str) -> str | None:
    """The setting that was probably meant, or None."""
    near = get_close_matches(name.lower().replace("-", "_"), FORMS, n=1)
    return near[0] if near else None


def check_names(values: Mapping[str, Any], where: str) -> None:
    """Refuse names that are no settings.

    Args:
        values: Values by name.
        where: The source, for the error.

    Raises:
        InvalidInputError: A name is unknown.
    """
    for name in values:
        if name not in FORMS:
            near = nearest_name(name)
            raise InvalidInputError(
                f"There is no setting named {name!r}.",
                where=where,
                next_step=f"did you mean {near!r}?" if near else f"use one of {', '.join(FORMS)}",
            )


def explained(error: ValidationError, found: Mapping[str, str]) -> InvalidInputError:
    """Say what pydantic found wrong: where it was set, and what is allowed. Repeats no secret.

    Args:
        error: Pydantic's error.
        found: The source of each setting.

    Returns:
        The error to raise.
    """
    problems, steps, places = [], [], []
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0])
        given = ""
        if not name.endswith(("_key", "_url")):
            given = f", not {str(problem['input'])[:60]!r}"
        problems.append(f"{name} must be {FORMS[name]}{given}")
        places.append(found.get(name, "default"))
        cause = problem.get("ctx", {}).get("error")
        steps.append(str(cause) if cause else f"set {name} to {FORMS[name]}")
    return InvalidInputError(
        "; ".join(problems) + ".",
        where=", ".join(dict.fromkeys(places)),
        next_step="; ".join(steps),
    )


def setting_files(folder: Path | None) -> tuple[Path, ...]:
    """The files to read, best first, whether they exist or not.

    Args:
        folder: The lab's folder; None means the working directory.

    Returns:
        The lab's file and the user's, which may be the same.
    """
    lab = (Path.cwd() if folder is None else folder).absolute() / FILE
    user = platformdirs.user_config_path("vcplab").absolute() / FILE
    return (lab,) if lab == user else (lab, user)


def file_label(path: Path, name: str) -> str:
    """What a file is called as the source of a setting."""
    return f"file {path}"


def read_file(path: Path) -> dict[str, Any]:
    """Read a settings file.

    Args:
        path: The file.

    Returns:
        Its values, with folders relative to the file; empty if there is no such file.

    Raises:
        InvalidInputError: It cannot be read, is not UTF-8 or TOML, or names an unknown setting.
    """
    if not path.is_file():
        return {}
    where = file_label(path, "")
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
    check_names(values, where)
    for name in ("cache_dir", "data_dir"):
        value = values.get(name)
        if isinstance(value, str) and not value.startswith("~"):
            values[name] = str(path.parent / value)
    return values


def env_file(folder: Path | None) -> Path:
    """The ``config.env`` to read, whether it exists or not.

    Args:
        folder: The lab's folder; None means the working directory.
    """
    return (Path.cwd() if folder is None else folder).absolute() / ENV_FILE


def read_shared(
    values: Mapping[str, str], ignored: dict[str, str], where: str = ""
) -> dict[str, Any]:
    """The settings among values that other programs may have written.

    Args:
        values: Values by name, of the environment or of a ``config.env``.
        ignored: Takes a notice for each that has the wrong form.
        where: The source, for the notices.

    Returns:
        Settings; empty values do not count, unknown names neither.
    """
    settings = {}
    for variable, name in SHARED.items():
        text = values.get(variable, "").strip()
        if not text:
            continue
        if _fits(name, text):
            settings[name] = text
        else:
            notice = f"ignored{where and f' in {where}'}: {name} must be {FORMS[name]}"
            ignored[variable] = f"{ignored[variable]}; {notice}" if variable in ignored else notice
    return settings


def read_env_file(path: Path, ignored: dict[str, str]) -> dict[str, Any]:
    """Read the names that concern nodes out of a ``config.env``.

    Args:
        path: The file.
        ignored: Takes a notice if it cannot be read.

    Returns:
        Settings by name; empty if there is no such file.
    """
    if not path.is_file():
        return {}
    try:
        # What is not UTF-8 are comments of an older Windows editor; the names here are ASCII.
        text = path.read_bytes().decode("utf-8-sig", "replace")
    except OSError as error:
        ignored[ENV_FILE] = f"ignored: the file {path} cannot be read: {error.strerror}"
        return {}
    return read_shared(parse_dotenv(text), ignored, file_label(path, ""))


def _fits(name: str, text: str) -> bool:
    if name == "node_port":
        return bool(_PORT.fullmatch(text)) and 1 <= int(text) <= 65535
    return name != "debug_mode" or text.lower() in _SWITCHES
