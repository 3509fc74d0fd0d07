"""How fast answers are read: milliseconds per megabyte, and how the time grows with the text.

Run ``python benchmarks/bench_protocol.py``. The budget is 10 ms per MB with 200 requests per MB and
all rules on, and ten times the time for eight times the text, also on texts made to be slow.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from vcplab.protocol.requests import RequestStream, VCPProtocolParser

REQUESTS_PER_MB = 200
WORDS = [
    "the",
    "budget",
    "of",
    "last",
    "Friday",
    "was",
    "discussed",
    "again",
    "and",
    "nobody",
    "could",
    "say",
    "who",
    "had",
    "asked",
]
SENTENCES = ["今天和小张讨论了预算。", "上周五的会议没有结果。", "晚上写日记,早点睡。"]


def answers(megabytes: int, chinese: bool) -> str:
    """Prose with reasoning, plain and opaque values: ``REQUESTS_PER_MB`` requests per megabyte."""
    chance = random.Random(7)
    parts = []
    for number in range(REQUESTS_PER_MB * megabytes):
        request = (
            "<think>Which tool?</think><<<[TOOL_REQUEST]>>>\nmaid:「始」Nova「末」,\n"
            f"tool_name:「始」SciCalculator「末」,\nexpression:「始」{number}+1「末」,\n"
            "note:「始ESCAPE」a 「末」 inside「末ESCAPE」\n<<<[END_TOOL_REQUEST]>>>\n"
        )
        parts.append(request)
        room = 1_000_000 // REQUESTS_PER_MB - len(request.encode())
        while room > 0:
            text = chance.choice(SENTENCES) if chinese else f"{chance.choice(WORDS)} "
            parts.append(text)
            room -= len(text.encode())
    return "".join(parts)


HOSTILE: dict[str, str] = {
    "start marks": "<<<[TOOL_REQUEST]>>>",
    "end marks": "<<<[END_TOOL_REQUEST]>>>",
    "empty blocks": "<<<[TOOL_REQUEST]>>><<<[END_TOOL_REQUEST]>>>",
    "「始」": "「始」",
    "k:「始」": "k:「始」",
    "「始ESCAPE」": "「始ESCAPE」",
    "opaque values": "<<<[TOOL_REQUEST]>>>「始ESCAPE」x「末ESCAPE」",
    "<think>": "<think>",
    "empty thoughts": "a<think></think>",
    "<think without end": "<think ",
    "<": "<",
}


def cpu(work: Callable[[], object], rounds: int = 7) -> float:
    """CPU seconds of the least disturbed round."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def streamed(text: str, size: int) -> None:
    """Feed it in chunks of a size."""
    stream = RequestStream()
    for start in range(0, len(text), size):
        stream.feed(text[start : start + size])
    stream.close()


def main() -> None:
    strict, fuzzy = VCPProtocolParser(), VCPProtocolParser(fuzzy=True)
    print("ms per MB                      1 MB     8 MB   growth")
    for language, chinese in (("English", False), ("Chinese", True)):
        small, large = answers(1, chinese), answers(8, chinese)
        assert len(strict.parse(small).requests) == REQUESTS_PER_MB
        for name, parser in (("strict", strict), ("fuzzy", fuzzy)):
            one, eight = (cpu(lambda t=t, p=parser: p.parse(t)) for t in (small, large))
            label = f"{language}, {name}"
            print(f"{label:26} {one * 1e3:8.1f} {eight * 125:8.1f} {eight / one:8.1f}")
        one, eight = (cpu(lambda t=t: streamed(t, 4), 2) for t in (small, large))
        label = f"{language}, 4 characters a time"
        print(f"{label:26} {one * 1e3:8.1f} {eight * 125:8.1f} {eight / one:8.1f}")
    print("\nhostile texts: ms for 1 and 8 MB, and the growth (worst of four settings)")
    for name, unit in HOSTILE.items():
        worst = (0.0, 0.0, 0.0)
        for before, after in (
            ("", ""),
            ("<<<[TOOL_REQUEST]>>>a:「始」x「末」", "<<<[END_TOOL_REQUEST]>>>"),
        ):
            for parser in (strict, fuzzy):
                times = []
                for megabytes in (1, 8):
                    text = before + unit * (megabytes * 1_000_000 // len(unit.encode())) + after
                    times.append(cpu(lambda t=text, p=parser: p.parse(t), 3))
                worst = max(worst, (times[1] / times[0], *times))
        print(f"{name:26} {worst[1] * 1e3:8.1f} {worst[2] * 1e3:8.1f} {worst[0]:8.1f}")


if __name__ == "__main__":
    main()
