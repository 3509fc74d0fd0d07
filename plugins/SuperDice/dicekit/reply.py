"""What the plugin answers: the sentence, the picture and the figures."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from .colours import read_colour
from .grammar import parse
from .problems import DiceProblem
from .rolling import Die, Hand, Outcome, read_seed, roll
from .tray import draw
from .tree import FUDGE, show

__all__ = ["DEFAULT_THEME", "answer", "sentence"]

DEFAULT_THEME = "#3f5bd8"
"""Colour of the dice when the request names none."""

_SHOWN = 100


def answer(args: dict[str, Any]) -> dict[str, Any]:
    """Answer one request.

    Args:
        args: The request's arguments; keys that are not known are ignored.

    Returns:
        ``content`` (text part and image part), ``total``, ``totals``, ``notation``,
        ``seed``, ``rolls`` and ``themecolor``.

    Raises:
        DiceProblem: When an argument is wrong.
    """
    command = args.get("command", "roll")
    if not isinstance(command, str) or command.strip().lower() not in {"roll", ""}:
        raise DiceProblem(f"SuperDice has no command {str(command)[:40]!r}: its command is roll")
    notation = args.get("notation")
    if isinstance(notation, int) and not isinstance(notation, bool):
        notation = str(notation)
    if not isinstance(notation, str):
        raise DiceProblem("notation is missing: give a text such as 2d6+1d20")
    colour = args.get("themecolor")
    theme = read_colour(DEFAULT_THEME if colour is None or colour == "" else colour)
    outcome = roll(parse(notation), read_seed(args.get("seed")))
    picture = base64.b64encode(draw(outcome, theme).encode("utf-8")).decode("ascii")
    return {
        "content": [
            {"type": "text", "text": sentence(outcome)},
            {
                "type": "image_url",
                "image_url": {"url": f"data:image/svg+xml;base64,{picture}"},
            },
        ],
        "total": outcome.total,
        "totals": list(outcome.totals),
        "notation": show(outcome.tree),
        # Readers elsewhere round longer numbers, and then the seed repeats nothing.
        "seed": outcome.seed if len(str(outcome.seed)) < 16 else str(outcome.seed),
        "rolls": list(_rolls(outcome)),
        "themecolor": theme.css,
    }


def sentence(outcome: Outcome) -> str:
    """Tell an outcome in words: every die, dropped ones in round brackets, the total.

    Args:
        outcome: The roll.

    Returns:
        For example ``Rolled 4d6kh3+1: 4d6kh3 [6, 5, (1), 3] = 14. Total: 15. Seed: 42.``
    """
    left = _SHOWN
    parts: list[str] = []
    for turn, hands in enumerate(outcome.rounds, 1):
        told: list[str] = []
        for hand in hands:
            told.append(_told(hand, left))
            left = max(0, left - len(hand.dice))
        if len(outcome.rounds) > 1:
            told.append(f"total {outcome.totals[turn - 1]}")
            parts.append(f"#{turn} " + ", ".join(told))
        else:
            parts += told
    detail = ": " + "; ".join(parts) if parts else ""
    note = " Dice stopped exploding at the limit of 1000 dice." if outcome.cut_short else ""
    return (
        f"Rolled {show(outcome.tree)}{detail}. Total: {outcome.total}. Seed: {outcome.seed}.{note}"
    )


def _told(hand: Hand, left: int) -> str:
    dice = [_die(die, hand.term.faces) for die in hand.dice[:left]]
    if len(hand.dice) > left:
        dice.append(f"… {len(hand.dice) - left} more")
    return f"{show(hand.term)} [{', '.join(dice)}] = {hand.total}"


def _die(die: Die, faces: int) -> str:
    text = f"{die.value:+d}" if faces == FUDGE and die.value else str(die.value)
    if die.extra:
        text += "!"
    return text if die.kept else f"({text})"


def _rolls(outcome: Outcome) -> Iterator[dict[str, Any]]:
    for turn, hands in enumerate(outcome.rounds, 1):
        for hand in hands:
            yield {
                "round": turn,
                "notation": show(hand.term),
                "faces": "F" if hand.term.faces == FUDGE else hand.term.faces,
                "dice": [
                    {"value": d.value, "kept": d.kept, "exploded": d.extra} for d in hand.dice
                ],
                "total": hand.total,
            }
