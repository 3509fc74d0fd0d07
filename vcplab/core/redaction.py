"""Keeping secrets out of what is written down or shown.

::

    redactor = Redactor(secrets=["s3cr3t-key"])
    redactor.redact({"api_key": "abc", "url": "ws://x/VCP_Key=s3cr3t-key"})
    # {'api_key': '•••', 'url': 'ws://x/VCP_Key=•••'}

Three nets: values that are known to be secret, in any of the spellings in which they travel;
values under a name that says so; and texts that look like a key.
"""

from __future__ import annotations

import base64
import functools
import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from vcplab.core.names import snake_case
from vcplab.core.settings import Settings, get_settings

__all__ = ["MASK", "Redactor", "is_secret_name", "spellings"]

MASK = "•••"
"""What stands in the place of a secret."""

_NAME = re.compile(
    r"(?:^|[^a-z])(?:api_?key|secret|token|passw(?:or)?d|passphrase|authorization|cookie"
    r"|credentials?|private_?key|access_?key|auth_?code|(?:vcp|image|file|server|model)_?key"
    r"|key|pw|bearer)(?:$|[^a-z])"
)
# A name under which a text, not a number, is a secret; these alone are too common to judge by.
_HARMLESS = frozenset({"key", "keys", "tokens"})
# Shorter ones would be found everywhere.
_SHORTEST = 6

_LOOKS = re.compile(
    r"""
    \b(?:sk|pk|rk|ghp|gho|ghs|github_pat|glpat|hf|xox[abprs]|nvapi|gsk)[-_][A-Za-z0-9_\-]{12,}
    | \bAKIA[0-9A-Z]{16}\b
    | \bAIza[0-9A-Za-z_\-]{30,}
    | \beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{4,}
    | -----BEGIN[ A-Z]{0,30}PRIVATE[ ]KEY-----[^-]{0,8192}
      (?:-----END[ A-Z]{0,30}PRIVATE[ ]KEY-----)?
    | (?P<before>(?i:
          \bbearer\s+
        | \b(?:vcp_key|api_?key|apikey|access_?token|auth_?token|client_?secret|secret|password
            |passwd|pw|token|key|x-api-key|authorization)["']?\s*[=]\s*["']?
        | ["'](?:vcp_key|api_?key|apikey|access_?token|auth_?token|client_?secret|secret|password
            |passwd|token|x-api-key|authorization|tool_password)\\?["']\s*:\s*\\?["'](?:bearer\s+)?
        | ://[^\s/:@]{1,256}:(?=[^\s/@]{1,256}@)  # a password, no port
      ))(?P<value>[^\s"'&@,;<>\\/]{4,})
    """,
    re.VERBOSE,
)

_LONGEST_SEEN = 100
_MOST_SEEN = 4096

# One of these is in everything that the pattern finds; looking for them is a hundred times faster.
_HINTS = (
    *("sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "ghp", "gho", "ghs", "github_pat", "glpat", "hf_"),
    *("hf-", "xox", "nvapi", "gsk", "akia", "aiza", "eyj", "-----begin", "bearer", "key", "token"),
    *("secret", "passw", "pw", "authorization", "://"),
)


@functools.lru_cache(4096)  # the same few names come with every span
def is_secret_name(name: str) -> bool:
    """Whether what bears this name is a secret, e.g. ``api_key``, ``toolPassword``, ``VCP_Key``."""
    plain = snake_case(name).replace("-", "_").replace(" ", "_")
    return plain not in _HARMLESS and _NAME.search(plain) is not None


class Redactor:
    """Replaces secrets by `MASK`.

    Args:
        secrets: Texts known to be secret; those of the settings and of the environment (variables
            whose name says so) are known from the start.
        settings: Whose secrets; those in force here if None.
    """

    def __init__(self, secrets: Iterable[str] = (), *, settings: Settings | None = None) -> None:
        self._known: set[str] = set()
        self._seen: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self.add(*secrets, *_from_settings(settings or get_settings()), *_from_environment())

    def add(self, *secrets: str) -> None:
        """Learn further secrets; texts of fewer than six characters are left alone."""
        for secret in secrets:
            self._known.update(spellings(secret))
        known = sorted(self._known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, known))) if known else None
        self._seen = {}

    def text(self, text: str) -> str:
        """A text without secrets."""
        if len(text) > _LONGEST_SEEN:
            return self._masked(text)
        seen = self._seen  # names and short values come again and again
        shown = seen.get(text)
        if shown is None:
            if len(seen) >= _MOST_SEEN:
                seen.clear()
            shown = seen[text] = self._masked(text)
        return shown

    def _masked(self, text: str) -> str:
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        lowered = text.lower()
        for hint in _HINTS:
            if hint in lowered:
                return _LOOKS.sub(_masked, text)
        return text

    def redact(self, value: Any, name: str = "") -> Any:
        """A value of mappings, sequences and texts without secrets, made anew where needed.

        Args:
            value: The value; what is neither text nor a collection is given back as it is.
            name: The name it bears.
        """
        if isinstance(value, SecretStr):
            return MASK
        if isinstance(value, str):
            return MASK if value and name and is_secret_name(name) else self.text(value)
        if isinstance(value, Mapping):
            return {
                self.text(key) if isinstance(key, str) else key: self.redact(
                    inner, key if isinstance(key, str) else ""
                )
                for key, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.redact(inner, name) for inner in value]
        return value


def _masked(match: re.Match[str]) -> str:
    before = match["before"]
    return MASK if before is None else before + MASK


def spellings(secret: str) -> set[str]:
    """The spellings in which a secret travels: as it is, in URLs, in JSON, in base64 and in hex.

    Args:
        secret: A text known to be secret.

    Returns:
        The spellings; none of a text of fewer than six characters, which would be found everywhere.
    """
    if len(secret) < _SHORTEST:
        return set()
    raw = secret.encode("utf-8", "replace")
    encoded = base64.b64encode(raw).decode()
    return {
        secret,
        quote(secret, safe="", errors="replace"),
        quote(secret, errors="replace"),
        quote_plus(secret, errors="replace"),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        encoded,
        encoded.rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        raw.hex(),
    }


def _from_settings(settings: Settings) -> list[str]:
    values = (getattr(settings, name) for name in type(settings).model_fields)
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


def _from_environment() -> list[str]:
    return [value for name, value in os.environ.items() if is_secret_name(name)]
