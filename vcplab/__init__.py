"""vcplab: a Jupyter research workbench for agent memory, tools and group chats.

    import vcplab as vl

    board = vl.compare([vl.BM25(), vl.LightMemo()], vl.datasets.load("diaries"))

Importing the package loads nothing but this table: each public name is imported from its room
when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vcplab.agents.agent import Agent, VCPConfig
    from vcplab.agents.chat import policies, stop
    from vcplab.agents.chat.chat import GroupChat
    from vcplab.agents.chat.decision import Ask, Decision, Note
    from vcplab.agents.chat.events import ChatEvent
    from vcplab.agents.chat.log import ChatStore
    from vcplab.agents.chat.message import ChatMessage
    from vcplab.agents.chat.orchestrator import create_group_chat_orchestrator
    from vcplab.agents.chat.service import GroupChatService
    from vcplab.agents.chat.vcpchat import read_vcpchat_group
    from vcplab.agents.store import AgentStore
    from vcplab.agents.unified import (
        UnifiedAgent,
        UnifiedAgentAdapter,
        create_unified_agent_adapter,
    )
    from vcplab.core.errors import VCPError, VCPErrorCode
    from vcplab.core.loop import allow_nested_loops, run, submit
    from vcplab.core.settings import Settings, get_settings, override_settings
    from vcplab.core.workspace import Workspace
    from vcplab.evaluation import datasets
    from vcplab.evaluation.calibration import fit_gate, reliability
    from vcplab.evaluation.chat_board import ChatBoard
    from vcplab.evaluation.chat_metrics import ChatMetric, ChatRun
    from vcplab.evaluation.chat_teams import ChatTeam
    from vcplab.evaluation.chats import ChatScenario, ChatScenarios
    from vcplab.evaluation.comparison import Comparison, compare
    from vcplab.evaluation.tuning import tune
    from vcplab.lab import Lab, TraceFacet
    from vcplab.magics import load_ipython_extension, unload_ipython_extension
    from vcplab.memory.advanced import AdvancedMemory
    from vcplab.memory.chunking import chunk
    from vcplab.memory.corpus import Corpus
    from vcplab.memory.document import Document
    from vcplab.memory.filters.spelling import field
    from vcplab.memory.recipes.deep import DeepMemo
    from vcplab.memory.recipes.light import LightMemo
    from vcplab.memory.recipes.mesh import MeshMemo
    from vcplab.memory.stages.dense import Dense
    from vcplab.memory.stages.diversity import MMR, Dedup
    from vcplab.memory.stages.filters import Filter
    from vcplab.memory.stages.fusion import RRF, Convex
    from vcplab.memory.stages.gate import Gate, GateModel
    from vcplab.memory.stages.lexical import BM25, Tantivy
    from vcplab.memory.stages.parents import Expand, Parents
    from vcplab.memory.stages.proximity import Proximity
    from vcplab.memory.stages.queries import Exclusions, QueryLanguage, Rewrite
    from vcplab.memory.stages.ranking import Decay, Top
    from vcplab.memory.stages.rerank import Rerank
    from vcplab.models.chat.failures import ModelError
    from vcplab.models.chat.ledger import Ledger
    from vcplab.models.chat.openai import OpenAIChat
    from vcplab.models.chat.prices import Price, PriceTable
    from vcplab.models.chat.recorded import Recorded
    from vcplab.models.chat.scripted import Scripted
    from vcplab.models.embedding.hashing import HashEmbedder
    from vcplab.models.embedding.lsa import LSA
    from vcplab.models.embedding.minilm import MiniLM
    from vcplab.models.embedding.onnx import OnnxEmbedder
    from vcplab.models.embedding.sentence import SentenceTransformer
    from vcplab.models.reranking.cross_encoder import CrossEncoder
    from vcplab.models.reranking.http import HTTPReranker
    from vcplab.node.standin import MainServer, StandInProcess, StandInServer
    from vcplab.plugins.channels import PluginRuntime
    from vcplab.plugins.failures import ToolTimeoutError
    from vcplab.plugins.functions import ToolContext
    from vcplab.plugins.handling import Handled
    from vcplab.plugins.manager import PluginManager
    from vcplab.plugins.manifest import read_manifest
    from vcplab.plugins.plugin import PluginRow
    from vcplab.plugins.tasks import Task
    from vcplab.prompt.lint import lint_prompt
    from vcplab.prompt.placeholders import (
        EnvironmentProvider,
        PlaceholderProvider,
        PromptVariables,
        TimeProvider,
        ToolDescriptionProvider,
        VariableEngine,
        create_variable_engine,
    )
    from vcplab.prompt.stored_variables import PromptVariable, VariableStore
    from vcplab.prompt.templates import PromptTemplate, TemplateStore
    from vcplab.protocol.requests import (
        ParsedAnswer,
        RequestStream,
        ToolRequest,
        VCPProtocolParser,
        create_vcp_protocol_parser,
    )
    from vcplab.protocol.results import ToolFailure, ToolResult
    from vcplab.text.analysis import Analyzer
    from vcplab.widgets.agent_selector import GroupAgentSelector
    from vcplab.widgets.group_chat_panel import GroupChatPanel

# Public name → the module that defines it (None: the module itself is the name).
_EXPORTS: dict[str, tuple[str, str | None]] = {
    "AdvancedMemory": ("vcplab.memory.advanced", "AdvancedMemory"),
    "Agent": ("vcplab.agents.agent", "Agent"),
    "AgentStore": ("vcplab.agents.store", "AgentStore"),
    "Analyzer": ("vcplab.text.analysis", "Analyzer"),
    "Ask": ("vcplab.agents.chat.decision", "Ask"),
    "BM25": ("vcplab.memory.stages.lexical", "BM25"),
    "ChatBoard": ("vcplab.evaluation.chat_board", "ChatBoard"),
    "ChatEvent": ("vcplab.agents.chat.events", "ChatEvent"),
    "ChatMessage": ("vcplab.agents.chat.message", "ChatMessage"),
    "ChatMetric": ("vcplab.evaluation.chat_metrics", "ChatMetric"),
    "ChatRun": ("vcplab.evaluation.chat_metrics", "ChatRun"),
    "ChatScenario": ("vcplab.evaluation.chats", "ChatScenario"),
    "ChatScenarios": ("vcplab.evaluation.chats", "ChatScenarios"),
    "ChatStore": ("vcplab.agents.chat.log", "ChatStore"),
    "ChatTeam": ("vcplab.evaluation.chat_teams", "ChatTeam"),
    "Comparison": ("vcplab.evaluation.comparison", "Comparison"),
    "Convex": ("vcplab.memory.stages.fusion", "Convex"),
    "Corpus": ("vcplab.memory.corpus", "Corpus"),
    "CrossEncoder": ("vcplab.models.reranking.cross_encoder", "CrossEncoder"),
    "Decay": ("vcplab.memory.stages.ranking", "Decay"),
    "Decision": ("vcplab.agents.chat.decision", "Decision"),
    "Dedup": ("vcplab.memory.stages.diversity", "Dedup"),
    "DeepMemo": ("vcplab.memory.recipes.deep", "DeepMemo"),
    "Dense": ("vcplab.memory.stages.dense", "Dense"),
    "Document": ("vcplab.memory.document", "Document"),
    "EnvironmentProvider": ("vcplab.prompt.placeholders", "EnvironmentProvider"),
    "Exclusions": ("vcplab.memory.stages.queries", "Exclusions"),
    "Expand": ("vcplab.memory.stages.parents", "Expand"),
    "Filter": ("vcplab.memory.stages.filters", "Filter"),
    "Gate": ("vcplab.memory.stages.gate", "Gate"),
    "GateModel": ("vcplab.memory.stages.gate", "GateModel"),
    "GroupAgentSelector": ("vcplab.widgets.agent_selector", "GroupAgentSelector"),
    "GroupChat": ("vcplab.agents.chat.chat", "GroupChat"),
    "GroupChatPanel": ("vcplab.widgets.group_chat_panel", "GroupChatPanel"),
    "GroupChatService": ("vcplab.agents.chat.service", "GroupChatService"),
    "HTTPReranker": ("vcplab.models.reranking.http", "HTTPReranker"),
    "Handled": ("vcplab.plugins.handling", "Handled"),
    "HashEmbedder": ("vcplab.models.embedding.hashing", "HashEmbedder"),
    "LSA": ("vcplab.models.embedding.lsa", "LSA"),
    "Lab": ("vcplab.lab", "Lab"),
    "Ledger": ("vcplab.models.chat.ledger", "Ledger"),
    "LightMemo": ("vcplab.memory.recipes.light", "LightMemo"),
    "MMR": ("vcplab.memory.stages.diversity", "MMR"),
    "MainServer": ("vcplab.node.standin", "MainServer"),
    "MeshMemo": ("vcplab.memory.recipes.mesh", "MeshMemo"),
    "MiniLM": ("vcplab.models.embedding.minilm", "MiniLM"),
    "ModelError": ("vcplab.models.chat.failures", "ModelError"),
    "Note": ("vcplab.agents.chat.decision", "Note"),
    "OnnxEmbedder": ("vcplab.models.embedding.onnx", "OnnxEmbedder"),
    "OpenAIChat": ("vcplab.models.chat.openai", "OpenAIChat"),
    "Parents": ("vcplab.memory.stages.parents", "Parents"),
    "ParsedAnswer": ("vcplab.protocol.requests", "ParsedAnswer"),
    "PlaceholderProvider": ("vcplab.prompt.placeholders", "PlaceholderProvider"),
    "PluginManager": ("vcplab.plugins.manager", "PluginManager"),
    "PluginRow": ("vcplab.plugins.plugin", "PluginRow"),
    "PluginRuntime": ("vcplab.plugins.channels", "PluginRuntime"),
    "Price": ("vcplab.models.chat.prices", "Price"),
    "PriceTable": ("vcplab.models.chat.prices", "PriceTable"),
    "PromptTemplate": ("vcplab.prompt.templates", "PromptTemplate"),
    "PromptVariable": ("vcplab.prompt.stored_variables", "PromptVariable"),
    "PromptVariables": ("vcplab.prompt.placeholders", "PromptVariables"),
    "Proximity": ("vcplab.memory.stages.proximity", "Proximity"),
    "QueryLanguage": ("vcplab.memory.stages.queries", "QueryLanguage"),
    "RRF": ("vcplab.memory.stages.fusion", "RRF"),
    "Recorded": ("vcplab.models.chat.recorded", "Recorded"),
    "RequestStream": ("vcplab.protocol.requests", "RequestStream"),
    "Rerank": ("vcplab.memory.stages.rerank", "Rerank"),
    "Rewrite": ("vcplab.memory.stages.queries", "Rewrite"),
    "Scripted": ("vcplab.models.chat.scripted", "Scripted"),
    "SentenceTransformer": ("vcplab.models.embedding.sentence", "SentenceTransformer"),
    "Settings": ("vcplab.core.settings", "Settings"),
    "StandInProcess": ("vcplab.node.standin", "StandInProcess"),
    "StandInServer": ("vcplab.node.standin", "StandInServer"),
    "Tantivy": ("vcplab.memory.stages.lexical", "Tantivy"),
    "Task": ("vcplab.plugins.tasks", "Task"),
    "TemplateStore": ("vcplab.prompt.templates", "TemplateStore"),
    "TimeProvider": ("vcplab.prompt.placeholders", "TimeProvider"),
    "ToolContext": ("vcplab.plugins.functions", "ToolContext"),
    "ToolDescriptionProvider": ("vcplab.prompt.placeholders", "ToolDescriptionProvider"),
    "ToolFailure": ("vcplab.protocol.results", "ToolFailure"),
    "ToolRequest": ("vcplab.protocol.requests", "ToolRequest"),
    "ToolResult": ("vcplab.protocol.results", "ToolResult"),
    "ToolTimeoutError": ("vcplab.plugins.failures", "ToolTimeoutError"),
    "Top": ("vcplab.memory.stages.ranking", "Top"),
    "TraceFacet": ("vcplab.lab", "TraceFacet"),
    "UnifiedAgent": ("vcplab.agents.unified", "UnifiedAgent"),
    "UnifiedAgentAdapter": ("vcplab.agents.unified", "UnifiedAgentAdapter"),
    "VCPConfig": ("vcplab.agents.agent", "VCPConfig"),
    "VCPError": ("vcplab.core.errors", "VCPError"),
    "VCPErrorCode": ("vcplab.core.errors", "VCPErrorCode"),
    "VCPProtocolParser": ("vcplab.protocol.requests", "VCPProtocolParser"),
    "VariableEngine": ("vcplab.prompt.placeholders", "VariableEngine"),
    "VariableStore": ("vcplab.prompt.stored_variables", "VariableStore"),
    "Workspace": ("vcplab.core.workspace", "Workspace"),
    "allow_nested_loops": ("vcplab.core.loop", "allow_nested_loops"),
    "chunk": ("vcplab.memory.chunking", "chunk"),
    "compare": ("vcplab.evaluation.comparison", "compare"),
    "create_group_chat_orchestrator": (
        "vcplab.agents.chat.orchestrator",
        "create_group_chat_orchestrator",
    ),
    "create_unified_agent_adapter": ("vcplab.agents.unified", "create_unified_agent_adapter"),
    "create_variable_engine": ("vcplab.prompt.placeholders", "create_variable_engine"),
    "create_vcp_protocol_parser": ("vcplab.protocol.requests", "create_vcp_protocol_parser"),
    "datasets": ("vcplab.evaluation.datasets", None),
    "field": ("vcplab.memory.filters.spelling", "field"),
    "fit_gate": ("vcplab.evaluation.calibration", "fit_gate"),
    "get_settings": ("vcplab.core.settings", "get_settings"),
    "lint_prompt": ("vcplab.prompt.lint", "lint_prompt"),
    "load_ipython_extension": ("vcplab.magics", "load_ipython_extension"),
    "override_settings": ("vcplab.core.settings", "override_settings"),
    "policies": ("vcplab.agents.chat.policies", None),
    "read_manifest": ("vcplab.plugins.manifest", "read_manifest"),
    "read_vcpchat_group": ("vcplab.agents.chat.vcpchat", "read_vcpchat_group"),
    "reliability": ("vcplab.evaluation.calibration", "reliability"),
    "run": ("vcplab.core.loop", "run"),
    "stop": ("vcplab.agents.chat.stop", None),
    "submit": ("vcplab.core.loop", "submit"),
    "tune": ("vcplab.evaluation.tuning", "tune"),
    "unload_ipython_extension": ("vcplab.magics", "unload_ipython_extension"),
}

__all__ = [
    "BM25",
    "LSA",
    "MMR",
    "RRF",
    "AdvancedMemory",
    "Agent",
    "AgentStore",
    "Analyzer",
    "Ask",
    "ChatBoard",
    "ChatEvent",
    "ChatMessage",
    "ChatMetric",
    "ChatRun",
    "ChatScenario",
    "ChatScenarios",
    "ChatStore",
    "ChatTeam",
    "Comparison",
    "Convex",
    "Corpus",
    "CrossEncoder",
    "Decay",
    "Decision",
    "Dedup",
    "DeepMemo",
    "Dense",
    "Document",
    "EnvironmentProvider",
    "Exclusions",
    "Expand",
    "Filter",
    "Gate",
    "GateModel",
    "GroupAgentSelector",
    "GroupChat",
    "GroupChatPanel",
    "GroupChatService",
    "HTTPReranker",
    "Handled",
    "HashEmbedder",
    "Lab",
    "Ledger",
    "LightMemo",
    "MainServer",
    "MeshMemo",
    "MiniLM",
    "ModelError",
    "Note",
    "OnnxEmbedder",
    "OpenAIChat",
    "Parents",
    "ParsedAnswer",
    "PlaceholderProvider",
    "PluginManager",
    "PluginRow",
    "PluginRuntime",
    "Price",
    "PriceTable",
    "PromptTemplate",
    "PromptVariable",
    "PromptVariables",
    "Proximity",
    "QueryLanguage",
    "Recorded",
    "RequestStream",
    "Rerank",
    "Rewrite",
    "Scripted",
    "SentenceTransformer",
    "Settings",
    "StandInProcess",
    "StandInServer",
    "Tantivy",
    "Task",
    "TemplateStore",
    "TimeProvider",
    "ToolContext",
    "ToolDescriptionProvider",
    "ToolFailure",
    "ToolRequest",
    "ToolResult",
    "ToolTimeoutError",
    "Top",
    "TraceFacet",
    "UnifiedAgent",
    "UnifiedAgentAdapter",
    "VCPConfig",
    "VCPError",
    "VCPErrorCode",
    "VCPProtocolParser",
    "VariableEngine",
    "VariableStore",
    "Workspace",
    "__version__",
    "allow_nested_loops",
    "chunk",
    "compare",
    "create_group_chat_orchestrator",
    "create_unified_agent_adapter",
    "create_variable_engine",
    "create_vcp_protocol_parser",
    "datasets",
    "field",
    "fit_gate",
    "get_settings",
    "lint_prompt",
    "load_ipython_extension",
    "override_settings",
    "policies",
    "read_manifest",
    "read_vcpchat_group",
    "reliability",
    "run",
    "stop",
    "submit",
    "tune",
    "unload_ipython_extension",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("vcplab")
    elif name in _EXPORTS:
        module, attribute = _EXPORTS[name]
        loaded = import_module(module)
        value = loaded if attribute is None else getattr(loaded, attribute)
    else:
        raise AttributeError(f"module 'vcplab' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
