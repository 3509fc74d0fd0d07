"""Variables of the environment as placeholders, by an allow-list."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final

from vcplab.core.errors import InvalidInputError
from vcplab.core.redaction import is_secret_name
from vcplab.prompt.placeholders.provider import Resolved
from vcplab.prompt.placeholders.syntax import checked_name

__all__ = ["HARMLESS", "EnvironmentProvider"]

HARMLESS: Final = (
    "USER",
    "USERNAME",
    "HOME",
    "LANG",
    "SHELL",
    "TZ",
    "HOSTNAME",
    "PWD",
    "NODE_ENV",
)
"""What may be read unless an allow-list is given."""

_PREFIX: Final = "ENV_"
_SECRET: Final = re.compile(r"(?i)key|token|secret|passw|credential|auth|cookie")
_LOGIN: Final = ("USER", "USERNAME", "LOGNAME")


class EnvironmentProvider:
    """``EnvironmentProvider`` of seed 003: ``{{ENV_NAME}}`` is the environment variable NAME.

    A prompt goes to a model and often over the network, so only what the allow-list names is
    read. Names that speak of a secret (KEY, TOKEN, SECRET, PASSWORD, …) are refused even where a
    pattern allows them, unless they are listed letter by letter. What is not allowed or not set
    stays as it is. A value of the machine is inserted verbatim; one that was set here may hold
    placeholders.

    Args:
        allow: Names, or patterns such as ``"LANG_*"``; upper and lower case differ.
        variables: Values to set at once, as by `set_variable`.
        environ: What to read; None means the machine's environment at the time of resolving.
        name: What the provider is called.

    Raises:
        InvalidInputError: The allow-list is no list of names, or a variable impossible.
    """

    def __init__(
        self,
        allow: Iterable[str] = HARMLESS,
        variables: Mapping[str, str] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        name: str = "environment",
    ) -> None:
        allowed = (allow,) if isinstance(allow, str) else tuple(allow)
        for one in allowed:
            if not isinstance(one, str) or not one:
                raise InvalidInputError(
                    f"An allow-list has names or patterns, not {one!r}.",
                    where="allow",
                    next_step='pass e.g. ("USER", "LANG_*")',
                )
        self.name = name
        self._exact = frozenset(allowed)
        self._patterns = tuple(one for one in allowed if re.search(r"[*?\[]", one))
        self._environ = environ
        self._set: dict[str, str] = {}
        for key, value in (variables or {}).items():
            self.set_variable(key, value)

    def set_variable(self, name: str, value: str) -> None:
        """Set a value for ``{{ENV_name}}`` (``setVariable`` of seed 003).

        It wins over the environment, which is not changed, and needs no leave of the allow-list.

        Args:
            name: The name, with or without ``ENV_``.
            value: The value.

        Raises:
            InvalidInputError: The name cannot be one, or the value is no text.
        """
        checked_name(name, "name")
        if not isinstance(value, str):
            raise InvalidInputError(
                f"A variable is text, not {type(value).__name__}.",
                where=name,
                next_step="pass str(value)",
            )
        self._set[name.removeprefix(_PREFIX)] = value

    def delete_variable(self, name: str) -> bool:
        """Take back what `set_variable` set.

        Args:
            name: The name, with or without ``ENV_``.

        Returns:
            Whether it was set.
        """
        return self._set.pop(name.removeprefix(_PREFIX), None) is not None

    def clear_variables(self) -> None:
        """Take back all that `set_variable` set."""
        self._set.clear()

    def allows(self, name: str) -> bool:
        """Whether an environment variable may be read.

        Args:
            name: Its name, without ``ENV_``.
        """
        if name in self._exact:
            return True
        if _SECRET.search(name) or is_secret_name(name):
            return False
        return any(fnmatchcase(name, pattern) for pattern in self._patterns)

    def names(self) -> list[str]:
        """The placeholders that have a value now."""
        environ = os.environ if self._environ is None else self._environ
        allowed = (name for name in environ if self.allows(name))
        return [_PREFIX + name for name in dict.fromkeys([*self._set, *allowed])]

    def resolve(self, key: str) -> Resolved | None:
        """The value of a placeholder, or None.

        Args:
            key: Its name, with ``ENV_``.
        """
        if not key.startswith(_PREFIX):
            return None
        name = key.removeprefix(_PREFIX)
        own = self._set.get(name, self._set.get(name.removeprefix(_PREFIX)))
        if own is not None:
            return Resolved(own)
        if not self.allows(name):
            return None
        value = self._read(name)
        return None if value is None else Resolved(value, recurse=False)

    def _read(self, name: str) -> str | None:
        environ = os.environ if self._environ is None else self._environ
        value = environ.get(name)
        if value is not None or name not in _LOGIN:
            return value
        # Unix says USER, Windows USERNAME, and a container often nothing.
        for other in _LOGIN:
            if other in environ:
                return environ[other]
        if self._environ is not None:
            return None
        try:
            return getpass.getuser()
        except (KeyError, OSError, ImportError):
            return None

    def __repr__(self) -> str:
        return f"EnvironmentProvider({len(self._exact)} allowed, {len(self._set)} set)"
