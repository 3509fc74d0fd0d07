"""The purifier: the seed's example, its options and results, and what went wrong elsewhere."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from vcplab.core.errors import InvalidInputError
from vcplab.prompt.purifier import (
    ContextPurifier,
    Modification,
    PurifierOptions,
    create_context_purifier,
)
from vcplab.protocol.messages import Passage
from vcplab.text.tokens import ApproximateTokenizer, default_tokenizer

STRATEGIES = ("head", "tail", "middle", "smart")


def purified(text: str, **options: object) -> str:
    return create_context_purifier(**options).purify(text).content


# --- the seed ----------------------------------------------------------------------------


def test_the_example_of_the_seed() -> None:
    purifier = create_context_purifier(
        {"maxTokens": 4000, "removeDuplicates": True, "truncateStrategy": "smart"}
    )
    paragraph = "项目组昨天讨论了新的检索方案，大家觉得可以先试两周。  Then we went home."
    long_context = f"{paragraph}\r\n\r\n\r\n\r\n{paragraph}\n\n" + "“长”文本没有重复。" * 2000
    result = purifier.purify(long_context)
    assert result.original_length == len(long_context)
    assert result.purified_length == len(result.content) < result.original_length
    assert 3000 < result.estimated_tokens <= 4000
    assert [change.type for change in result.modifications] == [
        "whitespace",
        "quote",
        "newline",
        "duplicate",
        "truncate",
    ]
    assert result.truncated
    assert result.duplicates_removed == 1


def test_the_defaults_of_the_seed() -> None:
    options = ContextPurifier().options
    assert (options.max_tokens, options.max_chars) == (8000, 32000)
    assert (options.duplicate_threshold, options.max_newlines) == (0.9, 2)
    assert (options.truncate_strategy, options.filter_sensitive) == ("smart", False)
    assert options.preserve_code_blocks is options.normalize_quotes is True


def test_results_by_the_names_of_the_seed() -> None:
    result = create_context_purifier().purify("a  b")
    assert json.loads(json.dumps(result.to_dict())) == {
        "content": "a b",
        "originalLength": 4,
        "purifiedLength": 3,
        "estimatedTokens": default_tokenizer().count("a b"),
        "modifications": [
            {
                "type": "whitespace",
                "description": "1 run of spaces or invisible characters aligned",
                "count": 1,
            }
        ],
        "truncated": False,
        "duplicatesRemoved": 0,
    }


# --- what went wrong elsewhere (facts/vcp-agents §5) --------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_chinese_text_without_an_end_keeps_the_budget(strategy: str) -> None:
    result = ContextPurifier(max_tokens=1000, truncate_strategy=strategy).purify("字" * 3200)
    assert result.truncated
    assert 900 <= result.estimated_tokens <= 1000
    assert default_tokenizer().count(result.content) == result.estimated_tokens


def test_smart_without_an_end_of_a_sentence_keeps_its_head() -> None:
    content = purified("字" * 500, max_tokens=100, tokenizer=ApproximateTokenizer())
    head, tail = content.split(" … ")
    assert 20 <= len(head) <= 35
    assert 55 <= len(tail) <= 75


def test_curly_quotes_become_straight_and_straight_ones_are_no_change() -> None:
    result = ContextPurifier().purify('“a” ‘b’ "c" it\'s')
    assert result.content == '"a" \'b\' "c" it\'s'
    (change,) = result.modifications
    assert change == Modification("quote", "4 quotation marks made straight", 4)
    assert not ContextPurifier().purify('"a" it\'s').modifications


def test_chinese_punctuation_is_no_quotation_mark() -> None:
    text = "你好，世界。他说：「好」；走吧《红楼梦》"
    assert purified(text) == text


def test_dollar_signs_in_code_stay() -> None:
    text = "Use `$&` and `$1`.\n\n```js\nx.replace(/a/g, '$&$&')\n```"
    assert purified(text) == text


def test_indentation_stays() -> None:
    text = "- a\n  - b\n    - c\n\tdef f():\n\t\treturn  1\n　　第一段"
    assert purified(text) == text
    assert purified("a:\n\u00a0\u00a0b   c") == "a:\n  b c"


def test_values_of_the_protocol_stay() -> None:
    text = "tool_name:「始」x，y  “z”「末」, q:「始ESCAPE」「始」a  b「末」「末ESCAPE」"
    assert purified(text) == text


def test_nothing_left_of_the_marks_of_other_purifiers() -> None:
    text = "__CODE_BLOCK_0__ and `a  b`"
    assert purified(text) == text


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("budget", [5, 20, 40, 80, 160])
def test_a_fence_is_kept_whole_or_left_out(strategy: str, budget: int) -> None:
    fence = "```python\n" + "value  =  compute(1)\n" * 4 + "```"
    text = "Before the code stands this. " * 5 + f"\n\n{fence}\n\n" + "And that comes after. " * 5
    content = purified(text, max_tokens=budget, truncate_strategy=strategy)
    assert fence in content or ("```" not in content and "compute" not in content)
    assert default_tokenizer().count(content) <= budget
    assert content


# --- the steps -----------------------------------------------------------------------------


def test_whitespace() -> None:
    assert purified("a \t b  \nc\u200bd\u3000e\u00a0f  ") == "a b\ncd e f"
    assert purified("a \t b  ", normalize_whitespace=False) == "a \t b  "
    # Joiners of emoji and of Persian are letters, not blanks.
    assert purified("👩\u200d👩\u200d👧 می\u200cخواهم") == "👩\u200d👩\u200d👧 می\u200cخواهم"


def test_newlines() -> None:
    assert purified("a\r\nb\rc\u2028d\n\n\n\ne\n") == "a\nb\nc\nd\n\ne"
    assert purified("a\n\n\nb", max_newlines=1) == "a\nb"
    assert purified("a\n\n\n\nb\r\n", collapseNewlines=False) == "a\n\n\n\nb\r\n"
    assert purified("a\n \t \n \nb") == "a\n\nb"


def test_quotes_can_stay() -> None:
    assert purified("“a”", normalizeQuotes=False) == "“a”"


def test_empty_and_blank_texts() -> None:
    for text in ("", " ", "\n \n"):
        result = ContextPurifier().purify(text)
        assert result.content == ""
        assert result.estimated_tokens == 0
        assert result.offsets.to_input(0) == 0


def test_no_limits() -> None:
    text = "One sentence. " * 4_000
    result = ContextPurifier(max_tokens=None, max_chars=None).purify(text)
    assert not result.truncated
    assert result.purified_length == len(text) - 1


# --- offsets ---------------------------------------------------------------------------------


def test_offsets_lead_back() -> None:
    text = "\n\nThe  “cat”\r\nsat."
    result = ContextPurifier().purify(text)
    assert result.content == 'The "cat"\nsat.'
    at = result.content.index("cat")
    assert result.offsets.to_input(at) == text.index("cat")
    start, end = result.offsets.to_input_span(at, at + 3)
    assert text[start:end] == "cat"
    start, end = result.offsets.to_input_span(0, len(result.content))
    assert text[start:end] == text[2:]
    assert result.offsets.to_input(len(result.content)) == len(text)
    assert result.offsets.to_input_span(2, 2) == (4, 4)
    for bad in (-1, len(result.content) + 1):
        with pytest.raises(InvalidInputError):
            result.offsets.to_input(bad)
    with pytest.raises(InvalidInputError):
        result.offsets.to_input_span(3, 2)


def test_the_difference_is_shown_and_hostile_text_is_inert() -> None:
    result = ContextPurifier().purify("<script>alert(1)</script>  “x”\n")
    html = result._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<del" in html
    assert "<ins" in html
    assert repr(result).startswith("<PurifyResult 31 → 29 characters")


# --- options -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", -1),
        ("max_tokens", True),
        ("maxChars", "many"),
        ("max_newlines", 0),
        ("duplicate_threshold", 0),
        ("duplicate_threshold", 1.5),
        ("duplicate_threshold", "high"),
        ("normalize_quotes", 1),
        ("truncate_strategy", "clever"),
        ("sensitive", "email"),
        ("sensitive_patterns", 3),
        ("sensitive_patterns", [3]),
        ("tokenizer", "gpt"),
        ("retriever", object()),
        ("maxToken", 5),
    ],
)
def test_impossible_options_are_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        create_context_purifier(**{name: value})
    assert caught.value.next_step


def test_options_in_every_form() -> None:
    options = PurifierOptions(max_tokens=5)
    assert ContextPurifier(options, maxChars=7).options == PurifierOptions(
        max_tokens=5, max_chars=7
    )
    assert repr(ContextPurifier(options)) == "ContextPurifier(max_tokens=5)"
    assert json.loads(json.dumps(options.to_dict()))["max_tokens"] == 5
    purifier = ContextPurifier()
    purifier.update_config({"maxTokens": 9}, max_chars=8)
    assert (purifier.get_config().max_tokens, purifier.get_config().max_chars) == (9, 8)
    with pytest.raises(InvalidInputError):
        purifier.update_config(max_tokens=-3)
    assert purifier.get_config().max_tokens == 9
    purifier.update_config(options)
    assert purifier.options == options


def test_only_text_is_purified() -> None:
    with pytest.raises(InvalidInputError, match="list"):
        ContextPurifier().purify(["a"])  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="query"):
        ContextPurifier().purify("a", query=3)  # type: ignore[arg-type]


def test_one_purifier_serves_several_threads() -> None:
    purifier = ContextPurifier(max_tokens=20)
    texts = [f"Sentence {number} is here.  " * 20 for number in range(16)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: purifier.purify(text).content, texts))
    assert found == [ContextPurifier(max_tokens=20).purify(text).content for text in texts]


# --- truncation ----------------------------------------------------------------------------------

STORY = " ".join(f"Sentence number {number} tells nothing special." for number in range(60))


def test_head_tail_and_middle() -> None:
    head = purified(STORY, max_tokens=30, truncate_strategy="head")
    assert STORY.startswith(head)
    tail = purified(STORY, max_tokens=30, truncate_strategy="tail")
    assert STORY.endswith(tail)
    first, last = purified(STORY, max_tokens=30, truncate_strategy="middle").split(" … ")
    assert STORY.startswith(first)
    assert STORY.endswith(last)
    assert 0.5 < len(first) / len(last) < 2


def test_words_and_characters_are_not_cut() -> None:
    for budget in range(3, 14):
        content = purified(STORY, max_chars=budget * 5, truncate_strategy="head")
        assert set(content.split()) <= set(STORY.split())
    family = "👩\u200d👩\u200d👧" * 50
    content = purified(family, max_chars=18, truncate_strategy="head")
    assert content == "👩\u200d👩\u200d👧" * 3


def test_smart_keeps_whole_sentences_of_both_ends() -> None:
    content = purified(STORY, max_tokens=80)
    head, tail = content.split(" … ")
    assert STORY.startswith(head)
    assert STORY.endswith(tail)
    assert head.endswith(".")
    assert tail.startswith("Sentence")
    assert len(head) < len(tail)


def test_smart_passes_over_a_block_that_is_too_large() -> None:
    text = "First comes this.\n\n```\n" + "x\n" * 400 + "```\n\nLast comes that."
    assert purified(text, max_tokens=40) == "First comes this.\n…\nLast comes that."
    # Head and tail alone would have nothing to give where the text is one such block.
    behind = "```\n" + "x\n" * 400 + "```\n\nLast comes that."
    assert purified(behind, max_tokens=40, truncate_strategy="head") == "Last comes that."


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("When does the train to Lyon leave?", "The train to Lyon leaves at 9:30."),
        ("会议室在哪里", "会议室改到三楼东侧。"),
    ],
)
def test_smart_keeps_what_a_query_asks_for(query: str, wanted: str) -> None:
    filler = [f"Filler line {number} says something else." for number in range(80)]
    text = "\n".join([*filler[:40], wanted, *filler[40:]])
    purifier = ContextPurifier(max_tokens=120)
    assert wanted not in purifier.purify(text).content
    result = purifier.purify(text, query=query)
    assert wanted in result.content
    assert result.estimated_tokens <= 120
    assert purifier.purify(text, query=" ").content == purifier.purify(text).content


@dataclass
class Found:
    """A retriever that finds one passage."""

    text: str
    name: str = "found"

    def search(self, query: str, k: int = 10) -> list[Passage]:
        return [Passage(docno="1", text=self.text, score=1.0, rank=0)][:k]


def test_smart_asks_a_retriever() -> None:
    filler = [f"Filler line {number} says something else." for number in range(80)]
    wanted = "Departure is at half past nine from platform four."
    text = "\n".join([*filler[:40], wanted, *filler[40:]])
    query = "when does my train go"
    assert wanted not in purified_for(text, query, None)
    assert wanted in purified_for(text, query, Found(wanted))


def purified_for(text: str, query: str, retriever: Found | None) -> str:
    return ContextPurifier(max_tokens=120, retriever=retriever).purify(text, query=query).content


def test_long_texts_take_little_time() -> None:
    import time

    text = "\n\n".join(
        f"Paragraph {number} 讲的是第{number}件事，with `code  {number}`. It goes on a bit."
        for number in range(1500)
    )
    start = time.process_time()
    result = ContextPurifier(max_tokens=4000).purify(text)
    assert result.estimated_tokens <= 4000
    assert time.process_time() - start < 15
