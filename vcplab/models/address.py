"""Addresses and keys of services: checked before anything is sent, shown without secrets."""

from __future__ import annotations

import ipaddress
import json
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from vcplab.core.errors import InvalidInputError

__all__ = ["checked_key", "checked_url", "completed", "is_loopback", "shown", "without_key"]


def checked_url(url: str) -> SplitResult:
    """The parts of an http or https address.

    Raises:
        InvalidInputError: It is none, or holds a password.
    """
    try:
        if any(ord(character) <= 32 or ord(character) == 127 for character in url):
            raise ValueError("spaces and control characters")
        parts = urlsplit(url)
        parts.port  # noqa: B018  (raises for a port that is no number)
    except (TypeError, ValueError) as error:
        raise _no_url("is no address") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _no_url("is no http or https address")
    if "@" in parts.netloc:
        raise _no_url("holds a user or password")
    return parts


def _no_url(problem: str) -> InvalidInputError:
    # The address itself is not repeated: it may hold a password.
    return InvalidInputError(
        f"The url {problem}.",
        where="url",
        next_step='Write it as "http://127.0.0.1:8080" or "https://api.example.com/v1/rerank"; '
        "a key goes into api_key.",
    )


def completed(parts: SplitResult, path: str) -> str:
    """The full address: where the url's path is the beginning of ``path``, the rest is added."""
    given = [part for part in parts.path.split("/") if part]
    wanted = [part for part in path.split("/") if part]
    if len(given) < len(wanted) and given == wanted[: len(given)]:
        parts = parts._replace(path=path)
    return parts._replace(fragment="").geturl()


def shown(url: str) -> str:
    """An address without its query, which may hold a key."""
    return urlsplit(url)._replace(query="", fragment="").geturl()


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_key(key: str | SecretStr | None) -> SecretStr | None:
    """A key that can stand in a header; None for an empty one.

    Raises:
        InvalidInputError: It holds spaces or characters that a header cannot (the key is not
            shown).
    """
    plain = key.get_secret_value() if isinstance(key, SecretStr) else key
    if plain is None or not str(plain).strip():
        return None
    plain = str(plain).strip()  # a key read from a file ends in a line break
    if not all("!" <= character <= "~" for character in plain):
        raise InvalidInputError(
            "The api_key holds spaces or characters that no key has.",
            where="api_key",
            next_step="Copy it again; give the key alone, without 'Bearer'.",
        )
    return SecretStr(plain)


def without_key(text: str, key: SecretStr | None) -> str:
    """A service's own words, in which a key that it repeats is replaced by dots."""
    if key is not None:
        plain = key.get_secret_value()
        for form in (plain, json.dumps(plain)[1:-1]):
            text = text.replace(form, "•••")
    return text
