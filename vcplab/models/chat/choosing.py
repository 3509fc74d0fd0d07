"""A chat model from whatever names one."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from vcplab.core.errors import InvalidInputError
from vcplab.models.chat.openai import OpenAIChat
from vcplab.protocol.ports import ChatModel

__all__ = ["as_chat_model"]

_URL = re.compile(r"https?://", re.IGNORECASE)
# An address whose scheme was forgotten; names of models have colons, but no such port and path.
_NEARLY_URL = re.compile(r"(?:localhost|[\w-]+(?:\.[\w-]+)+):\d{1,5}(?:/|$)|localhost(?:/|$)")


def as_chat_model(spec: ChatModel | str | Mapping[str, Any] | None = None) -> ChatModel:
    """The chat model that is meant.

    ::

        as_chat_model("http://127.0.0.1:11434/v1")           # the first model it lists
        as_chat_model("http://127.0.0.1:11434/v1#qwen3")
        as_chat_model("qwen3")                               # at the settings' model_url
        as_chat_model({"base_url": "http://127.0.0.1:8080", "model": "qwen3", "temperature": 0})

    Args:
        spec: A model, which is given back; an address, with the model after a ``#``; a model's
            name; the parameters of an :class:`~vcplab.models.chat.openai.OpenAIChat`; or None for
            the settings' ``model_url``.

    Raises:
        InvalidInputError: It names none, or none is set.
    """
    if spec is None:
        return OpenAIChat()
    if isinstance(spec, str):
        if _URL.match(spec):
            return OpenAIChat(base_url=spec)
        if _NEARLY_URL.match(spec):
            raise _none(f"{spec!r} looks like an address without its scheme")
        return OpenAIChat(spec)
    if isinstance(spec, Mapping):
        known = list(inspect.signature(OpenAIChat).parameters)
        unknown = [str(name) for name in spec if name not in known]
        if unknown:
            raise InvalidInputError(
                f"A chat model has no parameter {unknown[0]!r}.",
                where="model",
                next_step=f"Known: {', '.join(known)}; what one server alone knows goes into "
                "extra.",
            )
        return OpenAIChat(**spec)
    # A class has the attributes that its instances have, and would pass for one.
    if not inspect.isclass(spec) and isinstance(spec, ChatModel):
        return spec
    raise _none(
        f"{spec.__name__} is a class" if inspect.isclass(spec) else f"{spec!r} is no chat model"
    )


def _none(problem: str) -> InvalidInputError:
    return InvalidInputError(
        f"{problem}.",
        where="model",
        next_step='Give an address such as "http://127.0.0.1:11434/v1#qwen3", a model\'s name, or '
        'an object such as OpenAIChat("qwen3", base_url=…).',
    )
