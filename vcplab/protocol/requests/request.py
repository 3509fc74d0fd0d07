"""A tool request: what a model asks for in its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from vcplab.core.errors import InvalidInputError
from vcplab.protocol.requests.config import JS_SPACE

__all__ = ["RESERVED_KEYS", "ToolRequest"]

RESERVED_KEYS = ("tool_name", "archery", "ink", "river", "vref", "timely_contact", "tool_password")
"""Keys that the server takes for itself; they never reach the tool (facts/vcp-protocol §1.2)."""

_FLAGS = frozenset(RESERVED_KEYS)
_SILENT = "no_reply"
_FROM_A_PARSE = ("rawText", "raw_text", "span")


class _Read(dict[str, str]):
    """Arguments as they were read: texts, without reserved keys; nothing to check."""


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """One request, as a VCPToolBox server reads it (facts/vcp-protocol §1.1, §1.2).

    Attributes:
        name: The tool.
        args: What is handed to it: texts by their keys, in the order of the request. ``valet``
            is also there as ``maid`` when nobody else signed.
        archery: Fire and report: a success is not fed back to the model.
        archery_no_reply: Of those, the kind that also resolves silently (``no_reply``).
        ink: Show the client the result in full (``ink: mark_history``).
        river: How much of the conversation the tool gets: ``full``, ``text``, ``last:N`` or
            ``semantic:N``.
        vref: How many files of the knowledge base it gets, as it was written.
        timely_contact: When to run it, ``YYYY-MM-DD-HH:mm[:ss]``; None for now.
        tool_password: The user's code; never shown.
        raw_text: The block from its first to its last mark, reasoning taken out.
        span: Where it lies in the text that was parsed, in characters; None if it was not parsed.

    Raises:
        InvalidInputError: ``args`` holds something that is not text, or a reserved key.
    """

    name: str
    args: Mapping[str, str] = field(default_factory=dict)
    archery: bool = False
    archery_no_reply: bool = False
    ink: bool = False
    river: str | None = None
    vref: str | None = None
    timely_contact: str | None = None
    tool_password: str | None = field(default=None, repr=False)
    raw_text: str = field(default="", repr=False, compare=False)
    span: tuple[int, int] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        args = self.args if isinstance(self.args, _Read) else dict(self.args)
        for key, value in () if isinstance(args, _Read) else args.items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise InvalidInputError(
                    f"The protocol knows texts only; {key!r} is a {type(value).__name__}.",
                    where=f"args[{key!r}]",
                    next_step="write it as text, e.g. str(5) or json.dumps(value)",
                )
            if key in _FLAGS:
                raise InvalidInputError(
                    f"{key!r} is read by the server and cannot be an argument.",
                    where="args",
                    next_step="give the request's attribute of that name",
                )
        if args.get("valet") and not args.get("maid"):
            args["maid"] = args["valet"]
        object.__setattr__(self, "args", MappingProxyType(args))
        if self.archery_no_reply:
            object.__setattr__(self, "archery", True)

    @property
    def maid(self) -> str | None:
        """Who signed the request; it is also among the arguments."""
        return self.args.get("maid")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> ToolRequest:
        """The request of a mapping such as the seed's ``{"name", "args", "archery", "rawText"}``.

        Args:
            given: Attributes by name; ``rawText`` and ``span`` are taken from a parse only.

        Raises:
            InvalidInputError: A name is unknown, the tool is missing, or a value impossible.
        """
        values = {key: value for key, value in given.items() if key not in _FROM_A_PARSE}
        for key in values:
            if key not in cls.__slots__:
                raise InvalidInputError(
                    f"A request has no attribute {key!r}.",
                    where="request",
                    next_step=f"put it among args; attributes are: {', '.join(cls.__slots__)}",
                )
        if not isinstance(values.get("name"), str):
            raise InvalidInputError(
                "A request names a tool.", where="name", next_step="give the tool's name"
            )
        return cls(**values)

    @classmethod
    def read(
        cls,
        fields: Sequence[tuple[str, str]],
        raw_text: str = "",
        span: tuple[int, int] | None = None,
    ) -> ToolRequest | None:
        """The request of a block's fields; None if they name no tool.

        Args:
            fields: Keys and values in order; of two with the same key the last counts.
            raw_text: The block.
            span: Where it lies.
        """
        args = _Read((key, value.strip(JS_SPACE)) for key, value in fields)
        name = args.pop("tool_name", "")
        if not name:
            return None
        if _FLAGS.isdisjoint(args):
            return cls(name=name, args=args, raw_text=raw_text, span=span)
        reserved = {key: args.pop(key) for key in RESERVED_KEYS if key in args}
        archery = reserved.get("archery")
        return cls(
            name=name,
            args=args,
            archery=archery in ("true", _SILENT),
            archery_no_reply=archery == _SILENT,
            ink=reserved.get("ink") == "mark_history",
            river=reserved.get("river"),
            vref=reserved.get("vref"),
            timely_contact=reserved.get("timely_contact"),
            tool_password=reserved.get("tool_password"),
            raw_text=raw_text,
            span=span,
        )

    def fields(self) -> list[tuple[str, str]]:
        """The fields that say the same: the tool, the arguments, then the flags that are set."""
        flags = (
            ("archery", (_SILENT if self.archery_no_reply else "true") if self.archery else None),
            ("ink", "mark_history" if self.ink else None),
            ("river", self.river),
            ("vref", self.vref),
            ("timely_contact", self.timely_contact),
            ("tool_password", self.tool_password),
        )
        given = [(key, value) for key, value in flags if value is not None]
        return [("tool_name", self.name), *self.args.items(), *given]

    def to_dict(self) -> dict[str, Any]:
        """The seed's form: ``{"name", "args", "archery", "rawText"}``."""
        return {
            "name": self.name,
            "args": dict(self.args),
            "archery": self.archery,
            "rawText": self.raw_text,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        values = [getattr(self, name) for name in self.__slots__]
        return type(self), (self.name, dict(self.args), *values[2:])

    def __hash__(self) -> int:
        return hash((self.name, tuple(sorted(self.args.items()))))
