"""CSS colours: strict reading, mixing, and which text can be read on them."""

from __future__ import annotations

import colorsys
import re
from dataclasses import dataclass

from .css_names import CSS_NAMES
from .problems import DiceProblem

__all__ = ["Colour", "read_colour"]

_HEX = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{4}|[0-9a-f]{6}|[0-9a-f]{8})")
_NUMBER = r"([0-9]{1,3}(?:\.[0-9]{1,4})?%?)"
_FUNCTION = re.compile(
    rf"(rgb|hsl)a?\( *{_NUMBER}(?:deg)?(?: *, *| +){_NUMBER}(?: *, *| +){_NUMBER}"
    r"(?: *[,/] *(?:[0-9]{1,3}(?:\.[0-9]{1,4})?|\.[0-9]{1,4})%?)? *\)"
)


@dataclass(frozen=True)
class Colour:
    """An opaque colour; each part from 0 to 255."""

    red: int
    green: int
    blue: int

    @property
    def css(self) -> str:
        """The colour as ``#rrggbb``: the only form that ever reaches a picture."""
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"

    @property
    def luminance(self) -> float:
        """Relative luminance as WCAG 2 defines it, 0 (black) to 1 (white)."""

        def linear(part: int) -> float:
            x = part / 255
            return x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4

        return 0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)

    def mix(self, other: Colour, share: float) -> Colour:
        """This colour with a share (0 to 1) of another one in it."""

        def part(a: int, b: int) -> int:
            return round(a + (b - a) * share)

        return Colour(
            part(self.red, other.red),
            part(self.green, other.green),
            part(self.blue, other.blue),
        )

    def ink(self) -> Colour:
        """Near black or white, whichever has the better contrast on this colour."""
        dark, light = Colour(20, 20, 28), Colour(255, 255, 255)
        on_dark = (self.luminance + 0.05) / (dark.luminance + 0.05)
        on_light = 1.05 / (self.luminance + 0.05)
        # White on a strong colour looks better than the figures alone would have it.
        return light if on_light >= on_dark or on_light >= 3 else dark


def read_colour(value: object) -> Colour:
    """Read a CSS colour: a name, hex digits, ``rgb()`` or ``hsl()``; alpha is dropped.

    Args:
        value: For example ``teal``, ``#0a7``, ``#00aa77``, ``rgb(0, 170, 119)`` or
            ``hsl(160 100% 33%)``.

    Returns:
        The colour.

    Raises:
        DiceProblem: When it is none of these.
    """
    text = value.strip().lower() if isinstance(value, str) else ""
    if text in CSS_NAMES:
        text = "#" + CSS_NAMES[text]
    if _HEX.fullmatch(text):
        digits = text[1:]
        if len(digits) < 6:
            digits = "".join(c + c for c in digits)
        return Colour(*(int(digits[i : i + 2], 16) for i in (0, 2, 4)))
    match = _FUNCTION.fullmatch(text)
    found = _from_function(*match.groups()) if match else None
    if found is None:
        raise DiceProblem(
            f"themecolor {str(value)[:40]!r} is not a CSS colour: give a name such as teal, "
            "#rrggbb, rgb(0, 170, 119) or hsl(160 100% 33%), or leave it out"
        )
    return found


def _from_function(kind: str, first: str, second: str, third: str) -> Colour | None:
    if kind == "rgb":
        parts = [
            float(p[:-1]) * 2.55 if p.endswith("%") else float(p) for p in (first, second, third)
        ]
        return Colour(*(round(p) for p in parts)) if max(parts) <= 255 else None
    if first.endswith("%") or not (second.endswith("%") and third.endswith("%")):
        return None
    hue, saturation, lightness = float(first), float(second[:-1]), float(third[:-1])
    if hue > 360 or saturation > 100 or lightness > 100:
        return None
    rgb = colorsys.hls_to_rgb(hue / 360, lightness / 100, saturation / 100)
    return Colour(*(round(p * 255) for p in rgb))
