import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError
from vcplab.grounding.suppression.drafting import Draft
from vcplab.grounding.suppression.patches import Patch, PatchList
from vcplab.protocol.grounding import Evidence

TEXTS = st.text(alphabet="ab 三。️⚠\n😀", max_size=30)


def patch(start, end, old, new, **more):
    return Patch(start, end, old, new, **more)


@st.composite
def changes(draw):
    text = draw(TEXTS)
    patches, at = [], 0
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(at, len(text)))
        end = draw(st.integers(start, len(text)))
        patches.append(patch(start, end, text[start:end], draw(TEXTS)))
        at = end
    return text, patches


@given(changes())
def test_patches_are_undone_to_the_byte(made):
    text, listed = made
    patches = PatchList(listed)
    after = patches.apply(text)
    assert patches.revert(after) == text
    assert len(after) == len(text) + sum(len(p.new) - len(p.old) for p in patches)


@given(changes())
def test_offsets_lead_there_and_back_where_nothing_was_changed(made):
    text, listed = made
    patches = PatchList(listed)
    after = patches.apply(text)
    touched = {at for p in patches for at in range(p.start, p.end)}
    for at in set(range(len(text))) - touched:
        there = patches.to_output(at)
        assert after[there] == text[at]
        assert patches.to_input(there) == at
    for at in touched:
        assert 0 <= patches.to_output(at) <= len(after)


@given(TEXTS, st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6), TEXTS), max_size=5))
def test_changes_one_after_another_are_patches_of_the_first_text(text, edits):
    draft, shown = Draft(text), text
    for start, length, new in edits:
        low = min(start, len(shown))
        high = min(low + length, len(shown))
        draft.change(patch(low, high, shown[low:high], new))
        shown = shown[:low] + new + shown[high:]
        assert draft.text == shown
    patches = draft.patches()
    assert patches.apply(text) == shown
    assert patches.revert(shown) == text


def test_what_is_hidden_stays_in_the_text():
    draft = Draft("a⚠️b c⚠️", [(1, 3), (6, 8)])
    assert draft.text == "ab c"
    assert draft.hidden_at(1) == ["⚠️"]
    assert draft.hidden_at(2) == []
    assert (draft.to_before(1), draft.to_before(2, end=True)) == (3, 4)
    draft.change(patch(2, 2, "", "!"))
    assert draft.patches().apply("a⚠️b c⚠️") == "a⚠️b! c⚠️"


def test_a_mark_behind_what_is_replaced_goes_with_it():
    draft = Draft("15%⚠️ more", [(3, 5)])
    draft.change(patch(0, 3, "15%", "12%"))
    (only,) = draft.patches()
    assert (only.old, only.new) == ("15%⚠️", "12%")


def test_patches_that_overlap_are_refused():
    with pytest.raises(InvalidInputError, match="overlaps"):
        PatchList([patch(0, 3, "abc", ""), patch(2, 4, "cd", "x")])
    with pytest.raises(InvalidInputError):
        PatchList([patch(0, 3, "ab", "")])


def test_another_text_is_refused():
    patches = PatchList([patch(0, 1, "a", "b")])
    with pytest.raises(InvalidInputError, match="has not 'a' at 0"):
        patches.apply("x")
    with pytest.raises(InvalidInputError, match="has not 'b' at 0"):
        patches.revert("a")


def test_patches_are_a_list_in_order():
    proof = (Evidence("12%", 1, 4, 7, 1.0, "d1"),)
    late, early = patch(5, 6, "c", "C"), patch(0, 0, "", "x", policy="mark", evidence=proof)
    patches = PatchList([late, early])
    assert list(patches) == [early, late]
    assert patches[0] is early
    assert patches[1:] == (late,)
    assert patches == PatchList([early, late])
    assert hash(patches) == hash(PatchList([early, late]))
    assert patches.to_dict()[0]["evidence"][0]["docno"] == "d1"
    assert "mark 0:0" in repr(patches)
