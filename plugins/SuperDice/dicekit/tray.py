"""The drawn tray: an outcome as one SVG picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

from .colours import Colour
from .layout import WIDTH, Block, arrange
from .rolling import Die, Outcome
from .shapes import PIPS, Shape, shape_of
from .tree import FUDGE, show

__all__ = ["draw"]

_BLACK, _WHITE = Colour(0, 0, 0), Colour(255, 255, 255)
_NIGHT, _IVORY, _GREY = Colour(13, 20, 34), Colour(250, 245, 232), Colour(128, 134, 146)
_GOLD = "#ffd45e"
_SANS = "'Segoe UI','Helvetica Neue',Arial,'DejaVu Sans',sans-serif"
_MONO = "Consolas,Menlo,'DejaVu Sans Mono',monospace"
_HEAD, _FOOT, _EDGE = 58, 66, 26


@dataclass(frozen=True)
class _Paint:
    name: str
    body: Colour
    ink: Colour


def _paints(theme: Colour) -> tuple[_Paint, _Paint, _Paint]:
    # A pale theme would vanish on ivory, so the ink there is darkened until it reads.
    ink = theme
    while ink.luminance > 0.18:
        ink = ink.mix(_BLACK, 0.2)
    # A near black die would vanish in the tray.
    body = theme if theme.luminance > 0.02 else theme.mix(_WHITE, 0.18)
    return (
        _Paint("a", body, body.ink()),
        _Paint("b", _IVORY, ink),
        _Paint("x", _GREY, _WHITE),
    )


def draw(outcome: Outcome, theme: Colour) -> str:
    """Draw the tray.

    Terms alternate between dice in the theme's colour and ivory ones; dropped dice are
    grey and faded; a golden edge marks what an exploding die brought in.

    Args:
        outcome: The roll.
        theme: Colour of the dice and, darkened, of the tray.

    Returns:
        A whole SVG document. Every text in it is escaped; it has no script, no link and
        loads nothing.
    """
    plan = arrange(outcome)
    height = _HEAD + plan.height + _FOOT
    title = escape(f"{show(outcome.tree)} = {outcome.total}")
    paints = _paints(theme)
    return "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" role="img" font-family="{_SANS}">',
            f"<title>{title}</title>",
            *_definitions(theme, paints, plan.blocks),
            *_felt(height),
            *_head(outcome),
            *(part for block in plan.blocks for part in _block(block, paints, plan.size)),
            *_foot(outcome, height),
            "</svg>",
        )
    )


def _definitions(
    theme: Colour, paints: tuple[_Paint, ...], blocks: tuple[Block, ...]
) -> Iterator[str]:
    deep = theme.mix(_NIGHT, 0.62)
    yield "<defs>"
    yield (
        '<linearGradient id="rim" x1="0" y1="0" x2="0" y2="1">'
        f'<stop offset="0" stop-color="{theme.mix(_NIGHT, 0.5).mix(_WHITE, 0.1).css}"/>'
        f'<stop offset="1" stop-color="{theme.mix(_NIGHT, 0.85).css}"/></linearGradient>'
        '<radialGradient id="felt" cx=".5" cy=".35" r=".8">'
        f'<stop offset="0" stop-color="{deep.css}"/>'
        f'<stop offset="1" stop-color="{theme.mix(_NIGHT, 0.84).css}"/></radialGradient>'
    )
    used = {(p, shape_of(b.hand.term.faces)) for b in blocks for p in _used(b, paints)}
    for paint in sorted({p for p, _ in used}, key=lambda p: p.name):
        yield (
            f'<linearGradient id="g{paint.name}" x1="0" y1="0" x2=".7" y2="1">'
            f'<stop offset="0" stop-color="{paint.body.mix(_WHITE, 0.22).css}"/>'
            f'<stop offset=".55" stop-color="{paint.body.css}"/>'
            f'<stop offset="1" stop-color="{paint.body.mix(_BLACK, 0.26).css}"/></linearGradient>'
        )
    for paint, shape in sorted(used, key=lambda u: (u[0].name, u[1].name)):
        yield _symbol(paint, shape)
    yield "</defs>"


def _used(block: Block, paints: tuple[_Paint, ...]) -> set[_Paint]:
    return {_paint(die, block, paints) for die in block.hand.dice}


def _paint(die: Die, block: Block, paints: tuple[_Paint, ...]) -> _Paint:
    return paints[block.number % 2] if die.kept else paints[2]


def _symbol(paint: _Paint, shape: Shape) -> str:
    edge = paint.body.mix(_BLACK, 0.45).css
    parts = [
        f'<g id="{paint.name}-{shape.name}">',
        f'<path d="{shape.outline}" fill="#000" opacity=".34" transform="translate(4 8)"/>',
        f'<path d="{shape.outline}" fill="url(#g{paint.name})" stroke="{edge}" '
        'stroke-width="2" stroke-linejoin="round"/>',
    ]
    if shape.light:
        parts.append(f'<path d="{shape.light}" fill="#fff" opacity=".16"/>')
    if shape.lines:
        parts.append(
            f'<path d="{shape.lines}" fill="none" stroke="{edge}" stroke-opacity=".55" '
            'stroke-width="1.8" stroke-linejoin="round"/>'
        )
    return "".join(parts) + "</g>"


def _felt(height: int) -> Iterator[str]:
    yield f'<rect width="{WIDTH}" height="{height}" rx="22" fill="url(#rim)"/>'
    yield (
        f'<rect x="1" y="1" width="{WIDTH - 2}" height="{height - 2}" rx="21" fill="none" '
        'stroke="#fff" stroke-opacity=".16"/>'
    )
    inner = f'x="12" y="12" width="{WIDTH - 24}" height="{height - 24}" rx="14"'
    yield f'<rect {inner} fill="url(#felt)" stroke="#000" stroke-opacity=".45" stroke-width="2"/>'


def _head(outcome: Outcome) -> Iterator[str]:
    notation = _short(show(outcome.tree), 42)
    yield (
        f'<text x="{_EDGE + 4}" y="42" fill="#fff" font-size="17" font-weight="600" '
        f'font-family="{_MONO}">{escape(notation)}</text>'
    )
    seed = _short(str(outcome.seed), 18)
    yield (
        f'<text x="{WIDTH - _EDGE - 4}" y="42" fill="#fff" fill-opacity=".6" font-size="12" '
        f'text-anchor="end">seed {escape(seed)}</text>'
    )


def _foot(outcome: Outcome, height: int) -> Iterator[str]:
    base = height - _FOOT
    yield (f'<path d="M{_EDGE} {base + 4}H{WIDTH - _EDGE}" stroke="#fff" stroke-opacity=".16"/>')
    note = ""
    if len(outcome.totals) > 1:
        note = "totals " + ", ".join(str(t) for t in outcome.totals)
    dropped = sum(not d.kept for r in outcome.rounds for h in r for d in h.dice)
    if not note and dropped:
        note = f"{dropped} dropped"
    if outcome.cut_short:
        note = "stopped exploding at the limit"
    yield (
        f'<text x="{_EDGE + 4}" y="{base + 37}" fill="#fff" fill-opacity=".7" '
        f'font-size="13">{escape(_short(note, 54))}</text>'
    )
    total = str(outcome.total)
    size = 30 if len(total) < 10 else 22
    yield (
        f'<text x="{WIDTH - _EDGE - 4}" y="{base + 42}" text-anchor="end" fill="#fff" '
        f'font-size="{size}" font-weight="700"><tspan font-size="14" font-weight="400" '
        f'fill-opacity=".7">total </tspan>{escape(total)}</text>'
    )


def _block(block: Block, paints: tuple[_Paint, ...], size: float) -> Iterator[str]:
    top = _HEAD + block.y
    yield (
        f'<text x="{_EDGE + 4 + block.x}" y="{top + 12}" fill="#fff" fill-opacity=".78" '
        f'font-size="12.5">{escape(block.label)}</text>'
    )
    for index, die in enumerate(block.hand.dice):
        row, column = divmod(index, block.columns)
        x = _EDGE + 4 + block.x + (column + 0.5) * size * 1.16
        y = top + 22 + (row + 0.5) * size * 1.16
        yield _die(die, block, _paint(die, block, paints), (x, y, size, index))


def _die(die: Die, block: Block, paint: _Paint, place: tuple[float, float, float, int]) -> str:
    x, y, size, index = place
    faces = block.hand.term.faces
    shape = shape_of(faces)
    # A little disorder, always the same: dice never lie in rank and file.
    turn = ((index * 37 + block.number * 11) % 15) - 7
    fade = "" if die.kept else ' opacity=".6"'
    parts = [
        f'<g transform="translate({x:.1f} {y:.1f}) rotate({turn}) scale({size / 100:.3f})"{fade}>',
        f'<use href="#{paint.name}-{shape.name}"/>',
    ]
    if die.extra:
        parts.append(f'<path d="{shape.outline}" fill="none" stroke="{_GOLD}" stroke-width="6"/>')
    if faces == 6 and size >= 24:
        parts += [
            f'<circle cx="{px}" cy="{py}" r="8.5" fill="{paint.ink.css}"/>'
            for px, py in PIPS[die.value]
        ]
    else:
        text = {-1: "−", 0: "", 1: "+"}[die.value] if faces == FUDGE else str(die.value)
        font = min(46 if shape.room > 50 else 34, shape.room / (0.6 * max(len(text), 1)) * 1.05)
        if faces == FUDGE:
            font = 76
        parts.append(
            f'<text y="{shape.centre + font * 0.35:.1f}" text-anchor="middle" '
            f'font-size="{font:.1f}" font-weight="700" fill="{paint.ink.css}">{escape(text)}</text>'
        )
    return "".join(parts) + "</g>"


def _short(text: str, limit: int) -> str:
    # XML has no control characters at all, not even escaped.
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"
