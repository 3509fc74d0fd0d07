from __future__ import annotations

import asyncio
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs
import pytest

from vcplab.core import settings as module
from vcplab.core._settings_sources import FORMS, SHARED
from vcplab.core.errors import InvalidInputError
from vcplab.core.settings import SettingRow, Settings, get_settings, override_settings

SECRET = "sk-very-secret-1234"


@pytest.fixture(autouse=True)
def user_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A world without settings; returns where the user's file would be."""
    for name in list(os.environ):
        if name.upper().startswith("VCPLAB_") or name in SHARED:
            monkeypatch.delenv(name)
    folder = tmp_path / "user-config"
    folder.mkdir()
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setattr(platformdirs, "user_config_path", lambda name: folder)
    module._loaded.cache_clear()
    yield folder / "vcplab.toml"
    module._loaded.cache_clear()


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    folder = tmp_path / "lab"
    folder.mkdir()
    return folder


def source_of(settings: Settings, name: str) -> str:
    (row,) = [row for row in settings.sources() if row.name == name]
    return row.source


def refused(call: Callable[[], object]) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        call()
    assert caught.value.where
    assert caught.value.next_step
    return caught.value


def test_defaults() -> None:
    settings = Settings.load()
    assert settings.cache_dir == platformdirs.user_cache_path("vcplab")
    assert settings.seed == 0
    assert settings.jobs == 1
    assert settings.offline is True
    assert settings.progress is True
    assert settings.debug_mode is False
    for name in (
        *("data_dir", "timezone", "server_url", "server_key", "server_name", "node_port"),
        *("model_url", "model_key"),
    ):
        assert getattr(settings, name) is None
    assert {row.source for row in settings.sources()} == {"default"}
    assert [row.name for row in settings.sources()] == list(Settings.model_fields)
    assert set(FORMS) == set(Settings.model_fields)


def test_every_source_outranks_the_one_below(
    user_file: Path, lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert source_of(Settings.load(lab), "seed") == "default"
    user_file.write_text("seed = 1\njobs = 2", encoding="utf-8")
    settings = Settings.load(lab)
    assert (settings.seed, source_of(settings, "seed")) == (1, f"file {user_file}")
    lab_file = lab / "vcplab.toml"
    lab_file.write_text("seed = 2", encoding="utf-8")
    settings = Settings.load(lab)
    assert (settings.seed, source_of(settings, "seed")) == (2, f"file {lab_file}")
    monkeypatch.setenv("VCPLAB_SEED", "3")
    settings = Settings.load(lab)
    assert settings.seed == 3
    assert source_of(settings, "seed") == "environment variable VCPLAB_SEED"
    settings = Settings.load(lab, seed=4)
    assert (settings.seed, source_of(settings, "seed")) == (4, "keyword")
    assert (settings.jobs, source_of(settings, "jobs")) == (2, f"file {user_file}")


def test_without_a_folder_the_working_directory_is_read(lab: Path) -> None:
    Path("vcplab.toml").write_text("seed = 5", encoding="utf-8")
    assert Settings.load().seed == Settings().seed == 5
    assert Settings.load(lab).seed == 0
    assert Settings.load(str(lab / "not-there-yet")).seed == 0


def test_paths_are_absolute_and_those_of_a_file_relative_to_it(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lab / "vcplab.toml").write_text("data_dir = 'sets'\ncache_dir = '~/c'", encoding="utf-8")
    settings = Settings.load(lab)
    assert settings.data_dir == lab / "sets"
    assert settings.cache_dir == Path.home() / "c"
    monkeypatch.setenv("VCPLAB_DATA_DIR", "here")
    assert Settings.load(lab).data_dir == Path.cwd() / "here"
    assert Settings.load(lab, data_dir=None).data_dir is None


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_windows_line_ends_and_byte_order_mark(lab: Path, prefix: bytes) -> None:
    text = "# 设置\r\nseed = 7\r\ntimezone = 'Asia/Shanghai'\r\n"
    (lab / "vcplab.toml").write_bytes(prefix + text.encode())
    settings = Settings.load(lab)
    assert (settings.seed, settings.timezone) == (7, "Asia/Shanghai")


def test_environment_is_typed_and_empty_variables_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VCPLAB_OFFLINE", "false")
    monkeypatch.setenv("VCPLAB_JOBS", "2")
    monkeypatch.setenv("VCPLAB_SEED", "")
    monkeypatch.setenv("VCPLAB_SERVER_KEY", SECRET)
    settings = Settings.load()
    assert (settings.offline, settings.jobs, settings.seed) == (False, 2, 0)
    assert settings.server_key is not None
    assert settings.server_key.get_secret_value() == SECRET


def test_broken_toml_names_file_and_line(lab: Path) -> None:
    path = lab / "vcplab.toml"
    path.write_text("seed = 1\ntimezone = Asia/Shanghai\n", encoding="utf-8")
    error = refused(lambda: Settings.load(lab))
    assert error.where == f"file {path}"
    assert "line 2" in error.message
    path.write_bytes(b"timezone = '\xff'")
    assert "UTF-8" in str(refused(lambda: Settings.load(lab)))


@pytest.mark.parametrize(
    ("line", "name", "form"),
    [
        ("seed = -1", "seed", "a whole number from 0"),
        ("jobs = 0", "jobs", "a whole number from 1"),
        ("offline = 'perhaps'", "offline", "true or false"),
        ("timezone = 'Asia/Shanghia'", "timezone", "Asia/Shanghai"),
        ("cache_dir = 3", "cache_dir", "path of a folder"),
        ("server_url = 3", "server_url", "an address"),
        ("node_port = 0", "node_port", "a port from 1 to 65535"),
        ("node_port = 70000", "node_port", "a port from 1 to 65535"),
        ("debug_mode = 'perhaps'", "debug_mode", "true or false"),
    ],
)
def test_wrong_value_names_its_source_and_the_form(
    line: str, name: str, form: str, lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lab / "vcplab.toml").write_text(line, encoding="utf-8")
    error = refused(lambda: Settings.load(lab))
    assert error.where == f"file {lab / 'vcplab.toml'}"
    assert name in error.message
    assert form in str(error)
    if not name.endswith(("_url", "_dir")):
        (lab / "vcplab.toml").unlink()
        value = line.split(" = ")[1].strip("'")
        monkeypatch.setenv(f"VCPLAB_{name.upper()}", value)
        error = refused(lambda: Settings.load(lab))
        assert error.where == f"environment variable VCPLAB_{name.upper()}"
        assert repr(value) in error.message
        error = refused(lambda: Settings.load(lab, **{name: value}))
        assert error.where == "keyword"


def test_several_wrong_values_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCPLAB_SEED", "x")
    error = refused(lambda: Settings.load(jobs="y"))
    assert "seed must be" in error.message
    assert "jobs must be" in error.message
    assert error.where == "environment variable VCPLAB_SEED, keyword"


def test_unknown_name_in_a_file_suggests_the_nearest(lab: Path) -> None:
    path = lab / "vcplab.toml"
    path.write_text("sever_url = 'ws://x'", encoding="utf-8")
    error = refused(lambda: Settings.load(lab))
    assert error.where == f"file {path}"
    assert "sever_url" in error.message
    assert "'server_url'" in str(error.next_step)
    path.write_text("[plugins]\nx = 1", encoding="utf-8")
    assert "cache_dir" in str(refused(lambda: Settings.load(lab)).next_step)


def test_unknown_keyword_suggests_the_nearest() -> None:
    assert "'seed'" in str(refused(lambda: Settings.load(sead=1)).next_step)
    assert "'seed'" in str(refused(lambda: Settings(sead=1)).next_step)
    refused(lambda: Settings.load(_env_file=".env"))


def test_a_file_is_not_a_folder(lab: Path) -> None:
    path = lab / "vcplab.toml"
    path.write_text("seed = 1", encoding="utf-8")
    assert "not a folder" in str(refused(lambda: Settings.load(path)))


def test_unknown_variable_is_only_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCPLAB_SERVERKEY", SECRET)
    settings = Settings.load()
    assert settings.sources()[-1] == SettingRow(
        "VCPLAB_SERVERKEY", "–", "ignored: no such setting; did you mean VCPLAB_SERVER_KEY?"
    )
    assert SECRET not in settings._repr_html_()


@pytest.mark.parametrize("way", ["file", "environment", "keyword", "override"])
def test_secrets_are_never_shown(way: str, lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"ws://user:{SECRET}@host:6005/vcp/VCP_Key={SECRET}/x?api_key={SECRET}"
    values = {"server_key": SECRET, "model_key": SECRET, "server_url": url, "model_url": url}
    if way == "file":
        text = "\n".join(f"{name} = '{value}'" for name, value in values.items())
        (lab / "vcplab.toml").write_text(text, encoding="utf-8")
        settings = Settings.load(lab)
    elif way == "environment":
        for name, value in values.items():
            monkeypatch.setenv(f"VCPLAB_{name.upper()}", value)
        settings = Settings.load(lab)
    elif way == "keyword":
        settings = Settings.load(lab, **values)
    else:
        with override_settings(**values) as settings:
            pass
    assert settings.server_key is not None
    assert settings.server_key.get_secret_value() == SECRET
    assert settings.server_url == url
    for shown in (
        repr(settings),
        str(settings),
        f"{settings}",
        settings._repr_html_(),
        settings.model_dump_json(),
        repr(settings.sources()),
        settings.to_frame().to_string(),
        json.dumps([row.shown for row in settings.sources()]),
        repr(list(settings.__rich_repr__())),
    ):
        assert SECRET not in shown
        assert "•••" in shown or "*****" in shown or "\\u2022" in shown
    rows = {row.name: row.shown for row in settings.sources()}
    assert rows["server_key"] == "•••"
    assert rows["server_url"] == "ws://•••@host:6005/vcp/VCP_Key=•••?api_key=•••"


def test_errors_do_not_repeat_secrets() -> None:
    error = refused(lambda: Settings.load(server_key=[SECRET], model_url=[SECRET], seed="x"))
    assert SECRET not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_frame_and_html() -> None:
    settings = Settings.load(timezone="Asia/Shanghai")
    frame = settings.to_frame()
    assert list(frame.columns) == ["name", "shown", "source"]
    assert frame.set_index("name").loc["timezone", "shown"] == "Asia/Shanghai"
    assert "<td" in settings._repr_html_()
    hostile = Settings.load(server_url="<script>alert(1)</script>")
    assert "<script" not in hostile._repr_html_()


def test_repr_is_one_line_of_what_was_set() -> None:
    assert repr(Settings.load()) == "Settings()"
    assert repr(Settings.load(seed=3, jobs=1)) == "Settings(seed=3, jobs=1)"


def test_settings_are_frozen_comparable_and_picklable() -> None:
    settings = Settings.load(seed=3, server_key=SECRET)
    with pytest.raises(ValueError, match="frozen"):
        settings.seed = 4  # type: ignore[misc]
    twin = pickle.loads(pickle.dumps(settings))
    assert twin == settings
    assert twin.sources() == settings.sources()


def test_get_settings_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = get_settings()
    monkeypatch.setenv("VCPLAB_SEED", "9")
    assert get_settings() is first
    assert first.seed == 0


def test_override_nests_restores_and_keeps_the_other_sources(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VCPLAB_JOBS", "2")
    with override_settings(seed=1) as outer:
        assert get_settings() is outer
        monkeypatch.setenv("VCPLAB_JOBS", "3")  # the sources are not read again
        with override_settings(data_dir="x"):
            inner = get_settings()
            assert (inner.seed, inner.jobs) == (1, 2)
            assert inner.data_dir == Path.cwd() / "x"
            assert source_of(inner, "seed") == "override_settings"
            assert source_of(inner, "jobs") == "environment variable VCPLAB_JOBS"
            assert source_of(inner, "offline") == "default"
        assert get_settings() is outer
    assert get_settings().seed == 0


def test_override_checks_names_and_values() -> None:
    for values in ({"sead": 1}, {"seed": -1}):
        with pytest.raises(InvalidInputError), override_settings(**values):
            pass
    assert get_settings().seed == 0


def test_tasks_inherit_an_override() -> None:
    async def seed() -> int:
        return get_settings().seed

    async def main() -> list[int]:
        with override_settings(seed=8):
            task = asyncio.create_task(seed())
        return [await task, await seed()]

    assert asyncio.run(main()) == [8, 0]


def test_the_other_modules_load_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "import vcplab.core.clock, vcplab.core.events, vcplab.core.trace, vcplab.core.display\n"
        "heavy = {'pydantic', 'pandas', 'numpy', 'IPython', 'matplotlib', 'torch'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "import vcplab.core.settings\n"
        "assert not {'pandas', 'numpy', 'IPython'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_cache_budget_is_a_number_of_bytes() -> None:
    assert Settings.load().cache_budget == 4 * 2**30
    assert Settings.load(cache_budget=2**20).cache_budget == 2**20
    error = refused(lambda: Settings.load(cache_budget=2**20 - 1))
    assert "a whole number of bytes from 1048576" in str(error)


# -- names that VCP programs share: VCP_SERVER, VCP_KEY, and those of seed 000's config.env --------

CONFIG = f"""\
# 分布式节点
VCP_SERVER=ws://main:6005
VCP_KEY="{SECRET}"  # the server's
export SERVER_NAME='研究 node'
DIST_SERVER_PORT = 5974
DEBUG_MODE=True
PORT=nonsense
Image_Key=other-secret-9
"""


def test_the_config_env_of_a_node(lab: Path) -> None:
    path = lab / "config.env"
    path.write_bytes(b"\xef\xbb\xbf" + CONFIG.replace("\n", "\r\n").encode())
    settings = Settings.load(lab)
    assert settings.server_url == "ws://main:6005"
    assert settings.server_key is not None
    assert settings.server_key.get_secret_value() == SECRET
    assert (settings.server_name, settings.node_port) == ("研究 node", 5974)
    assert settings.debug_mode is True
    assert source_of(settings, "server_key") == f"VCP_KEY in file {path}"
    assert source_of(settings, "node_port") == f"DIST_SERVER_PORT in file {path}"
    assert source_of(settings, "seed") == "default"
    assert len(settings.sources()) == len(Settings.model_fields)
    shown = settings._repr_html_() + repr(settings) + settings.model_dump_json()
    assert SECRET not in shown
    assert "other-secret" not in shown


def test_config_env_is_read_in_the_working_directory_too(lab: Path) -> None:
    Path("config.env").write_text("SERVER_NAME=here", encoding="utf-8")
    assert Settings.load().server_name == "here"
    assert Settings.load(lab).server_name is None
    assert Settings(server_name="there").server_name == "there"


def test_the_order_of_the_sources_of_the_server(
    user_file: Path, lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def now() -> tuple[str | None, str]:
        settings = Settings.load(lab)
        return settings.server_url, source_of(settings, "server_url")

    user_file.write_text("server_url = 'ws://1'", encoding="utf-8")
    assert now() == ("ws://1", f"file {user_file}")
    (lab / "config.env").write_text("VCP_SERVER=ws://2", encoding="utf-8")
    assert now() == ("ws://2", f"VCP_SERVER in file {lab / 'config.env'}")
    (lab / "vcplab.toml").write_text("server_url = 'ws://3'", encoding="utf-8")
    assert now() == ("ws://3", f"file {lab / 'vcplab.toml'}")
    monkeypatch.setenv("VCP_SERVER", "ws://4")
    assert now() == ("ws://4", "environment variable VCP_SERVER")
    monkeypatch.setenv("VCPLAB_SERVER_URL", "ws://5")
    assert now() == ("ws://5", "environment variable VCPLAB_SERVER_URL")
    assert Settings.load(lab, server_url="ws://6").server_url == "ws://6"


@pytest.mark.parametrize(("variable", "name"), SHARED.items())
def test_each_shared_name_is_read_from_the_environment(
    variable: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, " 1 ")
    settings = Settings.load()
    assert source_of(settings, name) == f"environment variable {variable}"
    assert getattr(settings, name) in ("1", 1, True) or name == "server_key"
    monkeypatch.setenv(variable, "  ")
    assert source_of(Settings.load(), name) == "default"


@pytest.mark.parametrize("value", ["0", "65536", "x", "-1", "５９７４", "0" * 50, "9" * 5000])
def test_shared_names_of_a_wrong_form_are_noticed_and_stop_nothing(
    value: str, lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBUG_MODE", "express:*")
    monkeypatch.setenv("DIST_SERVER_PORT", value)
    path = lab / "config.env"
    path.write_text(f"DIST_SERVER_PORT={value}\nSERVER_NAME=n", encoding="utf-8")
    settings = Settings.load(lab)
    assert (settings.node_port, settings.debug_mode, settings.server_name) == (None, False, "n")
    notices = {row.name: row for row in settings.sources()[len(Settings.model_fields) :]}
    assert set(notices) == {"DEBUG_MODE", "DIST_SERVER_PORT"}
    notice = notices["DIST_SERVER_PORT"].source
    assert "ignored: node_port must be a port from 1 to 65535" in notice
    assert f"ignored in file {path}" in notice
    assert {row.shown for row in notices.values()} == {"–"}
    assert pickle.loads(pickle.dumps(settings)).sources() == settings.sources()
    with override_settings(seed=1) as changed:
        assert "DEBUG_MODE" in {row.name for row in changed.sources()}


def test_a_config_env_that_cannot_be_read_is_noticed(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lab / "config.env"
    path.write_bytes("# 注释\nSERVER_NAME=n\n".encode("gbk"))
    assert Settings.load(lab).server_name == "n"
    read = Path.read_bytes

    def refuse(self: Path) -> bytes:
        if self == path:
            raise PermissionError(13, "Permission denied")
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    settings = Settings.load(lab)
    assert settings.server_name is None
    assert settings.sources()[-1].name == "config.env"
    assert "Permission denied" in settings.sources()[-1].source


def test_a_key_in_an_address_is_hidden_with_its_slashes() -> None:
    settings = Settings.load(server_url=f"ws://h/vcp-distributed-server/VCP_Key=a/{SECRET}/b=c")
    assert SECRET not in repr(settings)
    assert "b=c" not in repr(settings)
    assert "VCP_Key=•••" in repr(settings)
