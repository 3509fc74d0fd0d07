"""A working plugin to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from vcplab.core.names import checked_choice
from vcplab.plugins.parameters import Parameter
from vcplab.plugins.scaffold.describing import (
    command_entry,
    filled,
    manifest_text,
    readme_text,
    sdk_source,
    settings_text,
)
from vcplab.plugins.scaffold.folder import checked_folder, checked_name, write_folder

__all__ = ["LANGUAGES", "PLUGIN_KINDS", "Language", "PluginKind", "new_plugin"]

PluginKind = Literal["synchronous", "asynchronous", "static"]
Language = Literal["python", "javascript"]

PLUGIN_KINDS: Final = ("synchronous", "asynchronous", "static")
"""The types that there are templates for."""
LANGUAGES: Final = ("python", "javascript")
"""The languages that there are templates for."""

_WHERE: Final = "new_plugin"
# Milliseconds; the defaults of servers are 60 s and 30 min (facts/vcp-protocol §2).
_TIMEOUTS: Final = {"synchronous": 60_000, "asynchronous": 1_800_000, "static": 30_000}
_SUMMARIES: Final = {
    "synchronous": "Counts the characters, words or lines of a text.",
    "asynchronous": "Counts the characters of a text in the background and reports it later.",
    "static": "Tells how much room is left on the disk.",
}
_SETTINGS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "synchronous": {
        "DEFAULT_UNIT": {
            "type": "string",
            "default": "characters",
            "description": "What is counted where a call does not say: characters, words or lines.",
        }
    },
    "asynchronous": {
        "SECONDS_OF_WORK": {
            "type": "string",
            "default": "1",
            "description": "How long the work takes where a call does not say, in seconds.",
        }
    },
    "static": {
        "WATCHED_FOLDER": {
            "type": "string",
            "default": ".",
            "description": "A folder of the disk that is watched.",
        }
    },
}
_TEXT: Final = Parameter("text", "The text to count.", "string", required=True)
_PARAMETERS: Final = {
    "synchronous": (
        _TEXT,
        Parameter("unit", "What to count.", "string", choices=("characters", "words", "lines")),
    ),
    "asynchronous": (_TEXT, Parameter("seconds", "How long the work takes.", "number")),
    "static": (),
}
_CALLS: Final = {
    "synchronous": """[
    ({"text": "你好 world"}, 8),
    ({"text": "你好 world", "unit": "words"}, 2),
    ({"text": "one\\ntwo", "unit": "lines"}, 2),
]""",
    "asynchronous": """[
    ({"text": "你好 world", "seconds": "0.05"}, "The text has 8 characters."),
]""",
    "static": "[]",
}
_EXAMPLES: Final[dict[str, dict[str, str]]] = {
    "synchronous": {"text": "你好 world", "unit": "words"},
    "asynchronous": {"text": "你好 world", "seconds": "5"},
}


def new_plugin(
    name: str,
    to: str | Path = ".",
    *,
    plugin_type: PluginKind = "synchronous",
    language: Language = "python",
    description: str = "",
) -> Path:
    """Write a small plugin that works, in the form of VCPToolBox (facts/vcp-protocol §2).

    The folder holds the manifest, the script, its settings as an example, a README and tests,
    which need the standard library only: ``python -m unittest`` in the folder.

    Args:
        name: The plugin's name: letters, digits, ``_`` and ``-``.
        to: The folder of plugins; the plugin's own folder is made in it.
        plugin_type: ``synchronous``, ``asynchronous`` or ``static``.
        language: ``python`` or ``javascript``.
        description: What it does; by default what the template does.

    Returns:
        The plugin's folder, ``to/name``.

    Raises:
        InvalidInputError: The name, the type or the language cannot be.
        StateError: The folder exists and is not empty, or cannot be written.
    """
    checked_name(name, _WHERE)
    checked_choice(plugin_type, PLUGIN_KINDS, _WHERE, f"There is no template {plugin_type!r}.")
    checked_choice(language, LANGUAGES, _WHERE, f"There is no template in {language!r}.")
    checked_folder(name, to)
    kind = str(plugin_type)
    static = kind == "static"
    summary = " ".join(description.split()) or _SUMMARIES[kind]
    placeholder = "{{" + name.replace("-", "_") + "}}"
    python = language == "python"
    script = "plugin.py" if python else "plugin.js"
    start = f"{'python' if python else 'node'} {script}"
    command = command_entry(
        name, "Count", _SUMMARIES[kind], _PARAMETERS[kind], example=_EXAMPLES.get(kind)
    )
    manifest = {
        "name": name,
        "displayName": name,
        "version": "0.1.0",
        "description": summary,
        "author": "",
        "pluginType": kind,
        "entryPoint": {"type": "stdio", "command": start},
        "communication": {"protocol": "stdio", "timeout": _TIMEOUTS[kind]},
        "refreshIntervalCron": "*/10 * * * *" if static else None,
        "configSchema": _SETTINGS[kind],
        "capabilities": {
            "systemPromptPlaceholders": [{"placeholder": placeholder, "description": summary}]
        }
        if static
        else {"invocationCommands": [command]},
        "webSocketPush": {"enabled": True, "messageType": "plugin_callback_notification"}
        if kind == "asynchronous"
        else None,
    }
    described = [
        ("plugin-manifest.json", "what servers read"),
        (script, "the plugin"),
        *(
            [("vcp_stdio.py", "what it runs on; leave it as it is")]
            if python and not static
            else []
        ),
        ("config.env.example", "its settings"),
        ("tests/", "checks of the contract"),
    ]
    use = (
        f"Write `{placeholder}` in a system prompt; the value stands there instead."
        if static
        else f"Models call it like this:\n\n```\n{command['example']}\n```"
    )
    contents = {
        "plugin-manifest.json": manifest_text(manifest),
        script: filled(f"{language}_{kind}", display_name=name, placeholder=placeholder),
        "config.env.example": settings_text(_SETTINGS[kind]),
        "README.md": readme_text(
            name,
            name,
            summary,
            described=described,
            script=start,
            arguments=_EXAMPLES.get(kind),
            settings=True,
            use=use,
        ),
        "tests/__init__.py": "",
        "tests/test_plugin.py": filled("test_plugin", calls=_CALLS[kind]),
    }
    if python and not static:
        contents["vcp_stdio.py"] = sdk_source()
    return write_folder(name, to, contents)
