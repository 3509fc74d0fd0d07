"""Invitation mode: who is invited speaks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.policies.base import Policy, addressed, by_priority, who_said
from vcplab.agents.chat.state import ChatState

__all__ = ["InvitationPolicy"]


@dataclass(frozen=True, slots=True, repr=False)
class InvitationPolicy(Policy):
    """Whoever the user or the host invites speaks; otherwise the host is asked to invite.

    To invite is to mention (`find_mentions`: ``@小明``, 请小明回答, …). Two manners:

    - By default, as in facts/vcp-agents §1: where nobody is invited, the host alone speaks, with
      the action ``delegate``, and whomever it names speaks in the next round. Without a host, the
      agent of the highest priority stands in, so that the chat does not stop.
    - ``invite_only``, as in VCPChat (§7): nobody speaks until a person invites somebody.

    Attributes:
        invite_only: VCPChat's manner. Default False.
    """

    name: ClassVar[str] = "invitation"
    invite_only: bool = False

    def __call__(
        self, state: ChatState, message: ChatMessage | None, rng: random.Random
    ) -> Sequence[Decision]:
        """Decide: the invited, else the host, else nobody.

        Args:
            state: The chat.
            message: Where invitations are looked for.
            rng: Not used.
        """
        speakers = state.speakers
        if not speakers:
            return ()
        host = state.host if state.host in speakers else None
        deputy = host or by_priority(speakers)[0]
        if message is not None and (
            message.from_user or (message.agent_id == deputy.id and not self.invite_only)
        ):
            who = who_said(state, message)
            if invited := addressed(state, message):
                return [
                    Decision(i, 100, f"{state.name_of(i)} was invited by {who}.") for i in invited
                ]
        if self.invite_only:
            return ()
        name = deputy.display_name
        if host is not None:
            why = f"Nobody is invited; {name}, the host, is asked to invite somebody."
        else:
            why = f"Nobody is invited and there is no host; {name}, first in priority, stands in."
        return [Decision(deputy.id, 100, why, action="delegate")]
