"""The lab's placeholders: dates, tools, results of plugins and of tasks."""

from __future__ import annotations

from vcplab.plugins.manager import PluginManager
from vcplab.prompt.placeholders import (
    EnvironmentProvider,
    TimeProvider,
    ToolDescriptionProvider,
    VariableEngine,
)
from vcplab.prompt.stored_variables import StoredVariables, VariableStore

__all__ = ["lab_variables"]


def lab_variables(plugins: PluginManager, stored: VariableStore) -> VariableEngine:
    """An engine that knows what the lab's plugins tell, in upstream's order and wording.

    Static values come before tools, so that a static plugin may fill a placeholder that begins with
    ``VCP`` (facts/vcp-protocol §3). The user's own providers are registered beside these.

    Args:
        plugins: The lab's plugins.
        stored: The lab's own variables.
    """
    engine = VariableEngine()
    engine.register_provider(StoredVariables(stored), 60)
    engine.register_provider(TimeProvider(), 50)
    engine.register_provider(EnvironmentProvider(), 40)
    engine.register_provider(plugins.statics.results, 30)
    engine.register_provider(ToolDescriptionProvider(plugins, dialect="toolbox"), 20)
    engine.register_provider(plugins.async_results, 10)
    return engine
