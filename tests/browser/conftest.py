"""A real JupyterLab in a real browser: one server per run, one page per test.

The server is the one that `vcplab lab` starts, on a copy of the notebooks, with its own home. The
browser may reach this server and nothing else; whatever else it asks for is refused and fails the
test. Screenshots stay in `screenshots/`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Route

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCREENSHOTS = HERE / "screenshots"
START_SECONDS = 60
CHROMIUM_FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
_NOTEBOOK = "window.jupyterapp.shell.currentWidget"


def _chromium() -> str | None:
    from vcplab.cli.checks import find_chromium

    return find_chromium()


def _why_not() -> str | None:
    for package in ("playwright", "jupyterlab", "ipykernel"):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed"
    return None if _chromium() else "no Chromium on the path: apt-get install chromium"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark this folder's tests, and skip them together where the browser is missing."""
    reason = _why_not()
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            # One JupyterLab and one browser serve them all, on one worker.
            item.add_marker(pytest.mark.xdist_group("browser"))
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@dataclass(frozen=True)
class Server:
    """A running JupyterLab."""

    origin: str
    token: str
    folder: Path


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`vcplab lab` on a fresh folder; afterwards nothing may have tried to leave the machine."""
    home = tmp_path_factory.mktemp("lab-home")
    folder = home / "notebooks"
    sockets = home / "sockets.log"
    settings = home / "settings"
    _write_settings(settings)
    environment = {
        **os.environ,
        "HOME": str(home),
        "USERPROFILE": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_TOKEN": secrets.token_hex(16),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "tests" / "support" / "offline"), str(ROOT)]),
        "VCPLAB_TEST_SOCKET_LOG": str(sockets),
    }
    # The kernel chooses its own back-end: figures go inline.
    environment.pop("MPLBACKEND", None)
    port = _free_port()
    command = [sys.executable, "-m", "vcplab", "lab", "--no-browser"]
    command += ["--dir", str(folder), "--port", str(port), "--"]
    command += ["--expose-app-in-browser", "--ServerApp.terminals_enabled=False"]
    log = home / "server.log"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, env=environment, cwd=home, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            running = Server(f"http://127.0.0.1:{port}", environment["JUPYTER_TOKEN"], folder)
            _wait_for(running, process, log)
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
    assert not sockets.exists(), sockets.read_text(encoding="utf-8")


def _write_settings(folder: Path) -> None:
    # All cells stay in the document: by default Lab draws only those in view.
    tracker = folder / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    tracker.parent.mkdir(parents=True)
    tracker.write_text(json.dumps({"windowingMode": "none"}), encoding="utf-8")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    request = urllib.request.Request(
        f"{server.origin}/api/status", headers={"Authorization": f"token {server.token}"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with opener.open(request, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text(encoding='utf-8')}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the tests of a module.

    Not for the whole run: Playwright keeps an event loop running in this thread while it is open.
    """
    from playwright.sync_api import sync_playwright

    root = getattr(os, "geteuid", lambda: 1)() == 0
    flags = [*CHROMIUM_FLAGS, *(["--no-sandbox"] if root else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=flags)
        yield browser
        browser.close()


@pytest.fixture
def lab(chromium: Browser, server: Server) -> Iterator[Lab]:
    """A page on the server that can reach nothing else."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    outside: list[str] = []

    def check(route: Route) -> None:
        if route.request.url.startswith((server.origin, "data:", "blob:")):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    context.route("**/*", check)
    page = context.new_page()
    page.set_default_timeout(30_000)
    ours = (server.origin.replace("http:", "ws:"), server.origin)
    page.on("websocket", lambda s: None if s.url.startswith(ours) else outside.append(s.url))
    yield Lab(page, server)
    # The page goes first: a route that is still being handled would outlive its context.
    page.close()
    context.unroute_all(behavior="ignoreErrors")
    context.close()
    assert not outside, f"the page asked for {outside}"


class Lab:
    """JupyterLab in the browser, as a person uses it."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server

    def write_notebook(self, name: str, cells: Sequence[str]) -> None:
        """Put a notebook of code cells into the server's folder."""
        import nbformat

        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
        notebook.metadata["kernelspec"] = {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        }
        nbformat.write(notebook, self.server.folder / name)

    def open_notebook(self, name: str) -> None:
        """Open it in a fresh workspace and wait until its kernel is idle."""
        self.page.goto(f"{self.server.origin}/lab/tree/{name}?token={self.server.token}&reset")
        self.page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        self.page.wait_for_function(
            f"() => {_NOTEBOOK}?.sessionContext?.session?.kernel?.status === 'idle'"
        )

    def run_all(self) -> None:
        """Start every cell; does not wait."""
        self.execute("notebook:run-all-cells")

    def run_cell(self, index: int) -> None:
        """Start one cell; does not wait."""
        self.page.evaluate(f"i => {{ {_NOTEBOOK}.content.activeCellIndex = i }}", index)
        self.execute("notebook:run-cell")

    def execute(self, command: str, **arguments: Any) -> None:
        """Run a command of the application without waiting for what it returns."""
        self.page.evaluate(
            "([c, a]) => { void window.jupyterapp.commands.execute(c, a) }", [command, arguments]
        )

    def use_theme(self, name: str) -> None:
        """Change the colours and wait until the curtain is up again."""
        self.execute("apputils:change-theme", theme=name)
        self.page.wait_for_selector(f"body[data-jp-theme-name='{name}']", state="attached")
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def wait_idle(self, seconds: float = 60) -> None:
        """Wait until no cell is queued or running."""
        self.page.wait_for_function(
            f"""() => {_NOTEBOOK}.sessionContext.session.kernel.status === 'idle'
                && ![...document.querySelectorAll('.jp-InputPrompt')]
                    .some(e => e.textContent.includes('*'))""",
            timeout=seconds * 1000,
        )

    def cell(self, index: int) -> Locator:
        """A cell on the page."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def cell_output(self, index: int) -> Locator:
        """The output area of a cell."""
        return self.cell(index).locator(".jp-Cell-outputArea")

    def output_text(self, index: int) -> str:
        """The text below a cell as it is shown; empty where there is none."""
        area = self.cell_output(index)
        return area.inner_text() if area.count() else ""

    def errors(self) -> list[str]:
        """The errors of all cells, as the notebook's model holds them."""
        return list(
            self.page.evaluate(
                f"""() => {_NOTEBOOK}.content.widgets.flatMap(c => c.model.outputs
                    ? c.model.outputs.toJSON().filter(o => o.output_type === 'error')
                        .map(o => o.ename + ': ' + o.evalue) : [])"""
            )
        )

    def screenshot(self, name: str) -> Path:
        """Keep a picture of what is in view."""
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        print(f"screenshot: {path}")
        return path

    def screenshot_all(self, name: str) -> Path:
        """Keep a picture of the whole notebook."""
        size = self.page.viewport_size
        assert size is not None
        height = self.page.evaluate(
            """() => { const box = document.querySelector('.jp-WindowedPanel-outer');
                       box.scrollTop = 0; return box.scrollHeight }"""
        )
        self.page.set_viewport_size({"width": size["width"], "height": int(height) + 150})
        path = self.screenshot(name)
        self.page.set_viewport_size(size)
        return path
