"""How much a text may be."""

from __future__ import annotations

from dataclasses import dataclass

from vcplab.text.tokens import Tokenizer

__all__ = ["Budget"]


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit of tokens and of characters.

    Attributes:
        tokenizer: What counts tokens.
        tokens: The most tokens; None for any.
        chars: The most characters; None for any.
    """

    tokenizer: Tokenizer
    tokens: int | None
    chars: int | None

    def fits(self, text: str) -> bool:
        """Whether a text keeps both limits."""
        if self.chars is not None and len(text) > self.chars:
            return False
        return self.tokens is None or self.tokenizer.count(text) <= self.tokens

    def cost(self, text: str) -> float:
        """The share of the budget that a text takes; above 1 it does not fit by itself."""
        share = 0.0
        if self.chars is not None:
            share = _share(len(text), self.chars)
        if self.tokens is not None:
            share = max(share, _share(self.tokenizer.count(text), self.tokens))
        return share

    def part(self, share: float) -> Budget:
        """A share of this budget, rounded down."""
        return Budget(
            self.tokenizer,
            None if self.tokens is None else int(self.tokens * share),
            None if self.chars is None else int(self.chars * share),
        )

    def less(self, *texts: str) -> Budget:
        """What remains of this budget beside some texts."""
        tokens, chars = self.tokens, self.chars
        for text in texts:
            tokens = None if tokens is None else max(0, tokens - self.tokenizer.count(text))
            chars = None if chars is None else max(0, chars - len(text))
        return Budget(self.tokenizer, tokens, chars)


def _share(used: int, limit: int) -> float:
    return used / limit if limit else float(used > 0) * 2
