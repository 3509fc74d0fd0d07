"""The classes of characters that the steps of the purifier agree on."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["INVISIBLE", "LINE", "LINE_ENDS", "SPACES"]

#: Inside a character class: spaces that keep a line together.
SPACES: Final = " \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
#: Inside a character class: what shows nothing and joins nothing. The joiners of emoji and of
#: Persian, and the marks of direction, are not among them.
INVISIBLE: Final = "\u00ad\u200b\u2060\ufeff"
#: Inside a character class: what ends a line.
LINE_ENDS: Final = "\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
#: One line end.
LINE: Final = re.compile(rf"\r\n|[{LINE_ENDS}]")
