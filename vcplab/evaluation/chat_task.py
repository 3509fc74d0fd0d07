"""The chat task: a team talks about each scenario, once per seed; its output is the log.

Items are scenario × seed. All teams meet the same scenarios with the same seeds, so differences are
paired. The seeds of a scenario are replicates, not further evidence about scenarios: intervals and
tests are over scenarios, each counting as the mean of its seeds (see `vcplab.evaluation.units`).
Where there is one scenario only, or the user says ``units="seeds"``, they are over seeds, each
counting as the mean of all scenarios at that seed: what is then said holds for these very scenarios
and no others.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from vcplab.agents.chat.events import ChatEvent
from vcplab.agents.chat.fold import fold
from vcplab.agents.chat.log import ChatStore, read_jsonl
from vcplab.agents.chat.state import ChatState
from vcplab.core.errors import InvalidInputError, StateError
from vcplab.core.names import checked_choice
from vcplab.evaluation._options import whole_option
from vcplab.evaluation.chat_metrics import ChatMetric, ChatRun, parse_chat_metrics
from vcplab.evaluation.chat_teams import ChatTeam, as_teams
from vcplab.evaluation.chats import ChatScenario, ChatScenarios
from vcplab.evaluation.tasks import Output, SystemInfo

if TYPE_CHECKING:
    from vcplab.agents.chat.chat import GroupChat
    from vcplab.evaluation.chat_board import ChatBoard
    from vcplab.evaluation.matrix import MatrixResult

__all__ = ["ChatTask", "chat_run", "fold_events"]

_USUAL = ("turns", "tokens", "balance", "wait")


class ChatTask:
    """Have a chat about each scenario, with each seed.

    An output is ``{"log": canonical log, "ended": word, "ms": wall milliseconds, "cost": number or
    None}``.

    Args:
        scenarios: What is talked about.
        seeds: How many chats per team and scenario (their seeds are 0, 1, …), or their seeds.
        units: What intervals and tests are over: ``"scenarios"`` or ``"seeds"``; None for
            scenarios, unless there is only one.

    Raises:
        InvalidInputError: An option cannot be accepted.
    """

    name = "chats"
    failed: ClassVar[str] = "are left out, for every team"
    plural: ClassVar[str] = "chats"
    block: ClassVar[int] = 1
    threads: ClassVar[bool] = True

    def __init__(
        self,
        scenarios: ChatScenarios,
        seeds: int | Sequence[int] = 1,
        units: str | None = None,
    ) -> None:
        self.scenarios = scenarios
        self.seeds = _seeds(seeds)
        if units is not None:
            checked_choice(units, ("scenarios", "seeds"), "units", f"No units are {units!r}.")
        single = len(scenarios) == 1 and len(self.seeds) > 1
        self.units = units or ("seeds" if single else "scenarios")
        self._items = {
            f"{scenario.id}#{seed}": (scenario, seed)
            for scenario in scenarios
            for seed in self.seeds
        }
        self._lock = threading.Lock()
        self._going: set[GroupChat] = set()
        self._stopped = threading.Event()

    def __getstate__(self) -> dict[str, Any]:
        raise InvalidInputError(
            "Chats cannot be had in other processes: their models stay in this one.",
            where="executor",
            next_step="Use jobs=8 (threads), or executor=ThreadPoolExecutor(8).",
        )

    def case(self, item: str) -> tuple[ChatScenario, int]:
        """Scenario and seed of an item."""
        return self._items[item]

    # --- what compare asks ----------------------------------------------------------------

    @property
    def fingerprint(self) -> str:
        """The same for all chats: scenarios and seeds enter by :meth:`digest`."""
        return "chats"

    def items(self) -> Sequence[str]:
        """``scenario#seed``, scenario by scenario."""
        return list(self._items)

    def digest(self, items: Sequence[str]) -> str:
        """Hash of what the chats depend on."""
        shown = [[self._items[item][0].shown, self._items[item][1]] for item in items]
        return _sha(shown)

    def competitors(self, systems: Any) -> tuple[ChatTeam, ...]:
        """Teams, each with a name of its own."""
        return as_teams(systems)

    def metrics(self, given: Any) -> dict[str, ChatMetric]:
        """Label → metric; turns, tokens, balance, wait for None, and goal where there is one."""
        if given is None:
            given = [*_USUAL, *(["goal"] if any(s.goal for s in self.scenarios) else [])]
        return parse_chat_metrics(given)

    def check(self, systems: Sequence[ChatTeam], measures: Mapping[str, Any]) -> list[str]:
        """What intervals are about, and what few units cannot show.

        Raises:
            InvalidInputError: Costs or goals are asked for, and no team has a price list, no
                scenario a goal.
        """
        if "cost" in measures and not any(team.prices is not None for team in systems):
            raise InvalidInputError(
                "No team has a price list, so nothing has a cost.",
                where="metrics",
                next_step="ChatTeam(…, prices=vl.PriceTable({…})), or leave the metric out.",
            )
        if "goal" in measures and not any(scenario.goal for scenario in self.scenarios):
            raise InvalidInputError(
                "No scenario has a goal.",
                where="metrics",
                next_step='{"id": …, "goal": "a regular expression"}, or leave the metric out.',
            )
        told = []
        count = len(set(self.groups()))
        if self.units == "seeds":
            only = "the only scenario" if len(self.scenarios) == 1 else "exactly these scenarios"
            told.append(
                f"Intervals and tests are over {count} seeds: they say how certain the results are "
                f"for {only}, not for others."
            )
        if len(systems) > 1 and 2 < 2**count <= 32:
            told.append(
                f"With {count} {self.units} a permutation test has only {2**count} outcomes: no p "
                f"is below {2 / 2**count:.2g}. More {self.units} can show more."
            )
        elif count < 2:
            told.append(
                "One chat per team has no interval: compare on several scenarios, or with seeds=5."
            )
        return told

    def judged_by(self, measures: Mapping[str, ChatMetric]) -> str | None:
        """Hash of goals, extras and metrics; None where a function does not vouch for itself."""
        known = [metric.fingerprint for metric in measures.values()]
        return _sha([self.scenarios.fingerprint, known]) if all(known) else None

    def groups(self) -> Sequence[str]:
        """The scenario of each item, or its seed."""
        return [
            scenario.id if self.units == "scenarios" else str(seed)
            for scenario, seed in self._items.values()
        ]

    def why_anew(self, system: ChatTeam) -> str:
        """What keeps a team's chats out of the cache."""
        return system.why_anew or "nothing tells when it changes"

    def describe(self, system: Any) -> SystemInfo:
        """Name, fingerprint and parameters of a team."""
        return SystemInfo(system.name, system.fingerprint, system.parameters)

    def board(self, **parts: Any) -> ChatBoard:
        """The result."""
        from vcplab.evaluation.chat_board import ChatBoard

        return ChatBoard(task=self, **parts)

    def remarks(
        self,
        result: MatrixResult,
        scores: Sequence[pd.DataFrame],
        measures: Mapping[str, ChatMetric],
    ) -> list[str]:
        """Turns that failed."""
        told = []
        for place, info in enumerate(result.systems):
            turns, chats, first = 0, 0, ""
            for output in result.outputs(place).values():
                failures = _failures(output)
                turns, chats = turns + len(failures), chats + bool(failures)
                first = first or next(iter(failures), "")
            if turns:
                told.append(
                    f"{info.name}: {turns} turn(s) failed, in {chats} of {len(result.items)} "
                    f"chats; the first: {first}"
                )
        result.release()
        return told

    # --- running --------------------------------------------------------------------------

    def prepare(self, systems: Sequence[Any]) -> None:
        """Be ready to run (again)."""
        self._stopped.clear()

    def run(self, systems: Sequence[Any], items: Sequence[str]) -> list[list[Output]]:
        """The logs of the chats, per team and item."""
        return [[self._one(team, item) for item in items] for team in systems]

    def stop(self) -> None:
        """Interrupt the chats that are going on; their outputs are not wanted any more."""
        self._stopped.set()
        # Again and again: a chat that was just about to be driven does not feel the first time.
        while True:
            with self._lock:
                going = list(self._going)
            if not going:
                return
            for chat in going:
                chat.interrupt()
            time.sleep(0.02)

    def _one(self, team: ChatTeam, item: str) -> Output:
        scenario, seed = self._items[item]
        store = ChatStore()
        began = time.perf_counter()
        try:
            chat = team.chat(scenario, seed, store)
            with self._lock:
                if self._stopped.is_set():
                    raise _interrupted(item)
                self._going.add(chat)
            try:
                ended = self._drive(chat, scenario)
            finally:
                with self._lock:
                    self._going.discard(chat)
                chat.close()
            if self._stopped.is_set():
                raise _interrupted(item)
            total = chat.ledger.total
            return {
                "log": chat.to_jsonl(),
                "ended": ended,
                "ms": (time.perf_counter() - began) * 1000,
                # A sum that lacks some calls is no cost.
                "cost": None if total.cost is None or total.unpriced_calls else float(total.cost),
            }
        except Exception as error:
            error.add_note(f"While {team.name!r} talked about {scenario.id!r} with seed {seed}.")
            raise
        finally:
            store.close()

    def _drive(self, chat: GroupChat, scenario: ChatScenario) -> str:
        """Have the chat; why it is over, in a word."""
        kind = "asked"
        chat.start(scenario.topic)
        for text in scenario.says:
            if self._stopped.is_set() or not chat.state.is_active:
                break
            chat.say(text)
        if chat.state.is_active and scenario.rounds != 0 and not self._stopped.is_set():
            kind = chat.run(scenario.rounds).kind
        ends = [event.data["kind"] for event in chat.events if event.type == "chat:end"]
        return str(ends[-1]) if ends else kind

    # --- measuring ------------------------------------------------------------------------

    def measure(self, outputs: Mapping[str, Output], metrics: Sequence[Any]) -> pd.DataFrame:
        """Values per chat; NaN where there is nothing to measure, or the chat failed."""
        rows = []
        for item, output in outputs.items():
            if "log" in output:
                run = chat_run(*self._items[item], output)
                rows.append([metric.of(run) for metric in metrics])
            else:
                rows.append([float("nan")] * len(metrics))
        names = [metric.name for metric in metrics]
        return pd.DataFrame(rows, index=list(outputs), columns=names, dtype=float)


def _interrupted(item: str) -> StateError:
    return StateError(
        "The chat was interrupted.", where=item, next_step="Run the comparison again."
    )


def chat_run(scenario: ChatScenario, seed: int, output: Output) -> ChatRun:
    """A chat as metrics see it.

    Args:
        scenario: What it was about.
        seed: Its seed.
        output: What the task kept of it.
    """
    events = tuple(read_jsonl(output["log"], where=f"{scenario.id}, seed {seed}"))
    state = fold_events(events)
    seconds, cost, ended = output["ms"] / 1000, output["cost"], output["ended"]
    return ChatRun(scenario, seed, events, state, seconds, cost, ended)


def fold_events(events: Sequence[ChatEvent]) -> ChatState:
    """What a log adds up to."""
    state = ChatState()
    for event in events:
        fold(state, event.seq or 0, event.type, event.data)
    return state


def _failures(output: Output) -> list[str]:
    if '"agent:silent"' not in output.get("log", ""):
        return []
    return [
        _error_text(event.data.get("error"))
        for event in read_jsonl(output["log"])
        if event.type == "agent:silent" and event.data.get("why") == "failed"
    ]


def _error_text(error: Any) -> str:
    if isinstance(error, Mapping):
        return str(error.get("message") or dict(error))
    return str(error or "no reason is known")


def _seeds(given: Any) -> tuple[int, ...]:
    if isinstance(given, Sequence) and not isinstance(given, str):
        seeds = tuple(whole_option(seed, "seeds", 5, least=0) for seed in given)
        if not seeds or len(set(seeds)) < len(seeds):
            raise InvalidInputError(
                "Seeds have to differ from each other, and there has to be one.",
                where="seeds",
                next_step="Give e.g. seeds=5, or seeds=[0, 1, 2].",
            )
        return seeds
    return tuple(range(whole_option(given, "seeds", 5)))


def _sha(content: Any) -> str:
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
