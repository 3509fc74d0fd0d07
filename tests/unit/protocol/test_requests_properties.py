"""What holds for every text: against the oracle, for any chunking, there and back."""

from __future__ import annotations

import itertools
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.protocol import oracle
from vcplab.core.errors import InvalidInputError, StateError, VCPErrorCode
from vcplab.protocol.requests import (
    ParserConfig,
    PlainText,
    RequestStream,
    Skipped,
    ToolRequest,
    VCPProtocolParser,
)

# A tenth in every run; all of them with `make slow`.
EXAMPLES = 1_000
ALL_EXAMPLES = 10_000

# fmt: off
FRAGMENTS = [
    "<<<[TOOL_REQUEST]>>>", "<<<[END_TOOL_REQUEST]>>>", "「始」", "「末」",
    "「始ESCAPE」", "「末ESCAPE」", "{始escape}", "{末Escape」", "<think>",
    "</think>", "<THINKING a=1>", "< / thinking >", "<think",
    "tool_name", "tool_name:「始」T「末」", "a:「始」1「末」", "archery:「始」true「末」",
    "maid:「始」N「末」", "valet:「始」V「末」", "<<[TOOL_REQUEST]>>",
    "<<<<[end_tool_request]>>>>", "{始}", "{末}", "「始x」", "「末y」",
    "<<<[TOOL_REQUEST_ESCAPE]>>>", "a", ":", "：", ",", "\n", " ", "<",
    ">", "<<", ">>", "[", "]", "城", "k_1", "\u3000", "\x1c", "{", "」",
    "始", "<<<[TOOL_", "REQUEST]>>>", "<thi", "nk>", "ESC", "APE」",
]
# fmt: on
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join)


def chunked(text: str, cuts: list[int]) -> list[str]:
    places = sorted({cut % (len(text) + 1) for cut in cuts} | {0, len(text)})
    return [text[a:b] for a, b in itertools.pairwise(places)] or [""]


def streamed(chunks: list[str], config: ParserConfig) -> tuple[list[ToolRequest], str, list[str]]:
    requests, shown, reasons = [], "", []
    for piece in RequestStream(config).iterate(chunks):
        if isinstance(piece, ToolRequest):
            requests.append(piece)
        elif isinstance(piece, PlainText):
            shown += piece.text
        elif isinstance(piece, Skipped):
            reasons.append(piece.reason)
    return requests, shown, sorted(reasons)


def check_oracle(text: str, fuzzy: bool) -> None:
    answer = VCPProtocolParser(fuzzy=fuzzy).parse(text)
    found = [(r.name, dict(r.args), r.archery) for r in answer.requests]
    assert (found, answer.text) == oracle.read(text, fuzzy=fuzzy)
    for request in answer.requests:
        assert request.span is not None
        assert oracle.visible(text[slice(*request.span)]) == request.raw_text


def check_chunking(text: str, cuts: list[int], fuzzy: bool) -> None:
    config = ParserConfig(fuzzy=fuzzy)
    answer = VCPProtocolParser(config).parse(text)
    requests, shown, reasons = streamed(chunked(text, cuts), config)
    assert requests == list(answer.requests)
    assert [r.span for r in requests] == [r.span for r in answer.requests]
    assert shown == answer.text
    assert reasons == sorted(skipped.reason for skipped in answer.skipped)
    # Every character shown is plain text of the whole, in its place, at any moment.
    so_far = ""
    stream = RequestStream(config)
    for chunk in chunked(text, cuts):
        so_far += "".join(p.text for p in stream.feed(chunk) if isinstance(p, PlainText))
        assert answer.text.startswith(so_far)


@given(texts, st.booleans())
@settings(max_examples=EXAMPLES)
def test_like_the_oracle(text: str, fuzzy: bool) -> None:
    check_oracle(text, fuzzy)


@given(texts, st.lists(st.integers(0, 10**6), max_size=40), st.booleans())
@settings(max_examples=EXAMPLES)
def test_any_chunking_is_the_whole(text: str, cuts: list[int], fuzzy: bool) -> None:
    check_chunking(text, cuts, fuzzy)


@pytest.mark.slow
@given(texts, st.booleans())
@settings(max_examples=ALL_EXAMPLES)
def test_like_the_oracle_often(text: str, fuzzy: bool) -> None:
    check_oracle(text, fuzzy)


@pytest.mark.slow
@given(texts, st.lists(st.integers(0, 10**6), max_size=40), st.booleans())
@settings(max_examples=ALL_EXAMPLES)
def test_any_chunking_is_the_whole_often(text: str, cuts: list[int], fuzzy: bool) -> None:
    check_chunking(text, cuts, fuzzy)


@given(texts)
def test_character_by_character(text: str) -> None:
    check_chunking(text, list(range(len(text))), False)


values = st.one_of(st.lists(st.sampled_from(FRAGMENTS), max_size=6).map("".join), st.text())
keys = st.one_of(
    st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=8),
    st.sampled_from(["城", "a b", "", "a-b", "maid"]),
)


@given(values, st.dictionaries(keys, values, max_size=4), st.booleans(), st.booleans(), values)
@settings(max_examples=EXAMPLES)
def test_there_and_back(
    name: str, args: dict[str, str], archery: bool, ink: bool, river: str
) -> None:
    args = {key: value for key, value in args.items() if key != "valet"}
    try:
        request = ToolRequest(name, args, archery=archery, ink=ink, river=river or None)
    except InvalidInputError:
        assert set(args) & {"archery", "ink", "river", "vref"}
        return
    parser = VCPProtocolParser()
    texts = [name, *args.values(), river]
    representable = (
        bool(name)
        and all(key.isascii() and key.replace("_", "a").isalnum() for key in args)
        and all(text == text.strip(oracle.SPACE) for text in texts)
        and all(oracle.visible(text) == text and "think" not in text.lower() for text in texts)
        and all("escape" not in text.lower() for text in texts)
    )
    try:
        written = parser.format_tool_request(request)
    except InvalidInputError as error:
        refused = error
    else:
        refused = None
    if refused is not None:
        assert not representable
        assert refused.code is VCPErrorCode.INVALID_PROTOCOL
        assert "character" in refused.details
        return
    assert parser.parse_tool_requests(written) == [request]
    found, plain = oracle.read(written)
    assert (found, plain) == ([(name, args, archery)], "")
    assert VCPProtocolParser(fuzzy=True).parse_tool_requests(written) == [request]


def test_bytes_cut_inside_a_character() -> None:
    text = "你<<<[TOOL_REQUEST]>>>tool_name:「始」天气「末」<<<[END_TOOL_REQUEST]>>>好"
    pieces = list(RequestStream().iterate([bytes([byte]) for byte in text.encode()]))
    assert "".join(p.text for p in pieces if isinstance(p, PlainText)) == "你好"
    assert [p.name for p in pieces if isinstance(p, ToolRequest)] == ["天气"]


def test_a_request_is_given_as_soon_as_it_closes() -> None:
    stream = RequestStream()
    before = stream.feed("ok <<<[TOOL_REQUEST]>>>tool_name:「始」T「末」<<<[END_TOOL_REQUEST]>>")
    assert before == [PlainText("ok ")]
    assert [type(piece) for piece in stream.feed(">")] == [ToolRequest]


def test_only_what_may_become_a_mark_is_held_back() -> None:
    stream = RequestStream()
    assert stream.feed("a < b, x <<") == [PlainText("a < b, x ")]
    assert stream.feed(" y") == [PlainText("<< y")]


def test_a_closed_stream_takes_no_more() -> None:
    stream = RequestStream()
    stream.close()
    assert stream.close() == []
    with pytest.raises(StateError):
        stream.feed("x")
    with pytest.raises(InvalidInputError):
        RequestStream().feed(5)  # type: ignore[arg-type]


def test_async_chunks() -> None:
    import asyncio
    from collections.abc import AsyncIterator

    async def chunks() -> AsyncIterator[str]:
        for chunk in (
            "<<<[TOOL_",
            "REQUEST]>>>tool_name:「始」T「末」",
            "<<<[END_TOOL_REQUEST]>>>",
        ):
            yield chunk

    async def collect() -> list[str]:
        return [
            p.name async for p in RequestStream().aiterate(chunks()) if isinstance(p, ToolRequest)
        ]

    assert asyncio.run(collect()) == ["T"]
