"""Sensitive data by families: each a value with a name, patterns and checks."""

from __future__ import annotations

from vcplab.prompt.purifier.sensitive.bank_card import BANK_CARD
from vcplab.prompt.purifier.sensitive.cn_id import CN_ID
from vcplab.prompt.purifier.sensitive.email import EMAIL
from vcplab.prompt.purifier.sensitive.family import SensitiveFamily, SensitiveRule
from vcplab.prompt.purifier.sensitive.filtering import MARK, compiled, sensitive_edits
from vcplab.prompt.purifier.sensitive.ip import IP
from vcplab.prompt.purifier.sensitive.keys import KEYS
from vcplab.prompt.purifier.sensitive.phone import PHONE
from vcplab.prompt.purifier.sensitive.urls import URLS

__all__ = [
    "FAMILIES",
    "MARK",
    "SensitiveFamily",
    "SensitiveRule",
    "compiled",
    "sensitive_edits",
]

#: The families by name, in the order in which they are looked for.
FAMILIES: dict[str, SensitiveFamily] = {
    family.name: family for family in (KEYS, URLS, EMAIL, PHONE, CN_ID, BANK_CARD, IP)
}
