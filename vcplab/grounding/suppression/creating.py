"""``createHallucinationSuppressor``: a suppressor from options in either spelling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vcplab.grounding.suppression.options import SuppressorOptions
from vcplab.grounding.suppression.suppressor import HallucinationSuppressor

__all__ = ["create_hallucination_suppressor"]


def create_hallucination_suppressor(
    options: SuppressorOptions | Mapping[str, Any] | None = None, **single: Any
) -> HallucinationSuppressor:
    """``createHallucinationSuppressor``: a suppressor.

    Args:
        options: Options by the seed's names or ours (`SuppressorOptions`).
        **single: Single options; they win.

    Raises:
        InvalidInputError: An option is unknown or impossible.
    """
    return HallucinationSuppressor(None, SuppressorOptions.of(options, **single))
