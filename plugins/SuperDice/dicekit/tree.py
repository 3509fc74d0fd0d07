"""The tree of a dice notation, and its printing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

__all__ = ["FUDGE", "Binary", "Dice", "Keep", "Negate", "Node", "Number", "Repeat", "show"]

FUDGE = 0
"""Stands in `Dice.faces` for a fudge die, which shows -1, 0 or 1."""


@dataclass(frozen=True)
class Number:
    """A plain whole number, not negative."""

    value: int


@dataclass(frozen=True)
class Keep:
    """Which dice count: ``kh``/``kl`` keep, ``dh``/``dl`` drop the highest/lowest."""

    mode: str
    count: int


@dataclass(frozen=True)
class Dice:
    """So many dice of so many faces, perhaps exploding, perhaps with some dropped."""

    count: int
    faces: int
    explode: bool = False
    keep: Keep | None = None
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Negate:
    """Minus something."""

    child: Node


@dataclass(frozen=True)
class Binary:
    """Two parts joined by ``+``, ``-`` or ``*``."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Repeat:
    """The whole rolled several times; stands only at the top of a tree."""

    times: int
    child: Node


Node = Union[Number, Dice, Negate, Binary, Repeat]  # noqa: UP007 - evaluated on Python 3.9

_STRENGTH = {"+": 1, "-": 1, "*": 2}


def _strength(node: Node) -> int:
    if isinstance(node, Binary):
        return _STRENGTH[node.sign]
    return 3 if isinstance(node, Negate) else 4


def _inside(node: Node, least: int) -> str:
    text = show(node)
    return text if _strength(node) >= least else f"({text})"


def show(node: Node) -> str:
    """Print a tree in its one canonical form, which parses back to an equal tree.

    Args:
        node: Any tree.

    Returns:
        The notation without white space and with no bracket that is not needed.
    """
    if isinstance(node, Number):
        return str(node.value)
    if isinstance(node, Dice):
        faces = "F" if node.faces == FUDGE else str(node.faces)
        keep = f"{node.keep.mode}{node.keep.count}" if node.keep else ""
        return f"{node.count}d{faces}{'!' if node.explode else ''}{keep}"
    if isinstance(node, Negate):
        return "-" + _inside(node.child, 3)
    if isinstance(node, Repeat):
        return f"{node.times}x({show(node.child)})"
    own = _STRENGTH[node.sign]
    # Signs of equal strength group to the left, so only the right side needs brackets.
    return _inside(node.left, own) + node.sign + _inside(node.right, own + 1)
