"""Child processes: started in a group of their own, limited, and never left behind.

Three nets: the process group is killed when a call ends; what left the group is found by a mark in
its environment (Linux); and a watchdog process does both when this process dies, however it dies.
"""

from __future__ import annotations

from vcplab.plugins.processes.child import Child, Ending, Limits
from vcplab.plugins.processes.command import CommandLine, command_line
from vcplab.plugins.processes.guard import guard

__all__ = ["Child", "CommandLine", "Ending", "Limits", "command_line", "guard"]
