"""The cascade of a plugin's settings (facts/vcp-protocol §2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from vcplab.core.errors import InvalidDataError
from vcplab.plugins.manifest import read_manifest, resolve_config

SCHEMA = {
    "COUNT": {"type": "integer", "default": 5},
    "LOUD": {"type": "boolean", "default": False},
    "NAME": "string",
    "API_KEY": "string",
    "RATIO": {"type": "number"},
}
MANIFEST = read_manifest(
    {
        "name": "X",
        "pluginType": "synchronous",
        "entryPoint": {"command": "x"},
        "configSchema": SCHEMA,
    }
)


def test_layers(tmp_path: Path) -> None:
    environ = {"NAME": "environment", "COUNT": "7x"}
    config = resolve_config(MANIFEST, tmp_path, environ)
    assert config.values["COUNT"] == 7  # JavaScript's parseInt
    assert config.values["NAME"] == "environment"
    assert config.values["LOUD"] is False
    assert config.sources["LOUD"] == "default"
    assert "API_KEY" not in config.values

    (tmp_path / "config.json").write_text('{"NAME": "json", "COUNT": 8}')
    assert resolve_config(MANIFEST, tmp_path, environ).values["NAME"] == "json"
    (tmp_path / "config.env").write_text("NAME=file\nLOUD=TRUE\nOTHER=1\nAPI_KEY=s3cret-value\n")
    config = resolve_config(MANIFEST, tmp_path, environ)
    assert (config.values["NAME"], config.values["COUNT"]) == ("file", 8)
    assert config.values["LOUD"] is True
    assert "OTHER" not in config.values  # not in the schema
    assert resolve_config(MANIFEST, tmp_path, environ, {"NAME": "lab"}).values["NAME"] == "lab"


def test_secrets_are_typed_and_hidden(tmp_path: Path) -> None:
    (tmp_path / "config.env").write_text("API_KEY=s3cret-value")
    config = resolve_config(MANIFEST, tmp_path, {})
    assert isinstance(config.values["API_KEY"], SecretStr)
    assert "s3cret" not in repr(config)
    assert list(config.secrets()) == ["s3cret-value"]
    assert config.environment()["API_KEY"] == "s3cret-value"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("7x", 7), (" 12", 12), ("-3.9", -3), ("x", None), ("", None), ("0x1f", 0)],
)
def test_integers_as_javascript_reads_them(given: str, wanted: int | None) -> None:
    config = resolve_config(MANIFEST, None, {"COUNT": given})
    assert config.values.get("COUNT") == wanted
    assert bool(config.notes) is (wanted is None)


@pytest.mark.parametrize(
    ("given", "wanted"), [("true", True), ("TRUE", True), ("1", False), ("yes", False)]
)
def test_booleans(given: str, wanted: bool) -> None:
    config = resolve_config(MANIFEST, None, {"LOUD": given})
    assert config.values["LOUD"] is wanted
    assert config.environment()["LOUD"] == ("true" if wanted else "false")


@pytest.mark.parametrize(
    ("environ", "debug", "wanted"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"DebugMode": "true"}, False, True),
        ({"DEBUG_MODE": "True"}, False, True),
        ({"DebugMode": "false"}, True, False),
    ],
)
def test_debug_mode_is_always_there(environ: dict[str, str], debug: bool, wanted: bool) -> None:
    config = resolve_config(MANIFEST, None, environ, debug=debug)
    told = {name: config.environment()[name] for name in ("DebugMode", "DEBUG_MODE")}
    assert told == dict.fromkeys(told, str(wanted).lower())


@pytest.mark.parametrize(
    ("file", "content"), [("config.json", b"{oops"), ("config.env", b"A=\xff\xfe")]
)
def test_broken_files(tmp_path: Path, file: str, content: bytes) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(InvalidDataError, match="cannot be read"):
        resolve_config(MANIFEST, tmp_path, {})


def test_values_of_other_kinds() -> None:
    overrides: dict[str, Any] = {"EXTRA": {"a": 1}, "RATIO": 0.5}
    config = resolve_config(MANIFEST, None, {}, overrides)
    assert config.environment()["EXTRA"] == '{"a": 1}'
    assert config.environment()["RATIO"] == "0.5"
