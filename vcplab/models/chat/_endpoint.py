"""Addresses of model servers: completed to where the API is, and shown without secrets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from vcplab.core._settings_sources import shown_value
from vcplab.core.errors import InvalidInputError
from vcplab.core.redaction import MASK
from vcplab.core.settings import get_settings
from vcplab.models.address import checked_url, is_loopback

__all__ = ["Endpoint", "address_and_key", "endpoint_of"]

_CALL = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model server's API begins.

    Attributes:
        url: Its address without query, e.g. ``"http://127.0.0.1:8080/v1"``.
        query: What the address had after its question mark; sent with every request.
        model: What it had after its ``#``.
    """

    url: str
    query: tuple[tuple[str, str], ...] = ()
    model: str | None = None

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.url).netloc

    @property
    def is_near(self) -> bool:
        """Whether it is this very machine, which is never asked through a proxy."""
        return is_loopback(self.url)

    def shown(self, secrets: Iterable[str] = ()) -> str:
        """The address without secrets: those that are known, and what bears such a name."""
        text = shown_value(self.url)
        for secret in secrets:
            if secret:
                text = text.replace(secret, MASK)
        return text


def endpoint_of(base_url: str) -> Endpoint:
    """The endpoint that an address means.

    An address without a path gets ``/v1``, and the path of the call itself is taken off. A model
    may follow: ``http://127.0.0.1:11434/v1#qwen3``.

    Args:
        base_url: The address.

    Raises:
        InvalidInputError: It is no http or https address, or holds a password.
    """
    try:
        parts = checked_url(base_url)
    except InvalidInputError as error:
        raise InvalidInputError(
            error.message.replace("The url", "The base_url"),
            where="base_url",
            next_step='Write it as "http://127.0.0.1:11434/v1"; a key goes into api_key.',
        ) from None
    path = parts.path.rstrip("/").removesuffix(_CALL) or "/v1"
    url = parts._replace(path=path, query="", fragment="").geturl()
    query = tuple(parse_qsl(parts.query, keep_blank_values=True))
    return Endpoint(url, query, unquote(parts.fragment) or None)


def address_and_key(
    base_url: str | None, api_key: str | SecretStr | None
) -> tuple[Endpoint, str | SecretStr | None]:
    """Where to, and the key for it: the settings' key goes to the settings' address alone.

    Args:
        base_url: The address; the settings' ``model_url`` if None.
        api_key: The key; the settings' ``model_key`` if None and the address is the settings'.

    Raises:
        InvalidInputError: There is no address, or it is none.
    """
    settings = get_settings() if base_url is None or api_key is None else None
    known = None if settings is None else settings.model_url
    if base_url is None and known is None:
        raise InvalidInputError(
            "No model server is given.",
            where="base_url",
            next_step='Give base_url="http://127.0.0.1:11434/v1", or the setting model_url once '
            "for all (VCPLAB_MODEL_URL, or model_url in vcplab.toml).",
        )
    endpoint = endpoint_of(base_url if base_url is not None else str(known))
    if api_key is None and settings is not None and known is not None:
        own = endpoint_of(known)
        if (own.url, own.query) == (endpoint.url, endpoint.query):
            api_key = settings.model_key
    return endpoint, api_key
