"""A stand-in for a VCP main server: upstream's behaviour towards nodes, without upstream.

`StandInServer` runs in this process, `StandInProcess` in one of its own; `MainServer` calls tools
of a real server in the same way.
"""

from __future__ import annotations

from vcplab.node.standin.core import StandInServer
from vcplab.node.standin.frames import RecordedFrame
from vcplab.node.standin.main_server import MainServer
from vcplab.node.standin.process import StandInProcess
from vcplab.node.standin.quirks import Quirks, ServerDialect
from vcplab.node.standin.registry import ServerInfo
from vcplab.node.standin.session import Session

__all__ = [
    "MainServer",
    "Quirks",
    "RecordedFrame",
    "ServerDialect",
    "ServerInfo",
    "Session",
    "StandInProcess",
    "StandInServer",
]
