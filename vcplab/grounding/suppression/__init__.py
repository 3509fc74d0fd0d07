"""What is done about hallucinations: marks, hedges, replacements, and no deletion unmeasured."""

from __future__ import annotations

from vcplab.grounding.suppression.creating import create_hallucination_suppressor
from vcplab.grounding.suppression.options import SuppressorOptions
from vcplab.grounding.suppression.patches import Patch, PatchList
from vcplab.grounding.suppression.policies import (
    DEFAULT_POLICIES,
    Delete,
    Hedge,
    Mark,
    Policy,
    Replace,
)
from vcplab.grounding.suppression.regenerating import Regenerate
from vcplab.grounding.suppression.result import Change, Detection, Suppression
from vcplab.grounding.suppression.suppressor import HallucinationSuppressor

__all__ = [
    "DEFAULT_POLICIES",
    "Change",
    "Delete",
    "Detection",
    "HallucinationSuppressor",
    "Hedge",
    "Mark",
    "Patch",
    "PatchList",
    "Policy",
    "Regenerate",
    "Replace",
    "Suppression",
    "SuppressorOptions",
    "create_hallucination_suppressor",
]
