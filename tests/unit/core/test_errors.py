from __future__ import annotations

import copy
import pickle

import pytest

from vcplab.core import errors
from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    LoopError,
    MissingDependencyError,
    NotFoundError,
    OperationTimeoutError,
    ReadOnlyError,
    SchemaMismatchError,
    StateError,
    VCPError,
    VCPErrorCode,
)

CLASSES = {
    VCPError: (VCPErrorCode.UNKNOWN_ERROR, Exception),
    InvalidInputError: (VCPErrorCode.INVALID_INPUT, ValueError),
    InvalidDataError: (VCPErrorCode.INVALID_DATA, InvalidInputError),
    NotFoundError: (VCPErrorCode.NOT_FOUND, KeyError),
    MissingDependencyError: (VCPErrorCode.MISSING_DEPENDENCY, ImportError),
    StateError: (VCPErrorCode.INVALID_STATE, VCPError),
    ReadOnlyError: (VCPErrorCode.READ_ONLY, StateError),
    SchemaMismatchError: (VCPErrorCode.SCHEMA_MISMATCH, StateError),
    LoopError: (VCPErrorCode.WOULD_BLOCK, VCPError),
    OperationTimeoutError: (VCPErrorCode.TIMED_OUT, TimeoutError),
}


def test_the_table_above_is_the_whole_tree() -> None:
    exported = {getattr(errors, name) for name in errors.__all__} - {VCPErrorCode}
    assert exported == set(CLASSES)
    assert list(errors.__all__) == sorted(errors.__all__)


@pytest.mark.parametrize(
    ("cls", "facts"), CLASSES.items(), ids=lambda c: getattr(c, "__name__", "")
)
def test_code_bases_and_text(
    cls: type[VCPError], facts: tuple[VCPErrorCode, type[Exception]]
) -> None:
    code, base = facts
    error = cls("The cup is empty.", where="kitchen", next_step="fill it")
    assert isinstance(error, base)
    assert isinstance(error, VCPError)
    assert error.code is code
    assert str(error) == f"[{code.value}] The cup is empty. (in kitchen) Next: fill it"


@pytest.mark.parametrize("cls", CLASSES)
def test_survives_pickle_and_copy(cls: type[VCPError]) -> None:
    error = cls(
        "坏了。",
        code=VCPErrorCode.TOOL_TIMEOUT,
        where="row 3",
        next_step="again",
        details={"row": 3},
    )
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is cls
        assert str(twin) == str(error)
        assert (twin.code, twin.where, twin.next_step) == ("TOOL_TIMEOUT", "row 3", "again")
        assert twin.details == {"row": 3}


def test_text_without_where_and_next_step() -> None:
    assert str(VCPError("No.")) == "[UNKNOWN_ERROR] No."


def test_details_are_a_copy() -> None:
    details = {"a": 1}
    error = VCPError("No.", details=details)
    details["a"] = 2
    assert error.details == {"a": 1}


def test_codes_equal_their_names_and_can_be_compared_with_text() -> None:
    assert all(code.name == code.value for code in VCPErrorCode)
    assert VCPError("No.", code=VCPErrorCode.PLUGIN_NOT_FOUND).code == "PLUGIN_NOT_FOUND"
