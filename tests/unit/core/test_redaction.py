"""The spellings in which a secret travels."""

from __future__ import annotations

import pytest

from vcplab.core.redaction import MASK, Redactor, spellings


def test_spellings_of_a_secret() -> None:
    assert spellings('a b/"ü~') >= {
        'a b/"ü~',
        "a%20b%2F%22%C3%BC~",
        "a%20b/%22%C3%BC~",
        "a+b%2F%22%C3%BC~",
        'a b/\\"\\u00fc~',
        'a b/\\"ü~',
        "YSBiLyLDvH4=",
        "6120622f22c3bc7e",
    }


@pytest.mark.parametrize("secret", ["", "a", "12345"])
def test_short_texts_are_left_alone(secret: str) -> None:
    assert spellings(secret) == set()
    assert Redactor([secret]).text(f"a {secret} b") == f"a {secret} b"


def test_a_redactor_knows_every_spelling() -> None:
    secret = "so/secret+and more"
    redactor = Redactor([secret])
    assert {redactor.text(form) for form in spellings(secret)} == {MASK}
