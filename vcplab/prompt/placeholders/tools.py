"""Descriptions of tools as placeholders."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, get_args, runtime_checkable

from vcplab.core.errors import InvalidInputError
from vcplab.prompt.placeholders.provider import Answer, Resolved, once_per_resolve

__all__ = ["ToolDescriptionProvider", "ToolDescriptions", "ToolDialect"]

ToolDialect = Literal["seed", "toolbox"]
_Texts: TypeAlias = Mapping[str, str]

_ALL = "VCPAllTools"
_PREFIX = "VCP"


@runtime_checkable
class ToolDescriptions(Protocol):
    """Whatever can describe tools; the plugin manager is one."""

    def get_tool_descriptions(self) -> _Texts | Awaitable[_Texts]:
        """Names of tools, with or without ``VCP`` in front → descriptions."""
        ...


@dataclass(frozen=True, slots=True)
class _Listed:
    texts: _Texts

    def get_tool_descriptions(self) -> _Texts:
        return self.texts


class ToolDescriptionProvider:
    """``ToolDescriptionProvider`` of seed 003: ``{{VCPAllTools}}`` and ``{{VCP<Name>}}``.

    The source is asked once in a text. Descriptions are inserted as they are: they come from
    plugins and other nodes, and often show placeholders as examples.

    Args:
        source: Has ``get_tool_descriptions()``, whose result may have to be awaited; or a mapping
            of names to descriptions.
        dialect: How all tools are told: ``"seed"`` has a line ``VCPName: description`` for each,
            ``"toolbox"`` the descriptions with a rule between them (facts/vcp-protocol §3).
        recurse: Whether placeholders in descriptions are resolved, too.
        name: What the provider is called.

    Raises:
        InvalidInputError: The source cannot describe tools, or there is no such dialect.
    """

    def __init__(
        self,
        source: ToolDescriptions | _Texts,
        dialect: ToolDialect = "seed",
        *,
        recurse: bool = False,
        name: str = "tools",
    ) -> None:
        if isinstance(source, Mapping):
            source = _Listed(source)
        if not isinstance(source, ToolDescriptions):
            raise InvalidInputError(
                f"{type(source).__name__} cannot describe tools.",
                where="source",
                next_step="pass {name: text}, or an object with get_tool_descriptions()",
            )
        if dialect not in get_args(ToolDialect):
            raise InvalidInputError(
                f"There is no dialect of tool lists named {dialect!r}.",
                where="dialect",
                next_step="use 'seed' or 'toolbox'",
            )
        self.name = name
        self._source: ToolDescriptions = source
        self._dialect: ToolDialect = dialect
        self._recurse = recurse

    def resolve(self, key: str) -> Answer | Awaitable[Answer]:
        """The value of a placeholder, or None, perhaps to be awaited.

        Args:
            key: Its name.
        """
        if not key.startswith(_PREFIX) or "::" in key:
            return None
        shared: dict[str, _Texts] = once_per_resolve((self, "texts"), dict)
        if "texts" in shared:
            return self._answer(key, shared["texts"])
        texts = self._source.get_tool_descriptions()
        if inspect.isawaitable(texts):
            return self._awaited(key, texts, shared)
        shared["texts"] = texts
        return self._answer(key, texts)

    async def _awaited(
        self, key: str, texts: Awaitable[_Texts], shared: dict[str, _Texts]
    ) -> Answer:
        shared["texts"] = await texts
        return self._answer(key, shared["texts"])

    def _answer(self, key: str, texts: _Texts) -> Answer:
        if key == _ALL:
            return Resolved(self._joined(texts), self._recurse)
        text = texts.get(key, texts.get(key.removeprefix(_PREFIX)))
        return None if text is None else Resolved(text, self._recurse)

    def _joined(self, texts: _Texts) -> str:
        if self._dialect == "toolbox":
            return "\n\n---\n\n".join(texts.values())
        return "\n".join(f"{_PREFIX}{name.removeprefix(_PREFIX)}: {texts[name]}" for name in texts)

    def __repr__(self) -> str:
        return f"ToolDescriptionProvider({type(self._source).__name__})"
