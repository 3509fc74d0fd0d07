"""Placeholders: ``{{name}}`` in a prompt, and who answers it.

::

    engine = create_variable_engine()
    engine.register_provider(TimeProvider(), 100)
    engine.register_provider(PlaceholderProvider({"AppName": "My App"}), 80)
    engine.resolve_all("{{AppName}}, {{Date}}")    # "My App, 2026-11-21"
    engine.explain("{{AppName}}").to_frame()       # who answered what
"""

from __future__ import annotations

from vcplab.prompt.placeholders.custom import PlaceholderProvider
from vcplab.prompt.placeholders.engine import VariableEngine, create_variable_engine
from vcplab.prompt.placeholders.environment import EnvironmentProvider
from vcplab.prompt.placeholders.options import EngineOptions
from vcplab.prompt.placeholders.provider import Answer, Resolved, VariableProvider
from vcplab.prompt.placeholders.resolution import PlaceholderUse, Resolution
from vcplab.prompt.placeholders.results import AsyncResults, StaticResults
from vcplab.prompt.placeholders.sar import SarPrompt, current_model, use_model
from vcplab.prompt.placeholders.syntax import Found, find_placeholders, has_placeholder
from vcplab.prompt.placeholders.times import TimeProvider
from vcplab.prompt.placeholders.tools import ToolDescriptionProvider, ToolDescriptions
from vcplab.prompt.placeholders.variables import PromptVariables

__all__ = [
    "Answer",
    "AsyncResults",
    "EngineOptions",
    "EnvironmentProvider",
    "Found",
    "PlaceholderProvider",
    "PlaceholderUse",
    "PromptVariables",
    "Resolution",
    "Resolved",
    "SarPrompt",
    "StaticResults",
    "TimeProvider",
    "ToolDescriptionProvider",
    "ToolDescriptions",
    "VariableEngine",
    "VariableProvider",
    "create_variable_engine",
    "current_model",
    "find_placeholders",
    "has_placeholder",
    "use_model",
]
