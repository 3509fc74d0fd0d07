"""docs/seed-names.md: complete, without contradictions, and every path leads somewhere."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "seed-names.md"

# The rooms of the design: where what is not built yet will live.
ROOMS = {
    *("agents", "bus", "canvas", "evaluation", "grounding", "lab", "memory", "net", "node"),
    *("plugins", "prompt", "runs", "sdk", "server", "tracing", "widgets"),
}

# What is also called by the seed's IPC channels.
SERVICES = [
    "vcplab.AdvancedMemory",
    "vcplab.tracing.VCPInfo",
    "vcplab.tracing.VCPLog",
    "vcplab.tracing.ShowVCP",
    "vcplab.agents.chat.service.GroupChatService",
]

# Every name of the five source documents, by document. Fields and values are written with what
# they belong to where the bare word would not say enough.
NAMES = {
    "000": """
        VCPDistributedServer ws://main-server:port/vcp-distributed-server/VCP_Key={key}
        VCP_Key JSON-RPC Base64 initialize getTools executeTool cleanup plugin-manifest.json
        name version description main type dependencies permissions type:tool
        permissions:file_read permissions:network config.env DIST_SERVER_PORT DEBUG_MODE
        SERVER_NAME VCPEverything MusicController DeepMemo VCPSuperDice TableLampRemote
        WaitingForUrReply DistImageServer MediaShot FileOperator ChatRoomViewer
    """,
    "001": """
        UnifiedPluginManager PluginManager PluginRegistry MCPOBridge VCPAdapter
        registry.json builtin downloaded manifest.json static synchronous asynchronous
        messagePreprocessor service hybridservice <<<[TOOL_REQUEST]>>>
        <<<[END_TOOL_REQUEST]>>> 「始」 「末」 tool_name <<<[TOOL_RESULT]>>> <<<[/TOOL_RESULT]>>>
        TOOL_RESULT.success TOOL_RESULT.output TOOL_RESULT.data vcp:plugin:initialize
        vcp:plugin:list vcp:plugin:get vcp:plugin:enable vcp:plugin:disable
        vcp:plugin:reload vcp:plugin:getPlaceholders vcp:tool:execute vcp:tool:executeAsync
        vcp:tool:getTaskStatus vcp:tool:getTaskResult vcp:tool:listDefinitions taskId
        vcp:unified:initialize vcp:unified:getAllPlugins vcp:unified:getPluginsByProtocol
        vcp:unified:executeTool vcp:unified:getToolDefinitions executeTool.name
        executeTool.arguments vcp:distributed:register vcp:distributed:unregister
        vcp:distributed:getServers vcp:distributed:getServerTools window.api.invoke
        window.api.on window.api.off name displayName description version pluginType params
        entryPoint params.name params.description params.type params.required
        entryPoint.type entryPoint.script module.exports.execute execute.success
        execute.output mcp.name mcp.description mcp.arguments inputSchema inputSchema.type
        inputSchema.properties distributed_register distributed_unregister
        distributed_tool_list distributed_tool_call distributed_tool_result
        distributed_heartbeat plugin_registered plugin_unregistered plugin_enabled
        plugin_disabled plugins_reloaded CanvasPage CanvasEditor CanvasService
        CanvasIpcHandler /canvas .history.json .versions canvas:getHistory canvas:loadFile
        canvas:saveFile canvas:createFile canvas:deleteFile canvas:renameFile
        canvas:listFiles canvas:getVersions canvas:restoreVersion canvas:createSnapshot
        canvas:startSync canvas:stopSync canvas:getSyncState canvas:externalChange
        saveFile.path saveFile.content saveFile.createVersion externalChange.filePath
        externalChange.content CanvasEditorConfig theme theme:light theme:dark fontSize
        tabSize lineNumbers wordWrap autoSave autoSaveInterval canvas_sync canvas_update
        canvas_cursor canvas_selection
    """,
    "002": """
        VCPAgentService AgentCollaborationService GroupChatOrchestrator UnifiedAgentAdapter
        ContextInjectorService ContextPurifier HallucinationSuppressor LightMemo
        LightMemoService DeepMemo DeepMemoService MeshMemo GenericMeshMemoService TagMemo
        TagMemoService DiaryModeParser RetrievalStrategyService RetrievalStrategy
        VCPSearchService TimeAwareSearch SemanticGroupSearch VCPInfoService VCPLogService
        ShowVCPService AdvancedMemoryIpcHandler VCPInfoLogIpcHandler VCPIpcHandler
        GroupChatIpcHandler window.api.advancedMemory window.api.vcpInfo window.api.vcpLog
        window.api.groupChat window.api.vcp.agent window.api.vcp.injector
        window.api.vcp.diary VCPAgent VCPAgent.id VCPAgent.name VCPAgent.displayName
        VCPAgent.systemPrompt VCPAgent.personality VCPAgent.vcpConfig vcpConfig.enableDiary
        vcpConfig.enableMemory vcpConfig.enableTools PromptVariable PromptTemplate
        AgentAssistant AgentMessageType request response broadcast knowledge_share
        task_assign vote_request vote_response SpeakingMode sequential random invitation
        mention keyword consensus createGroupChatOrchestrator
        createGroupChatOrchestrator.name speakingMode maxRounds addAgent start
        handleUserInput requestSpeak user_request decision.shouldSpeak decision.agentId
        UnifiedAgent UnifiedAgent.id UnifiedAgent.type UnifiedAgent.name
        UnifiedAgent.systemPrompt UnifiedAgent.expertise UnifiedAgent.keywords
        UnifiedAgent.groupRole AgentRole assistant vcp claude-code custom Assistant
        AgentEntity createUnifiedAgentAdapter fromAssistant fromAssistant.id
        fromAssistant.name fromAssistant.prompt toGroupAgents InjectionPosition
        system_prefix system_suffix user_prefix hidden TriggerType always regex turn_count
        time_based AdvancedMemory_LightMemoSearch lightMemoSearch
        AdvancedMemory_DeepMemoSearch deepMemoSearch AdvancedMemory_MeshMemoSearch
        meshMemoSearch AdvancedMemory_AddDocument addDocument AdvancedMemory_AddDocuments
        addDocuments AdvancedMemory_Clear clear AdvancedMemory_GetDocumentCount
        getDocumentCount query queryEmbedding config bm25Weight semanticWeight topK rerank
        initialTopK finalTopK filters logic customFilter diversitySampling FilterCondition
        field operator value equals in {{知识库}} [[知识库]] <<知识库>> 《《知识库》》 fulltext rag
        threshold_fulltext threshold_rag ::Time ::Group Tantivy createContextPurifier
        maxTokens removeDuplicates truncateStrategy purify TruncateStrategy head tail middle
        smart originalLength purifiedLength estimatedTokens modifications modifications.type
        createHallucinationSuppressor autoFix markUncertain suppress conversationHistory
        knowledgeBase overallConfidence detections processedText HallucinationType factual
        contextual temporal attribution logical confabulation VCPInfoEvent session:start
        session:end step:start step:progress step:end ExecutionSession ExecutionStep
        ExecutionStatus InfoEvent.session InfoEvent.step InfoEvent.status InfoEvent.progress
        vcpInfo.onEvent VCPInfo_GetActiveSessions VCPInfo_GetRecentSessions
        VCPInfo_GetSession VCPInfo_ClearSessions vcpLog.onCallUpdate onCallUpdate.type
        onCallUpdate.call call.toolName call.duration traceId VCPLog_GetRecentCalls
        VCPLog_GetRecentLogs VCPLog_GetTraceCalls VCPLog_GetCall VCPLog_Clear ShowVCP_Enable
        ShowVCP_Disable ShowVCP_GetConfig ShowVCP_UpdateConfig ShowVCP_GetHistory
        ShowVCP_ClearHistory VCP_Agent_List VCP_Agent_Get VCP_Agent_Create VCP_Agent_Update
        VCP_Agent_Delete VCP_Agent_Activate VCP_Agent_Import VCP_Variable_List
        VCP_Variable_Create VCP_Variable_Update VCP_Variable_Delete VCP_Template_List
        VCP_Template_Create VCP_Template_Update VCP_Template_Delete VCP_Template_Render
        VCP_Injector_Rule_* VCP_Injector_Preset_* AgentCollab_* GroupChatPanel
        GroupAgentSelector availableAssistants initialConfig onClose useAssistants useState
        GroupChatService groupChatService createSession createSession.name
        createSession.speakingMode sessionId adaptAssistant adaptAssistant.id
        adaptAssistant.name adaptAssistant.prompt decisions subscribe agent:speak event.type
        message.agentName message.content groupChat.create groupChat.create.speakingMode
        groupChat.addAgent groupChat.onEvent addAgent.sessionId addAgent.agent agent.id
        agent.name agent.displayName agent.role agent.expertise agent.triggerKeywords
        agent.systemPrompt agent.priority
    """,
    "003": """
        vcp-intellicore-sdk VCPToolRequest VCPToolRequest.name VCPToolRequest.args
        VCPToolRequest.archery VCPToolRequest.rawText PluginManifest PluginManifest.id
        PluginManifest.name PluginManifest.version PluginManifest.description
        PluginManifest.author PluginManifest.type PluginManifest.main type:direct
        type:distributed type:preprocessor type:service type:static type:internal
        capabilities capabilities.invocationCommands invocationCommands.command
        invocationCommands.description invocationCommands.example webSocketPush
        webSocketPush.enabled webSocketPush.messageType webSocketPush.targetClientType
        targetClientType:VCPLog targetClientType:Distributed targetClientType:all
        communication.timeout VCPError VCPError.code VCPError.message VCPError.details
        VCPErrorCode INVALID_PROTOCOL PARSE_ERROR VARIABLE_NOT_FOUND CIRCULAR_DEPENDENCY
        MAX_RECURSION_EXCEEDED PLUGIN_NOT_FOUND PLUGIN_LOAD_ERROR INVALID_PLUGIN_MANIFEST
        TOOL_NOT_FOUND TOOL_EXECUTION_FAILED TOOL_TIMEOUT DISTRIBUTED_CONNECTION_ERROR
        DISTRIBUTED_TIMEOUT UNKNOWN_ERROR createVCPProtocolParser toolRequestStartMarker
        toolRequestEndMarker paramStartMarker paramEndMarker debug IVCPProtocolParser
        parseToolRequests hasToolRequests formatToolResult VCPToolResult VCPToolResult.tool
        VCPToolResult.result VCPToolResult.success createVariableEngine enableRecursion
        maxRecursionDepth detectCircular maxPlaceholders IVariableEngine registerProvider
        registerProvider.priority IVariableProvider resolveAll TimeProvider {{Date}}
        {{Time}} {{DateTime}} {{Timestamp}} {{Today}} {{Now}} EnvironmentProvider {{ENV_*}}
        setVariable PlaceholderProvider setPlaceholder deletePlaceholder clearPlaceholders
        ToolDescriptionProvider {{VCPAllTools}} {{VCPToolName}} PluginRuntime
        PluginRuntimeOptions pluginDir PluginRuntimeOptions.debug autoDiscover
        registerPlugin executePlugin getToolDescriptions registerDistributedTools
        unregisterAllDistributedTools setDistributedExecutor getPlugins plugin_registered
        plugin_registered.plugin EventEmitter plugin_executed plugin_executed.plugin
        plugin_executed.result plugin_error plugin_error.plugin plugin_error.error
        WebSocketManager WebSocketManagerOptions enableHeartbeat enableCompression
        initialize registerChannel BaseChannel VCPLogChannelSDK pushLog pushToolLog
        logData.logType logType:tool_log logType:ai_stream logType:vcp_log
        logType:notification logData.content logData.source logData.timestamp logData.tool
        logData.status status:executing status:success status:error
        DistributedServerChannelSDK executeDistributedTool executeDistributedTool.serverId
        executeDistributedTool.toolName executeDistributedTool.args
        executeDistributedTool.timeout getDistributedServers ServerInfo
        ServerInfo.serverName ServerInfo.tools FileFetcher cacheDir maxCacheSize maxFileSize
        cacheTTL fetchFile fetchFile.filePath fetchFile.serverIdOrIp FileResult
        FileResult.buffer FileResult.mimeType FileResult.cached FileResult.cacheLevel
        cacheLevel:memory cacheLevel:disk cacheLevel:network getCacheStats CacheStats
        CacheStats.memoryHits CacheStats.diskHits CacheStats.networkHits
    """,
    "004": """
        core/ state.py context.py runtime/ registry.py host.py communication.py status.py
        api/ models.py utils/ settings.py management.py sdk/ base.py decorators.py events.py
        config.py plugins.py logger.py server/ plugin_server.py lifecycle.py services.py
        ws_run.py ws_admin.py config_service.py logs.py metrics_service.py auth.py
        error_handler.py exceptions.py runs.py blob_store.py message_plane/ rpc_server.py
        pub_server.py ingest_server.py stores.py protocol.py validation.py bus/ memory.py
        messages.py types.py zeromq_ipc.py frontend/ vue-project/ PluginRuntimeState
        PluginContext update_status push_message run_update export_push_* ctx.bus.memory
        ctx.bus.messages ctx.bus.events ctx.bus.lifecycle load_plugins_from_toml
        scan_static_metadata register_plugin get_plugins plugin.toml recommended supported
        untested conflicts PluginProcessHost cmd_queue res_queue message_queue
        plugin_comm_queue PluginCommunicationResourceManager PluginStatusManager
        NekoPluginBase PluginConfig Plugins collect_entries report_status
        enable_file_logging call_plugin @neko_plugin @plugin_entry @lifecycle
        @timer_interval @message @custom_event @on_event lifecycle:startup
        lifecycle:shutdown lifecycle:reload EventMeta EventHandler EventType plugin_entry
        lifecycle message timer custom MemoryClient MemoryClient.get MemoryRecord MemoryList
        MemoryClient.get.bucket_id MemoryClient.get.limit MemoryClient.get.timeout
        MessageClient MessageClient.get_recent MessageRecord MessageRecord.message_id
        MessageRecord.message_type MessageRecord.description MessageList EventClient
        EventClient.get_recent EventRecord EventRecord.event_id EventRecord.entry_id
        EventRecord.args EventList LifecycleClient LifecycleClient.get_recent
        LifecycleRecord LifecycleRecord.lifecycle_id LifecycleRecord.detail LifecycleList
        get_recent.limit get_recent.timeout BusRecord BusList BusOp GetNode RunRecord
        RunRecord.run_id RunRecord.status RunRecord.progress RunRecord.stage
        RunRecord.metrics ExportItem ExportItem.text ExportItem.url ExportItem.binary
        ExportItem.binary_url create_run cancel_run get_run lifespan watchdog start_plugin
        stop_plugin reload_plugin build_plugin_list trigger_plugin get_messages_from_queue
        /runs metrics_collector require_admin blob_store MessagePlaneRpcServer
        MessagePlanePubServer TopicStore StoreRegistry topic:messages topic:events
        topic:lifecycle topic:runs topic:export topic:memory BusGetRecentArgs BusQueryArgs
        MessagePlaneIngestBatcher PluginMeta PluginAuthor PluginDependency PluginPushMessage
        PluginPushMessageRequest PluginPushMessageResponse HealthCheckResponse PluginError
        PluginNotFoundError PluginNotRunningError PluginTimeoutError PluginExecutionError
        PluginCommunicationError PluginLoadError PluginImportError PluginLifecycleError
        PluginTimerError PluginEntryNotFoundError PluginMetadataError PluginQueueError
        EVENT_QUEUE_MAX MESSAGE_QUEUE_MAX PLUGIN_EXECUTION_TIMEOUT PLUGIN_TRIGGER_TIMEOUT
        PLUGIN_CONFIG_ROOT SYNC_CALL_IN_HANDLER_POLICY
    """,
}
SPACED = {"001": ["VCP Engine", "MCP Engine"], "002": ["Flow Lock"]}


class Row(NamedTuple):
    """One line of a table."""

    seed: str
    section: str
    names: tuple[str, ...]
    ours: str


def rows() -> list[Row]:
    found: list[Row] = []
    seed = section = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"## Seed (\d{3}): ", line):
            seed, section = heading[1], ""
        elif line.startswith("### "):
            section = line[4:]
        elif line.startswith("|") and not re.match(r"\|\s*(seed|-+)\s*\|", line):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            assert len(cells) == 2, f"not two cells: {line}"
            names = tuple(re.findall(r"`([^`]+)`", cells[0]))
            assert cells[0] == ", ".join(f"`{name}`" for name in names), f"seed cell: {line}"
            found.append(Row(seed, section, names, cells[1]))
    return found


ROWS = rows()
PATHS = sorted({path for row in ROWS for path in re.findall(r"`(vcplab[\w.]*)`", row.ours)})


def resolve(path: str) -> Any:
    """What a dotted path means: the longest module of it, then attributes."""
    parts = path.split(".")
    value: Any = importlib.import_module(parts[0])
    for number, part in enumerate(parts[1:], start=2):
        try:
            value = getattr(value, part)
        except AttributeError:
            value = importlib.import_module(".".join(parts[:number]))
    return value


@pytest.mark.parametrize("path", PATHS)
def test_path_leads_somewhere(path: str) -> None:
    resolve(path)


def test_resolving_can_fail() -> None:
    with pytest.raises(ImportError):
        resolve("vcplab.VCPErrorCode.NO_SUCH_CODE")


def test_pages_tables_were_found() -> None:
    assert {row.seed for row in ROWS} == set(NAMES)
    assert all(row.section and row.names for row in ROWS)
    assert len(PATHS) > 100


def test_every_answer_is_a_path_a_plan_or_a_note() -> None:
    for row in ROWS:
        if re.search(r"`vcplab\b", row.ours):
            # Nothing else may stand before the first path.
            assert row.ours.startswith("`vcplab"), row
            assert "planned" not in row.ours, row
        elif plan := re.fullmatch(r"planned \((\w+)\)", row.ours):
            assert plan[1] in ROOMS, row
        else:
            assert re.fullmatch(r"note: \S.{10,}", row.ours), row


def test_no_name_has_two_answers_in_one_section() -> None:
    counted = Counter((row.seed, row.section, name) for row in ROWS for name in row.names)
    assert [key for key, count in counted.items() if count > 1] == []


@pytest.mark.parametrize("seed", NAMES)
def test_no_name_of_a_seed_is_missing(seed: str) -> None:
    wanted = [*NAMES[seed].split(), *SPACED.get(seed, ())]
    assert len(wanted) == len(set(wanted))
    on_page = {name for row in ROWS if row.seed == seed for name in row.names}
    assert sorted(set(wanted) - on_page) == []


@pytest.mark.parametrize("code", re.findall(r"[A-Z]+(?:_[A-Z]+)+", NAMES["003"]))
def test_error_codes_are_ours_letter_by_letter(code: str) -> None:
    row = next(row for row in ROWS if row.seed == "003" and code in row.names)
    assert row.ours == f"`vcplab.VCPErrorCode.{code}`"
    assert str(resolve(row.ours.strip("`"))) == code


@pytest.mark.parametrize("service", SERVICES)
def test_every_channel_leads_where_the_page_says(service: str) -> None:
    found = resolve(service)
    rows = {name: row.ours for row in ROWS for name in row.names if name in found.CHANNELS}
    answers = {channel: f"`{service}.{method}`" for channel, method in found.CHANNELS.items()}
    assert rows == answers
