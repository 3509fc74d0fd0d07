"""Scenarios that teams of agents talk about: the data of chats for ``compare``.

::

    scenarios = vl.ChatScenarios([
        {"id": "outline", "topic": "A text about tides", "says": ["Agree on an outline first."],
         "goal": "(?i)outline"},
        {"id": "title", "topic": "A title for it", "rounds": 2},
    ])
    agents = [vl.Agent("ann", "You write."), vl.Agent("bob", "You proofread.", keywords=["typo"])]
    teams = [
        vl.ChatTeam(agents, mode="sequential", model=model, stop=4, name="in turn"),
        vl.ChatTeam(agents, mode="keyword", model=model, stop=4, name="by keyword"),
    ]
    board = vl.compare(teams, scenarios, seeds=5)
    board.chat("by keyword", "outline", seed=3).replay()
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcplab.agents.chat.stopping import TextSaid
from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError, VCPError
from vcplab.evaluation._options import task_options, whole_option

if TYPE_CHECKING:
    from vcplab.evaluation.chat_task import ChatTask

__all__ = ["ChatScenario", "ChatScenarios"]


@dataclass(frozen=True, slots=True)
class ChatScenario:
    """What a chat is started with.

    The chat is started with the topic; then everything in ``says`` is said by the user, one after
    the other, each answered by a round; then the agents go on until the team's stopping condition,
    or for ``rounds`` rounds.

    Attributes:
        id: What results call it.
        topic: What the chat is about.
        says: What the user says.
        goal: A regular expression that some agent should say (metric ``goal``); never shown to
            the agents.
        rounds: Rounds after everything is said; 0 for none, None until the team stops.
        extra: JSON-able values for your own metrics and for ``by``; never shown to the agents.

    Raises:
        InvalidInputError: A field cannot be accepted.
    """

    id: str
    topic: str = ""
    says: tuple[str, ...] = ()
    goal: str = ""
    rounds: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "id", str(self.id).strip())
        says: Any = self.says
        put(self, "says", (says,) if isinstance(says, str) else tuple(says))
        texts = (self.topic, self.goal, *self.says)
        if not self.id or not all(isinstance(text, str) for text in texts):
            raise _unfit(self.id, "id, topic, goal and says have to be texts")
        if not all(text.strip() for text in self.says):
            raise _unfit(self.id, "the user says nothing at all")
        if self.rounds is not None:
            put(self, "rounds", whole_option(self.rounds, "rounds", 3, least=0))
        if self.rounds == 0 and not self.says:
            raise _unfit(self.id, "with rounds=0 and nothing said nobody would speak")
        try:
            json.dumps(dict(self.extra), sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise _unfit(self.id, f"extra is not JSON-able ({error})") from error
        if self.goal:
            TextSaid(self.goal, regex=True)  # refuses what is no regular expression

    @classmethod
    def of(cls, given: ChatScenario | Mapping[str, Any] | str, number: int = 1) -> ChatScenario:
        """A scenario from a mapping, or from what the user says first.

        Args:
            given: A scenario, a mapping of its fields (others go to ``extra``), or a text.
            number: Its place, from which it is named where it has no id.

        Raises:
            InvalidInputError: It cannot be one.
        """
        if isinstance(given, ChatScenario):
            return given
        if isinstance(given, str):
            return cls(f"s{number}", says=(given,))
        if not isinstance(given, Mapping):
            raise _unfit(f"s{number}", f"{type(given).__name__} is no scenario")
        own = {f.name for f in fields(cls)} - {"extra"}
        values = {str(name): value for name, value in given.items()}
        extra = {**dict(values.pop("extra", {}))}
        extra |= {name: value for name, value in values.items() if name not in own}
        known = {name: value for name, value in values.items() if name in own}
        return cls(**{"id": f"s{number}", **known}, extra=extra)

    @property
    def shown(self) -> str:
        """What a chat depends on, as text: neither goal nor extra."""
        return json.dumps([self.topic, list(self.says), self.rounds], ensure_ascii=False)


def _unfit(name: str, problem: str) -> InvalidInputError:
    return InvalidInputError(
        f"This is no scenario: {problem}.",
        where=f"scenario {name!r}",
        next_step='Give e.g. {"id": "outline", "topic": "…", "says": ["…"], "goal": "outline"}.',
    )


class ChatScenarios(Sequence[ChatScenario]):
    """Scenarios, in order: what ``compare`` takes for chats.

    Args:
        scenarios: Scenarios, mappings of their fields, or texts that the user says.
        name: What results call them.

    Raises:
        InvalidInputError: There is none, one cannot be accepted, or two have the same id.
    """

    def __init__(
        self,
        scenarios: Iterable[ChatScenario | Mapping[str, Any] | str],
        name: str = "scenarios",
    ) -> None:
        several = [scenarios] if isinstance(scenarios, str | Mapping | ChatScenario) else scenarios
        self.name = name
        self._all = tuple(ChatScenario.of(given, n) for n, given in enumerate(several, 1))
        self._by_id = {scenario.id: scenario for scenario in self._all}
        if not self._all:
            raise InvalidInputError(
                "There is no scenario.", where="scenarios", next_step="Give at least one."
            )
        if len(self._by_id) < len(self._all):
            ids = [scenario.id for scenario in self._all]
            twice = next(one for one in ids if ids.count(one) > 1)
            raise InvalidInputError(
                f"Two scenarios have the id {twice!r}.",
                where="scenarios",
                next_step="Give each an id of its own.",
            )

    @classmethod
    def load(cls, path: str | Path, name: str | None = None) -> ChatScenarios:
        """Scenarios from a file of JSON lines, each a mapping of a scenario's fields.

        Args:
            path: The file.
            name: What results call them; the file's name if None.

        Raises:
            NotFoundError: The file cannot be read.
            InvalidDataError: A line is no scenario; the error names it.
        """
        file = Path(path).expanduser()
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise NotFoundError(
                f"The scenarios cannot be read: {error}.",
                where=str(file),
                next_step="Give a UTF-8 file with a JSON object per line.",
            ) from error
        found: list[ChatScenario] = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                found.append(ChatScenario.of(json.loads(line), len(found) + 1))
            except (ValueError, VCPError) as error:
                raise InvalidDataError(
                    f"Not a scenario: {getattr(error, 'message', error)}",
                    where=f"{file.name}, line {number}",
                    next_step='Each line is a JSON object: {"id": …, "topic": …, "says": […]}.',
                ) from error
        return cls(found, name or file.stem)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything they say, goals and extra included."""
        parts = [[s.id, s.shown, s.goal, dict(s.extra)] for s in self._all]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("ascii")).hexdigest()

    def task(self, **options: Any) -> ChatTask:
        """The task of talking about them; what ``compare`` runs.

        Args:
            **options: ``seeds``: how many chats per team and scenario, or their seeds (1);
                ``units``: what intervals and tests are over, ``"scenarios"`` or ``"seeds"``.

        Raises:
            InvalidInputError: An option is unknown or out of range.
        """
        from vcplab.evaluation.chat_task import ChatTask

        task_options(options, ("seeds", "units"), "chats")
        return ChatTask(self, **options)

    def named(self, id: str) -> ChatScenario:
        """A scenario by its id.

        Raises:
            NotFoundError: There is none.
        """
        if id not in self._by_id:
            raise NotFoundError(
                f"There is no scenario {id!r}.",
                where="scenario",
                next_step=f"The scenarios are: {', '.join(self._by_id)}.",
            )
        return self._by_id[id]

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, str):
            return self.named(place)
        return self._all[place]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[ChatScenario]:
        return iter(self._all)

    def __repr__(self) -> str:
        return f"<ChatScenarios {self.name!r}: {', '.join(self._by_id)}>"
