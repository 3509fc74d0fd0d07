"""The policy that has a chat model rewrite a sentence."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, ClassVar

from vcplab.core.errors import InvalidInputError
from vcplab.grounding.suppression.patches import PatchAction
from vcplab.grounding.suppression.policies import Policy
from vcplab.protocol.ports import ChatModel

__all__ = ["Regenerate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Regenerate(Policy):
    """Have a chat model rewrite the sentence so that it follows from the sources; off by default.

    ::

        HallucinationSuppressor(policies=[Regenerate(model), *DEFAULT_POLICIES])

    The model sees the findings, the evidence, the sources and the text around the sentence, all of
    it marked as data. Its answer takes the sentence's place, as one reversible patch, only if it
    is a few plain sentences of the same language and of words that the sentence or the sources
    know, keeps the quotations, and the detector, run again on the text with it, finds nothing in
    it. Otherwise, and where the model fails, refuses or is too slow, the next policy takes the
    finding, and `Suppression.notices` tells why.

    A sentence is asked about once: one that carries a mark already was tried before, so that
    suppressing a result again asks nobody. The detector is the only judge of the answer; what it
    cannot see, it cannot refuse.

    Attributes:
        model: The model.
        most: Calls for one text, or for one stream, at most; later findings go to the next policy.
        timeout: Seconds that an answer may take.
        longer: How many times as long as the sentence the answer may be.
        source_chars: Characters of the sources that the model is shown; of longer ones only the
            passages about the sentence.
        temperature: 0 for the likeliest answer; None for the server's default.
        max_tokens: Tokens that an answer may have; None for the server's default.

    Raises:
        InvalidInputError: The model is none, or a number is impossible.
    """

    model: ChatModel = field(kw_only=False)
    precision_floor: float = 0.6
    most: int = 8
    timeout: float = 60.0
    longer: float = 2.0
    source_chars: int = 12_000
    temperature: float | None = 0.0
    max_tokens: int | None = None
    unique: str = field(
        default_factory=lambda: uuid.uuid4().hex, init=False, repr=False, compare=False
    )

    action: ClassVar[PatchAction] = "regenerate"

    def __post_init__(self) -> None:
        Policy.__post_init__(self)
        if isinstance(self.model, type) or not isinstance(self.model, ChatModel):
            raise InvalidInputError(
                f"{type(self.model).__name__} is no chat model.",
                where="model",
                next_step="give a ChatModel (name, stream)",
            )
        for name, lowest in (("most", 1), ("timeout", 0.0), ("longer", 1.0), ("source_chars", 1)):
            value = getattr(self, name)
            wanted: Any = int if isinstance(lowest, int) else int | float
            good = isinstance(value, wanted) and not isinstance(value, bool) and value >= lowest
            if not good or (name == "timeout" and not value > 0):
                raise InvalidInputError(
                    f"{name} is {value!r}.",
                    where=name,
                    next_step="leave it out for the default, or give a number "
                    + ("above 0" if name == "timeout" else f"from {lowest}"),
                )

    def to_dict(self) -> dict[str, Any]:
        """The policy, JSON-able: the model by its name and fingerprint."""
        told = Policy.to_dict(self)
        unique = told.pop("unique")
        own = getattr(self.model, "fingerprint", "")
        # A model that cannot tell what it is must not share a cache.
        told |= {"model": self.model.name, "fingerprint": unique if own is None else str(own)}
        return told
