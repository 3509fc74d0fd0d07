"""Hot reload under load: no call is lost, each reply is of one whole version."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.plugins.contract.edits import (
    MANIFEST,
    NAME,
    SCRIPT,
    Load,
    Saved,
    judge,
    make,
    manifest,
    save_by_rename,
    save_in_halves,
    save_whole,
    script,
)
from tests.unit.plugins.contract.support import Watch, copied, needs_node, row, until
from vcplab.plugins.tree import read_tree

Save = Callable[[Path, str], None]


class Author:
    """Somebody who edits the plugin while it is called, and keeps account of it."""

    def __init__(self, lab: Any, folder: Path, apart: float) -> None:
        self.lab, self.folder, self.apart = lab, folder, apart
        self.saves: list[Saved] = []
        self.script = self.manifest = 1
        self.problems: list[str] = []

    def good(self, how: str, what: str, save: Save) -> None:
        """Save the next version of the script or the manifest."""
        if what == SCRIPT:
            self.script += 1
            text = script(self.script)
        else:
            self.manifest += 1
            text = manifest(self.manifest)
        self._save(how, what, text, save)
        self._rest()
        if row(self.lab, NAME).problem:
            self.problems.append(f"{how}: {row(self.lab, NAME).problem}")

    def broken(self, how: str, what: str, text: str, why: tuple[str, ...]) -> None:
        """Save something that cannot serve; the row has to say why."""
        began = time.monotonic()
        save_whole(self.folder / what, text)
        done = time.monotonic()
        until(lambda: row(self.lab, NAME).problem, what=f"a problem after {how}")
        # What served before serves on, and the problem stays.
        self._note(began, done, how, good=False)
        self._rest()
        problem = until(lambda: row(self.lab, NAME).problem, what=f"a problem, still, after {how}")
        if not any(word in problem for word in why):
            self.problems.append(f"{how}: {problem}")
        # The next good one mends it: with the old text, so that it serves on.
        old = script(self.script) if what == SCRIPT else manifest(self.manifest)
        self._save(f"mending {how}", what, old, save_whole)
        until(lambda: not row(self.lab, NAME).problem, 3, f"no problem after mending {how}")

    def _save(self, how: str, what: str, text: str, save: Save) -> None:
        """Save what can serve, and see that it does within a second."""
        began = time.monotonic()
        save(self.folder / what, text)
        done, watch = time.monotonic(), Watch()
        content = read_tree(self.folder).digest
        until(lambda: self._serving() == content, what=f"{how} in force")
        if watch.seconds > 1.0:
            self.problems.append(f"{how}: in force after {watch.seconds:.2f} s only")
        self._note(began, done, how, good=True)

    def _serving(self) -> str:
        version = self.lab.plugins.catalogue.get(NAME).version
        digest: str = version.snapshot.tree.digest
        return digest

    def _note(self, began: float, done: float, how: str, *, good: bool) -> None:
        now = time.monotonic()
        self.saves.append(Saved(began, done, now, self.script, self.manifest, how, good))

    def _rest(self) -> None:
        time.sleep(self.apart)  # how long an author looks before the next edit


def halves(pause: float, share: float = 0.5, *, reopen: bool = False) -> Save:
    return lambda path, text: save_in_halves(path, text, pause, share, reopen=reopen)


BROKEN = {
    "a syntax error": (SCRIPT, "def broken(:\n", ("SyntaxError", "syntax", "invalid")),
    "an error at start": (SCRIPT, 'raise RuntimeError("no engine")\n', ("no engine",)),
    "an import that fails": (SCRIPT, "import no_such_module_here\n", ("no_such_module_here",)),
    "an empty script": (SCRIPT, "", (SCRIPT, "empty", "JSON")),
    "half a manifest": (MANIFEST, manifest(9)[:60], ("JSON", "json")),
    "a manifest without entry": (MANIFEST, '{"name": "Versioned"}', ("entry", "pluginType")),
}


def check(author: Author, load: Load) -> None:
    """Nothing is wrong with any reply or row."""
    end = time.monotonic()
    results = load.results()
    wrong = judge(results, author.saves, end) + author.problems
    assert not wrong, f"{len(wrong)} of {len(results)}:\n" + "\n".join(wrong[:20])
    assert row(author.lab, NAME).state == "ready"


def test_edits_under_twenty_calls_a_second(lab: Any, tmp_path: Path) -> None:
    folder = make(tmp_path / "plugins" / NAME)
    lab.plugins.add(folder, trust=True, watch=True)
    assert lab.tools.call(NAME, {})["tail"] == 1
    author = Author(lab, folder, 1.25)
    with Load(lab) as load:
        author.good("a whole script", SCRIPT, save_whole)
        author.good("a script in halves, 0.4 s", SCRIPT, halves(0.4))
        author.good("a renamed manifest", MANIFEST, save_by_rename)
        author.broken("a syntax error", *BROKEN["a syntax error"])
        author.broken("an error at start", *BROKEN["an error at start"])
        author.broken("half a manifest", *BROKEN["half a manifest"])
    check(author, load)
    assert len(load.calls) > 60


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_many_edits_under_twenty_calls_a_second(lab: Any, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    folder = make(tmp_path / "plugins" / NAME)
    lab.plugins.add(folder, trust=True, watch=True)
    author = Author(lab, folder, 1.8)
    with Load(lab) as load:
        for _ in range(30):
            what = chance.choice([SCRIPT, SCRIPT, MANIFEST])
            pause, share = chance.uniform(0.05, 0.6), chance.choice([0, 0, 0.1, 0.5, 0.9])
            kind = chance.choice(["whole", "halves", "reopened", "rename", "broken"])
            if kind == "whole":
                author.good(f"a whole {what}", what, save_whole)
            elif kind in ("halves", "reopened"):
                save = halves(pause, share, reopen=kind == "reopened")
                author.good(f"{kind}, {share} of {what}, {pause:.2f} s", what, save)
            elif kind == "rename":
                author.good(f"a renamed {what}", what, save_by_rename)
            else:
                how = chance.choice(list(BROKEN))
                author.broken(how, *BROKEN[how])
    check(author, load)


def test_a_call_that_runs_when_its_version_goes_is_served_to_its_end(
    lab: Any, tmp_path: Path
) -> None:
    folder = make(tmp_path / "plugins" / NAME)
    waits = (
        "import os, sys, time\n"
        "wait = 'wait' in sys.stdin.read()\n"
        f"while wait and not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.02)\n"
    )
    (folder / SCRIPT).write_text(waits + script(1), encoding="utf-8")
    lab.plugins.add(folder, trust=True, watch=True)
    task = lab.plugins.submit(NAME, {"wait": 1})
    until(lambda: task.state == "running")
    save_whole(folder / SCRIPT, script(2))
    until(lambda: lab.tools.call(NAME, {})["tail"] == 2)
    assert task.state == "running"
    (tmp_path / "go").touch()
    until(lambda: task.state == "succeeded")
    assert task.result.value["tail"] == 1


def test_block_and_back_while_watched(lab: Any, tmp_path: Path) -> None:
    folder = make(tmp_path / "plugins" / NAME)
    lab.plugins.add(folder, trust=True, watch=True)
    (folder / MANIFEST).rename(folder / f"{MANIFEST}.block")
    until(lambda: row(lab, NAME).state == "disabled")
    (folder / f"{MANIFEST}.block").rename(folder / MANIFEST)
    until(lambda: row(lab, NAME).state == "ready")
    assert lab.tools.call(NAME, {})["tail"] == 1


def test_reload_by_hand_without_watching(lab: Any, tmp_path: Path) -> None:
    folder = make(tmp_path / "plugins" / NAME)
    lab.plugins.add(folder, trust=True)
    save_whole(folder / SCRIPT, script(2))
    save_whole(folder / MANIFEST, manifest(2))
    # A call runs from the snapshot that was trusted.
    assert lab.tools.call(NAME, {})["tail"] == 1
    lab.plugins.trust(NAME)
    lab.plugins.reload(NAME)
    reply = lab.tools.call(NAME, {})
    assert (reply["tail"], reply["manifest"]) == (2, "2.0.0")


@needs_node
def test_javascript_is_checked_before_it_serves(lab: Any, tmp_path: Path) -> None:
    folder = copied("JsTalker", tmp_path / "plugins")
    lab.plugins.add(folder, trust=True, watch=True)
    good = (folder / "talker.js").read_text(encoding="utf-8")
    save_whole(
        folder / "talker.js", good.replace("};\ndeeds", "}};\ndeeds").replace("if (", "if ((", 1)
    )
    until(lambda: row(lab, "JsTalker").problem)
    assert "talker.js" in row(lab, "JsTalker").problem
    assert lab.tools.call("JsTalker", {"do": "success"}) == "好的 🎲"
    save_whole(folder / "talker.js", good.replace("好的 🎲", "更好 🎲"))
    until(lambda: lab.tools.call("JsTalker", {"do": "success"}) == "更好 🎲")
    assert not row(lab, "JsTalker").problem
