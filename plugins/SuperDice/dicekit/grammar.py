"""The grammar of dice notations: tokens to a tree, with every limit checked.

::

    notation := number "x" "(" sum ")" | sum
    sum      := product (("+" | "-") product)*
    product  := signed ("*" signed)*
    signed   := ("-" | "+") signed | atom
    atom     := number | dice | "(" sum ")"
    dice     := [number] "d" (number | "%" | "F") ("!" | keep)*
    keep     := ("kh" | "k" | "kl" | "dh" | "dl") [number]
"""

from __future__ import annotations

from typing import NoReturn

from .problems import NotationProblem
from .tokens import MAX_NUMBER, Token, scan
from .tree import FUDGE, Binary, Dice, Keep, Negate, Node, Number, Repeat

__all__ = ["MAX_DEPTH", "MAX_DICE", "MAX_REPEATS", "parse"]

MAX_DICE = 1000
"""Most dice of one roll, repeats and exploded dice included."""

MAX_REPEATS = 100
"""Most repeats of ``3x(…)``."""

MAX_DEPTH = 30
"""Deepest nesting of brackets and signs."""


def parse(notation: str) -> Node:
    """Read a notation.

    Args:
        notation: For example ``4d6kh3+2`` or ``3x(2d6+1)``.

    Returns:
        The tree; print it with `dicekit.tree.show`.

    Raises:
        NotationProblem: With the reason and the place of the first mistake.
    """
    return _Reader(notation).whole()


class _Reader:
    def __init__(self, notation: str) -> None:
        self.notation = notation
        self.tokens = scan(notation)
        self.at = 0
        self.depth = 0
        self.dice = 0
        self.times = 1

    @property
    def here(self) -> Token:
        return self.tokens[self.at]

    def take(self, *kinds: str) -> Token | None:
        if self.here.kind not in kinds:
            return None
        self.at += 1
        return self.tokens[self.at - 1]

    def fail(self, reason: str, token: Token | None = None) -> NoReturn:
        raise NotationProblem(reason, self.notation, (token or self.here).position)

    def whole(self) -> Node:
        if self.here.kind == "number" and self.tokens[self.at + 1].kind == "x":
            node = self.repeat()
        else:
            node = self.sum()
        if self.here.kind == ")":
            self.fail("This bracket closes nothing: remove it or open one before")
        if self.here.kind == "x":
            self.fail("A repeat stands at the very front and has brackets, as in 3x(2d6+1)")
        if self.here.kind != "end":
            self.fail("A sign (+, - or *) or the end of the notation was expected here")
        return node

    def repeat(self) -> Node:
        times = self.here
        if not 1 <= times.number <= MAX_REPEATS:
            self.fail(f"A roll may be repeated 1 to {MAX_REPEATS} times")
        self.times = times.number
        self.at += 2
        if not self.take("("):
            self.fail("What is repeated stands in brackets, as in 3x(2d6+1)")
        node = self.sum()
        if not self.take(")"):
            self.fail("A closing bracket was expected here")
        return Repeat(times.number, node)

    def sum(self) -> Node:
        node = self.product()
        while sign := self.take("+", "-"):
            node = Binary(sign.text, node, self.product())
        return node

    def product(self) -> Node:
        node = self.signed()
        while self.take("*"):
            node = Binary("*", node, self.signed())
        return node

    def signed(self) -> Node:
        sign = self.take("-", "+")
        if sign is None:
            return self.atom()
        self.deeper(sign)
        node = self.signed()
        self.depth -= 1
        return Negate(node) if sign.kind == "-" else node

    def deeper(self, token: Token) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"Brackets and signs may be nested {MAX_DEPTH} deep", token)

    def atom(self) -> Node:
        opening = self.take("(")
        if opening:
            self.deeper(opening)
            node = self.sum()
            if not self.take(")"):
                self.fail("A closing bracket was expected here")
            self.depth -= 1
            return node
        number = self.take("number")
        if self.here.kind in {"d", "dh", "dl"}:
            return self.one_dice(number)
        if number:
            return Number(number.number)
        if self.here.kind == "end":
            self.fail("The notation ends too early: a number or dice such as 2d6 were expected")
        self.fail("A number, dice such as 2d6, or an opening bracket were expected here")

    def one_dice(self, number: Token | None) -> Dice:
        if self.here.kind != "d":
            self.fail("Dice to drop from must come first, as in 4d6dl1")
        start = number or self.here
        self.at += 1
        count = number.number if number else 1
        if not 1 <= count <= MAX_DICE:
            self.fail(f"1 to {MAX_DICE} dice can be rolled, not {count}", start)
        self.dice += count * self.times
        if self.dice > MAX_DICE:
            self.fail(
                f"With these dice the roll has {self.dice}, {MAX_DICE} are allowed: roll fewer",
                start,
            )
        faces = self.faces()
        explode, keep = self.extras(count, faces)
        return Dice(count, faces, explode, keep, start.position)

    def faces(self) -> int:
        if self.take("f"):
            return FUDGE
        if self.take("%"):
            return 100
        number = self.take("number")
        if number is None:
            self.fail("The number of faces was expected here: a number, % (100) or F (fudge)")
        if number.number < 1:
            self.fail(f"A die has 1 to {MAX_NUMBER} faces", number)
        return number.number

    def extras(self, count: int, faces: int) -> tuple[bool, Keep | None]:
        explode = False
        keep: Keep | None = None
        while token := self.take("!", "kh", "k", "kl", "dh", "dl"):
            if token.kind == "!":
                if explode:
                    self.fail(
                        "One ! is enough: dice explode as often as they show their top", token
                    )
                if faces in {FUDGE, 1}:
                    self.fail("Only dice with two or more numbered faces can explode", token)
                explode = True
                continue
            if keep:
                self.fail("Dice can be kept or dropped once: remove one of the two", token)
            number = self.take("number")
            kept = number.number if number else 1
            if not 1 <= kept <= count:
                self.fail(f"1 to {count} of these dice can be kept or dropped", number or token)
            keep = Keep("kh" if token.kind == "k" else token.kind, kept)
        if self.here.kind == "d":
            self.fail("Dice cannot follow dice: put +, - or * between them")
        return explode, keep
