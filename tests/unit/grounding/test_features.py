import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.core.errors import NotFoundError
from vcplab.grounding.detectors.unsupported import find_unsupported
from vcplab.grounding.features import (
    FAMILIES,
    GROUNDED,
    Held,
    Source,
    SourceCache,
    feature_names,
    measure,
    token_names,
    token_rows,
)
from vcplab.grounding.features.numbers import check_numbers
from vcplab.grounding.features.terms import tokenise

EN = "In 2023 the revenue of Acme rose 12% to $3.5 million. Anna Schmidt did not sell her shares."
ZH = "张伟在2023年5月3日去了北京，买了三十五本书。他没有去上海。"
MIXED = "张伟 没有 三十五本 2023年 “引文” 《书名》 ， 。 \n ( ) - 3,000 km not never 🙂 \ud800"
PIECES = st.lists(st.sampled_from([*EN.split(), *MIXED.split(" ")]), max_size=25).map(" ".join)
EVERY = tuple(FAMILIES)


def values(response, *context, families=GROUNDED):
    held = Held(response, Source.of(context))
    return dict(zip(feature_names(families), measure(held, families), strict=True))


@settings(max_examples=50)
@given(PIECES, PIECES)
def test_every_text_has_every_feature(response, context):
    held = Held(response, Source.of((context,)))
    row = measure(held, EVERY)
    assert len(row) == len(feature_names(EVERY))
    assert all(math.isfinite(value) for value in row)
    rows = token_rows(held, EVERY)
    assert len(rows) == len(held.tokens)
    assert all(len(one) == len(token_names(EVERY)) for one in rows)
    assert all(math.isfinite(value) for one in rows for value in one)
    for token in held.tokens:
        assert response[token.start : token.end].lower() == token.lower


@settings(max_examples=40)
@given(PIECES)
def test_what_the_source_says_word_for_word_is_supported(text):
    held = Held(text, Source.of((text,)))
    found = values(text, text)
    if held.tokens:
        assert found["coverage.coverage"] == 1.0
        assert found["coverage.trigrams"] == 1.0 or len(held.spans) > 1
    assert found["coverage.unsupported"] == found["numbers.numbers_wrong"] == 0.0
    assert found["dates.times_wrong"] == found["entities.entities_absent"] == 0.0
    assert found["quotes.quotes_absent"] == 0.0
    rules = {finding.rule for finding in find_unsupported(held, contexts=1)}
    assert not rules - {"lexical.negation"}


def test_names_are_unique_and_say_their_family():
    names = [*feature_names(EVERY), *token_names(EVERY)]
    assert len(set(feature_names(EVERY))) == len(feature_names(EVERY))
    assert len(set(token_names(EVERY))) == len(token_names(EVERY))
    assert {name.partition(".")[0] for name in names} == set(FAMILIES)
    assert "lengths" not in GROUNDED
    with pytest.raises(NotFoundError):
        feature_names(("nothing",))


def test_coverage_counts_content_words():
    found = values("Acme sold the revenue of dragons.", EN)
    # Acme, sold (sell), revenue; not dragons.
    assert found["coverage.coverage"] == pytest.approx(3 / 4)
    assert found["coverage.unsupported"] == pytest.approx(math.log1p(1))


@pytest.mark.parametrize(
    ("response", "context", "wrong"),
    [
        ("It rose 12 percent.", EN, 0),
        ("It rose 13%.", EN, 1),
        ("It rose to $3,500,000.", EN, 0),
        ("他买了35本书。", ZH, 0),
        ("他买了三十五本书。", "他买了35本书。", 0),
        ("他买了三十六本书。", ZH, 1),
        ("全长3000米。", "全长3公里。", 0),
        ("全长3000公里。", "全长3公里。", 1),
        ("One of them sold.", EN, 0),
    ],
)
def test_numbers(response, context, wrong):
    assert values(response, context)["numbers.numbers_wrong"] == pytest.approx(math.log1p(wrong))


def test_the_nearest_number_is_of_the_same_kind():
    held = Held("The revenue of Acme rose 15% to $4.5 million.", Source.of((EN,)))
    assert [(check.quantity.text, check.nearest[1].text) for check in check_numbers(held)] == [
        ("15%", "12%"),
        ("$4.5 million", "$3.5 million"),
    ]


@pytest.mark.parametrize(
    ("response", "context", "wrong"),
    [
        ("He left on 3 May 2023.", "He left on 2023-05-03.", 0),
        ("He left in May.", "He left on 2023-05-03.", 0),
        ("He left in June 2023.", "He left on 2023-05-03.", 1),
        ("他2023年5月去了。", ZH, 0),
        ("他2022年去了。", ZH, 1),
    ],
)
def test_dates(response, context, wrong):
    assert values(response, context)["dates.times_wrong"] == pytest.approx(math.log1p(wrong))


def test_entities_and_quotes():
    found = values("Yesterday Anna Schmidt met Bob Miller.", EN)
    assert found["entities.entities"] == pytest.approx(math.log1p(2))
    assert found["entities.entities_absent"] == pytest.approx(math.log1p(1))
    assert values("She said “did not sell”.", EN)["quotes.quotes_absent"] == 0
    assert values("She said “did not buy”.", EN)["quotes.quotes_absent"] > 0


def test_negation_is_compared_with_the_aligned_sentence():
    assert values("Anna Schmidt did not sell her shares.", EN)["negation.negations_added"] == 0
    assert values("Anna Schmidt did sell her shares.", EN)["negation.negations_dropped"] > 0
    assert values("The revenue of Acme did not rise.", EN)["negation.negations_added"] > 0
    assert values("他未来去北京。", ZH)["negation.negations"] == 0


def test_alignment_prefers_the_sentence_that_says_most():
    held = Held("Anna Schmidt sold shares.", Source.of((EN,)))
    (alignment,) = held.sentence_alignments
    assert alignment.sentences == (1, 2)
    assert alignment.coverage == alignment.single == 1.0
    assert alignment.second == 0.0
    apart = Held("Schmidt sold Acme.", Source.of((EN,))).sentence_alignments[0]
    assert apart.sentences == (0, 2)
    assert apart.coverage > apart.single


def test_lengths_look_at_nothing_else():
    short = values("One two.", EN, families=("lengths",))
    assert short == values("Six ten.", EN, families=("lengths",))


def test_irregular_forms_meet():
    def keys(text):
        return [token.key for token in tokenise(text)]

    assert keys("rose fell women bought") == keys("rising falls woman buying")
    assert keys("1,200 3rd $5") == ["1200", "3", "5"]


def test_indices_are_kept_and_bounded():
    cache = SourceCache(2)
    first = cache["a b c",]
    assert cache["a b c",] is first
    cache["d",], cache["e",]
    assert len(cache) == 2
    assert cache["a b c",] is not first


def test_offsets_of_sentences_count_in_their_own_text():
    source = Source.of(("One here. Two there.", "三在这里。四在那里。"))
    texts = [source.texts[s.source][s.start : s.end] for s in source.sentences]
    assert texts == ["One here.", "Two there.", "三在这里。", "四在那里。"]
