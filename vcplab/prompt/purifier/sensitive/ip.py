"""Internet addresses of machines, IPv4 and IPv6."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from vcplab.prompt.purifier.sensitive.family import SensitiveFamily, SensitiveRule

__all__ = ["IP"]

_V4: Final = re.compile(
    r"(?<![A-Za-z0-9_.:-])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![A-Za-z0-9_-]|\.[A-Za-z0-9])"
)
_V6: Final = re.compile(
    r"(?<![A-Za-z0-9_.:])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|"
    r"[0-9A-Fa-f]{0,4})(?![A-Za-z0-9_:]|\.[A-Za-z0-9])"
)
# Four numbers after these words are a version or a section.
_NO_ADDRESS: Final = re.compile(
    r"(?:\bv(?:er(?:sion)?)?\.?|\brelease|\bbuild|\bsection|§|版本号?|固件|第)[ :：]{0,2}$",
    re.IGNORECASE,
)
_LEAST_V6: Final = 6


def _is_v4(match: re.Match[str]) -> bool:
    try:
        address = IPv4Address(match.group())
    except AddressValueError:
        return False
    before = match.string[max(0, match.start() - 12) : match.start()]
    return not _says_nothing(address) and not _NO_ADDRESS.search(before)


def _is_v6(match: re.Match[str]) -> bool:
    written = match.group()
    # a::b is a name of several languages before it is an address.
    if len(written) < _LEAST_V6 or not any(char.isdigit() for char in written):
        return False
    try:
        return not _says_nothing(IPv6Address(written))
    except AddressValueError:
        return False


def _says_nothing(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is the same on every machine: itself, anyone, everyone."""
    return address.is_loopback or address.is_unspecified or str(address) == "255.255.255.255"


IP: Final = SensitiveFamily(
    "ip", "IPv4 and IPv6 addresses", (SensitiveRule(_V4, _is_v4), SensitiveRule(_V6, _is_v6))
)
