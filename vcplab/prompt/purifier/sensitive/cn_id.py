"""Numbers of Chinese identity cards (GB 11643): 18 characters with a date and a check character."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from vcplab.prompt.purifier.sensitive.family import SensitiveFamily, SensitiveRule

__all__ = ["CN_ID", "is_cn_id"]

_NUMBER: Final = re.compile(r"(?<![A-Za-z0-9])[1-9][0-9]{16}[0-9Xx](?![A-Za-z0-9])")
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS: Final = "10X98765432"
_PROVINCES: Final = frozenset(
    (
        *range(11, 16),
        *range(21, 24),
        *range(31, 38),
        *range(41, 47),
        *range(50, 55),
        *range(61, 66),
        71,
        81,
        82,
        83,
    )
)


def is_cn_id(number: str) -> bool:
    """Whether province, date of birth and check character (ISO 7064, MOD 11-2) are right.

    Args:
        number: 17 digits and a digit or X.
    """
    if int(number[:2]) not in _PROVINCES:
        return False
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    if not 1880 <= born.year <= 2100:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], _WEIGHTS, strict=True))
    return _CHECKS[total % 11] == number[17].upper()


CN_ID: Final = SensitiveFamily(
    "cn_id",
    "Numbers of Chinese identity cards",
    (SensitiveRule(_NUMBER, lambda match: is_cn_id(match.group())),),
)
