"""What every test stands on: its own folders, no network, repeatable property tests."""

from __future__ import annotations

import gc
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
OFFLINE = ROOT / "tests" / "support" / "offline"

# Property tests repeat exactly from run to run; `make slow` looks further, with fresh seeds.
_QUIET = (HealthCheck.too_slow,)
settings.register_profile(
    "ci",
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=_QUIET,
)
settings.register_profile(
    "slow", max_examples=2000, database=None, deadline=None, suppress_health_check=_QUIET
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def _load_guard() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vcplab_test_guard", OFFLINE / "sitecustomize.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Watch:
    """Refuses and keeps every attempt of this process to reach another machine."""

    def __init__(self) -> None:
        self.guard = _load_guard()
        self.attempts: list[str] = []
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith("socket."):
            reached = self.guard.attempt(event, arguments)
            if reached is not None:
                self.attempts.append(reached)
                self.guard.refuse(reached, None)


def pytest_configure(config: pytest.Config) -> None:
    """Isolate the run before any test module, and with it vcplab, is imported."""
    gc.disable()  # until everything is collected
    # A shell starts what it puts in the background with SIGINT ignored, children included; the
    # tests of ■ and Ctrl-C need it.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="vcplab-tests-"))
    shared = {"VCP_SERVER", "VCP_KEY", "SERVER_NAME", "DIST_SERVER_PORT", "DEBUG_MODE"}
    for name in [n for n in os.environ if n.startswith("VCPLAB_") or n in shared]:
        del os.environ[name]
    os.environ.update(
        {
            "VCPLAB_CACHE_DIR": str(folder / "cache"),
            "VCPLAB_DATA_DIR": str(folder / "data"),
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "HF_HOME": str(folder / "huggingface"),
            "IR_DATASETS_HOME": str(folder / "ir_datasets"),
            # The user's own vcplab.toml is not the tests' business.
            "XDG_CONFIG_HOME": str(folder / "config"),
            "MPLBACKEND": "Agg",
            "TOKENIZERS_PARALLELISM": "false",
            # A test that waits for a colour terminal, a pager or an editor would hang.
            "NO_COLOR": "1",
            "PAGER": "cat",
        }
    )
    config.stash[_FOLDER] = folder
    config.stash[_WATCH] = _Watch()


# Files that take long, few tests or many: begun first, so that no worker is left alone with one.
_LONG = (
    "test_demo", "test_onnx", "test_cross_encoder_detector", "test_doctor", "test_hot_reload",
    "test_why_not", "test_half_open", "test_soak", "test_long_cells", "test_sidecar", "test_magics",
    "test_dial", "test_boosting", "test_query_language", "test_chats", "test_disk", "test_frames",
    "test_reranking_cross_encoder", "test_tantivy", "test_bad_plugins", "test_runners",
    "test_node_command", "test_stdio", "test_docs", "test_openai", "test_robustness", "test_kill",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files of a run."""
    places = {name: place for place, name in enumerate(_LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_collection_finish() -> None:
    """Take what collecting made out of the garbage collector's sight.

    Thousands of items live as long as the run; looking at them again and again costs more than
    many a test.
    """
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    folder = config.stash.get(_FOLDER, None)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


_FOLDER = pytest.StashKey[Path]()
_WATCH = pytest.StashKey[_Watch]()


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def outside_attempts(request: pytest.FixtureRequest) -> list[str]:
    """What this process has tried to reach outside the machine during the test, so far."""
    return request.config.stash[_WATCH].attempts


@pytest.fixture(autouse=True)
def _nothing_leaves_this_machine(outside_attempts: list[str]) -> Iterator[None]:
    """Fail the test during which something tried to, even if the code swallowed the refusal."""
    outside_attempts.clear()
    yield
    seen = list(outside_attempts)
    outside_attempts.clear()
    assert not seen, f"the test tried to reach another machine: {seen}"


@pytest.fixture
def offline_environment(tmp_path: Path) -> dict[str, str]:
    """An environment whose Python processes refuse and log every outside attempt.

    The log is the file named by its VCPLAB_TEST_SOCKET_LOG.
    """
    environment = dict(os.environ)
    path = [str(OFFLINE), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(part for part in path if part)
    environment["VCPLAB_TEST_SOCKET_LOG"] = str(tmp_path / "sockets.log")
    environment["VCPLAB_CACHE_DIR"] = str(tmp_path / "cache")
    return environment
