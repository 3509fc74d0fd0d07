"""What a text is held against: a conversation, and a knowledge base of any shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vcplab.core.errors import InvalidInputError
from vcplab.core.names import snake_keys
from vcplab.grounding.claims.clauses import sentences_of
from vcplab.protocol.ports import Retriever

__all__ = ["Knowledge", "Sources", "checked_text", "history_texts"]

_PASSAGES: Final = 3
_TEXT_KEYS: Final = ("text", "content", "page_content", "pageContent")
_CONTEXT_KEYS: Final = ("conversation_history", "knowledge_base", "question")
_ID_KEYS: Final = ("docno", "id", "title", "source")


def history_texts(given: object) -> tuple[str, ...]:
    """The texts of a conversation, oldest first.

    Args:
        given: Texts, `Message` values, or mappings with ``content`` (a text, or a list of parts
            with ``text``); None for nothing.

    Raises:
        InvalidInputError: Something else is among them.
    """
    if given is None:
        return ()
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise InvalidInputError(
            f"A conversation is a list of messages, not {type(given).__name__}.",
            where="conversation_history",
            next_step='give texts, or mappings {"role": …, "content": …}',
        )
    return tuple(
        text
        for number, message in enumerate(given)
        if (text := _text(message, f"conversation_history[{number}]"))
    )


def _text(value: object, where: str) -> str:
    if isinstance(value, str):
        return value
    found: Any = None
    if isinstance(value, Mapping):
        found = next((value[key] for key in _TEXT_KEYS if value.get(key) is not None), None)
        if found is None and any(key in value for key in (*_TEXT_KEYS, "tool_calls")):
            return ""
    else:
        found = next(
            (getattr(value, key) for key in _TEXT_KEYS if getattr(value, key, None) is not None),
            None,
        )
    if isinstance(found, list | tuple):
        return "\n".join(
            part if isinstance(part, str) else str(part.get("text", ""))
            for part in found
            if isinstance(part, str | Mapping)
        ).strip()
    if not isinstance(found, str):
        raise InvalidInputError(
            f"{type(value).__name__} has no text.",
            where=where,
            next_step='give a text, or a mapping with "content" or "text"',
        )
    return found


@dataclass(frozen=True)
class Knowledge:
    """A knowledge base.

    Attributes:
        texts: Its texts.
        names: What each is called; None where it has no name.
        retrievers: Where to look for passages.
    """

    texts: tuple[str, ...] = ()
    names: tuple[str | None, ...] = ()
    retrievers: tuple[Retriever, ...] = ()

    @classmethod
    def of(cls, given: object) -> Knowledge:
        """A knowledge base from what is given.

        Args:
            given: A text, a retriever, a document (a mapping or value with ``text``, ``content``
                or ``page_content``), or a list of these; None for nothing.

        Raises:
            InvalidInputError: Something else is among them.
        """
        if given is None:
            return cls()
        if isinstance(given, str | Mapping | Retriever) or not isinstance(given, Iterable):
            given = (given,)
        texts: list[str] = []
        names: list[str | None] = []
        retrievers: list[Retriever] = []
        for number, one in enumerate(given):
            if isinstance(one, Retriever):
                retrievers.append(one)
            elif (text := _text(one, f"knowledge_base[{number}]")).strip():
                texts.append(text)
                names.append(_name(one))
        return cls(tuple(texts), tuple(names), tuple(retrievers))

    def __bool__(self) -> bool:
        return bool(self.texts or self.retrievers)

    def about(self, text: str) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
        """The texts to hold a text against, and their names: all of one's own, and passages found.

        Retrievers are asked for each sentence.
        """
        texts, names = list(self.texts), list(self.names)
        known = set(texts)
        for retriever in self.retrievers:
            for sentence in sentences_of(text):
                for passage in retriever.search(sentence.text, _PASSAGES):
                    if passage.text not in known:
                        known.add(passage.text)
                        texts.append(passage.text)
                        names.append(passage.docno)
        return tuple(texts), tuple(names)


def _name(value: object) -> str | None:
    for key in _ID_KEYS:
        found = value.get(key) if isinstance(value, Mapping) else getattr(value, key, None)
        if isinstance(found, str | int) and found != "":
            return str(found)
    return None


@dataclass(frozen=True)
class Sources:
    """What a text is held against.

    Attributes:
        history: What was said before, oldest first.
        knowledge: What it should follow from.
        question: What was asked.
    """

    history: tuple[str, ...] = ()
    knowledge: Knowledge = Knowledge()
    question: str = ""

    @classmethod
    def of(
        cls,
        context: Mapping[str, Any] | None = None,
        conversation_history: object = (),
        knowledge_base: object = (),
        question: object = "",
    ) -> Sources:
        """Sources from what a caller gives.

        Args:
            context: The three others as one mapping, in either spelling; what it has wins.
            conversation_history: Messages.
            knowledge_base: Texts, documents or retrievers.
            question: What was asked.

        Raises:
            InvalidInputError: Something is of the wrong kind, or has an unknown name.
        """
        if context is not None and not isinstance(context, Mapping):
            raise InvalidInputError(
                f"The context is a mapping, not {type(context).__name__}.",
                where="context",
                next_step='give {"conversationHistory": […], "knowledgeBase": […]}',
            )
        named = snake_keys(context or {})
        for name in named:
            if name not in _CONTEXT_KEYS:
                raise InvalidInputError(
                    f"The context has no {name!r}.",
                    where="context",
                    next_step=f"it may have: {', '.join(_CONTEXT_KEYS)}",
                )
        asked = checked_text(named.get("question", question) or "", "question")
        return cls(
            history_texts(named.get("conversation_history", conversation_history)),
            Knowledge.of(named.get("knowledge_base", knowledge_base)),
            asked,
        )


def checked_text(value: object, name: str) -> str:
    """A text.

    Raises:
        InvalidInputError: It is something else.
    """
    if not isinstance(value, str):
        raise InvalidInputError(
            f"A {name} is a str, not {type(value).__name__}.",
            where=name,
            next_step="suppress the answers of a conversation one by one",
        )
    return value
