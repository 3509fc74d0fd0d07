"""Rolling a tree of dice."""

from __future__ import annotations

import random
import re
import secrets
from dataclasses import dataclass
from typing import Any, Union

from .grammar import MAX_DICE
from .problems import DiceProblem
from .tree import FUDGE, Binary, Dice, Keep, Negate, Node, Number, Repeat, show

__all__ = ["MAX_TOTAL", "Die", "Hand", "Outcome", "read_seed", "roll"]

MAX_TOTAL = 2**53 - 1
"""Largest total either way: above it JSON readers elsewhere lose digits."""

Seed = Union[int, str]  # noqa: UP007 - evaluated on Python 3.9


@dataclass(frozen=True)
class Die:
    """One die that was rolled.

    Attributes:
        value: What it shows.
        kept: False when a keep or drop rule left it out of the total.
        extra: True when an exploding die before it brought it in.
    """

    value: int
    kept: bool = True
    extra: bool = False


@dataclass(frozen=True)
class Hand:
    """The dice of one dice term: its tree, its dice in rolling order and their sum."""

    term: Dice
    dice: tuple[Die, ...]
    total: int


@dataclass(frozen=True)
class Outcome:
    """A whole roll.

    Attributes:
        tree: What was rolled.
        seed: The seed that gives the same dice again.
        rounds: The hands of each repeat (one round without repeats).
        totals: The total of each round.
        cut_short: True when dice stopped exploding at the limit of dice.
    """

    tree: Node
    seed: Seed
    rounds: tuple[tuple[Hand, ...], ...]
    totals: tuple[int, ...]
    cut_short: bool = False

    @property
    def total(self) -> int:
        """The sum over all rounds."""
        return sum(self.totals)


def read_seed(value: Any) -> Seed:
    """Turn the ``seed`` argument into the seed that is used.

    A whole number and its text are one seed, as VCP text carries only strings. Nothing
    given means a fresh random seed, which the reply names, so every roll can be repeated.

    Args:
        value: What the request carried, or None.

    Returns:
        A whole number, or the text as it was given.

    Raises:
        DiceProblem: For a list or an object, control characters, or more than 200 characters.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return secrets.randbelow(2**53)
    # Half characters cannot seed the generator, and control characters cannot be drawn.
    wrong = isinstance(value, (list, dict)) or len(str(value)) > 200
    if wrong or not str(value).isprintable():
        raise DiceProblem(
            "seed must be a whole number or a printable text of at most 200 characters: "
            "give one such as 42, or leave it out"
        )
    text = str(value).strip()
    return int(text) if re.fullmatch(r"-?[0-9]{1,200}", text) else text


def roll(tree: Node, seed: Seed) -> Outcome:
    """Roll a tree with ``random.Random(seed)``, from left to right.

    Args:
        tree: What to roll.
        seed: The same seed and tree give the same dice, on every machine.

    Returns:
        The dice and totals.

    Raises:
        DiceProblem: When a total leaves the range of `MAX_TOTAL`.
    """
    roller = _Roller(seed)
    child, times = (tree.child, tree.times) if isinstance(tree, Repeat) else (tree, 1)
    roller.planned = times * _planned(child)
    rounds: list[tuple[Hand, ...]] = []
    totals: list[int] = []
    for _ in range(times):
        roller.hands = []
        total = roller.value(child)
        rounds.append(tuple(roller.hands))
        totals.append(total)
    if max(abs(sum(totals)), *(abs(t) for t in totals), 0) > MAX_TOTAL:
        raise DiceProblem(
            f"The total is beyond {MAX_TOTAL}: multiply by smaller numbers or roll fewer faces"
        )
    return Outcome(tree, seed, tuple(rounds), tuple(totals), roller.cut_short)


def _planned(node: Node) -> int:
    if isinstance(node, Dice):
        return node.count
    if isinstance(node, Binary):
        return _planned(node.left) + _planned(node.right)
    return _planned(node.child) if isinstance(node, Negate) else 0


class _Roller:
    def __init__(self, seed: Seed) -> None:
        # Games of chance with a seed that can be told: a secure generator has none.
        self.random = random.Random(seed)  # noqa: S311
        self.hands: list[Hand] = []
        self.planned = 0
        self.cut_short = False

    def value(self, node: Node) -> int:
        if isinstance(node, Number):
            return node.value
        if isinstance(node, Dice):
            return self.hand(node)
        if isinstance(node, Negate):
            return -self.value(node.child)
        if isinstance(node, Repeat):
            raise DiceProblem(f"A repeat stands only at the front: {show(node)}")
        left = self.value(node.left)
        right = self.value(node.right)
        if node.sign == "*":
            return left * right
        return left + right if node.sign == "+" else left - right

    def one(self, faces: int) -> int:
        return self.random.randint(-1, 1) if faces == FUDGE else self.random.randint(1, faces)

    def hand(self, term: Dice) -> int:
        values: list[int] = []
        extra: list[bool] = []
        for _ in range(term.count):
            values.append(self.one(term.faces))
            extra.append(False)
            while term.explode and values[-1] == term.faces:
                # `planned` counts the dice still owed, so a long streak never eats them.
                if self.planned >= MAX_DICE:
                    self.cut_short = True
                    break
                self.planned += 1
                values.append(self.one(term.faces))
                extra.append(True)
        kept = _kept(values, term.keep)
        dice = tuple(Die(v, i in kept, extra[i]) for i, v in enumerate(values))
        total = sum(die.value for die in dice if die.kept)
        self.hands.append(Hand(term, dice, total))
        return total


def _kept(values: list[int], keep: Keep | None) -> set[int]:
    order = sorted(range(len(values)), key=lambda i: (values[i], i))
    if keep is None:
        return set(order)
    if keep.mode == "kh":
        return set(order[len(order) - keep.count :])
    if keep.mode == "kl":
        return set(order[: keep.count])
    return set(order[: len(order) - keep.count] if keep.mode == "dh" else order[keep.count :])
