"""How much of what a response says is literally in its source."""

from __future__ import annotations

import math
from itertools import pairwise

from vcplab.grounding.features.family import Family, share
from vcplab.grounding.features.held import Held, once

__all__ = ["COVERAGE", "unsupported_runs"]

_LOW = 0.5


def _measure(held: Held) -> tuple[float, ...]:
    tokens, support, weights, source = held.tokens, held.support, held.weights, held.source
    content = [at for at, token in enumerate(tokens) if token.content]
    keys = [token.key for token in tokens]
    present = [support[at] >= 1.0 for at in content]
    pairs = list(pairwise(keys))
    triples = list(zip(keys, keys[1:], keys[2:], strict=False))
    own = [keys[at] for at in content]
    content_pairs = list(pairwise(own))
    total = sum(weights)
    missing = sum(weights[at] for at in content if support[at] < _LOW)
    runs = unsupported_runs(held)
    lengths = [len(run) for run in runs]
    near = [link for at in content for link in held.near[at][1:]]
    return (
        share(sum(present), len(content), empty=1.0),
        share(total - missing, total, empty=1.0),
        share(sum(support[at] for at in content), len(content), empty=1.0),
        share(sum(pair in source.bigrams for pair in pairs), len(pairs), empty=1.0),
        share(sum(triple in source.trigrams for triple in triples), len(triples), empty=1.0),
        share(
            sum(pair in source.content_bigrams for pair in content_pairs),
            len(content_pairs),
            empty=1.0,
        ),
        math.log1p(max(lengths, default=0)),
        math.log1p(len(content) - sum(present)),
        math.log1p(sum(support[at] < _LOW for at in content)),
        math.log1p(len(runs)),
        share(sum(near), len(near), empty=1.0),
        min(near, default=1.0),
    )


@once
def unsupported_runs(held: Held) -> list[range]:
    """Runs of tokens whose content words the source lacks; function words inside go along."""
    runs: list[range] = []
    first = last = -1
    for at, token in enumerate(held.tokens):
        if not token.content:
            continue
        if held.support[at] < _LOW:
            if first < 0:
                first = at
            last = at
        elif first >= 0:
            runs.append(range(first, last + 1))
            first = -1
    if first >= 0:
        runs.append(range(first, last + 1))
    return runs


def _tokens(held: Held) -> list[tuple[float, ...]]:
    tokens, support, source, near = held.tokens, held.support, held.source, held.near
    keys = [token.key for token in tokens]
    count = len(keys)
    rows: list[tuple[float, ...]] = []
    runs = {at: len(run) for run in unsupported_runs(held) for at in run}
    for at, token in enumerate(tokens):
        before = at > 0 and (keys[at - 1], keys[at]) in source.bigrams
        after = at + 1 < count and (keys[at], keys[at + 1]) in source.bigrams
        inside = 0 < at < count - 1 and (keys[at - 1], keys[at], keys[at + 1]) in source.trigrams
        found = support[at]
        content = float(token.content)
        rows.append(
            (
                content,
                content * found,
                content * (found >= 1.0),
                content * (found == 0.0),
                (1.0 - content) * found,
                float(before),
                float(after),
                float(before and after),
                float(inside),
                near[at][0],
                near[at][1],
                min(near[at]),
                max(near[at]),
                math.log1p(runs.get(at, 0)),
                held.weights[at] * (found >= 1.0),
                math.log1p(len(source.postings.get(token.key, ()))) * content,
            )
        )
    return rows


COVERAGE = Family(
    "coverage",
    (
        "coverage", "coverage_weighted", "coverage_soft", "bigrams", "trigrams", "content_bigrams",
        "longest_run", "unsupported", "unkindred", "runs", "nearness", "nearness_min",
    ),
    _measure,
    (
        "content", "support", "exact", "absent", "function_found", "bigram_before",
        "bigram_after", "bigram_both", "trigram", "near_before", "near_after", "near_min",
        "near_max", "run_length", "weight", "frequency",
    ),
    _tokens,
)  # fmt: skip
"""Content-token, bigram and trigram precision, runs without support, and nearness."""
