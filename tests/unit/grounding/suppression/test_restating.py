import pytest

from vcplab.grounding.suppression.restating import restated
from vcplab.protocol.grounding import Evidence, Finding
from vcplab.text.sentences import Span


def put(text, old, new, passage=None, *, score=0.8, others=()):
    start = text.index(old)
    proof = (Evidence(new, 0, 0, len(new), 1.0),)
    if passage is not None:
        proof += (Evidence(passage, 0, 0, len(passage), score),)
    finding = Finding(
        start, start + len(old), 0.95, "lexical.number", evidence=proof, suggestion=new
    )
    return restated(finding, old, Span(0, len(text), text), [finding, *others])


@pytest.mark.parametrize(
    ("text", "old", "new", "expected"),
    [
        ("It weighs 135 grams.", "135 grams", "170-gram", "170 grams"),
        ("It is 3 km long.", "3 km", "800 m", "800 m"),
        ("树高8.7米。", "8.7米", "7.8 米", "7.8米"),
        ("有三十六本书。", "三十六本", "三十五本", "三十五本"),
        ("It cost $15.", "$15", "$12", "$12"),
        ("It was so.", "was", "is", "is"),
        ("共有45人。", "45人", "三十五人", "35人"),
        ("塔高五百米。", "五百米", "300米", "300米"),
        ("预算500万元。", "500万元", "三百万元", "300万元"),
        ("They sold 41 cars.", "41", "thirty-one", "31"),
    ],
)
def test_the_form_of_the_text_is_kept(text, old, new, expected):
    assert put(text, old, new) == expected


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("It cost over 15 dollars.", "15 dollars", "12 dollars"),
        ("最高分超过九分。", "九分", "八分"),
        ("须满足两项。", "两项", "一条"),
        ("It weighs 15 kg.", "15 kg", "12 km"),
        ("He has 35 books.", "35 books", "三十五本"),
        ("It rose from 12 to 15.", "15", "12"),
        ("It rose to 15.", "15", "15"),
        ("They sold forty-one cars.", "forty-one", "31"),
        ("人口500万。", "500万", "三亿零一"),
        ("It rose to 15.", "15", "1\n2"),
    ],
)
def test_what_is_not_clear_enough_stays(text, old, new):
    assert put(text, old, new) is None


@pytest.mark.parametrize(
    ("text", "old", "passage", "expected"),
    [
        (
            "纸本展厅目前维持58%的相对湿度。", "58%",
            "博物馆把纸本展厅的相对湿度定在52%，漆器展厅定在60%。", "52%",
        ),
        (
            "The nave of the church is 58 m long.", "58 m",
            "The tower rises 90 m, and the nave of the church is 52 m long.", "52 m",
        ),
        ("It is 58 m.", "58 m", "One has 52 m, another has 60 m.", None),
    ],
)  # fmt: skip
def test_of_several_values_the_one_among_the_same_words_is_taken(text, old, passage, expected):
    for new in ("52%", "60%") if "%" in old else ("52 m", "60 m"):
        assert put(text, old, new, passage) == expected


def test_a_passage_about_something_else_gives_nothing():
    text, passage = "It is 58 m long.", "The ship is 52 m long."
    assert put(text, "58 m", "52 m", passage) == "52 m"
    assert put(text, "58 m", "52 m", passage, score=0.1) is None


def test_two_numbers_of_a_sentence_never_become_the_same():
    other = Finding(20, 22, 0.95, "lexical.number", suggestion="12 m")
    assert put("It is 15 m long and 16 m wide.", "15 m", "12 m") == "12 m"
    assert put("It is 15 m long and 16 m wide.", "15 m", "12 m", others=[other]) is None
