"""Responses to judge: the data set, its checks, its splits and what identifies a sample."""

from __future__ import annotations

from vcplab.evaluation.samples.content import content_of, sample_types
from vcplab.evaluation.samples.data import GroundingData

__all__ = ["GroundingData", "content_of", "sample_types"]
