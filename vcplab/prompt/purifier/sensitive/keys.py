"""Keys, tokens and passwords: by their beginning, by their shape, by what is written before."""

from __future__ import annotations

import re
from typing import Final

from vcplab.prompt.purifier.sensitive.family import SensitiveFamily, SensitiveRule

__all__ = ["KEYS"]

_BEGINNINGS: Final = re.compile(
    r"""
    (?<![A-Za-z0-9_-])(?:
        sk-[A-Za-z0-9_-]{16,200}                       # OpenAI, Anthropic, DashScope, DeepSeek
      | (?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{16,200} # Stripe
      | gh[pousr]_[A-Za-z0-9]{30,200} | github_pat_[A-Za-z0-9_]{20,200}
      | glpat-[A-Za-z0-9_-]{16,200}
      | hf_[A-Za-z0-9]{20,200} | nvapi-[A-Za-z0-9_-]{20,200} | gsk_[A-Za-z0-9]{20,200}
      | xox[abeprs]-[A-Za-z0-9-]{10,200} | xapp-[A-Za-z0-9-]{10,200}
      | npm_[A-Za-z0-9]{30,100} | pypi-AgE[A-Za-z0-9_-]{30,400}
      | SG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{30,60} # SendGrid
      | (?:AKIA|ASIA)[0-9A-Z]{16}                      # Amazon
      | AIza[0-9A-Za-z_-]{30,45} | ya29\.[0-9A-Za-z_-]{20,400}
      | LTAI[0-9A-Za-z]{12,24} | AKID[0-9A-Za-z]{30,40} # Alibaba, Tencent
      | [0-9]{8,10}:AA[0-9A-Za-z_-]{33}                # Telegram
    )(?![A-Za-z0-9_-])
    """,
    re.VERBOSE,
)
_WEB_TOKEN: Final = re.compile(
    r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{4,2000}"
)
_PRIVATE: Final = re.compile(
    r"-----BEGIN[ A-Z0-9]{0,30}PRIVATE KEY(?: BLOCK)?-----[^-]{0,16384}"
    r"(?:-----END[ A-Z0-9]{0,30}PRIVATE KEY(?: BLOCK)?-----)?"
)
_HEADER: Final = re.compile(
    r"\b(?:Bearer|Basic)[ ]+(?P<value>[A-Za-z0-9._~+/-]{12,4000}={0,2})(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_NAMED: Final = re.compile(
    r"""
    (?:
        (?<![A-Za-z0-9])(?:[A-Za-z0-9]{1,30}_){0,3}
        (?:api[_-]?key|access[_-]?key(?:[_-]?id)?|secret[_-]?(?:access[_-]?)?key|private[_-]?key
          |client[_-]?secret|(?:access|auth|refresh|bearer|session|bot)[_-]?token|token|secret
          |vcp[_-]?key|password|passwd|passphrase|pwd)
      | 密码 | 口令 | 密钥 | 令牌
    )
    ["'’”]?[ \t]{0,4}(?:[:=：]|是|为|=>|:=)[ \t]{0,4}
    (?P<quote>["'])?
    (?P<value>(?(quote)[^"'\n]{4,200}|[^\s"'`,;，。；、<>\[\]{}()]{4,200}))
    (?(quote)(?P=quote))
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PLACEHOLDER: Final = re.compile(
    r"[<$%{*x•.…]|(?:your|my|the)[-_ ]|none\b|null\b|true\b|false\b|undefined\b|str\b|string\b|"
    r"os\.|env\.|process\.|config\.|self\.|settings\.|getenv|example|changeme",
    re.IGNORECASE,
)


def _is_token(match: re.Match[str]) -> bool:
    """Whether what follows "Bearer" or "Basic" is no word."""
    value = match["value"]
    return any(char.isdigit() for char in value) or not (value.islower() or value.istitle())


def _is_secret(match: re.Match[str]) -> bool:
    """Whether a value is a secret rather than a word or a place where one is to be put."""
    value = match["value"]
    if _PLACEHOLDER.match(value) or value.endswith(("(", "()")):
        return False
    quoted = match["quote"] is not None
    has_digit = any(char.isdigit() for char in value)
    has_letter = any(char.isascii() and char.isalpha() for char in value)
    has_sign = any(char in "!@#$%^&*_+-=~?" for char in value)
    kinds = has_digit + has_letter + has_sign
    if not value.isascii():
        return False
    named = match.string[match.start() : match.start("value")].lower()
    is_password = any(word in named for word in ("pass", "pwd", "密码", "口令"))
    if is_password:
        return kinds >= 2 or (has_digit and len(value) >= 6) or (quoted and " " not in value)
    return len(value) >= 8 and kinds >= 2 and " " not in value


KEYS: Final = SensitiveFamily(
    "keys",
    "Keys, tokens and passwords",
    (
        SensitiveRule(_BEGINNINGS),
        SensitiveRule(_WEB_TOKEN),
        SensitiveRule(_PRIVATE),
        SensitiveRule(_HEADER, _is_token),
        SensitiveRule(_NAMED, _is_secret),
    ),
)
