"""Where the dice lie in the tray."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .rolling import Hand, Outcome
from .tree import show

__all__ = ["WIDTH", "Block", "Plan", "arrange"]

WIDTH = 640
"""Width of the picture, in pixels."""

_ROOM = WIDTH - 60
_LABEL = 22
_GAP = 18


@dataclass(frozen=True)
class Block:
    """The dice of one hand, laid out.

    Attributes:
        hand: The dice.
        number: Which dice term of the notation this is, from 0; it picks the colour.
        label: What stands above the dice.
        columns: Dice per row.
        x: Left edge within the tray, in pixels.
        y: Upper edge within the tray, in pixels.
        width: Width in pixels.
        height: Height in pixels.
    """

    hand: Hand
    number: int
    label: str
    columns: int
    x: float = 0
    y: float = 0
    width: float = 0
    height: float = 0


@dataclass(frozen=True)
class Plan:
    """The whole layout: its blocks, its height and the size of a die, in pixels."""

    blocks: tuple[Block, ...]
    height: int
    size: float


def arrange(outcome: Outcome) -> Plan:
    """Lay out the dice of an outcome, left to right, top to bottom.

    Args:
        outcome: The roll.

    Returns:
        Blocks that stay inside the tray and do not overlap; the more dice, the smaller.
    """
    dice = sum(len(hand.dice) for hands in outcome.rounds for hand in hands)
    size = next((s for most, s in ((12, 66), (40, 54), (120, 42), (300, 30)) if dice <= most), 20)
    cell = size * 1.16
    many = len(outcome.rounds) > 1
    placed: list[Block] = []
    x = y = line = 0.0
    for turn, hands in enumerate(outcome.rounds, 1):
        for number, hand in enumerate(hands):
            label = f"{show(hand.term)} = {hand.total}"
            if many:
                label = f"#{turn}  {label}"
            columns = min(len(hand.dice), int(_ROOM / cell))
            rows = -(-len(hand.dice) // columns)
            # 7 pixels a letter is the wide end of what sans-serif fonts take at this size.
            width = min(max(columns * cell, len(label) * 7), _ROOM)
            if x and x + width > _ROOM:
                x, y, line = 0.0, y + line + 8, 0.0
            block = Block(hand, number, label, columns)
            block = replace(block, x=x, y=y, width=width, height=_LABEL + rows * cell)
            placed.append(block)
            x += width + _GAP
            line = max(line, block.height)
    return Plan(tuple(placed), round(y + line) + (6 if placed else 0), size)
