"""Numbers of bank cards: a known issuer's beginning, a length that it uses, and Luhn's check."""

from __future__ import annotations

import re
from typing import Final

from vcplab.prompt.purifier.sensitive.family import SensitiveFamily, SensitiveRule

__all__ = ["BANK_CARD", "is_bank_card"]

_NUMBER: Final = re.compile(
    r"(?<![A-Za-z0-9.])(?<![0-9][ -])[2-69][0-9]{3}(?:[ -]?[0-9]){9,15}(?![A-Za-z0-9]|[.-][0-9])"
)
_GROUPS: Final = re.compile(r"[0-9]{4,19}|[0-9]{4}([ -])[0-9]{4,6}(?:\1[0-9]{2,6}){1,3}")
# (the beginning, the lengths)
_ISSUERS: Final = (
    (re.compile("4"), (13, 16, 19)),  # Visa
    (re.compile("5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),  # Mastercard
    (re.compile("3[47]"), (15,)),  # American Express
    (re.compile("62|81"), (16, 17, 18, 19)),  # UnionPay
    (re.compile("9558"), (19,)),  # ICBC
    (re.compile("6011|65|64[4-9]"), (16, 19)),  # Discover
    (re.compile("35(?:2[89]|[3-8])"), (16, 19)),  # JCB
    (re.compile("36|38|30[0-5]"), (14,)),  # Diners Club
)


def is_bank_card(number: str) -> bool:
    """Whether digits are the number of a card.

    Args:
        number: Digits alone.
    """
    if len(set(number)) == 1:
        return False
    if not any(start.match(number) and len(number) in sizes for start, sizes in _ISSUERS):
        return False
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _check(match: re.Match[str]) -> bool:
    written = match.group()
    return _GROUPS.fullmatch(written) is not None and is_bank_card(re.sub("[ -]", "", written))


BANK_CARD: Final = SensitiveFamily(
    "bank_card", "Numbers of bank cards", (SensitiveRule(_NUMBER, _check),)
)
