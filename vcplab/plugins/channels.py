"""The channels and operations by which peers know the manager: seeds 001 and 003."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from vcplab.core.events import Subscription
from vcplab.plugins.calling import Caller
from vcplab.plugins.hosts.remote import DistributedExecutor
from vcplab.plugins.manifest import Manifest, read_manifest
from vcplab.plugins.plugin import PluginRow
from vcplab.protocol.channels import Channels
from vcplab.protocol.results import ToolResult

if TYPE_CHECKING:
    from vcplab.plugins.manager import PluginManager

__all__ = ["PluginChannels", "PluginRuntime"]


class PluginChannels(Channels):
    """The manager by channel, as over seed 001's IPC: ``invoke("vcp:tool:execute", {…})``.

    Args:
        manager: The manager.
        caller: Calls its tools.
    """

    CHANNELS: ClassVar[Mapping[str, str]] = {
        "vcp:plugin:initialize": "initialize",
        "vcp:plugin:list": "list_plugins",
        "vcp:plugin:get": "get",
        "vcp:plugin:enable": "enable",
        "vcp:plugin:disable": "disable",
        "vcp:plugin:reload": "reload",
        "vcp:plugin:loadFromPath": "load_from_path",
        "vcp:plugin:getPluginsDir": "get_plugins_dir",
        "vcp:plugin:getConfig": "get_config",
        "vcp:plugin:updateConfig": "update_config",
        "vcp:plugin:getPlaceholders": "get_placeholders",
        "vcp:plugin:getStats": "get_stats",
        "vcp:plugin:getDetails": "get_details",
        "vcp:tool:execute": "execute",
        "vcp:tool:executeAsync": "execute_async",
        "vcp:tool:getTaskStatus": "get_task_status",
        "vcp:tool:getTaskResult": "get_task_result",
        "vcp:tool:cancelTask": "cancel_task",
        "vcp:tool:listDefinitions": "list_definitions",
        "vcp:unified:initialize": "initialize",
        "vcp:unified:getAllPlugins": "get_all_plugins",
        "vcp:unified:getPluginsByProtocol": "get_plugins_by_protocol",
        "vcp:unified:executeTool": "execute_tool",
        "vcp:unified:getToolDefinitions": "get_tool_definitions",
        "vcp:unified:refresh": "refresh",
        "vcp:distributed:register": "register_distributed_tools",
        "vcp:distributed:unregister": "unregister_all_distributed_tools",
        "vcp:distributed:getServers": "get_servers",
        "vcp:distributed:getServerTools": "get_server_tools",
        "vcp:preprocessor:get-order": "get_order",
        "vcp:preprocessor:set-order": "set_order",
        "vcp:preprocessor:get-info": "get_info",
        "vcp:preprocessor:reload": "reload_preprocessors",
    }

    def __init__(self, manager: PluginManager, caller: Caller) -> None:
        self._manager = manager
        self._caller = caller

    def initialize(self) -> list[dict[str, Any]]:
        """Load what may be loaded, and tell what there is."""
        for plugin in self._manager.catalogue:
            if plugin.version is None:
                self._manager.load(plugin.name)
        return self.list_plugins()

    def list_plugins(self) -> list[dict[str, Any]]:
        """All plugins."""
        return [_told(row) for row in self._manager.rows()]

    def get(self, name: str) -> dict[str, Any]:
        """One plugin."""
        return _told(self._manager.row(name))

    def get_details(self, name: str) -> dict[str, Any]:
        """One plugin with its commands, its settings (secrets hidden) and its README."""
        config = self._manager.config(name)
        return {
            **self.get(name),
            "manifest": dict(self._manager.manifest(name).raw),
            "author": self._manager.manifest(name).author,
            "permissions": list(self._manager.manifest(name).permissions),
            "commands": [command.identifier for command in self._manager.commands(name)],
            "config": {key: str(value) for key, value in config.values.items()},
            "readme": self._manager.readme(name),
        }

    def enable(self, name: str) -> dict[str, Any]:
        """Switch a plugin on."""
        return _told(self._manager.enable(name))

    def disable(self, name: str) -> dict[str, Any]:
        """Switch a plugin off."""
        return _told(self._manager.disable(name))

    def reload(self, name: str | None = None) -> list[dict[str, Any]]:
        """Load a plugin anew, or all."""
        return [_told(row) for row in self._manager.reload(name)]

    def refresh(self) -> list[dict[str, Any]]:
        """Load all plugins anew."""
        return self.reload()

    def load_from_path(self, path: str) -> list[dict[str, Any]]:
        """Add a folder; what was not trusted before does not run."""
        return [_told(row) for row in self._manager.add(path)]

    def get_plugins_dir(self) -> list[str]:
        """The folders that were added."""
        return [str(root) for root, _ in self._manager.records.roots()]

    def get_config(self, name: str) -> dict[str, Any]:
        """The settings of a plugin, secrets hidden."""
        return {key: str(value) for key, value in self._manager.config(name).values.items()}

    def update_config(self, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
        """Change settings of a plugin."""
        self._manager.set_config(name, **dict(config))
        return self.get_config(name)

    def get_placeholders(self) -> dict[str, str]:
        """The values of static plugins by placeholder."""
        results = self._manager.statics.results
        found = {name: results.resolve(name) for name in results.names()}
        return {name: value.text for name, value in found.items() if value is not None}

    def get_stats(self) -> dict[str, Any]:
        """How many plugins, tools, calls and errors there are, and plugins by type."""
        rows = self._manager.rows()
        kinds = [row.type for row in rows if row.type]
        return {
            "total": len(rows),
            "enabled": sum(row.state == "ready" for row in rows),
            "tools": sum(row.callable and row.state == "ready" for row in rows),
            "calls": sum(row.calls for row in rows),
            "errors": sum(row.errors for row in rows),
            "byType": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        }

    def execute(self, name: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call a tool: ``{"success", "output", "data" | "error"}`` (seed 001)."""
        return _outcome(self._caller.execute(name, arguments))

    def execute_tool(self, name: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """`execute`, whatever protocol the tool speaks."""
        return self.execute(name, arguments)

    def execute_async(
        self, name: str, arguments: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Call a tool in the background: ``{"taskId", "status"}``."""
        task = self._caller.submit(name, arguments)
        return {"taskId": task.id, "status": task.state}

    def get_task_status(self, task_id: str) -> dict[str, Any]:
        """Where a task stands."""
        task = self._manager.tasks.get(task_id)
        return {"taskId": task.id, "tool": task.tool, "status": task.state}

    def get_task_result(self, task_id: str) -> dict[str, Any]:
        """What came of a task; without ``result`` while it runs."""
        return self._manager.tasks.get(task_id).to_dict()

    def cancel_task(self, task_id: str) -> bool:
        """Stop a task; False when it had ended."""
        return self._manager.tasks.get(task_id).cancel()

    def list_definitions(self) -> list[dict[str, Any]]:
        """The tools that can be called: ``name``, ``description``, ``inputSchema``."""
        return [
            definition(self._manager.manifest(row.name))
            for row in self._manager.rows()
            if row.callable and row.state == "ready"
        ]

    def get_tool_definitions(self) -> list[dict[str, Any]]:
        """`list_definitions`, whatever protocol the tools speak."""
        return self.list_definitions()

    def get_all_plugins(self) -> list[dict[str, Any]]:
        """All plugins with their ``protocol``, ``vcp`` or ``mcp``."""
        return [
            {**_told(row), "protocol": "mcp" if row.dialect == "mcp" else "vcp"}
            for row in self._manager.rows()
        ]

    def get_plugins_by_protocol(self, protocol: str) -> list[dict[str, Any]]:
        """The plugins of one protocol."""
        return [one for one in self.get_all_plugins() if one["protocol"] == protocol]

    def register_distributed_tools(
        self, server_id: str, tools: Sequence[Mapping[str, Any]]
    ) -> list[str]:
        """Register the tools of a node; those whose name is taken are left out."""
        return self._manager.register_distributed_tools(server_id, tools)

    def unregister_all_distributed_tools(self, server_id: str) -> list[str]:
        """Take the tools of a node away; their names."""
        return self._manager.unregister_all_distributed_tools(server_id)

    def get_servers(self) -> list[dict[str, Any]]:
        """The nodes whose tools are registered: ``{"serverId", "tools"}``, tools by name."""
        nodes = self._nodes().items()
        return [{"serverId": server, "tools": [m.name for m in tools]} for server, tools in nodes]

    def get_server_tools(self, server_id: str) -> list[dict[str, Any]]:
        """The tools of a node, as `list_definitions` tells of tools; none if it has none."""
        return [definition(manifest) for manifest in self._nodes().get(server_id, ())]

    def _nodes(self) -> dict[str, list[Manifest]]:
        found: dict[str, list[Manifest]] = {}
        for plugin in self._manager.catalogue:
            version = plugin.version
            if version is not None and version.manifest.host == "remote":
                found.setdefault(str(version.target), []).append(version.manifest)
        return found

    def get_order(self) -> list[str]:
        """The order of preprocessors."""
        return self._manager.preprocessors.order

    def set_order(self, order: Sequence[str]) -> list[str]:
        """Put preprocessors in order; remembered."""
        made = self._manager.preprocessors.set_order(order)
        self._manager.records.put_order(list(order))
        return made

    def get_info(self) -> list[dict[str, Any]]:
        """The preprocessors in order, each with its plugin's description."""
        known = {row.name: row.description for row in self._manager.rows()}
        return [
            {"name": name, "description": known.get(name, ""), "order": place}
            for place, name in enumerate(self.get_order())
        ]

    def reload_preprocessors(self) -> list[str]:
        """Load the preprocessors that have a folder anew; the order in force."""
        for row in self._manager.rows():
            if row.type == "messagePreprocessor" and row.state == "ready":
                self._manager.reload(row.name)
        return self.get_order()


class PluginRuntime:
    """``PluginRuntime`` of seed 003, on a manager.

    Args:
        manager: The manager.
        plugin_dir: Where plugins of the type ``direct`` have their folders.
        trust: Whether what stands there may run.
    """

    def __init__(
        self,
        manager: PluginManager,
        *,
        plugin_dir: str | Path = "Plugin",
        trust: bool | None = None,
        debug: bool = False,
        auto_discover: bool = False,
    ) -> None:
        self.manager = manager
        self._caller = Caller(manager)
        self._folder = Path(plugin_dir)
        self._trust = trust
        manager.debug = manager.debug or debug
        if auto_discover and self._folder.is_dir():
            manager.add(self._folder, trust=trust)

    async def register_plugin(self, manifest: Mapping[str, Any], **named: Any) -> PluginRow:
        """Register a plugin; one of the type ``direct`` runs from its folder, if there is one."""
        import asyncio

        return await asyncio.to_thread(self._register, manifest, named)

    def _register(self, manifest: Mapping[str, Any], named: dict[str, Any]) -> PluginRow:
        read = read_manifest(manifest)
        folder = self._folder / read.name
        if read.host in ("stdio", "none") and folder.is_dir():
            return self.manager.add(folder, trust=self._trust)[0]
        return self.manager.register(manifest, **named)

    async def execute_plugin(self, name: str, args: Mapping[str, Any] | None = None) -> Any:
        """Call a tool: ``{"status": "success", "result"}``.

        Raises:
            NotFoundError: There is none (``TOOL_NOT_FOUND``).
            ToolFailure: It failed (``TOOL_EXECUTION_FAILED``, ``TOOL_TIMEOUT``).
        """
        return {"status": "success", "result": await self._caller.acall(name, args)}

    def get_plugins(self) -> list[Manifest]:
        """The manifests of all plugins that can be read."""
        return [p.manifest for p in self.manager.catalogue if p.manifest is not None]

    def get_tool_descriptions(self) -> dict[str, str]:
        """Names → descriptions of the tools."""
        return self.manager.get_tool_descriptions()

    def get_individual_plugin_description(self, name: str) -> str | None:
        """The description of one tool, or None."""
        return self.get_tool_descriptions().get(name)

    def register_distributed_tools(
        self, server_id: str, tools: Sequence[Mapping[str, Any]]
    ) -> list[str]:
        """Register the tools of a node; those whose name is taken are left out."""
        return self.manager.register_distributed_tools(server_id, tools)

    def unregister_all_distributed_tools(self, server_id: str) -> list[str]:
        """Take the tools of a node away."""
        return self.manager.unregister_all_distributed_tools(server_id)

    def set_distributed_executor(self, executor: DistributedExecutor | None) -> None:
        """Say who calls other nodes' tools: it takes server, tool and arguments."""
        self.manager.set_distributed_executor(executor)

    async def unload_plugin(self, name: str) -> None:
        """Take a plugin away."""
        import asyncio

        await asyncio.to_thread(self.manager.unload, name)

    def get_service_module(self, name: str) -> Any:
        """The module that a service was registered with."""
        return self.manager.service_module(name)

    def get_static_placeholders(self) -> dict[str, str]:
        """The values of static plugins."""
        return PluginChannels(self.manager, self._caller).get_placeholders()

    def get_stats(self) -> dict[str, Any]:
        """What there is, in numbers."""
        return PluginChannels(self.manager, self._caller).get_stats()

    def on(self, event: str, callback: Callable[[Any], object]) -> Subscription:
        """Listen to an event by the seed's word."""
        return self.manager.on(event, callback)


def definition(manifest: Manifest) -> dict[str, Any]:
    """A tool as MCP and function-calling APIs describe it.

    Args:
        manifest: The tool's manifest.

    Returns:
        ``{"name", "description", "inputSchema"}``; a tool with several commands takes ``command``.
    """
    parameters = manifest.parameters_of()
    described = "\n\n".join(c.description for c in manifest.commands if c.description)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {p.name: p.to_schema() for p in parameters},
    }
    required = [p.name for p in parameters if p.required]
    if required:
        schema["required"] = required
    return {
        "name": manifest.name,
        "description": described or manifest.description,
        "inputSchema": schema,
    }


def _told(row: PluginRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "displayName": row.display_name,
        "description": row.description,
        "version": row.version,
        "pluginType": row.type,
        "enabled": row.state == "ready",
        "state": row.state,
        "problem": row.problem,
        "source": row.source,
    }


def _outcome(result: ToolResult) -> dict[str, Any]:
    if not result.success:
        return {"success": False, "output": "", "error": result.error}
    value = result.value
    return {
        "success": True,
        "output": result.text,
        "data": value if isinstance(value, Mapping) else {},
    }
