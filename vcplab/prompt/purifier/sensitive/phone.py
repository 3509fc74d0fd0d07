"""Telephone numbers: Chinese mobile and landline, international, North American."""

from __future__ import annotations

import re
from typing import Final

from vcplab.prompt.purifier.sensitive.family import SensitiveFamily, SensitiveRule

__all__ = ["PHONE"]

_BEFORE: Final = r"(?<![A-Za-z0-9_+])(?<![0-9][-./:])"
_AFTER: Final = r"(?![A-Za-z0-9_]|[-./:][0-9])"

_CN_MOBILE: Final = re.compile(
    rf"{_BEFORE}(?:(?:\+|00)?86[ -]?|\(\+?86\)[ ]?)?"
    rf"1(?:3[0-9]|4[0-14-9]|5[0-35-9]|6[2567]|7[0-8]|8[0-9]|9[0-35-9])"
    rf"(?:[0-9]{{8}}|(?P<gap>[ -])[0-9]{{4}}(?P=gap)[0-9]{{4}}){_AFTER}"
)
_CN_LANDLINE: Final = re.compile(
    rf"{_BEFORE}(?:(?:\+|00)86[ -]?)?"
    r"(?:\(0(?:10|2[0-9]|[3-9][0-9]{2})\)[ -]?|0(?:10|2[0-9]|[3-9][0-9]{2})[ -]?)"
    rf"[2-8][0-9]{{2,3}}[ -]?[0-9]{{4}}(?:(?:转|-|[ ]?ext\.?[ ]?)[0-9]{{1,6}})?{_AFTER}"
)
_INTERNATIONAL: Final = re.compile(
    rf"{_BEFORE}\+[1-9][0-9]{{0,2}}(?:[ .-]?\(?[0-9]{{1,5}}\)?){{2,6}}{_AFTER}"
)
_NORTH_AMERICAN: Final = re.compile(
    rf"{_BEFORE}(?:1[ .-])?(?:\([2-9][0-9]{{2}}\)[ ]?|[2-9][0-9]{{2}}(?P<gap>[ .-]))"
    rf"[2-9][0-9]{{2}}(?(gap)(?P=gap)|[ .-])[0-9]{{4}}{_AFTER}"
)


def _is_landline(match: re.Match[str]) -> bool:
    number = re.split("转|ext", match.group())[0]
    digits = re.sub(r"\D", "", number)
    digits = re.sub("^(?:00)?86(?=0)", "", digits)
    return 10 <= len(digits) <= 16


def _is_international(match: re.Match[str]) -> bool:
    return 8 <= len(re.sub(r"\D", "", match.group())) <= 15


PHONE: Final = SensitiveFamily(
    "phone",
    "Telephone numbers",
    (
        SensitiveRule(_CN_MOBILE),
        SensitiveRule(_CN_LANDLINE, _is_landline),
        SensitiveRule(_INTERNATIONAL, _is_international),
        SensitiveRule(_NORTH_AMERICAN),
    ),
)
