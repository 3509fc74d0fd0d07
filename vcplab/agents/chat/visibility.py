"""Who sees which message: full, partial or isolated sharing, and private messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from vcplab.agents.chat.message import ChatMessage
from vcplab.core.names import checked_choice

__all__ = ["SHARINGS", "Sharing", "VisibleHistory", "check_sharing", "may_see", "visible"]

Sharing = Literal["full", "partial", "isolated"]
SHARINGS: tuple[Sharing, ...] = get_args(Sharing)


def check_sharing(sharing: str) -> None:
    """Check that a word names a sharing.

    Args:
        sharing: The word.

    Raises:
        InvalidInputError: It does not.
    """
    checked_choice(sharing, SHARINGS, "sharing", f"There is no sharing {sharing!r}.")


def may_see(viewer_id: str | None, message: ChatMessage, sharing: Sharing) -> bool:
    """Whether somebody is shown a message (facts/vcp-agents §1, its blindness mended).

    - A message to somebody (``visible_to``) is seen by its author and those it names, always.
    - ``full``: everything else, working notes included.
    - ``partial``: what is public.
    - ``isolated``: one's own messages, and what the user says in public. The original hides even
      the user's question.

    Args:
        viewer_id: Who looks: an agent's id; None for one who is nobody in the chat.
        message: The message.
        sharing: How much the agents share.
    """
    if viewer_id is not None and message.agent_id == viewer_id:
        return True
    if message.visible_to is not None:
        return viewer_id in message.visible_to
    if sharing == "full":
        return True
    if sharing == "partial":
        return message.is_public
    # Whatever else is asked for, the least is shown.
    return message.is_public and message.from_user


def visible(
    messages: Iterable[ChatMessage], viewer_id: str | None, sharing: Sharing
) -> list[ChatMessage]:
    """The messages that somebody is shown.

    Args:
        messages: All messages, oldest first.
        viewer_id: Who looks.
        sharing: How much the agents share.

    Raises:
        InvalidInputError: There is no such sharing.
    """
    check_sharing(sharing)
    return [message for message in messages if may_see(viewer_id, message, sharing)]


class VisibleHistory:
    """What one viewer sees of a growing list of messages, without looking at it all again.

    Only new messages are judged. Where messages were taken away, all are judged again.

    Args:
        viewer_id: Who looks.
        sharing: How much the agents share.

    Attributes:
        messages: The messages seen, oldest first, as of the last `follow`.
        first_question: The first of them that a person said, if any.

    Raises:
        InvalidInputError: There is no such sharing.
    """

    def __init__(self, viewer_id: str | None, sharing: Sharing) -> None:
        check_sharing(sharing)
        self.messages: list[ChatMessage] = []
        self.first_question: ChatMessage | None = None
        self._viewer = viewer_id
        self._sharing = sharing
        self._judged = 0
        self._last: ChatMessage | None = None

    def follow(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """Take note of what was added since.

        Args:
            messages: All messages, oldest first: the list as before, with some added at the end
                or taken away anywhere.

        Returns:
            `messages` of this object.
        """
        judged = self._judged
        if judged > len(messages) or (judged and messages[judged - 1] is not self._last):
            self.messages, self.first_question, judged = [], None, 0
        for message in messages[judged:]:
            if may_see(self._viewer, message, self._sharing):
                self.messages.append(message)
                if self.first_question is None and message.from_user:
                    self.first_question = message
        self._judged = len(messages)
        self._last = messages[-1] if messages else None
        return self.messages
