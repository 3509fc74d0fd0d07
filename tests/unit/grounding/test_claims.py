from __future__ import annotations

import re
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.growth import assert_linear
from vcplab.core.errors import InvalidInputError
from vcplab.grounding.claims import EvidenceFinder, claims_of, index_of, sentences_of
from vcplab.protocol.messages import Passage
from vcplab.text.analysis import Analyzer

RESPONSE = """# Report

- 他在2019年去了北京，在那里住了三年；后来回到上海。
1. She moved to Paris in 2019, and she married Tom.

```
x = "no claim. at all."
```
Is it true?"""


def test_sentences_leave_out_code_bullets_and_numbers() -> None:
    found = sentences_of(RESPONSE)
    assert [span.text for span in found] == [
        "Report",
        "他在2019年去了北京，在那里住了三年；后来回到上海。",
        "She moved to Paris in 2019, and she married Tom.",
        "Is it true?",
    ]
    assert all(RESPONSE[span.start : span.end] == span.text for span in found)


@pytest.mark.parametrize(
    ("sentence", "claims"),
    [
        ("他去了北京，住了三年；后来回到上海。",
         ["他去了北京", "住了三年", "后来回到上海"]),
        ("根据报告，公司亏损了三亿元，但员工没有减少。",
         ["根据报告，公司亏损了三亿元", "但员工没有减少"]),
        ("如果下雨的话，比赛会取消。", ["如果下雨的话", "比赛会取消"]),
        ("他买了苹果、梨和香蕉。", ["他买了苹果、梨和香蕉"]),
        ("他说：“我走了，她留下来了。”", ["他说：“我走了，她留下来了。”"]),
        ("她喜欢《红，黑》，也喜欢画画。", ["她喜欢《红，黑》", "也喜欢画画"]),
        ("She moved to Paris in 2019, where she studied art, and she married Tom.",
         ["She moved to Paris in 2019", "where she studied art", "and she married Tom"]),
        ("The box holds apples, pears and plums.", ["The box holds apples, pears and plums"]),
        ("It cost 1,000 dollars.", ["It cost 1,000 dollars"]),
        ('He said "I left, and she stayed" yesterday; nobody knew.',
         ['He said "I left, and she stayed" yesterday', "nobody knew"]),
        ("The firm, founded in 1999, sold 30 cars but lost two houses.",
         ["The firm, founded in 1999, sold 30 cars", "but lost two houses"]),
        ("Tom and Ann left.", ["Tom and Ann left"]),
        ("However, it was cold.", ["However, it was cold"]),
        ("Is it true?", []), ("真的吗？", []), ("", []), ("……", []),
    ],
)  # fmt: skip
def test_claims(sentence: str, claims: list[str]) -> None:
    assert [claim.text for claim in claims_of(sentence)] == claims


def test_claims_count_offsets_from_the_response() -> None:
    for sentence in sentences_of(RESPONSE):
        for claim in claims_of(sentence):
            assert RESPONSE[claim.start : claim.end] == claim.text
            assert claim.sentence == sentence


_PIECES = st.sampled_from(
    ["他去了北京", "住了三年", "，", "；", "。", "但", "she left Paris", " and ", ", which ",
     "; ", ". ",
     " but he stayed", "“", "”",
     '"', "(", ")", " ", "\n", "- ", "1. ", "🙂", "—— ", ",", "在2019年", "?", "```\n"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=25).map("".join) | st.text(max_size=80))
@settings(max_examples=100)
def test_claims_hold_every_letter_once(text: str) -> None:
    last = 0
    for sentence in sentences_of(text):
        assert text[sentence.start : sentence.end] == sentence.text
        claims = claims_of(sentence)
        covered: set[int] = set()
        for claim in claims:
            assert last <= claim.start < claim.end <= sentence.end
            assert text[claim.start : claim.end] == claim.text
            covered.update(range(claim.start, claim.end))
            last = claim.end
        letters = {match.start() + sentence.start for match in re.finditer(r"\w", sentence.text)}
        assert not claims or letters <= covered


@pytest.mark.parametrize("unit", ["，", "a, and ", "(", "“", "他去了，", "but ", '"', "- "])
def test_claims_are_not_slow(unit: str) -> None:
    assert_linear(claims_of, unit)


# -- evidence -----------------------------------------------------------------------------------

CONTEXT = (
    "Tom was born in Berlin. He studied physics in Munich. In 2019 Tom moved to Paris. "
    "There he married Ann.",
    "小明在2019年去了北京。他住了两年。后来他回到上海。",
)


@pytest.mark.parametrize(
    ("claim", "source", "expected"),
    [
        ("Tom studied chemistry", 0, "physics"),
        ("He married Ann in Paris", 0, "married Ann"),
        ("小明住了三年", 1, "住了两年"),
        ("他回到了上海", 1, "回到上海"),
    ],
)
def test_the_best_evidence_comes_first(claim: str, source: int, expected: str) -> None:
    found = EvidenceFinder().find(claim, CONTEXT)
    assert found[0].source == source
    assert expected in found[0].text
    assert [piece.score for piece in found] == sorted((p.score for p in found), reverse=True)


def test_offsets_are_exact_and_pieces_apart() -> None:
    finder = EvidenceFinder(k=10, width=3)
    found = finder.find(
        "Tom moved from Berlin to 北京 in 2019", CONTEXT, history=("Tom left.", "2019!")
    )
    assert len(found) > 3
    history = ("Tom left.", "2019!")
    for piece in found:
        text = CONTEXT[piece.source] if piece.source >= 0 else history[int(piece.docno or "")]
        assert text[piece.start : piece.end] == piece.text
        for other in found:
            assert (
                piece is other
                or (piece.source, piece.docno) != (other.source, other.docno)
                or piece.end <= other.start
                or other.end <= piece.start
            )
    assert {piece.source for piece in found} >= {-1, 0, 1}


def test_nothing_in_common_is_no_evidence() -> None:
    finder = EvidenceFinder()
    assert finder.find("zebra", CONTEXT) == []
    assert finder.find("zebra") == []
    assert finder.find("", CONTEXT) == []
    assert finder.find("Tom", ("", "   ")) == []


def test_k_and_width_bound_what_is_found() -> None:
    finder = EvidenceFinder(k=1, width=1)
    claim = "Tom studied physics in Munich in 2019 and married Ann"
    (piece,) = finder.find(claim, CONTEXT)
    assert piece.text == "He studied physics in Munich."
    assert len(finder.find(claim, CONTEXT, k=3)) == 3
    wide = EvidenceFinder(width=2).find("He moved to Paris, where he married Ann", CONTEXT)[0]
    assert wide.text == "In 2019 Tom moved to Paris. There he married Ann."


def test_the_rest_of_the_sentence_decides_between_equals() -> None:
    context = ("Ann bought a car. Her house is old. Tom bought a car. His house is new.",)
    (sentence,) = sentences_of("Tom is well known here; he bought a car.")
    claim = claims_of(sentence)[1]
    assert claim.text == "he bought a car"
    assert EvidenceFinder(width=1).find(claim, context)[0].text == "Tom bought a car."


class _Library:
    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    @property
    def name(self) -> str:
        return "library"

    def search(self, query: str, k: int = 10) -> Sequence[Passage]:
        self.asked.append((query, k))
        return [
            Passage("d1", "Nothing here. The tower was built in 1889.", 2.0, 0),
            Passage("d2", "Other towers exist.", 1.0, 1),
        ]


def test_a_knowledge_base_is_asked_for_the_sentence() -> None:
    library = _Library()
    (sentence,) = sentences_of("The tower was built in 1899.")
    found = EvidenceFinder(width=1).find(claims_of(sentence)[0], retriever=library)
    assert library.asked == [("The tower was built in 1899.", 5)]
    assert (found[0].source, found[0].docno) == (-2, "d1")
    assert found[0].text == "The tower was built in 1889."
    assert (
        "Nothing here. The tower was built in 1889."[found[0].start : found[0].end] == found[0].text
    )


def test_sources_are_indexed_once_and_forgotten_in_turn() -> None:
    finder = EvidenceFinder(cached=2)
    first = finder.index(CONTEXT[0])
    finder.find_all(["Tom", "Ann"], CONTEXT[:1])
    assert finder.index(CONTEXT[0]) is first
    finder.find("Tom", ("Another text.", "And one more."))
    assert finder.index(CONTEXT[0]) is not first


def test_all_claims_at_once_are_the_same_as_one_by_one() -> None:
    finder = EvidenceFinder()
    claims = [
        claim
        for span in sentences_of("Tom married Ann. 小明住了三年。")
        for claim in claims_of(span)
    ]
    assert finder.find_all(claims, CONTEXT) == [finder.find(claim, CONTEXT) for claim in claims]


def test_the_fingerprint_tells_finders_apart() -> None:
    prints = {
        finder.fingerprint
        for finder in (
            EvidenceFinder(), EvidenceFinder(k=4), EvidenceFinder(width=3),
            EvidenceFinder(analyzer=Analyzer(stemmer=None)),
        )
    }  # fmt: skip
    assert len(prints) == 4
    assert EvidenceFinder().fingerprint == EvidenceFinder(cached=9).fingerprint


@pytest.mark.parametrize("options", [{"k": 0}, {"width": 0}, {"cached": 0}])
def test_numbers_below_one_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        EvidenceFinder(**options)
    assert next(iter(options)) in str(caught.value)


@given(st.lists(st.text(max_size=60), max_size=3), st.text(max_size=40))
@settings(max_examples=100)
def test_any_texts_give_exact_offsets(context: list[str], claim: str) -> None:
    for piece in EvidenceFinder().find(claim, context):
        assert context[piece.source][piece.start : piece.end] == piece.text
        assert 0 < piece.score <= 1


def test_a_long_context_is_indexed_in_time() -> None:
    text = " ".join(
        f"Sentence {number} says that item {number % 97} was sold." for number in range(3_000)
    )
    index = index_of(text)
    assert len(index.sentences) == 3_000
    finder = EvidenceFinder()
    finder.index(text)
    start = time.process_time()
    found = finder.find("Item 42 was sold, as sentence 2001 says", (text,))
    assert time.process_time() - start < 1
    assert "2001" in found[0].text
