"""Documents survive being written down, whatever they hold."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidDataError, InvalidInputError
from vcplab.memory.document import Document
from vcplab.memory.storage.encoding import (
    decode_document,
    decode_id,
    encode_document,
    encode_id,
)

ANY_TEXT = st.text(st.characters())  # lone surrogates included
LEAF = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    ANY_TEXT,
    st.datetimes(timezones=st.none() | st.just(timezone(timedelta(hours=8)))),
    st.dates(),
    st.times(),
)
METADATA = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.lists(inner),
        st.tuples(inner, inner),
        st.dictionaries(st.sampled_from(["a", "b", "$vcplab", "标题"]) | ANY_TEXT, inner),
    ),
    max_leaves=8,
)


@given(
    docno=st.text(st.characters(), min_size=1),
    text=ANY_TEXT,
    tags=st.lists(ANY_TEXT),
    moment=st.none() | st.datetimes(timezones=st.none() | st.just(timezone(timedelta(hours=-5)))),
    metadata=st.dictionaries(ANY_TEXT, METADATA),
)
def test_nothing_is_lost(docno, text, tags, moment, metadata):
    document = Document(docno, text, tuple(tags), moment, metadata, source="x.md")
    again = decode_document(decode_id(encode_id(docno)), encode_document(document))
    assert again == document
    assert again.digest() == document.digest()
    assert again.source == "x.md"


def test_what_cannot_be_written_is_refused_with_a_way_out():
    with pytest.raises(InvalidInputError, match="holds a object") as refused:
        encode_document(Document("d", "t", metadata={"a": [object()]}))
    assert "lists" in str(refused.value.next_step)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'["t",[],"not a time",{},null]'])
def test_damage_is_told(data):
    with pytest.raises(InvalidDataError, match="'d'"):
        decode_document("d", data)


def test_kinds_of_times_are_told_apart():
    metadata = {"at": datetime(2026, 1, 1), "day": date(2026, 1, 1), "clock": time(9, 30)}
    again = decode_document("d", encode_document(Document("d", "t", metadata=metadata)))
    assert [type(v) for v in again.metadata.values()] == [datetime, date, time]
