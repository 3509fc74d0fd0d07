"""The last look at what leaves: no secret and no local path gets into a frame.

::

    guard = Guard(lambda: ["s3cr3t-key"], {"lab": Path("/home/ada/lab")})
    guard.text("open /home/ada/lab/a.txt with s3cr3t-key")   # 'open lab/a.txt with •••'
    guard.text("see /home/ada/notes")                        # 'see ~/notes'

Only what is known is looked for, in every spelling in which it travels: results are the caller's,
and a result that merely looks like a key stays as it is. Error texts are read more strictly.
"""

from __future__ import annotations

import json
import math
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from vcplab.core.errors import InvalidInputError
from vcplab.core.redaction import MASK, Redactor, spellings

__all__ = ["Guard"]

_PLAIN: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ASCII: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
# A text that is nothing but a word of the protocol tells nobody anything, and frames need it.
_WORDS: Final = frozenset(
    {
        *("requestId", "toolName", "toolArgs", "status", "result", "success", "message", "cancel"),
        *("serverName", "localIPs", "publicIP", "placeholders", "capabilities", "callbackData"),
        *("pluginName", "taskId", "displayName", "version", "description", "author", "pluginType"),
        *("entryPoint", "communication", "protocol", "timeout", "invocationCommands", "command"),
        *("commandIdentifier", "example", "manifestVersion", "webSocketPush", "enabled"),
        *("messageType", "targetClientType", "synchronous", "asynchronous", "hybridservice"),
        *("cancelTool", "register_tools", "unregister_tools", "report_ip", "tool_result"),
        *("update_static_placeholders", "plugin_callback_forward", "file_result", "content"),
        *("distributed_register", "distributed_unregister", "distributed_tool_result"),
        *("fileData", "mimeType", "jsonrpc", "method", "params", "vcplab", "direct"),
    }
)
_RUN: Final = re.compile(r"[A-Za-z0-9]{6,}")
_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")
_NAMELIKE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_BEFORE: Final = _NAMELIKE | {".", "~"}
# A line end that is spelled out, as in JSON inside a text, is no part of a name.
_ESCAPE_BEFORE: Final = re.compile(r"\\(?:[nrtbf]|u[0-9a-fA-F]{4})\Z")


@dataclass(frozen=True, slots=True)
class _Known:
    """What is looked for.

    Attributes:
        given: What it was made from.
        secrets: The same, as a set.
        spelt: The secrets' spellings, long ones first: one may hold another.
        cores: A few texts; one of them stands in any JSON text that needs a closer look.
        redactor: Also knows what looks like a key.
    """

    given: Any
    secrets: frozenset[str]
    spelt: tuple[str, ...]
    cores: tuple[str, ...]
    redactor: Redactor


class Guard:
    """Takes secrets and local paths out of what is sent.

    Args:
        secrets: Gives the secrets known now; those of fewer than six characters are left alone
            (see `vcplab.core.redaction.spellings`).
        paths: Folders, by the names that stand in their place. The home folder is known without
            being named: ``~`` stands in its place.
    """

    def __init__(
        self, secrets: Callable[[], Iterable[str]], paths: Mapping[str, Path] | None = None
    ) -> None:
        self._secrets = secrets
        self._paths = _path_spellings({"~": Path.home(), **(paths or {})})
        self._cache: _Known | None = None

    def text(self, text: str) -> str:
        """A text without known secrets and local paths.

        Args:
            text: Any text.
        """
        return self._cleaned(text, self._known().spelt)

    def error(self, text: str) -> str:
        """An error's text: without known secrets, local paths, and what looks like a key.

        Args:
            text: Any text.
        """
        known = self._known()
        return known.redactor.text(self._cleaned(text, known.spelt))

    def carries(self, data: bytes) -> bool:
        """Whether a known secret stands in a file.

        Args:
            data: What the file holds.
        """
        return any(spelt.encode("utf-8", "replace") in data for spelt in self._known().spelt)

    def frame(self, wire: Mapping[str, Any]) -> str:
        """The JSON text of a frame, without known secrets and local paths.

        Texts, keys and numbers are looked at. Numbers that JSON does not have become null, as in
        JavaScript.

        Args:
            wire: The frame.

        Returns:
            The text to send; it can always be written as UTF-8.

        Raises:
            InvalidInputError: It holds what JSON cannot hold.
        """
        known = self._known()
        text = _dump(wire)
        for core in known.cores:
            if core in text:
                break
        else:
            return text
        spelt = tuple(s for s in known.spelt if any(form in text for form in _dumped(s)))
        paths = [p for p, _ in self._paths if any(form in text for form in _dumped(p))]
        return _dump(self._walk(wire, spelt)) if spelt or paths else text

    def _known(self) -> _Known:
        cache, given = self._cache, self._secrets()
        if cache is not None and cache.given is given and isinstance(given, tuple | frozenset):
            return cache
        secrets = frozenset(given)
        if cache is not None and cache.secrets == secrets:
            return cache
        forms = {form for secret in secrets for form in spellings(secret)}
        forms |= {form for inner in forms for form in _dumped(inner)}  # JSON inside JSON
        spelt = tuple(sorted(forms, key=lambda form: (-len(form), form)))
        paths = (path for path, _ in self._paths)
        # A path is looked for whole: its parts are common words.
        wanted = _cores(form for s in spelt for form in _dumped(s))
        wanted += tuple({form: None for path in paths for form in _dumped(path)})
        known = _Known(given, secrets, spelt, wanted, Redactor(secrets))
        self._cache = known
        return known

    def _walk(self, value: Any, spelt: tuple[str, ...]) -> Any:
        if isinstance(value, str):
            return value if value in _WORDS else self._cleaned(value, spelt)
        if isinstance(value, Mapping):
            cleaned: dict[str, Any] = {}
            for key, inner in value.items():
                name = self._walk(_key(key), spelt)
                # Two keys that read alike now are still two.
                fresh, count = name, 2
                while fresh in cleaned:
                    fresh, count = f"{name} {count}", count + 1
                cleaned[fresh] = self._walk(inner, spelt)
            return cleaned
        if isinstance(value, list | tuple):
            return [self._walk(inner, spelt) for inner in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return MASK if _spelt_number(value, spelt) else value
        return value

    def _cleaned(self, text: str, spelt: tuple[str, ...]) -> str:
        for form in spelt:
            if form in text:
                text = text.replace(form, MASK)
        for path, name in self._paths:
            if path in text:
                text = _replaced(text, path, name)
        return text


def _dumped(text: str) -> set[str]:
    """A text as it may stand inside JSON, without its quotes."""
    return {_PLAIN.encode(text)[1:-1], _ASCII.encode(text)[1:-1]}


def _dump(value: Any) -> str:
    try:
        text = _PLAIN.encode(value)
    except (TypeError, ValueError, RecursionError):
        text = _dump_checked(value)
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half a character: only its escape can be sent
        return _ASCII.encode(json.loads(text))
    return text


def _dump_checked(value: Any) -> str:
    try:
        return _PLAIN.encode(_finite(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"A frame cannot be written as JSON: {type(error).__name__}.",
            where="frame",
            next_step="send mappings, lists, texts and numbers, not nested without end",
        ) from error


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_key(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def _key(key: Any) -> str:
    """A key as JSON writes it."""
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool | int | float):
        return json.dumps(key)
    raise TypeError(f"keys are texts, not {type(key).__name__}")


def _cores(forms: Iterable[str]) -> tuple[str, ...]:
    """A few texts of which one stands in each form: looking for them is looking for all."""
    cores: list[str] = []
    for form in sorted(forms, key=len):
        if not any(core in form for core in cores):
            cores.append(max(_RUN.findall(form), key=len, default=form))
    return tuple(cores)


def _spelt_number(value: float, spelt: tuple[str, ...]) -> bool:
    if not math.isfinite(value):
        return False
    written = {json.dumps(value)}
    if isinstance(value, float) and value.is_integer():
        written.add(str(int(value)))
    return not written.isdisjoint(spelt)


def _path_spellings(paths: Mapping[str, Path]) -> tuple[tuple[str, str], ...]:
    """The spellings of paths and what stands in their place, long ones first."""
    found: dict[str, str] = {}
    # The latest name wins where two folders are the same one, so any name wins over ~.
    for name, path in reversed(list(paths.items())):
        for real in (os.path.expanduser(path), os.path.realpath(os.path.expanduser(path))):
            if not os.path.isabs(real):
                real = os.path.abspath(real)
            for form in _forms_of_path(real):
                found.setdefault(form, name)
    return tuple(sorted(found.items(), key=lambda pair: (-len(pair[0]), pair[0])))


def _forms_of_path(path: str) -> set[str]:
    plain = path.rstrip("\\/")
    if plain.endswith(":") or not plain.strip("\\/"):
        return set()  # the root of a drive would be found everywhere
    forms = {plain}
    if _DRIVE.match(plain) or plain.startswith("\\\\"):
        # Only here: \home is a command of TeX and a pattern of regular expressions, too.
        forms |= {plain.replace("\\", "/"), plain.replace("/", "\\")}
        forms |= {form[0].lower() + form[1:] for form in forms}
        forms |= {form[0].upper() + form[1:] for form in forms}
    forms |= {unicodedata.normalize(kind, form) for form in forms for kind in ("NFC", "NFD")}
    forms |= {quote(form, safe="/:\\", errors="replace") for form in forms}
    for _ in range(2):  # JSON, and JSON inside JSON
        forms |= {inner for form in forms for inner in _dumped(form)}
    return forms | {form.replace("/", "\\/") for form in forms}


def _replaced(text: str, path: str, name: str) -> str:
    """A text with a folder's name in place of its path, where the path is not part of another."""
    parts, start, at = [], 0, text.find(path)
    while at >= 0:
        end = at + len(path)
        if _stands_alone(text, at, end):
            parts += [text[start:at], name]
            start = end
            at = text.find(path, end)
        else:
            at = text.find(path, at + 1)
    return "".join([*parts, text[start:]])


def _stands_alone(text: str, at: int, end: int) -> bool:
    if end < len(text) and text[end] in _NAMELIKE:
        return False
    before = text[at - 1] if at else ""
    if before in _BEFORE and before:
        return _ESCAPE_BEFORE.search(text[max(0, at - 6) : at]) is not None
    # The host of an address, as in http://root/, is no folder; file:///root is.
    return before != "/" or text[at - 2 : at - 1] in ("/", "")
