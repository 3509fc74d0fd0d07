"""The shapes of dice as SVG, each in a box of 100 by 100 around the origin."""

from __future__ import annotations

from dataclasses import dataclass

from .tree import FUDGE

__all__ = ["PIPS", "Shape", "shape_of"]


@dataclass(frozen=True)
class Shape:
    """How one kind of die is drawn.

    Attributes:
        name: Short name, used in the ids of the picture.
        outline: The outer edge as an SVG path.
        light: A path lightened over the body: the facet that faces the light.
        lines: A path of thin edges.
        centre: How far below the middle the value stands.
        room: Width that the value may take.
    """

    name: str
    outline: str
    light: str = ""
    lines: str = ""
    centre: float = 0
    room: float = 60


_SQUARE = (
    "M-28-46H28Q46-46 46-28V28Q46 46 28 46H-28Q-46 46-46 28V-28Q-46-46-28-46Z",
    "M-28-46H28Q46-46 46-28L38-26Q38-38 26-38H-26Q-38-38-38-26V26L-46 28V-28Q-46-46-28-46Z",
)
_HEXAGON = "M0-50L43-25V25L0 50L-43 25V-25Z"

_SQUARE_SHAPE = Shape("square", *_SQUARE, room=64)
_COIN = Shape(
    "coin",
    "M0-46A46 46 0 1 1 0 46A46 46 0 1 1 0-46Z",
    "M-32-33A46 46 0 0 1 32-33L26-27A37 37 0 0 0-26-27Z",
    "M0-37A37 37 0 1 1 0 37A37 37 0 1 1 0-37Z",
)
_FOUR = Shape(
    "four",
    "M-5-44Q0-51 5-44L50 30Q53 37 45 38H-45Q-53 37-50 30Z",
    "M0-46L-50 35L-34 28L0-28Z",
    "M0-28L34 28H-34ZM0-28V-46M34 28L48 36M-34 28L-48 36",
    centre=12,
    room=36,
)
_EIGHT = Shape("eight", _HEXAGON, "M0-50L-43 25V-25Z", "M0-50L43 25H-43ZM0-50", centre=3, room=46)
_TEN = Shape(
    "ten",
    "M0-50L48-8V8L0 50L-48 8V-8Z",
    "M0-50L-48-8V8L-30 14Z",
    "M0-50L30 14L0 28L-30 14ZM30 14L48 8M-30 14L-48 8M0 28V50",
    centre=-2,
    room=38,
)
_TWELVE = Shape(
    "twelve",
    "M0-50L29-40L48-15V15L29 40L0 50L-29 40L-48 15V-15L-29-40Z",
    "M0-50L-29-40L-48-15L-31-10L0-33Z",
    "M0-33L31-10L19 27H-19L-31-10ZM0-33V-50M31-10L48-15M19 27L29 40M-19 27L-29 40M-31-10L-48-15",
    centre=0,
    room=46,
)
_TWENTY = Shape(
    "twenty",
    _HEXAGON,
    "M0-50L-43-25L-27 16L0-30Z",
    "M0-30L27 16H-27ZM0-30V-50M0-30L43-25M0-30L-43-25M27 16L43-25M27 16L43 25M27 16L0 50"
    "M-27 16L-43-25M-27 16L-43 25M-27 16L0 50",
    centre=2,
    room=32,
)
_MANY = Shape(
    "many",
    "M0-50L35-35L50 0L35 35L0 50L-35 35L-50 0L-35-35Z",
    "M0-50L-35-35L-50 0L-40 0L-28-28L0-40Z",
    "M0-40L28-28L40 0L28 28L0 40L-28 28L-40 0L-28-28Z",
    room=66,
)

PIPS: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((0, 0),),
    2: ((-22, 22), (22, -22)),
    3: ((-22, 22), (0, 0), (22, -22)),
    4: ((-22, -22), (22, -22), (-22, 22), (22, 22)),
    5: ((-22, -22), (22, -22), (0, 0), (-22, 22), (22, 22)),
    6: ((-22, -24), (22, -24), (-22, 0), (22, 0), (-22, 24), (22, 24)),
}
"""Where the pips of a six-sided die lie, from the middle of its face."""


def shape_of(faces: int) -> Shape:
    """The shape of a die.

    Args:
        faces: Number of faces, or `dicekit.tree.FUDGE`.

    Returns:
        The real solid for 2, 4, 6, 8, 10, 12, 20 and 100 faces, else the nearest look.
    """
    known = {1: _COIN, 2: _COIN, 4: _FOUR, 6: _SQUARE_SHAPE, FUDGE: _SQUARE_SHAPE, 8: _EIGHT}
    known.update({10: _TEN, 12: _TWELVE, 20: _TWENTY})
    if faces in known:
        return known[faces]
    return _SQUARE_SHAPE if faces < 10 else _MANY
