"""What holds for every text: budget, protected bytes, offsets, twice is once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.prompt.purifier import ContextPurifier, PurifyResult
from vcplab.prompt.purifier.protect import protected_spans
from vcplab.prompt.purifier.sensitive import MARK
from vcplab.prompt.purifier.truncating.strategies import OMITTED
from vcplab.text.tokens import ApproximateTokenizer, CallableTokenizer, default_tokenizer

PIECES = [
    *(
        "Hello  world. ",
        "The train leaves at 9:30, not at 8. ",
        "  indented",
        "\tx = 1",
        "a",
        "　　",
    ),
    *(
        "今天我们去了外滩，人很多。",
        "没有问题！",
        "“引用”",
        "it’s ",
        "“quoted” text? ",
        "…",
        "Ω≈ç ",
        "👩‍👩‍👧 ",
    ),
    *(
        "\n",
        "\n\n",
        "\n\n\n\n",
        "\r\n",
        "\r",
        "\u2028",
        " \n \n",
        " ",
        "   ",
        "\u00a0",
        "\u200b",
        "\ufeff",
    ),
    *(
        "`a  b`",
        "``x ` y``",
        "`",
        "``",
        "```",
        "~~~",
        "\n```py\nx  =  “1”\n\n\n\ny\n```\n",
        "\n~~~\n  q\n~~~\n",
    ),
    *(
        "<<<[TOOL_REQUEST]>>>",
        "<<<[END_TOOL_REQUEST]>>>",
        "「始」",
        "「末」",
        "「始ESCAPE」",
        "「末ESCAPE」",
    ),
    "<<<[TOOL_REQUEST]>>>\ntool_name:「始」x，  y“z”「末」\n<<<[END_TOOL_REQUEST]>>>",
    *(
        "[[日记本:1.5::Time]]",
        "《《知识库》》",
        "{{Date}}",
        "<<公共日记本>>",
        "[[",
        "]]",
        "> ",
        "- ",
    ),
    *(
        "mail me: a.b@example.com ",
        "13812345678",
        "sk-abcdefghijklmnop1234",
        "[FILTERED]",
        "[",
        "]",
    ),
    "\n\nThe quick brown fox jumps over the lazy dog near the river.\n\n",
    "\n\nThe quick brown fox jumps over the lazy dog near the  river!\n\n",
    "\n\n昨天晚上我们在公司附近的小餐馆吃了一顿很好的晚饭。\n\n",
    'said "yes"',
]

texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=14).map("".join)
TOKENIZERS = (
    ApproximateTokenizer(),
    CallableTokenizer(lambda text: len(text.encode("utf-8", "surrogatepass")), "bytes"),
    CallableTokenizer(str.split, "words"),
    default_tokenizer(),
)
options = st.fixed_dictionaries(
    {},
    optional={
        "max_tokens": st.integers(0, 60),
        "max_chars": st.integers(0, 120),
        "max_newlines": st.integers(1, 3),
        "remove_duplicates": st.booleans(),
        "duplicate_threshold": st.sampled_from([0.5, 0.9, 1.0]),
        "normalize_whitespace": st.booleans(),
        "normalize_quotes": st.booleans(),
        "collapse_newlines": st.booleans(),
        "filter_sensitive": st.booleans(),
        "preserve_code_blocks": st.booleans(),
        "truncate_strategy": st.sampled_from(["head", "tail", "middle", "smart"]),
        "tokenizer": st.sampled_from(TOKENIZERS),
    },
)


def blocks(text: str, *, code: bool = True) -> list[str]:
    return [text[span.start : span.end] for span in protected_spans(text, code=code)]


def kept_in_order(some: list[str], every: list[str]) -> bool:
    rest = iter(every)
    return all(any(one in other for other in rest) for one in some)


@settings(max_examples=80)
@given(texts, options, st.none() | st.sampled_from(["train", "外滩", "x"]))
def test_budget_and_offsets(text: str, given_options: dict[str, object], query: str | None) -> None:
    purifier = ContextPurifier(given_options)
    result = purifier.purify(text, query=query)
    limits = purifier.options
    tokenizer = limits.tokenizer or default_tokenizer()
    assert limits.max_tokens is not None
    assert tokenizer.count(result.content) <= limits.max_tokens
    assert result.estimated_tokens == tokenizer.count(result.content)
    assert limits.max_chars is not None
    assert len(result.content) <= limits.max_chars
    check_offsets(result, text)


def check_offsets(result: PurifyResult, text: str) -> None:
    at = source = 0
    for span in result.offsets.spans():
        assert span.start == at < span.end
        assert source <= span.input_start < span.input_end <= len(text)
        new = result.content[span.start : span.end]
        old = text[span.input_start : span.input_end]
        assert (new == old) is span.kept
        if not span.kept:
            # Only what the steps may write stands where the input said something else.
            assert not new.strip() or new.strip() in (OMITTED, MARK) or set(new) <= set("\"' \n")
        for offset in range(span.start, span.end):
            place = result.offsets.to_input(offset)
            assert not span.kept or text[place] == result.content[offset]
        at, source = span.end, span.input_end
    assert at == len(result.content)


@settings(max_examples=80)
@given(texts, options)
def test_purifying_twice_is_purifying_once(text: str, given_options: dict[str, object]) -> None:
    purifier = ContextPurifier(given_options)
    once = purifier.purify(text)
    twice = purifier.purify(once.content)
    assert twice.content == once.content
    assert twice.modifications == ()
    assert not twice.truncated


@settings(max_examples=80)
@given(texts, options)
def test_code_and_blocks_are_untouched(text: str, given_options: dict[str, object]) -> None:
    code = bool(given_options.get("preserve_code_blocks", True))
    free = {**given_options, "max_tokens": None, "max_chars": None, "remove_duplicates": False}
    content = ContextPurifier(free).purify(text).content
    assert kept_in_order(blocks(text, code=code), blocks(content, code=code))


@settings(max_examples=80)
@given(texts, options)
def test_truncation_never_splits_a_block(text: str, given_options: dict[str, object]) -> None:
    whole = ContextPurifier(given_options, max_tokens=None, max_chars=None).purify(text).content
    result = ContextPurifier(given_options).purify(whole)
    offsets = {
        result.offsets.to_input(at): at
        for span in result.offsets.spans()
        if span.kept
        for at in range(span.start, span.end)
    }
    for span in protected_spans(whole):
        kept = [at for at in range(span.start, span.end) if at in offsets]
        assert len(kept) in (0, span.end - span.start)
        if kept:
            first = offsets[span.start]
            piece = result.content[first : first + len(kept)]
            assert piece == whole[span.start : span.end]
