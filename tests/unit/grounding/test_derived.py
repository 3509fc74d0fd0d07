import pytest

from vcplab.grounding.detectors.lexical import LexicalDetector
from vcplab.protocol.grounding import Sample

RULES = {"lexical.number", "lexical.date"}


def wrong(response, context):
    (verdict,) = LexicalDetector(aggregator=None).detect([Sample("s", response, (context,))])
    return [response[f.start : f.end] for f in verdict.findings if f.rule in RULES]


@pytest.mark.parametrize(
    ("context", "right", "false"),
    [
        (
            "The hall costs 1,980 euros. The door brought 2,350 euros.",
            "370 euros are left.",
            "470 euros are left.",
        ),
        (
            "The oil weighs 600 g, the butter 200 g and the wax 100 g.",
            "Together they weigh 900 g.",
            "Together they weigh 950 g.",
        ),
        (
            "The hut was built in 1987 and the barn followed in 1994.",
            "The barn came seven years later.",
            "The barn came nine years later.",
        ),
        (
            "The film begins at 21:26 and ends at 23:18.",
            "The film lasts 112 minutes.",
            "The film lasts 118 minutes.",
        ),
        (
            "The fair opens at 10:00 and lasts two hours.",
            "The fair closes at 12:00.",
            "The fair closes at 13:00.",
        ),
        (
            "She crossed the border on 27 March and may stay for fifteen days, this one included.",
            "She may stay until 10 April.",
            "She may stay until 18 April.",
        ),
        (
            "这一炉烧了四十二只陶杯，有五只起泡，其余合格。",
            "合格的有三十七只。",
            "合格的有三十九只。",
        ),
        ("马拉松从七点半封路到十点。", "封路两个半小时。", "封路三个半小时。"),
        ("鱼先腌六天，再风干半个月。", "风干大约十五天。", "风干大约二十五天。"),
        ("比赛 9 月 4 日开始，9 月 20 日结束。", "比赛历时 16 天。", "比赛历时 26 天。"),
    ],
)
def test_what_follows_from_two_values_is_not_wrong(context, right, false):
    assert wrong(right, context) == []
    assert wrong(false, context)


def test_both_and_neither_say_two():
    context = "The shop sells tea and coffee. Both are roasted in town."
    assert wrong("Two goods are roasted in town.", context) == []
    assert wrong("Four goods are roasted in town.", context) == ["Four"]


def test_a_small_count_of_what_is_listed_is_not_wrong():
    assert wrong("它用了三种油。", "它用了橄榄油、椰子油和乳木果脂。") == []
    assert wrong("它用了三种油。", "它用了四种油。") == ["三种"]
    assert wrong("It uses 3 oils.", "It uses olive oil, shea butter and wax.") == ["3"]


def test_in_a_long_source_only_what_is_near_is_reckoned_with():
    filler = " ".join(f"In hall {n} there is a very quiet reading room." for n in range(40))
    near = "The plant sold 480 bikes in spring and 130 bikes in autumn."
    far = f"The plant sold 480 bikes in spring. {filler} The mill lost 130 bikes in a fire."
    assert wrong("The plant sold 610 bikes in spring and autumn.", near) == []
    (found,) = wrong("The plant sold 610 bikes in spring.", far)
    assert found.startswith("610")


def test_one_and_ordinals_never_follow():
    assert wrong("He came in fifth.", "He won 3 prizes and 2 medals.") == ["fifth"]
