"""What can go wrong between us and a rerank service, as errors that say what to do next."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from datetime import UTC

from vcplab.core.clock import current_clock
from vcplab.core.errors import (
    InvalidInputError,
    NotFoundError,
    OperationTimeoutError,
    VCPError,
    VCPErrorCode,
)

__all__ = [
    "Patience",
    "is_passing",
    "pause_asked_for",
    "refused",
    "too_slow",
    "unreachable",
]

# What will not be better for the next query either.
_HOPELESS = frozenset({401, 403, 404})
_TEXT = 200


class Patience:
    """Stops asking for further lists where it is of no use.

    A refused key or a wrong url ends it at once, else five failed lists in a row: three hundred
    queries must not each wait for a server that is down.

    Attributes:
        ended: The error that all lists get that were not asked for; None while there is hope.
    """

    most = 5

    def __init__(self) -> None:
        self.ended: VCPError | None = None
        self._in_a_row = 0

    def succeeded(self) -> None:
        """A list was scored."""
        self._in_a_row = 0

    def failed(self, error: VCPError) -> None:
        """A list was not scored."""
        self._in_a_row += 1
        if self._in_a_row >= self.most:
            self.ended = self.ended or error

    def refused(self, error: VCPError) -> None:
        """One request was refused."""
        if error.details.get("status") in _HOPELESS:
            self.ended = self.ended or error


def is_passing(status: int) -> bool:
    """Whether to ask again after this status."""
    return status == 429 or status >= 500


def pause_asked_for(headers: Mapping[str, str]) -> float | None:
    """Seconds that a ``Retry-After`` asks for (a number or a date); None without a usable one."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - current_clock().now()).total_seconds())


def refused(status: int, said: str, where: str) -> VCPError:
    """The error for an answer that is not a success.

    Args:
        status: The HTTP status.
        said: What the service said, without secrets.
        where: The address, without secrets.
    """
    words = " ".join(said.split())
    said = f": {words[:_TEXT]}{'…' if len(words) > _TEXT else ''}" if words else ""
    details = {"status": status}
    if status in (401, 403):
        return InvalidInputError(
            f"The reranker refused the key (HTTP {status}){said}",
            where=where,
            next_step="Check the key: HTTPReranker(url, api_key=...).",
            details=details,
        )
    if status == 404:
        return NotFoundError(
            f"The reranker has nothing there (HTTP 404){said}",
            where=where,
            next_step="Check url and dialect, and the model's name: a url without a path gets the "
            "dialect's own.",
            details=details,
        )
    if 300 <= status < 400:
        return InvalidInputError(
            f"The reranker is elsewhere (HTTP {status}); a key is not carried over.",
            where=where,
            next_step="Give the final url (https instead of http, for instance).",
            details=details,
        )
    if is_passing(status):
        return VCPError(
            f"The reranker cannot answer now (HTTP {status}){said}",
            code=VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR,
            where=where,
            next_step="Try again later, or with a lower concurrency."
            if status == 429
            else "Look at the server's log, or try again later.",
            details=details,
        )
    return InvalidInputError(
        f"The reranker refused the request (HTTP {status}){said}",
        where=where,
        next_step="Check dialect and model; a server with small limits wants a lower "
        "batch_documents or batch_tokens.",
        details=details,
    )


def unreachable(problem: str, where: str) -> VCPError:
    """The error for a connection that could not be made or broke.

    Args:
        problem: What happened.
        where: The address, without secrets.
    """
    return VCPError(
        f"The reranker cannot be reached: {problem}.",
        code=VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR,
        where=where,
        next_step="Check that the server runs and that the url is right.",
    )


def too_slow(seconds: float, where: str) -> OperationTimeoutError:
    """The error for an answer that took too long.

    Args:
        seconds: The limit.
        where: The address, without secrets.
    """
    return OperationTimeoutError(
        f"The reranker did not answer within {seconds:g} s.",
        where=where,
        next_step="Give it a higher timeout or a lower batch_documents.",
    )
