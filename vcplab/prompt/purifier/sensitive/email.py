"""E-mail addresses."""

from __future__ import annotations

import re
from typing import Final

from vcplab.prompt.purifier.sensitive.family import SensitiveFamily, SensitiveRule

__all__ = ["EMAIL"]

_ADDRESS: Final = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9](?:[A-Za-z0-9._%+-]{0,62}[A-Za-z0-9_+-])?"
    r"@(?P<domain>(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}"
    r"(?P<top>[A-Za-z]{2,24}))(?![A-Za-z0-9-]|\.[A-Za-z0-9])"
)
# icon@2x.png and package@1.2.0-rc.beta look alike.
_FILE: Final = re.compile("png|jpe?g|gif|svg|webp|bmp|ico|js|ts|css|html|json|py", re.IGNORECASE)
_VERSION: Final = re.compile(r"\d+(?:\.\d|x\.)")


def _is_address(match: re.Match[str]) -> bool:
    return _FILE.fullmatch(match["top"]) is None and not _VERSION.match(match["domain"])


EMAIL: Final = SensitiveFamily("email", "E-mail addresses", (SensitiveRule(_ADDRESS, _is_address),))
