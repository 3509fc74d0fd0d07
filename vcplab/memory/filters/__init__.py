"""Conditions on documents: ``field("season").isin(["spring"]) & (field("time") >= "2026-01")``."""

from vcplab.memory.filters.conditions import And, Condition, Custom, FieldCondition, Not, Or
from vcplab.memory.filters.spelling import as_condition, field

__all__ = ["And", "Condition", "Custom", "FieldCondition", "Not", "Or", "as_condition", "field"]
