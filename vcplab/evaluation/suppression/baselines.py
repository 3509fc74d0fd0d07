"""What any suppressor has to beat: leaving everything, and taking everything away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = ["Everything", "Nothing", "usual_suppressors"]


@dataclass(frozen=True, slots=True)
class _Result:
    original_text: str
    processed_text: str


class Nothing:
    """Changes nothing: no correct text is lost, and no hallucination either."""

    name: ClassVar[str] = "nothing"
    fingerprint: ClassVar[str] = "suppress-nothing/1"
    kind: ClassVar[str] = "baseline"

    def suppress(self, text: str, **_: Any) -> _Result:
        """The text as it is."""
        return _Result(text, text)


class Everything:
    """Takes the whole text away; its edit precision is the share of gold in the text."""

    name: ClassVar[str] = "everything"
    fingerprint: ClassVar[str] = "suppress-everything/1"
    kind: ClassVar[str] = "baseline"

    def suppress(self, text: str, **_: Any) -> _Result:
        """Nothing is left."""
        return _Result(text, "")


def usual_suppressors() -> tuple[Nothing, Everything]:
    """Those that stand in every table."""
    return Nothing(), Everything()
