"""Where each public name of `vcplab` is defined."""

from __future__ import annotations

from typing import Final

__all__ = ["EXPORTS"]

# Module → its public names; ``new=old`` renames one, and ``new=`` is the module itself.
_MODULES: Final = {
    "vcplab.agents.agent": "Agent VCPConfig",
    "vcplab.agents.chat.chat": "GroupChat",
    "vcplab.agents.chat.decision": "Ask Decision Note",
    "vcplab.agents.chat.events": "ChatEvent",
    "vcplab.agents.chat.log": "ChatStore",
    "vcplab.agents.chat.message": "ChatMessage",
    "vcplab.agents.chat.orchestrator": "create_group_chat_orchestrator",
    "vcplab.agents.chat.policies": "policies=",
    "vcplab.agents.chat.service": "GroupChatService",
    "vcplab.agents.chat.stop": "stop=",
    "vcplab.agents.chat.vcpchat": "read_vcpchat_group",
    "vcplab.agents.store": "AgentStore",
    "vcplab.agents.unified": "UnifiedAgent UnifiedAgentAdapter create_unified_agent_adapter",
    "vcplab.core.errors": "VCPError VCPErrorCode",
    "vcplab.core.loop": "allow_nested_loops run submit",
    "vcplab.core.settings": "Settings get_settings override_settings",
    "vcplab.core.workspace": "Workspace",
    "vcplab.evaluation.calibration": "fit_gate reliability",
    "vcplab.evaluation.chat_board": "ChatBoard",
    "vcplab.evaluation.chat_metrics": "ChatMetric ChatRun",
    "vcplab.evaluation.chat_teams": "ChatTeam",
    "vcplab.evaluation.chats": "ChatScenario ChatScenarios",
    "vcplab.evaluation.comparison": "Comparison compare",
    "vcplab.evaluation.datasets": "datasets=",
    "vcplab.evaluation.tuning": "tune",
    "vcplab.grounding.detectors.citation": "CitationDetector",
    "vcplab.grounding.detectors.combined": "CombinedDetector",
    "vcplab.grounding.detectors.consistency": "SelfConsistencyDetector",
    "vcplab.grounding.detectors.cross_encoder": "NLIDetector",
    "vcplab.grounding.detectors.embedding": "EmbeddingDetector",
    "vcplab.grounding.detectors.judge": "JudgeDetector",
    "vcplab.grounding.detectors.lettuce": "LettuceDetector",
    "vcplab.grounding.detectors.lexical": "Lexical=LexicalDetector LexicalDetector",
    "vcplab.grounding.detectors.style": "StyleDetector",
    "vcplab.grounding.detectors.temporal": "TemporalDetector",
    "vcplab.grounding.detectors.tokens": "TokenDetector",
    "vcplab.grounding.suppression": (
        "HallucinationSuppressor Suppression create_hallucination_suppressor suppression="
    ),
    "vcplab.lab": "Lab TraceFacet",
    "vcplab.magics": "load_ipython_extension unload_ipython_extension",
    "vcplab.memory.advanced": "AdvancedMemory",
    "vcplab.memory.chunking": "chunk",
    "vcplab.memory.corpus": "Corpus",
    "vcplab.memory.document": "Document",
    "vcplab.memory.explaining.space": "SearchSpace",
    "vcplab.memory.filters.spelling": "field",
    "vcplab.memory.recipes.deep": "DeepMemo",
    "vcplab.memory.recipes.light": "LightMemo",
    "vcplab.memory.recipes.mesh": "MeshMemo",
    "vcplab.memory.recipes.tag": "TagMemo",
    "vcplab.memory.stages.dense": "Dense",
    "vcplab.memory.stages.diversity": "Dedup MMR",
    "vcplab.memory.stages.filters": "Filter",
    "vcplab.memory.stages.fusion": "Convex RRF",
    "vcplab.memory.stages.gate": "Gate GateModel",
    "vcplab.memory.stages.lexical": "BM25 Tantivy",
    "vcplab.memory.stages.parents": "Expand Parents",
    "vcplab.memory.stages.proximity": "Proximity",
    "vcplab.memory.stages.queries": "Exclusions QueryLanguage Rewrite",
    "vcplab.memory.stages.ranking": "Decay Top",
    "vcplab.memory.stages.rerank": "Rerank",
    "vcplab.memory.stages.tag_enhance": "TagEnhance",
    "vcplab.memory.stages.tag_field": "TagField",
    "vcplab.memory.stages.tags": "TagLane",
    "vcplab.memory.tags.spreading": "BreadthFirst NoSpread PageRank Spikes",
    "vcplab.models.chat.failures": "ModelError",
    "vcplab.models.chat.ledger": "Ledger",
    "vcplab.models.chat.openai": "OpenAIChat",
    "vcplab.models.chat.prices": "Price PriceTable",
    "vcplab.models.chat.recorded": "Recorded",
    "vcplab.models.chat.scripted": "Scripted",
    "vcplab.models.embedding.hashing": "HashEmbedder",
    "vcplab.models.embedding.lsa": "LSA",
    "vcplab.models.embedding.minilm": "MiniLM",
    "vcplab.models.embedding.onnx": "OnnxEmbedder",
    "vcplab.models.embedding.sentence": "SentenceTransformer",
    "vcplab.models.reranking.cross_encoder": "CrossEncoder",
    "vcplab.models.reranking.http": "HTTPReranker",
    "vcplab.node.standin": "MainServer StandInProcess StandInServer",
    "vcplab.plugins.channels": "PluginRuntime",
    "vcplab.plugins.failures": "ToolTimeoutError",
    "vcplab.plugins.functions": "ToolContext",
    "vcplab.plugins.handling": "Handled",
    "vcplab.plugins.manager": "PluginManager",
    "vcplab.plugins.manifest": "read_manifest",
    "vcplab.plugins.plugin": "PluginRow",
    "vcplab.plugins.tasks": "Task",
    "vcplab.prompt.lint": "lint_prompt",
    "vcplab.prompt.placeholders": (
        "EnvironmentProvider PlaceholderProvider PromptVariables TimeProvider "
        "ToolDescriptionProvider VariableEngine create_variable_engine"
    ),
    "vcplab.prompt.purifier": (
        "ContextPurifier PurifierOptions PurifyResult create_context_purifier"
    ),
    "vcplab.prompt.stored_variables": "PromptVariable VariableStore",
    "vcplab.prompt.templates": "PromptTemplate TemplateStore",
    "vcplab.protocol.grounding": "Finding GoldSpan Sample Verdict",
    "vcplab.protocol.requests": (
        "ParsedAnswer RequestStream ToolRequest VCPProtocolParser create_vcp_protocol_parser"
    ),
    "vcplab.protocol.results": "ToolFailure ToolResult",
    "vcplab.text.analysis": "Analyzer",
    "vcplab.widgets.agent_selector": "GroupAgentSelector",
    "vcplab.widgets.explorer": "RetrievalExplorer",
    "vcplab.widgets.group_chat_panel": "GroupChatPanel",
}


def _named() -> dict[str, tuple[str, str | None]]:
    found: dict[str, tuple[str, str | None]] = {}
    for module, names in _MODULES.items():
        for name in names.split():
            public, renamed, own = name.partition("=")
            found[public] = module, (own or None) if renamed else public
    return found


EXPORTS: Final = _named()
"""Public name → module and attribute; no attribute where the module itself is meant."""
