"""What a tool gave back, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from vcplab.core.errors import InvalidInputError
from vcplab.protocol.results._json import dump

__all__ = [
    "ImagePart",
    "OtherPart",
    "Part",
    "TextPart",
    "ToolResult",
    "is_part",
    "part_from_wire",
    "part_to_wire",
    "rich_content",
    "unknown_tool",
]

_META = frozenset({"MaidName", "timestamp"})


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of text in a result of several parts.

    Attributes:
        text: The text.
    """

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image in a result of several parts.

    Attributes:
        url: Where it is; a ``data:`` URL holds the image itself and is kept as it is.
        detail: The reading detail that chat-completion APIs know (``low``, ``high``, ``auto``).
    """

    url: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class OtherPart:
    """A part of another kind (audio, file), passed on untouched.

    Attributes:
        wire: The part as it stands on the wire.
    """

    wire: Mapping[str, Any]


Part: TypeAlias = TextPart | ImagePart | OtherPart


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The outcome of one tool call.

    ``raw_text`` and ``span`` say where a result was read; they do not take part in comparison.

    Attributes:
        tool: Name of the tool; None where the form it was read from carries no name.
        value: What the tool gave back, JSON-able. Of a failed call: what it gave beside the
            error.
        success: Whether the call succeeded.
        error: Why it failed; None for a call that succeeded.
        parts: Texts and images that go to the model as they are.
        maid: Who called (``MaidName`` on the wire).
        timestamp: When, as the server wrote it.
        raw_text: The text it was read from.
        span: Start and end of ``raw_text`` in the whole text.

    Raises:
        InvalidInputError: An error was given for a call that succeeded, or a field has a type
            that no form can carry.
    """

    tool: str | None
    value: Any = None
    success: bool = True
    error: str | None = None
    parts: tuple[Part, ...] = ()
    maid: str | None = None
    timestamp: str | None = None
    raw_text: str = field(default="", compare=False, repr=False)
    span: tuple[int, int] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name in ("tool", "error", "maid", "timestamp"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise InvalidInputError(
                    f"The {name} of a tool result is text or None, not {value!r}.",
                    where=name,
                    next_step=f"pass str(...) or leave {name} out",
                )
        if self.success and self.error is not None:
            raise InvalidInputError(
                "A tool result has an error and yet succeeded.",
                where="error",
                next_step="pass success=False, or leave the error out",
            )
        object.__setattr__(self, "parts", tuple(map(part_from_wire, self.parts)))

    @property
    def text(self) -> str:
        """What to show: the error, else the parts' texts, else the value as text."""
        if not self.success:
            return self.error or ""
        parts = self.parts or tuple(part_from_wire(wire) for wire in rich_content(self.value))
        if parts:
            return "\n".join(part.text for part in parts if isinstance(part, TextPart))
        value = self.value
        if isinstance(value, Mapping) and value.keys() - _META == {"original_plugin_output"}:
            value = value["original_plugin_output"]
        if value is None:
            return ""
        return value if isinstance(value, str) else dump(value, indent=2)

    @classmethod
    def of(cls, result: ToolResult | Mapping[str, Any]) -> ToolResult:
        """Accept a result or seed 003's mapping ``{tool, result, success, error, richContent}``.

        Other keys are ignored, except ``maid`` (or ``MaidName``) and ``timestamp``.

        Args:
            result: The result or mapping. Without ``success`` a call with an error failed.

        Returns:
            The result.

        Raises:
            InvalidInputError: It is neither, or one of its entries cannot be used.
        """
        if isinstance(result, ToolResult):
            return result
        known = {"tool", "result", "success", "error", "richContent"}
        if not isinstance(result, Mapping) or not known & result.keys():
            raise InvalidInputError(
                f"This is not a tool result: {result!r}.",
                where="result",
                next_step="pass a ToolResult, or a mapping with tool, result and success",
            )
        error = result.get("error") or None
        success = result.get("success")
        if success is None:
            success = error is None
        if not isinstance(success, bool):
            raise InvalidInputError(
                f"The success of a tool result is True or False, not {success!r}.",
                where="success",
                next_step="pass a bool",
            )
        rich = result.get("richContent") or ()
        if not isinstance(rich, list | tuple):
            raise InvalidInputError(
                "The richContent of a tool result is a list of parts.",
                where="richContent",
                next_step='pass e.g. [{"type": "text", "text": "…"}]',
            )
        return cls(
            tool=result.get("tool"),
            value=result.get("result"),
            success=success,
            error=error,
            parts=tuple(part_from_wire(part) for part in rich),
            maid=result.get("maid") or result.get("MaidName"),
            timestamp=result.get("timestamp"),
        )


def unknown_tool(name: str) -> ToolResult:
    """The result of a call to a tool that is not there (facts/vcp-protocol §1.4).

    Args:
        name: The name that was called.

    Returns:
        A failed result, written in the toolbox dialect as ``[错误] 未找到名为 "X" 的插件``.
    """
    return ToolResult(name, success=False, error=f'未找到名为 "{name}" 的插件')


def is_part(wire: Any) -> bool:
    """Whether a JSON value has the form of a message part."""
    if not isinstance(wire, Mapping) or not isinstance(wire.get("type"), str):
        return False
    if wire["type"] == "text":
        return isinstance(wire.get("text"), str)
    if wire["type"] == "image_url":
        image = wire.get("image_url")
        return isinstance(image.get("url") if isinstance(image, Mapping) else image, str)
    return True


def rich_content(value: Any) -> list[Mapping[str, Any]]:
    """The parts that a tool's answer brings along in ``data.content`` or ``content``.

    A list there goes to the model as it is, in place of the whole answer
    (facts/vcp-protocol §1.4); a list that holds anything but parts would be refused by the
    model's API and is treated as data.
    """
    if not isinstance(value, Mapping):
        return []
    data = value.get("data")
    for content in (
        data.get("content") if isinstance(data, Mapping) else None,
        value.get("content"),
    ):
        if isinstance(content, list) and content and all(map(is_part, content)):
            return content
    return []


def part_from_wire(wire: TextPart | ImagePart | OtherPart | Mapping[str, Any] | str) -> Part:
    """Read a part from the form that chat-completion APIs use.

    Args:
        wire: ``{"type": "text", "text": …}``, ``{"type": "image_url", "image_url": …}``, another
            part with a ``type``, a bare text, or a part that is read already.

    Returns:
        The part.

    Raises:
        InvalidInputError: It is none of these.
    """
    if isinstance(wire, TextPart | ImagePart | OtherPart):
        return wire
    if isinstance(wire, str):
        return TextPart(wire)
    if not is_part(wire):
        raise InvalidInputError(
            f"This is not a message part: {wire!r}.",
            where="parts",
            next_step='pass e.g. {"type": "image_url", "image_url": {"url": "data:…"}}',
        )
    if wire["type"] == "text":
        return TextPart(wire["text"])
    if wire["type"] == "image_url":
        image = wire["image_url"]
        if isinstance(image, str):
            return ImagePart(image)
        detail = image.get("detail")
        return ImagePart(image["url"], detail if isinstance(detail, str) else None)
    return OtherPart(wire)


def part_to_wire(part: Part) -> dict[str, Any]:
    """Write a part in the form that chat-completion APIs use.

    Args:
        part: The part.

    Returns:
        A new mapping.
    """
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        image = {"url": part.url}
        if part.detail is not None:
            image["detail"] = part.detail
        return {"type": "image_url", "image_url": image}
    return dict(part.wire)
