"""What is measured of a chat: named metrics, each a function of its log, and your own.

=============== ============================================================== =======
name            meaning                                                        better
=============== ============================================================== =======
``turns``       turns that agents took, silent ones included                   –
``rounds``      rounds begun                                                   –
``messages``    messages that agents said in public                            –
``tokens``      tokens read and written by all calls (selecting, voting too)   less
``cost``        what all calls cost by the team's price list                   less
``seconds``     wall time of the chat, as measured when it was had             less
``silent``      turns that gave nothing, for whatever reason                   less
``failures``    turns that failed (why: failed)                                less
``balance``     evenness of who speaks: H / ln k, where H = -Σ pᵢ ln pᵢ over    more
                the shares pᵢ of the messages of the k agents that may speak
                (Pielou's J); 0 if only one speaks, 1 if all speak alike
``wait``        the most turns of others in a row that an agent that may       less
                speak had to wait: before its first turn, between two of
                them, or after its last
``handoffs``    agents that were given the floor by another one's words        –
``reached``     1 if the agents agreed (``consensus:reached``), else 0         more
``agreement``   the share of the strongest stance among the agents' latest     more
                positions that took a side (abstentions took none)
``goal``        1 if an agent said what matches the scenario's goal, else 0    more
``stagnation``  1 if the chat ends with the same said three times, as          less
                ``stop.stagnation()`` finds it, else 0
=============== ============================================================== =======

A chat without what a metric is about (a goal, positions, two agents that may speak, a price for
every call) has no value, and does not count in that metric.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from vcplab.agents.chat.events import ChatEvent
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.policies.positions import ABSTAIN
from vcplab.agents.chat.state import ChatState
from vcplab.agents.chat.stopping import Stagnation
from vcplab.core.errors import InvalidInputError, VCPError
from vcplab.evaluation.chats import ChatScenario

__all__ = ["METRICS", "ChatMetric", "ChatRun", "parse_chat_metrics"]

_GOAL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ChatRun:
    """One chat that was had: what metrics are functions of.

    Attributes:
        scenario: What it was about.
        seed: Its seed.
        events: Its log.
        state: What the log adds up to.
        seconds: Wall time, as measured.
        cost: What its calls cost; None where no price list says.
        ended: Why it is over, in a word: a stopping condition's kind, ``silence``, or ``asked``
            where the scenario asked for so many rounds.
    """

    scenario: ChatScenario
    seed: int
    events: tuple[ChatEvent, ...]
    state: ChatState
    seconds: float = 0.0
    cost: float | None = None
    ended: str = ""

    @property
    def replies(self) -> list[ChatMessage]:
        """What agents said in public, in order."""
        return [message for message in self.state.messages if message.turn and message.is_public]

    @property
    def turns(self) -> list[str]:
        """Ids of the agents in the order of their turns, silent ones included."""
        return [
            str(event.data["agent"])
            for event in self.events
            if event.type in ("agent:speak", "agent:silent")
        ]

    @property
    def speakers(self) -> list[str]:
        """Ids of the agents that may speak: active, and no observers."""
        return [agent.id for agent in self.state.speakers]


@dataclass(frozen=True, slots=True)
class ChatMetric:
    """A number that is measured of each chat.

    Attributes:
        name: What tables call it.
        function: Takes a `ChatRun`; gives a number or true or false, None where there is none.
        better: ``"more"``, ``"less"``, or ``""`` where neither is.
        fingerprint: Changes whenever the function would; "" if that is not known: it is then
            computed anew in each comparison.
    """

    name: str
    function: Callable[[ChatRun], float | bool | None]
    better: str = ""
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if not callable(self.function) or self.better not in ("more", "less", ""):
            raise InvalidInputError(
                f"{self.name!r} is no metric.",
                where="metrics",
                next_step='Give ChatMetric("name", function, better="more" | "less" | "").',
            )

    @property
    def lower(self) -> bool:
        """Whether less is better."""
        return self.better == "less"

    def of(self, run: ChatRun) -> float:
        """Its value for a chat; NaN for none.

        Raises:
            InvalidInputError: The function failed, or gave no number.
        """
        where = f"{run.scenario.id}, seed {run.seed}"
        try:
            value = self.function(run)
            number = math.nan if value is None else float(value)
        except VCPError:
            raise
        except Exception as error:
            raise InvalidInputError(
                f"The metric {self.name!r} failed: {type(error).__name__}: {error}",
                where=where,
                next_step="Mend the function: it is given a ChatRun (state, events, scenario, "
                "seed, …) and gives a number, or None where there is none.",
            ) from error
        if math.isinf(number):
            raise InvalidInputError(
                f"The metric {self.name!r} is infinite.",
                where=where,
                next_step="Give a finite number, or None where there is none.",
            )
        return number


def parse_chat_metrics(given: Any) -> dict[str, ChatMetric]:
    """Label → metric of several, in order, each once.

    Args:
        given: A metric's name, a `ChatMetric`, a function of a `ChatRun`; several of these; or a
            mapping from labels to functions.

    Raises:
        InvalidInputError: One of them does not exist, two have the same name, or there is none.
    """
    if isinstance(given, Mapping):
        found = [replace(_metric(value), name=str(name)) for name, value in given.items()]
    else:
        single = isinstance(given, str | ChatMetric) or callable(given)
        several: Sequence[Any] = [given] if single else list(given or ())
        found = [_metric(one) for one in several]
    metrics: dict[str, ChatMetric] = {}
    for metric in found:
        if metrics.setdefault(metric.name, metric) != metric:
            raise InvalidInputError(
                f"Two metrics are called {metric.name!r}.",
                where="metrics",
                next_step='Name them: {"one": function, "other": function}.',
            )
    if not metrics:
        raise InvalidInputError(
            "No metric was named.",
            where="metrics",
            next_step=f"Name at least one: {', '.join(METRICS)}.",
        )
    return metrics


def _metric(given: Any) -> ChatMetric:
    if isinstance(given, ChatMetric):
        return given
    if callable(given):
        name = str(getattr(given, "__name__", type(given).__name__))
        return ChatMetric(
            name if name.isidentifier() else "metric",  # a lambda has no name
            given,
            fingerprint=str(getattr(given, "fingerprint", "") or ""),
        )
    name = str(given).strip().lower().replace(" ", "_").replace("-", "_")
    name = _SPELLINGS.get(name, name)
    if not isinstance(given, str) or name not in METRICS:
        near = get_close_matches(name, METRICS, n=2)
        raise InvalidInputError(
            f"There is no metric {given!r} of chats.",
            where="metrics",
            next_step=(f"Did you mean {' or '.join(near)}? " if near else "")
            + f"They are: {', '.join(METRICS)}; or give a function of a ChatRun.",
        )
    return METRICS[name]


def _balance(run: ChatRun) -> float | None:
    speakers = run.speakers
    counts = Counter(m.agent_id for m in run.replies if m.agent_id in set(speakers))
    total = counts.total()
    if len(speakers) < 2 or not total:
        return None
    entropy = -sum(n / total * math.log(n / total) for n in counts.values())
    return min(1.0, max(0.0, entropy / math.log(len(speakers))))


def _wait(run: ChatRun) -> float | None:
    speakers, turns = run.speakers, run.turns
    if len(speakers) < 2 or not turns:
        return None
    longest = 0
    for agent in speakers:
        waited = 0
        for speaker in turns:
            waited = 0 if speaker == agent else waited + 1
            longest = max(longest, waited)
    return longest


def _agreement(run: ChatRun) -> float | None:
    stances = Counter(
        position.get("stance")
        for position in run.state.positions.values()
        if position.get("stance") not in (None, ABSTAIN)
    )
    return max(stances.values()) / stances.total() if stances else None


def _goal(run: ChatRun) -> bool | None:
    if not run.scenario.goal:
        return None
    import regex

    pattern = regex.compile(run.scenario.goal)
    try:
        return any(pattern.search(m.content, timeout=_GOAL_SECONDS) for m in run.replies)
    except TimeoutError:
        return None  # it could not be decided


def _silent(run: ChatRun, why: str | None = None) -> int:
    return sum(
        event.type == "agent:silent" and why in (None, event.data.get("why"))
        for event in run.events
    )


def _handoffs(run: ChatRun) -> int:
    return sum(len(e.data.get("speakers", ())) for e in run.events if e.type == "handoff")


def _own(name: str, function: Callable[[ChatRun], Any], better: str = "") -> ChatMetric:
    return ChatMetric(name, function, better, hashlib.sha256(name.encode()).hexdigest())


#: The metrics that can be named.
METRICS: Mapping[str, ChatMetric] = {
    metric.name: metric
    for metric in (
        _own("turns", lambda run: run.state.turns),
        _own("rounds", lambda run: run.state.round),
        _own("messages", lambda run: len(run.replies)),
        _own("tokens", lambda run: run.state.usage.total_tokens, "less"),
        _own("cost", lambda run: run.cost, "less"),
        _own("seconds", lambda run: run.seconds, "less"),
        _own("silent", _silent, "less"),
        _own("failures", lambda run: _silent(run, "failed"), "less"),
        _own("balance", _balance, "more"),
        _own("wait", _wait, "less"),
        _own("handoffs", _handoffs),
        _own("reached", lambda run: run.state.consensus is not None, "more"),
        _own("agreement", _agreement, "more"),
        _own("goal", _goal, "more"),
        _own("stagnation", lambda run: Stagnation().reached(run.state) is not None, "less"),
    )
}
_SPELLINGS: Mapping[str, str] = {
    "longest_wait": "wait",
    "hand_offs": "handoffs",
    "silent_turns": "silent",
    "text_found": "goal",
    "reached_consensus": "reached",
    "consensus": "reached",
}
