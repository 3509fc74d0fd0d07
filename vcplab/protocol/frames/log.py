"""Frames of the VCPLog, VCPInfo and admin channels (facts/vcp-protocol §1.6, §2, §4.6)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, StrictBool

from vcplab.protocol.frames.base import Frame, Number, Object, Text, WireModel

__all__ = [
    "AgentPrivateChatPreviewFrame",
    "AiMemoRetrievalFrame",
    "InfoFrame",
    "LoggedFrame",
    "MetaThinkingChainFrame",
    "PluginsReloadedFrame",
    "RagRetrievalDetailsFrame",
    "ToolApprovalRequestData",
    "ToolApprovalRequestFrame",
    "ToolApprovalResponseData",
    "ToolApprovalResponseFrame",
    "ToolNoReplyAcceptedFrame",
    "VCPLogData",
    "VCPLogFrame",
]


class LoggedFrame(Frame):
    """What the VCPLog channel keeps for devices that were away (100 frames, 24 hours).

    Attributes:
        vcp_replay_id: Identifies the frame; the same one may arrive again.
        vcp_replay: Whether this is a repetition.
        vcp_replay_original_at: When it was first sent: a number of milliseconds or a text.
    """

    vcp_replay_id: Any = Field(default=None, alias="_vcpReplayId")
    vcp_replay: StrictBool = Field(default=False, alias="_vcpReplay")
    vcp_replay_original_at: Any = Field(default=None, alias="_vcpReplayOriginalAt")


class VCPLogData(WireModel):
    """One line of the log: the toolbox's three fields and those of the SDK.

    Attributes:
        tool_name: The tool, if it is about one.
        status: ``success``, ``error``, ``executing`` and others.
        content: Usually a text.
        log_type: SDK: ``tool_log``, ``ai_stream``, ``vcp_log`` or ``notification``.
        source: SDK: who wrote it.
        timestamp: SDK: a number of milliseconds or a text.
    """

    tool_name: Text | None = Field(default=None, alias="tool_name")
    status: Text | None = None
    content: Any = None
    log_type: Text | None = Field(default=None, alias="log_type")
    source: Text | None = None
    timestamp: Any = None


class VCPLogFrame(LoggedFrame):
    """Server → VCPLog: one per tool call, and other news."""

    type: Literal["vcp_log"] = "vcp_log"
    data: VCPLogData


class ToolApprovalRequestData(WireModel):
    """A call that waits for a person.

    Attributes:
        request_id: ``approve-<ms>-<random>``; the answer has to carry it.
        tool_name: The tool.
        maid: Who signed the call.
        args: Its arguments.
        timestamp: When it was asked: a number of milliseconds or a text.
        approval_ttl_ms: Milliseconds until the call is refused by itself.
    """

    request_id: Text
    tool_name: Text
    maid: Text | None = None
    args: Object = Field(default_factory=dict)
    timestamp: Any = None
    approval_ttl_ms: Number | None = None


class ToolApprovalRequestFrame(LoggedFrame):
    """Server → VCPLog: may this call run?"""

    type: Literal["tool_approval_request"] = "tool_approval_request"
    data: ToolApprovalRequestData


class ToolApprovalResponseData(WireModel):
    """The person's answer.

    Attributes:
        request_id: That of the question.
        approved: True or false; nothing else is taken for an approval.
        reason: Told to the model when refused.
    """

    request_id: Text
    approved: StrictBool
    reason: Text | None = None


class ToolApprovalResponseFrame(Frame):
    """Client → server: yes or no. Refused from node and Chrome sockets."""

    type: Literal["tool_approval_response"] = "tool_approval_response"
    data: ToolApprovalResponseData


class InfoFrame(LoggedFrame):
    """What the VCPInfo channel shows of the server's work.

    The types are known, their fields are not part of the protocol: they are kept as they come.
    Such broadcasts reach VCPLog and node sockets too.
    """


class RagRetrievalDetailsFrame(InfoFrame):
    """What a diary search found."""

    type: Literal["RAG_RETRIEVAL_DETAILS"] = "RAG_RETRIEVAL_DETAILS"


class MetaThinkingChainFrame(InfoFrame):
    """The steps of a thinking chain."""

    type: Literal["META_THINKING_CHAIN"] = "META_THINKING_CHAIN"


class AiMemoRetrievalFrame(InfoFrame):
    """What a model read out of the diaries."""

    type: Literal["AI_MEMO_RETRIEVAL"] = "AI_MEMO_RETRIEVAL"


class AgentPrivateChatPreviewFrame(InfoFrame):
    """What agents said to each other."""

    type: Literal["AGENT_PRIVATE_CHAT_PREVIEW"] = "AGENT_PRIVATE_CHAT_PREVIEW"


class ToolNoReplyAcceptedFrame(InfoFrame):
    """A call with ``archery: no_reply`` was taken on."""

    type: Literal["TOOL_NO_REPLY_ACCEPTED"] = "TOOL_NO_REPLY_ACCEPTED"


class PluginsReloadedFrame(Frame):
    """Server → admin panel: the plugins were loaded again.

    Attributes:
        message: A text for people.
    """

    type: Literal["plugins-reloaded"] = "plugins-reloaded"
    message: Text | None = None
