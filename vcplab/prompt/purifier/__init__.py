"""A context in one shape, without repetitions and secrets, within its budget."""

from __future__ import annotations

from vcplab.prompt.purifier.offsets import OffsetMap, OffsetSpan
from vcplab.prompt.purifier.options import PurifierOptions, TruncateStrategy
from vcplab.prompt.purifier.purifier import ContextPurifier, create_context_purifier
from vcplab.prompt.purifier.result import Modification, ModificationType, PurifyResult
from vcplab.prompt.purifier.sensitive import FAMILIES, SensitiveFamily, SensitiveRule

__all__ = [
    "FAMILIES",
    "ContextPurifier",
    "Modification",
    "ModificationType",
    "OffsetMap",
    "OffsetSpan",
    "PurifierOptions",
    "PurifyResult",
    "SensitiveFamily",
    "SensitiveRule",
    "TruncateStrategy",
    "create_context_purifier",
]
