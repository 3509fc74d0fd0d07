"""Traditional Chinese characters as simplified ones, one for one, so that offsets stay exact.

The characters come from OpenCC's table for Hong Kong (``hk2s``), which holds all of its general
table (``t2s``) and seven more (``衞``, ``枱`` …) without contradiction. Taiwan's would also turn
``著`` into ``着``, which is wrong in ``著作`` of any region. Phrases are left out on purpose: they
change lengths, and a query rarely holds the whole phrase that a text holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from vcplab.core.errors import MissingDependencyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["fold_chinese", "fold_fingerprint"]

# Radicals, Han of all planes and its compatibility forms: OpenCC changes nothing outside them.
_BLOCKS = (
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3347F),
)


def fold_chinese(text: str) -> str:
    """Replace every traditional character that has a simplified form by that form.

    Characters are looked up alone: ``乾`` always becomes ``干``, ``髮`` and ``發`` both ``发``.
    That is what matching wants (all spellings meet), and not how a text is converted for readers.
    Folding twice changes nothing more.

    Args:
        text: Any string, lone surrogates included.

    Returns:
        A string of the same length; every character stands where its source stood.

    Raises:
        MissingDependencyError: OpenCC is not installed (a text in ASCII needs none).
    """
    if text.isascii():
        return text
    import numpy as np

    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    folded: bytes = _table()[codes].tobytes()
    return folded.decode("utf-32-le", "surrogatepass")


@lru_cache(maxsize=1)
def fold_fingerprint() -> str:
    """Hash of the table: another release of OpenCC changes it only where a character changed.

    Raises:
        MissingDependencyError: OpenCC is not installed.
    """
    return hashlib.sha256(_table().tobytes()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _table() -> NDArray[np.uint32]:
    """Code point → folded code point, 4 MB; made in about 0.2 s when first needed."""
    try:
        import opencc
    except ImportError as error:
        raise MissingDependencyError(
            "Folding traditional to simplified Chinese needs the package OpenCC.",
            where='fold="simplified"',
            next_step='Run "pip install opencc", or use fold="none", which needs nothing.',
        ) from error
    import numpy as np

    sources = [chr(code) for low, high in _BLOCKS for code in range(low, high + 1)]
    # One character a line, so that no phrase is found.
    targets = opencc.OpenCC("hk2s").convert("\n".join(sources)).split("\n")
    folded = {a: b for a, b in zip(sources, targets, strict=True) if a != b and len(b) == 1}
    table = np.arange(0x110000, dtype="<u4")
    for source in folded:
        # The few that lead to another traditional character (薴 → 苧 → 苎) are followed to the end.
        table[ord(source)] = ord(list(_chain(source, folded))[-1])
    table.flags.writeable = False
    return table


def _chain(source: str, folded: dict[str, str]) -> Iterator[str]:
    seen = {source}
    at = folded[source]
    while at not in seen:
        yield at
        seen.add(at)
        at = folded.get(at, at)
