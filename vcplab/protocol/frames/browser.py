"""Frames of the browser extension and of those who steer it (facts/vcp-protocol §4.6).

The extension is the observer, the other side the control. The SDK of 2025 has other frames on the
same path (facts/sdk-and-neko A4); they are here too.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, StrictBool

from vcplab.protocol.frames.base import Frame, Text, WireModel

__all__ = [
    "ClientHelloFrame",
    "CommandData",
    "CommandFrame",
    "CommandResultData",
    "CommandResultFrame",
    "DomDataFrame",
    "HeartbeatAckFrame",
    "HeartbeatFrame",
    "PageDataFrame",
    "PageInfoUpdateFrame",
    "ReadyFrame",
    "ScreenshotFrame",
]


class HeartbeatFrame(Frame):
    """Observer → server, and node → server with the SDK: I am still here."""

    type: Literal["heartbeat"] = "heartbeat"


class HeartbeatAckFrame(Frame):
    """Server → observer: the answer to ``heartbeat``.

    Attributes:
        timestamp: When: a number of milliseconds or a text.
    """

    type: Literal["heartbeat_ack"] = "heartbeat_ack"
    timestamp: Any = None


class ClientHelloFrame(Frame):
    """Observer → server: the first word."""

    type: Literal["clientHello"] = "clientHello"
    data: Any = None


class PageInfoUpdateFrame(Frame):
    """Observer → server: the page in front.

    Attributes:
        data: The page.
    """

    type: Literal["pageInfoUpdate"] = "pageInfoUpdate"
    data: Any = None


class CommandData(WireModel):
    """What the browser shall do; its parameters depend on the command and are kept.

    Attributes:
        request_id: What the answer has to carry.
        wait_for_page_info: Whether the next page is wanted too.
    """

    request_id: Text | None = None
    wait_for_page_info: StrictBool | None = Field(default=None, alias="wait_for_page_info")


class CommandFrame(Frame):
    """Control → the first observer, by way of the server; SDK: server → all observers.

    Attributes:
        data: The toolbox's form.
        action: The SDK's form, beside ``type``.
        target: What the action is done to.
        params: How.
    """

    type: Literal["command"] = "command"
    data: CommandData | None = None
    action: Text | None = None
    target: Any = None
    params: Any = None


class CommandResultData(WireModel):
    """How a command ended; a message, an error and others are kept.

    Attributes:
        request_id: That of the command.
        status: ``success`` or ``error``.
    """

    request_id: Text | None = None
    status: Text | None = None


class CommandResultFrame(Frame):
    """Observer → control: the answer to ``command``."""

    type: Literal["command_result"] = "command_result"
    data: CommandResultData | None = None


class ReadyFrame(Frame):
    """SDK, observer → server: the extension is up."""

    type: Literal["ready"] = "ready"


class PageDataFrame(Frame):
    """SDK, observer → server: a page."""

    type: Literal["page_data"] = "page_data"


class ScreenshotFrame(Frame):
    """SDK, observer → server: a picture of a page."""

    type: Literal["screenshot"] = "screenshot"


class DomDataFrame(Frame):
    """SDK, observer → server: a page's elements."""

    type: Literal["dom_data"] = "dom_data"
