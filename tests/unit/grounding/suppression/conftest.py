"""Suppressors whose probabilities are the rules', and texts for them."""

from __future__ import annotations

import pytest

from vcplab.grounding.detectors.citation import CitationDetector
from vcplab.grounding.detectors.lexical import LexicalDetector
from vcplab.grounding.detectors.temporal import TemporalDetector
from vcplab.grounding.suppression import HallucinationSuppressor
from vcplab.grounding.suppression.judging import RuleDetectors


def rules_alone(**options):
    parts = [LexicalDetector(aggregator=None), TemporalDetector(), CitationDetector()]
    return HallucinationSuppressor(RuleDetectors(parts), **options)


@pytest.fixture(scope="session")
def make():
    """What makes a suppressor from options."""
    return rules_alone


@pytest.fixture(scope="session")
def suppressor():
    return rules_alone()
