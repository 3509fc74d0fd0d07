"""What ``compare`` returns for chats: teams side by side, and every chat they had."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidInputError, NotFoundError, StateError
from vcplab.evaluation.board import Board
from vcplab.evaluation.chat_metrics import ChatMetric, ChatRun
from vcplab.evaluation.chat_task import ChatTask, chat_run
from vcplab.evaluation.chat_teams import ChatTeam

if TYPE_CHECKING:
    from vcplab.agents.chat.chat import GroupChat
    from vcplab.evaluation.chats import ChatScenarios

__all__ = ["ChatBoard"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ChatBoard(Board):
    """Teams side by side.

    Attributes:
        task: Scenarios, seeds, and what intervals are over.
    """

    systems: tuple[ChatTeam, ...]
    task: ChatTask

    pace_heading: ClassVar[str] = "s/chat"

    @property
    def units(self) -> str:
        """What intervals and tests are over: scenarios or seeds."""
        return self.task.units

    @property
    def scenarios(self) -> ChatScenarios:
        """What was talked about."""
        return self.task.scenarios

    @property
    def title(self) -> str:
        """Scenarios and seeds, for figures."""
        scenarios, seeds = len(self.scenarios), len(self.task.seeds)
        return (
            f"{self.scenarios.name}: {scenarios} scenario{'' if scenarios == 1 else 's'} × "
            f"{seeds} seed{'' if seeds == 1 else 's'}"
        )

    @property
    def data_name(self) -> str:
        """What the scenarios are called."""
        return self.scenarios.name

    def is_better(self, metric: str) -> int:
        """1 if more of a metric is better, -1 if less is, 0 if neither."""
        measure: ChatMetric = self._measures[metric]
        return {"more": 1, "less": -1}.get(measure.better, 0)

    def pace(self, system: str) -> float:
        """Mean wall seconds of a team's chats, as measured when they were had."""
        return super().pace(system) / 1000

    @cached_property
    def _per_chat(self) -> pd.DataFrame:
        extra = list(dict.fromkeys(name for s in self.scenarios for name in s.extra))
        taken = {"scenario", "seed", "system", "ended", "seconds", *self.metrics}
        rows = []
        for place, name in enumerate(self.names):
            outputs, scores = self._result.outputs(place), self._scores[place]
            for (item, output), values in zip(
                outputs.items(), scores.to_numpy().tolist(), strict=True
            ):
                scenario, seed = self.task.case(item)
                row: dict[str, Any] = {"scenario": scenario.id, "seed": seed, "system": name}
                row |= dict(zip(self.metrics, values, strict=True))
                row["ended"] = output.get("ended", "error")
                row.setdefault("seconds", output["ms"] / 1000 if "ms" in output else float("nan"))
                row |= {key: scenario.extra.get(key) for key in extra if key not in taken}
                rows.append(row)
        self._result.release()
        return pd.DataFrame(rows)

    @property
    def per_chat(self) -> pd.DataFrame:
        """One row per chat: scenario, seed, system, each metric, ended, seconds, the extras.

        Metrics are NaN where there is nothing to measure.
        """
        return self._per_chat.copy()

    def by(self, column: str = "scenario") -> pd.DataFrame:
        """Means for groups of chats.

        Args:
            column: ``"scenario"``, ``"seed"``, ``"ended"``, or a name of the scenarios' extras.

        Returns:
            One row per group and team: the group, system, chats, and the mean of each metric.

        Raises:
            InvalidInputError: There is no such column.
        """
        frame = self._per_chat
        if column not in frame.columns or column in (*self.metrics, "system", "seconds"):
            known = [c for c in frame.columns if c not in (*self.metrics, "system", "seconds")]
            raise InvalidInputError(
                f"The chats have no column {column!r}.",
                where="by",
                next_step=f"Columns: {', '.join(known)}.",
            )
        keyed = frame if column == "seed" else frame.assign(**{column: frame[column].astype(str)})
        groups = keyed.groupby([column, "system"], sort=False)
        means = groups[list(self.metrics)].mean()
        means.insert(0, "chats", groups.size())
        values = list(dict.fromkeys(keyed[column]))
        order = [(v, name) for v in values for name in self.names if (v, name) in means.index]
        return means.loc[order].reset_index()

    def run(self, system: str | int, scenario: str, seed: int | None = None) -> ChatRun:
        """A chat as metrics see it: its log and state.

        Args:
            system: The team's name or position.
            scenario: The scenario's id.
            seed: Its seed; the first if None.

        Raises:
            NotFoundError: There is no such team, scenario or seed.
            StateError: The chat failed, and there is no log.
        """
        place, item = self._place(system), self._item(scenario, seed)
        output = self._result.outputs(place)[item]
        self._result.release()
        if "log" not in output:
            raise StateError(
                f"This chat failed: {output.get('error')}",
                where=f"{self.names[place]}, {item}",
                next_step="board.failures tells what went wrong.",
            )
        return chat_run(*self.task.case(item), output)

    def chat(self, system: str | int, scenario: str, seed: int | None = None) -> GroupChat:
        """A chat that was had, to be read, shown, replayed or forked.

        Its models are the team's, made fresh: a script begins again at its first reply.

        Args:
            system: The team's name or position.
            scenario: The scenario's id.
            seed: Its seed; the first if None.

        Raises:
            NotFoundError: There is no such team, scenario or seed.
            StateError: The chat failed, and there is no log.
        """
        from vcplab.agents.chat.chat import GroupChat
        from vcplab.agents.chat.log import ChatStore
        from vcplab.agents.chat.terms import Terms

        run = self.run(system, scenario, seed)
        place = self._place(system)
        team: ChatTeam = self.systems[place]
        name = f"{self.names[place]}: {run.scenario.id}, seed {run.seed}"
        store = ChatStore()
        title = Terms.of(run.events, {}).options().name
        store.create(name, title, current_clock().now())
        store.append(name, [(e.seq or 0, e.type, e.line, None, 0.0) for e in run.events])
        return GroupChat.load(name, store=store, **team.arguments(run.scenario, run.seed))

    def _place(self, system: str | int) -> int:
        if isinstance(system, str) and system in self.names:
            return self.names.index(system)
        if isinstance(system, int) and -len(self.names) <= system < len(self.names):
            return system % len(self.names)
        raise NotFoundError(
            f"There is no team {system!r}.",
            where="system",
            next_step=f"The teams are: {', '.join(self.names)}.",
        )

    def _item(self, scenario: str, seed: int | None) -> str:
        known = self.scenarios.named(scenario)
        seed = self.task.seeds[0] if seed is None else seed
        if seed not in self.task.seeds:
            raise NotFoundError(
                f"No chat was had with seed {seed}.",
                where="seed",
                next_step=f"The seeds are: {', '.join(map(str, self.task.seeds))}.",
            )
        return f"{known.id}#{seed}"

    # --- how it is told -------------------------------------------------------------------

    def about_data(self) -> list[str]:
        """Scenarios and seeds, and which chats count."""
        total = len(self.scenarios) * len(self.task.seeds)
        told = [
            f"Data: {self.title}, hash {self.scenarios.fingerprint[:12]}; {total} chats per team."
        ]
        fewer = [f"{metric} {total - n}" for metric, n in self._used.items() if n < total]
        if fewer:
            told.append(
                f"Left out of {total} chats, because some team's gives nothing to measure: "
                f"{', '.join(fewer)}."
            )
        return told

    def about_units(self) -> str:
        """What is resampled, and what the score of a unit is."""
        scenarios, seeds = len(self.scenarios), len(self.task.seeds)
        if self.task.units == "seeds":
            of = "" if scenarios == 1 else f", each the mean of {scenarios} scenarios"
        else:
            of = "" if seeds == 1 else f", each the mean of its {seeds} seeds"
        return f"samples of {self.task.units}{of}"

    def about_pace(self) -> str:
        """What seconds are."""
        return (
            "s/chat: mean wall seconds, measured when the chats were had; tests with seed "
            f"{self.plan.seed}."
        )

    def report_sections(self) -> list[tuple[str, list[Any]]]:
        """Scenarios, how chats ended, all comparisons, teams and surroundings."""
        from vcplab.evaluation.report import (
            all_comparisons,
            data_frame_html,
            group_sections,
            surroundings,
            systems_cards,
        )

        said = pd.DataFrame(
            {
                "scenario": [s.id for s in self.scenarios],
                "topic": [s.topic for s in self.scenarios],
                "says": [" / ".join(s.says) for s in self.scenarios],
                "goal": [s.goal for s in self.scenarios],
            }
        )
        return [
            *group_sections({column: self.by(column) for column in ("scenario", "ended")}),
            ("All comparisons", [all_comparisons(self)]),
            ("Teams", systems_cards(self)),
            ("Scenarios", [data_frame_html(said)]),
            ("Surroundings", [surroundings(self)]),
        ]
