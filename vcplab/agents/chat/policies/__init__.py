"""Speaking modes: who speaks next, and why."""

from __future__ import annotations

from vcplab.agents.chat.policies.base import Deciding, Policy, Verdict
from vcplab.agents.chat.policies.choosing import MODES, as_policy
from vcplab.agents.chat.policies.consensus import ConsensusPolicy
from vcplab.agents.chat.policies.custom import CustomPolicy
from vcplab.agents.chat.policies.invitation import InvitationPolicy
from vcplab.agents.chat.policies.keyword import KeywordPolicy
from vcplab.agents.chat.policies.mention import MentionPolicy
from vcplab.agents.chat.policies.natural import NaturalPolicy
from vcplab.agents.chat.policies.positions import Position, Tally, agreement_matrix, tally
from vcplab.agents.chat.policies.selected import SelectedPolicy
from vcplab.agents.chat.policies.sequential import SequentialPolicy
from vcplab.agents.chat.policies.weighted import RandomPolicy

__all__ = [
    "MODES",
    "ConsensusPolicy",
    "CustomPolicy",
    "Deciding",
    "InvitationPolicy",
    "KeywordPolicy",
    "MentionPolicy",
    "NaturalPolicy",
    "Policy",
    "Position",
    "RandomPolicy",
    "SelectedPolicy",
    "SequentialPolicy",
    "Tally",
    "Verdict",
    "agreement_matrix",
    "as_policy",
    "tally",
]


def __dir__() -> list[str]:
    return list(__all__)
