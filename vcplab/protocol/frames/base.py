"""What all frames share: immutable values that keep what they do not know.

A frame is what one side of a VCP WebSocket sends at once: a JSON object with a ``type``
(facts/vcp-protocol §4). Attributes have Python's spelling, the wire has the peer's; both are
accepted. Nothing is converted on the way: text stays text, numbers stay numbers, and fields we
have no name for are kept, so that a frame that was read is written as it came.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator
from pydantic.alias_generators import to_camel

from vcplab.core.errors import InvalidInputError, VCPErrorCode

__all__ = ["Frame", "Many", "Number", "Object", "Text", "UnknownFrame", "WireModel"]

# `type` and `jsonrpc` have one possible value, so they are written also when nobody set them.
_CONSTANTS = frozenset({"type", "jsonrpc"})
_LONGEST_TEXT = 80
_MOST_ITEMS = 8
_DEEPEST = 4
# Secrets are looked for in this much of a text; what is shown is shorter still.
_LOOKED_AT = 4096


def _text(value: object) -> str:
    # Not pydantic's `str`: JavaScript cuts texts in the middle of an emoji and sends the half.
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return value


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("must be an object")
    return dict(value)


def _many(value: object) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("must be an array")
    return tuple(value)


_Item = TypeVar("_Item")

Text: TypeAlias = Annotated[str, PlainValidator(_text)]
Number: TypeAlias = Annotated[int | float, PlainValidator(_number)]
Object: TypeAlias = Annotated[dict[str, Any], PlainValidator(_object)]
Many: TypeAlias = Annotated[tuple[_Item, ...], BeforeValidator(_many)]


class WireModel(BaseModel):
    """A JSON object of the wire; unknown fields are kept, none can be set afterwards.

    Objects inside (arguments, manifests, results) are the peer's and are not copied; treat them
    as read-only. ``repr`` shortens, and hides what bears the name of a secret or looks like one.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="allow",
        frozen=True,
        # pydantic's own text would repeat what came, keys included.
        hide_input_in_errors=True,
        protected_namespaces=(),
    )

    def to_wire(self) -> dict[str, Any]:
        """The fields that were given, in the wire's spelling: declared ones first, then others."""
        given = self.model_fields_set | _CONSTANTS
        wire = {
            info.alias or name: _plain(getattr(self, name))
            for name, info in type(self).model_fields.items()
            if name in given
        }
        wire.update(self.model_extra or {})
        return wire

    def to_json(self) -> str:
        """The compact JSON text to send.

        Raises:
            InvalidInputError: A value is nothing that JSON can say, or is nested too deeply.
        """
        try:
            return _dumped(self.to_wire())
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidInputError(
                f"The {type(self).__name__} cannot be written as JSON "
                f"({type(error).__name__} while writing).",
                code=VCPErrorCode.INVALID_PROTOCOL,
                where=type(self).__name__,
                next_step="give objects, arrays, texts, finite numbers, booleans or None only",
            ) from None

    def __repr_args__(self) -> Any:
        # pydantic builds repr, str and rich's view from this.
        for name in type(self).model_fields:
            if name in self.model_fields_set and name not in _CONSTANTS:
                yield name, shown(getattr(self, name), name)
        for name, value in (self.model_extra or {}).items():
            yield str(shown(name)).strip("'"), shown(value, name)


class Frame(WireModel):
    """What one side sends at once. Each type has its class, with ``type`` fixed.

    Built with impossible values a class raises pydantic's ``ValidationError``; what arrives goes
    through :func:`vcplab.protocol.frames.parse_frame`, which raises coded errors.
    """


class UnknownFrame(Frame):
    """A frame of a type we do not know: to be ignored, never an error (facts §4.3).

    Attributes:
        raw: The object as it came.
    """

    raw: Object

    @property
    def type(self) -> str | None:
        """What the frame calls itself, None if it has no type or one that is not text."""
        kind = self.raw.get("type")
        return kind if isinstance(kind, str) else None

    def to_wire(self) -> dict[str, Any]:
        """The object as it came."""
        return dict(self.raw)


class _Shown:
    """A text that is its own repr, for pydantic's ``name=repr(value)``."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text

    __str__ = __repr__


def shown(value: Any, name: str = "") -> _Shown:
    """A value as it may be shown to anybody: short, without secrets.

    Args:
        value: A JSON value or a part of a frame.
        name: The name it bears.
    """
    from vcplab.core.redaction import Redactor

    return _Shown(_short(value, name, _DEEPEST, Redactor()))


def _short(value: Any, name: str, depth: int, redactor: Any) -> str:
    from vcplab.core.redaction import MASK, is_secret_name

    # A number under such a name is one too: the code of UserAuth has six digits.
    if value is not None and not isinstance(value, bool) and name and is_secret_name(name):
        return repr(MASK)
    if isinstance(value, str):
        text = redactor.text(value[:_LOOKED_AT])
        long = len(text) > _LONGEST_TEXT or len(value) > _LOOKED_AT
        return repr(text[:_LONGEST_TEXT] + "…" if long else text)
    if isinstance(value, WireModel):
        return repr(value)
    if isinstance(value, Mapping):
        if depth <= 0 and value:
            return "{…}"
        pairs = [
            f"{_short(key, '', 0, redactor)}: {_short(inner, str(key), depth - 1, redactor)}"
            for key, inner in list(value.items())[:_MOST_ITEMS]
        ]
        return "{" + ", ".join([*pairs, *["…"] * (len(value) > _MOST_ITEMS)]) + "}"
    if isinstance(value, list | tuple):
        if depth <= 0 and value:
            return "[…]"
        items = [_short(inner, name, depth - 1, redactor) for inner in value[:_MOST_ITEMS]]
        return "[" + ", ".join([*items, *["…"] * (len(value) > _MOST_ITEMS)]) + "]"
    # An int of JSON may have thousands of digits; Python refuses to print those.
    if isinstance(value, int) and value.bit_length() > 256:
        return "<a huge number>"
    return repr(value)[:_LONGEST_TEXT]


def _plain(value: Any) -> Any:
    if isinstance(value, WireModel):
        return value.to_wire()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _dumped(wire: dict[str, Any]) -> str:
    text = json.dumps(wire, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half an emoji cannot be sent as UTF-8; escaped it can, and that is how it came.
        return json.dumps(wire, separators=(",", ":"), allow_nan=False)
    return text
