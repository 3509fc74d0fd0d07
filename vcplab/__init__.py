"""vcplab: a Jupyter research workbench for agent memory, tools and group chats.

    import vcplab as vl

    board = vl.compare([vl.BM25(), vl.LightMemo()], vl.datasets.load("diaries"))

Importing the package loads nothing but this table: each public name is imported from its room
when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vcplab._exports import EXPORTS

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
    from vcplab.grounding import suppression
    from vcplab.grounding.detectors.citation import CitationDetector
    from vcplab.grounding.detectors.combined import CombinedDetector
    from vcplab.grounding.detectors.consistency import SelfConsistencyDetector
    from vcplab.grounding.detectors.cross_encoder import NLIDetector
    from vcplab.grounding.detectors.embedding import EmbeddingDetector
    from vcplab.grounding.detectors.judge import JudgeDetector
    from vcplab.grounding.detectors.lettuce import LettuceDetector
    from vcplab.grounding.detectors.lexical import LexicalDetector
    from vcplab.grounding.detectors.lexical import LexicalDetector as Lexical
    from vcplab.grounding.detectors.style import StyleDetector
    from vcplab.grounding.detectors.temporal import TemporalDetector
    from vcplab.grounding.detectors.tokens import TokenDetector
    from vcplab.grounding.suppression import (
        HallucinationSuppressor,
        Suppression,
        create_hallucination_suppressor,
    )
    from vcplab.lab import Lab, TraceFacet
    from vcplab.magics import load_ipython_extension, unload_ipython_extension
    from vcplab.memory.advanced import AdvancedMemory
    from vcplab.memory.chunking import chunk
    from vcplab.memory.corpus import Corpus
    from vcplab.memory.document import Document
    from vcplab.memory.explaining.space import SearchSpace
    from vcplab.memory.filters.spelling import field
    from vcplab.memory.recipes.deep import DeepMemo
    from vcplab.memory.recipes.light import LightMemo
    from vcplab.memory.recipes.mesh import MeshMemo
    from vcplab.memory.recipes.tag import TagMemo
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
    from vcplab.memory.stages.tag_enhance import TagEnhance
    from vcplab.memory.stages.tag_field import TagField
    from vcplab.memory.stages.tags import TagLane
    from vcplab.memory.tags.spreading import BreadthFirst, NoSpread, PageRank, Spikes
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
    from vcplab.prompt.purifier import (
        ContextPurifier,
        PurifierOptions,
        PurifyResult,
        create_context_purifier,
    )
    from vcplab.prompt.stored_variables import PromptVariable, VariableStore
    from vcplab.prompt.templates import PromptTemplate, TemplateStore
    from vcplab.protocol.grounding import Finding, GoldSpan, Sample, Verdict
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
    from vcplab.widgets.explorer import RetrievalExplorer
    from vcplab.widgets.group_chat_panel import GroupChatPanel

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
    "BreadthFirst",
    "ChatBoard",
    "ChatEvent",
    "ChatMessage",
    "ChatMetric",
    "ChatRun",
    "ChatScenario",
    "ChatScenarios",
    "ChatStore",
    "ChatTeam",
    "CitationDetector",
    "CombinedDetector",
    "Comparison",
    "ContextPurifier",
    "Convex",
    "Corpus",
    "CrossEncoder",
    "Decay",
    "Decision",
    "Dedup",
    "DeepMemo",
    "Dense",
    "Document",
    "EmbeddingDetector",
    "EnvironmentProvider",
    "Exclusions",
    "Expand",
    "Filter",
    "Finding",
    "Gate",
    "GateModel",
    "GoldSpan",
    "GroupAgentSelector",
    "GroupChat",
    "GroupChatPanel",
    "GroupChatService",
    "HTTPReranker",
    "HallucinationSuppressor",
    "Handled",
    "HashEmbedder",
    "JudgeDetector",
    "Lab",
    "Ledger",
    "LettuceDetector",
    "Lexical",
    "LexicalDetector",
    "LightMemo",
    "MainServer",
    "MeshMemo",
    "MiniLM",
    "ModelError",
    "NLIDetector",
    "NoSpread",
    "Note",
    "OnnxEmbedder",
    "OpenAIChat",
    "PageRank",
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
    "PurifierOptions",
    "PurifyResult",
    "QueryLanguage",
    "Recorded",
    "RequestStream",
    "Rerank",
    "RetrievalExplorer",
    "Rewrite",
    "Sample",
    "Scripted",
    "SearchSpace",
    "SelfConsistencyDetector",
    "SentenceTransformer",
    "Settings",
    "Spikes",
    "StandInProcess",
    "StandInServer",
    "StyleDetector",
    "Suppression",
    "TagEnhance",
    "TagField",
    "TagLane",
    "TagMemo",
    "Tantivy",
    "Task",
    "TemplateStore",
    "TemporalDetector",
    "TimeProvider",
    "TokenDetector",
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
    "Verdict",
    "Workspace",
    "__version__",
    "allow_nested_loops",
    "chunk",
    "compare",
    "create_context_purifier",
    "create_group_chat_orchestrator",
    "create_hallucination_suppressor",
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
    "suppression",
    "tune",
    "unload_ipython_extension",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("vcplab")
    elif name in EXPORTS:
        module, attribute = EXPORTS[name]
        loaded = import_module(module)
        value = loaded if attribute is None else getattr(loaded, attribute)
    else:
        raise AttributeError(f"module 'vcplab' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
