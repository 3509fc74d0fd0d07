"""What can go wrong between us and a chat model, as errors that say what to do next.

::

    ModelError                    (also a VCPError) a chat model gave no answer
    ├── ModelUnavailableError     no connection, a broken one, or a broken server
    ├── ModelTimeoutError         (also an OperationTimeoutError) nothing came for too long
    ├── ModelAuthenticationError  the key is missing or refused
    ├── ModelNotFoundError        (also a NotFoundError) no such model, or nothing at the address
    ├── ModelRateLimitError       too many requests, or no credit
    ├── ModelContextError         the conversation is longer than the model can read
    ├── ModelRefusedError         the server refuses the request as it stands
    └── ModelReplyError           what came back is no answer

No error holds a key: a server's own words are cleaned before they are repeated.
"""

from __future__ import annotations

import email.utils
import json
import re
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from vcplab.core.clock import current_clock
from vcplab.core.errors import NotFoundError, OperationTimeoutError, VCPError, VCPErrorCode

__all__ = [
    "ModelAuthenticationError",
    "ModelContextError",
    "ModelError",
    "ModelNotFoundError",
    "ModelRateLimitError",
    "ModelRefusedError",
    "ModelReplyError",
    "ModelTimeoutError",
    "ModelUnavailableError",
    "malformed",
    "pause_asked_for",
    "refused",
    "silent",
    "spoken",
    "unreachable",
]


class ModelError(VCPError):
    """A chat model gave no answer, or not the whole of it."""

    default_code = VCPErrorCode.MODEL_FAILED

    @property
    def is_passing(self) -> bool:
        """Whether the same request may succeed a little later."""
        return bool(self.details.get("passing"))

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server wants to be left alone; None if it does not say."""
        value = self.details.get("retry_after")
        return None if value is None else float(value)


class ModelUnavailableError(ModelError):
    """There is no connection, it broke, or the server is broken."""

    default_code = VCPErrorCode.MODEL_UNAVAILABLE


class ModelTimeoutError(ModelError, OperationTimeoutError):
    """Nothing came for too long."""

    default_code = VCPErrorCode.MODEL_TIMEOUT


class ModelAuthenticationError(ModelError):
    """The key is missing or refused."""

    default_code = VCPErrorCode.MODEL_AUTHENTICATION


class ModelNotFoundError(ModelError, NotFoundError):
    """There is no such model, or nothing at the address."""

    default_code = VCPErrorCode.MODEL_NOT_FOUND


class ModelRateLimitError(ModelError):
    """There were too many requests, or the account has no credit."""

    default_code = VCPErrorCode.MODEL_RATE_LIMITED


class ModelContextError(ModelError):
    """The conversation is longer than the model can read."""

    default_code = VCPErrorCode.MODEL_CONTEXT_OVERFLOW


class ModelRefusedError(ModelError):
    """The server refuses the request as it stands."""

    default_code = VCPErrorCode.MODEL_REFUSED


class ModelReplyError(ModelError):
    """What came back is no answer of a chat model."""

    default_code = VCPErrorCode.MODEL_BAD_REPLY


_TEXT = 300
_OVERFLOW = re.compile(
    r"exceed_context_size_error|context_length_exceeded"
    r"|exceeds? the (?:available |model'?s? )?(?:maximum )?context"
    r"|maximum context length|context (?:length|window|size) (?:is |was )?exceeded"
    r"|exceed\w* (?:the )?context window|prompt is too long|input is too long",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model_not_found|invalid_model|\bmodel\b[^.\n]{0,200}\b(?:not found|does not exist"
    r"|is not available|not loaded|not supported on this server)|\b(?:unknown|no such) model\b",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(r"insufficient_quota|insufficient balance|billing", re.IGNORECASE)
_TAGS = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_PASSING = frozenset({408, 429})


def spoken(body: object) -> str:
    """What an error's body says, in one line: OpenAI's shape, ``{"detail": …}``, HTML, or text.

    Args:
        body: The decoded JSON, or the text where it is none.
    """
    if isinstance(body, Mapping):
        for name in ("error", "message", "detail", "msg", "error_msg"):
            inner = body.get(name)
            if inner:
                return spoken(inner)
    if isinstance(body, list) and body and all(isinstance(entry, Mapping) for entry in body):
        return "; ".join(_objection(entry) for entry in body)
    if not body:
        return ""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, default=str)
    if text.lstrip().startswith("<"):
        text = _TAGS.sub(" ", text)
    words = " ".join(text.split())
    return words[:_TEXT] + ("…" if len(words) > _TEXT else "")


def pause_asked_for(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``retry-after-ms`` or ``retry-after`` (a number or a date) asks for, or None."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text):
            return float(text) / unit
    try:
        moment = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - current_clock().now()).total_seconds())


def refused(
    status: int | None,
    body: object,
    *,
    where: str,
    model: str | None,
    said: str,
    pause: float | None = None,
) -> ModelError:
    """The error for an answer that is an error, by its status and its words.

    Args:
        status: The HTTP status; None for an error in the middle of a stream.
        body: The error's body, as decoded JSON or text.
        where: The address, without secrets.
        model: The model that was asked for.
        said: What the body says, without secrets.
        pause: Seconds that the server wants to be left alone.
    """
    facts = body if isinstance(body, Mapping) else {}
    marks = " ".join(str(facts[name]) for name in ("code", "type", "param") if facts.get(name))
    everything = f"{marks} {said}"
    ended = "in the middle of the answer" if status is None else f"HTTP {status}"
    words = f"{ended}: {said}" if said else ended
    details: dict[str, Any] = {"status": status} if status is not None else {}
    if marks:
        details["server_code"] = marks
    if _OVERFLOW.search(everything):
        for ours, theirs in (("prompt_tokens", "n_prompt_tokens"), ("context_tokens", "n_ctx")):
            if isinstance(facts.get(theirs), int):
                details[ours] = facts[theirs]
        return ModelContextError(
            f"The conversation is longer than {_called(model)} can read ({words}).",
            where=where,
            next_step="Send fewer or shorter messages (a smaller window), ask for fewer "
            "max_tokens, or start the server with a larger context.",
            details=details,
        )
    if status in (401, 403):
        return ModelAuthenticationError(
            f"The model server refuses the key, or wants one ({words}).",
            where=where,
            next_step="Give it as api_key=…, or as the setting model_key (VCPLAB_MODEL_KEY) "
            "beside model_url. Keys of OPENAI_* variables are not read.",
            details=details,
        )
    if status == 404 or (status is not None and status < 500 and _NO_MODEL.search(everything)):
        return ModelNotFoundError(
            f"The server has no {_called(model)}, or nothing at this address ({words}).",
            where=where,
            next_step="Check model= and base_url=, which ends in /v1 for most servers; "
            "await model.amodels() lists what there is.",
            details=details,
        )
    if status == 429:
        hopeless = _NO_CREDIT.search(everything) is not None
        if pause is not None:
            details["retry_after"] = pause
        wait = f" It asks to wait {pause:g} s." if pause is not None else ""
        return ModelRateLimitError(
            f"The account at the model server is used up ({words})."
            if hopeless
            else f"The model server takes no more requests for now ({words}).{wait}",
            where=where,
            next_step="Look at the account's credit."
            if hopeless
            else "Wait, ask less at a time, or give more retries.",
            details={**details, "passing": not hopeless},
        )
    if status is not None and 300 <= status < 400:
        return ModelRefusedError(
            f"The model server is elsewhere ({words}); a key is not carried over.",
            where=where,
            next_step="Give the final base_url (https instead of http, for instance).",
            details=details,
        )
    if status is None or status in _PASSING or status >= 500:
        if pause is not None:
            details["retry_after"] = pause
        return ModelUnavailableError(
            f"The model server failed ({words}).",
            where=where,
            next_step="Look at the server's log, or try again later.",
            details={**details, "passing": status is not None},
        )
    return ModelRefusedError(
        f"The model server refuses the request ({words}).",
        where=where,
        next_step="Check what it objects to: the model's name, tools, images, or extra=…",
        details=details,
    )


def unreachable(problem: str, where: str, *, begun: bool = False) -> ModelUnavailableError:
    """The error for a connection that could not be made or broke.

    Args:
        problem: What happened.
        where: The address, without secrets.
        begun: Whether a part of the answer had come.
    """
    if begun:
        return ModelUnavailableError(
            f"The connection broke in the middle of the answer: {problem}.",
            where=where,
            next_step="Ask again; what had come is not the whole answer. If it recurs, look at "
            "the server's log.",
            details={"begun": True},
        )
    return ModelUnavailableError(
        f"The model server cannot be reached: {problem}.",
        where=where,
        next_step="Check that the server runs and that base_url is right.",
        details={"passing": True},
    )


def silent(seconds: float, where: str, *, begun: bool) -> ModelTimeoutError:
    """The error for an answer that does not begin, or does not go on.

    Args:
        seconds: How long nothing came.
        where: The address, without secrets.
        begun: Whether a part of the answer had come.
    """
    what = "fell silent in the middle of the answer for" if begun else "did not begin to answer in"
    return ModelTimeoutError(
        f"The model {what} {seconds:g} s.",
        where=where,
        next_step=f"Give a higher {'timeout' if begun else 'first_token_timeout'}, or look "
        "whether the server is busy loading or answering others.",
        details={"begun": begun},
    )


def malformed(what: str, where: str, *, begun: bool = False) -> ModelReplyError:
    """The error for what is no answer of a chat model.

    Args:
        what: What is wrong with it, as "is a web page".
        where: The address, without secrets.
        begun: Whether a part of the answer had come.
    """
    return ModelReplyError(
        f"The server's answer {what}.",
        where=where,
        next_step="Check that base_url is that of an OpenAI-compatible API (it ends in /v1 for "
        "most servers), and look at the server's log.",
        details={"begun": begun},
    )


def _objection(entry: Mapping[str, Any]) -> str:
    """One entry of a validation error: where, and what."""
    place = entry.get("loc")
    path = ".".join(map(str, place)) if isinstance(place, list) else ""
    return " ".join(part for part in (path, spoken(entry)) if part)


def _called(model: str | None) -> str:
    return f"model {model!r}" if model else "model"
