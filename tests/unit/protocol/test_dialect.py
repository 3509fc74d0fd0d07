from __future__ import annotations

from typing import get_args

import pytest

from vcplab.core.errors import InvalidInputError
from vcplab.protocol.dialect import DEFAULT_DIALECT, DIALECTS, Dialect, checked_dialect


def test_the_type_and_the_list_name_the_same_dialects() -> None:
    assert get_args(Dialect) == DIALECTS == ("toolbox", "cherry", "intellicore")


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_is_found_in_any_case(name: str) -> None:
    assert checked_dialect(name) == name
    assert checked_dialect(f" {name.upper()} ") == name


def test_the_default_is_toolbox() -> None:
    assert checked_dialect() == checked_dialect(None) == DEFAULT_DIALECT == "toolbox"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("toolbocks", "'toolbox'"), ("intelicore", "'intellicore'"), ("xyz", "toolbox, cherry")],
)
def test_a_wrong_name_is_answered_with_the_near_one(name: str, hint: str) -> None:
    with pytest.raises(InvalidInputError, match=name) as caught:
        checked_dialect(name)
    assert hint in (caught.value.next_step or "")


@pytest.mark.parametrize("name", ["", 3, ["toolbox"]])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(InvalidInputError):
        checked_dialect(name)  # type: ignore[arg-type]
