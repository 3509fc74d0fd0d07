"""The variables that nobody has to set: dates, the season, a greeting (seed 002 §1.1)."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Literal, get_args

from vcplab.core.clock import Clock, FrozenClock, current_clock
from vcplab.core.names import checked_choice
from vcplab.prompt.placeholders import TimeProvider
from vcplab.prompt.placeholders.provider import Resolved, once_per_resolve

__all__ = ["SYSTEM_VARIABLES", "Language", "SystemVariables"]

Language = Literal["zh", "en"]

_TIMES: Final = {
    "current_date": "Date",
    "current_time": "Time",
    "current_datetime": "DateTime",
    "current_year": "Year",
    "current_month": "Month",
}
_SEASONS: Final[Mapping[Language, tuple[str, str, str, str]]] = {
    "zh": ("春季", "夏季", "秋季", "冬季"),
    "en": ("spring", "summer", "autumn", "winter"),
}
_GREETINGS: Final[Mapping[Language, Mapping[str, tuple[str, ...]]]] = {
    "zh": {
        "morning": ("早上好！", "早安，新的一天开始了。", "上午好，今天想聊些什么？"),
        "afternoon": ("下午好！", "午后好，我们从哪里开始？", "下午好，很高兴见到你。"),
        "evening": ("晚上好！", "晚上好，今天过得怎么样？", "傍晚好，有什么可以帮忙的？"),
        "night": ("夜深了，你好。", "你好，这么晚还在忙？", "夜里好，慢慢说。"),
    },
    "en": {
        "morning": ("Good morning!", "Good morning, a new day begins.", "Morning! What is first?"),
        "afternoon": ("Good afternoon!", "Good afternoon, where do we start?", "Hello there."),
        "evening": ("Good evening!", "Good evening, how was your day?", "Hello, what can I do?"),
        "night": ("Hello, it is late.", "Still at work? Hello.", "Good night-time to you."),
    },
}
SYSTEM_VARIABLES: Final[Mapping[str, str]] = {
    "current_date": "Today, 2026-11-21",
    "current_time": "The time, 05:49:08",
    "current_datetime": "Both, 2026-11-21 05:49:08",
    "current_year": "The year, four digits",
    "current_month": "The month, two digits",
    "current_season": "The season of the northern half, or the southern where so asked",
    "random_greeting": "A greeting that fits the time of day",
}
"""Names of the system variables → what they say (facts/vcp-agents §3)."""


class SystemVariables:
    """Answers ``{{current_date}}``, ``{{current_season}}``, ``{{random_greeting}}`` and the like.

    They are computed when a text is resolved, all of one resolve from one moment; the original's
    basic resolver freezes them when the program starts (facts/vcp-agents §3). Seasons go by whole
    months: spring is March to May in the north.

    Args:
        seed: What the greeting is chosen by, together with the moment: the same seed at the same
            moment gives the same greeting.
        language: Of season and greeting, ``"zh"`` or ``"en"``.
        southern: Whether seasons are those of the southern half.
        clock: The clock; None means the one in force when a text is resolved.
        name: What the provider is called.

    Raises:
        InvalidInputError: There is no such language.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        language: Language = "zh",
        southern: bool = False,
        clock: Clock | None = None,
        name: str = "system",
    ) -> None:
        checked_choice(
            language, get_args(Language), "language", f"There are no greetings in {language!r}."
        )
        self.name = name
        self._seed = seed
        self._language: Language = language
        self._southern = southern
        self._clock = clock
        self._own: Mapping[str, Callable[[datetime], str]] = {
            "current_season": self._season,
            "random_greeting": self._greeting,
        }

    def names(self) -> list[str]:
        """The system variables."""
        return list(SYSTEM_VARIABLES)

    def value(self, key: str) -> str:
        """The value of a system variable now.

        Args:
            key: Its name, one of `SYSTEM_VARIABLES`.
        """
        resolved = self.resolve(key)
        assert resolved is not None
        return resolved.text

    def resolve(self, key: str) -> Resolved | None:
        """The value of a placeholder, or None.

        Args:
            key: Its name.
        """
        if key not in SYSTEM_VARIABLES:
            return None
        now = once_per_resolve((self, "now"), lambda: (self._clock or current_clock()).now())
        if key in self._own:
            return Resolved(self._own[key](now), recurse=False)
        text = TimeProvider("seed", FrozenClock(now)).resolve(_TIMES[key])
        return None if text is None else Resolved(text, recurse=False)

    def _season(self, now: datetime) -> str:
        quarter = (now.month - 3) % 12 // 3
        return _SEASONS[self._language][(quarter + 2 * self._southern) % 4]

    def _greeting(self, now: datetime) -> str:
        part = (
            "night"
            if now.hour < 5 or now.hour >= 23
            else "morning"
            if now.hour < 12
            else "afternoon"
            if now.hour < 18
            else "evening"
        )
        # Seeded by text, which Python hashes alike in every process.
        chooser = random.Random(f"{self._seed} {now.isoformat()}")  # noqa: S311
        return chooser.choice(_GREETINGS[self._language][part])

    def __repr__(self) -> str:
        return f"SystemVariables(seed={self._seed}, language={self._language!r})"
