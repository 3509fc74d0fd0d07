"""Citations and quotations, held against the sources that they claim to come from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

from vcplab.grounding.claims import EvidenceFinder, sentences_of
from vcplab.grounding.detectors._attribution import find_swaps
from vcplab.grounding.detectors._references import (
    Reference,
    bare_url,
    find_references,
    numbered_entries,
    speakers,
    squeezed,
)
from vcplab.grounding.detectors._sources import (
    Protection,
    Source,
    Stopwatch,
    abstain,
    combined_p,
    severity_of,
    sources_of,
)
from vcplab.protocol.grounding import Evidence, Finding, HallucinationType, Sample, Verdict

__all__ = ["CitationDetector"]

# Set by judgement; quotations as measured for `lexical.quote` (.59 to .68 on news and articles).
_P: Final = {
    "citation.number": 0.85,
    "citation.misplaced": 0.5,
    "citation.author": 0.7,
    "citation.year": 0.75,
    "citation.url": 0.8,
    "citation.doi": 0.85,
    "citation.title": 0.55,
    "citation.quote": 0.6,
    "citation.wording": 0.5,
    "citation.speaker": 0.8,
    "citation.swap": 0.7,
}
_RULES: Final = {
    "url": "citation.url", "doi": "citation.doi", "title": "citation.title",
    "quote": "citation.quote", "author": "citation.author", "number": "citation.number",
}  # fmt: skip
_NAMES: Final = (
    "citation.references",
    "citation.absent",
    *(f"{rule}s" for rule in _P),
)
# Quoted words of which fewer letters remain are irony or terms, not quotations.
_SHORT: Final = 8
_SHORT_HAN: Final = 4
_SIMILAR: Final = 0.75
_NEAR: Final = 80
_ELSEWHERE: Final = 0.6
_HERE: Final = 0.2
_PRONOUNS: Final = re.compile(
    r"(?:he|she|they|it|i|we|you|one|the|他|她|它|他们|她们|我|我们|你|有人|大家|其|并|还|也|又|则|后来|随后)",
    re.IGNORECASE,
)


class CitationDetector:
    """Finds citations that lead nowhere and quotations that nobody said.

    ===================== ======================================================================
    rule                  what is wrong
    ===================== ======================================================================
    ``citation.number``   ``[4]`` where there are three sources
    ``citation.misplaced`` ``[1]`` behind a sentence that another source supports, and this not
    ``citation.author``   ``(Smith, 2020)`` where no source names Smith
    ``citation.year``     a source names Smith, beside another year
    ``citation.url``      an address, ``citation.doi`` a DOI, ``citation.title`` a 《title》 that no
                          source has
    ``citation.quote``    a quotation that no source has; ``citation.wording`` one that is close
                          to what a source has
    ``citation.speaker``  a quotation that a source gives to somebody else
    ``citation.swap``     a quotation or title beside words that a source has around another one
    ===================== ======================================================================

    A response that cites nothing is abstained from, and so is one without sources.  The
    probability is one minus the product of the findings' chances of being right, not calibrated;
    `CombinedDetector` does that.  Code is not looked at.

    Args:
        use_history: Whether what was said before counts as a source.
    """

    name = "citation"
    calibrated = False
    names = _NAMES

    def __init__(self, *, use_history: bool = True) -> None:
        self.use_history = use_history
        self._finder = EvidenceFinder(k=1, width=1)

    def __repr__(self) -> str:
        return f"CitationDetector(use_history={self.use_history})"

    @property
    def fingerprint(self) -> str:
        """Changes whenever some verdict would change."""
        return f"citation-1:{self.use_history:d}"

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A verdict for each sample.

        Args:
            samples: Responses with their contexts.
        """
        return [self._detect(sample) for sample in samples]

    def _detect(self, sample: Sample) -> Verdict:
        watch = Stopwatch()
        protection = Protection(sample.response)
        references = [
            one
            for one in find_references(sample.response)
            if one.start not in protection and not _is_scare_quote(one)
        ]
        if not references:
            return abstain("The response cites nothing.", watch)
        sources = sources_of(sample, history=self.use_history)
        if not sources:
            return abstain("There is no source to hold the citations against.", watch)
        held = _Library(sample, sources)
        findings = sorted(self._findings(sample, references, held), key=lambda one: one.start)
        counts = [sum(one.rule == rule for one in findings) for rule in _P]
        values = [len(references), sum(counts), *counts]
        features = {name: float(value) for name, value in zip(_NAMES, values, strict=True)}
        p = combined_p(findings)
        return Verdict(p=p, findings=tuple(findings), features=features, raw=p, ms=watch.ms)

    def _findings(
        self, sample: Sample, references: Sequence[Reference], held: _Library
    ) -> Iterator[Finding]:
        for one in references:
            if one.kind == "number":
                yield from self._check_number(sample, one, held)
            elif one.kind == "author":
                yield from _check_author(one, held)
            elif one.kind in ("url", "doi", "title") and not held.has(one):
                yield _finding(_RULES[one.kind], one, f"No source has “{one.text}”.")
        wrong = list(self._check_quotes(sample, references, held))
        yield from wrong
        # A speaker who is named wrongly has been found already.
        if not any(finding.rule == "citation.speaker" for finding in wrong):
            yield from self._check_swaps(sample, references, held)

    def _check_swaps(
        self, sample: Sample, references: Sequence[Reference], held: _Library
    ) -> Iterator[Finding]:
        present = [one for one in references if one.kind in ("quote", "title") and held.has(one)]
        for swap in find_swaps(sample.response, present, held.sources, self._finder.analyzer):
            proof = swap.source.evidence(swap.start, swap.end)
            yield _finding(
                "citation.swap",
                swap.reference,
                f"The source has it here: “{proof.text}”.",
                (proof,),
            )

    def _check_number(self, sample: Sample, one: Reference, held: _Library) -> Iterator[Finding]:
        outside = [number for number in one.parts if int(number) not in held.numbers]
        if outside and not held.has_words(one.text):
            yield _finding(
                "citation.number", one, f"There is no source {outside[0]}, only {held.range}."
            )
        elif not outside and not held.own_numbers and len(sample.context) > 1:
            yield from self._check_place(sample, one, held)

    def _check_place(self, sample: Sample, one: Reference, held: _Library) -> Iterator[Finding]:
        """Whether the cited source, of several, is the one that speaks of the sentence."""
        sentence = next(
            (s for s in sentences_of(sample.response) if s.start <= one.start < s.end), None
        )
        if sentence is None:
            return
        terms = set(self._finder.analyzer.analyze_query(_NUMBER.sub("", sentence.text)))
        if len(terms) < 4:
            return
        shares = [
            len(terms & held.terms(number, self._finder)) / len(terms)
            for number in range(len(sample.context))
        ]
        cited = max(shares[int(number) - 1] for number in one.parts)
        best = max(range(len(shares)), key=lambda number: shares[number])
        if cited <= _HERE and shares[best] >= _ELSEWHERE:
            proof = self._finder.find(sentence.text, sample.context)
            yield _finding(
                "citation.misplaced", one, f"Source {best + 1} says this, not “{one.text}”.",
                tuple(proof), suggestion=f"{one.text[0]}{best + 1}{one.text[-1]}",
            )  # fmt: skip

    def _check_quotes(
        self, sample: Sample, references: Sequence[Reference], held: _Library
    ) -> Iterator[Finding]:
        text = sample.response
        quotes = [one for one in references if one.kind == "quote"]
        said = {one.start: one for one in speakers(text, [(q.start, q.end) for q in quotes])}
        for one in quotes:
            place = held.find_words(one.text)
            if place is None:
                near = held.similar(one.text, self._finder)
                if near is None:
                    yield _finding("citation.quote", one, "No source has this wording.")
                else:
                    yield _finding(
                        "citation.wording", one, f"The source says “{near.text}”.", (near,),
                        suggestion=near.text,
                    )  # fmt: skip
                continue
            who = said.get(one.start)
            if who is None or _PRONOUNS.fullmatch(who.speaker):
                continue
            others = held.speakers_of(one.text)
            if others and not any(_same_person(who.speaker, other) for other in others):
                source, start, end = place
                p = _P["citation.speaker"]
                yield Finding(
                    who.speaker_start, who.speaker_end, p, "citation.speaker",
                    f"The source has {others[0]} say “{one.text}”.", "attribution",
                    severity_of(p), (source.evidence(start, end),), others[0],
                )  # fmt: skip


_NUMBER: Final = re.compile(r"[\[［【〔][0-9\s,，、–-]+[\]］】〕]")


class _Library:
    """The sources of a sample, ready to be looked into."""

    def __init__(self, sample: Sample, sources: Sequence[Source]) -> None:
        self.sources = list(sources)
        own = numbered_entries(sample.response)
        for source in self.sources:
            own |= numbered_entries(source.text)
        # A list of references, in the response or a source, says itself which numbers there are.
        self.own_numbers = bool(own)
        self.numbers = own or set(range(1, len(sample.context) + 1))
        self.range = f"{min(self.numbers)} to {max(self.numbers)}" if self.numbers else "none"
        self._lower = [source.text.lower() for source in self.sources]
        self._squeezed = [squeezed(source.text) for source in self.sources]
        self._urls = {
            bare_url(one.text)
            for source in self.sources
            for one in find_references(source.text)
            if one.kind == "url"
        }
        self._terms: dict[int, set[str]] = {}
        self._context = sample.context

    def terms(self, number: int, finder: EvidenceFinder) -> set[str]:
        """The terms of a text of the context."""
        if number not in self._terms:
            index = finder.index(self._context[number])
            self._terms[number] = {term for count in index.terms for term in count}
        return self._terms[number]

    def has_words(self, text: str) -> bool:
        """Whether a source has these characters, case aside."""
        return any(text.lower() in lower for lower in self._lower)

    def has(self, one: Reference) -> bool:
        """Whether a source has an address, a DOI or a title."""
        if one.kind == "url":
            url = bare_url(one.text)
            # A shorter address is the beginning of a longer one.
            return self.has_words(one.text) or any(
                known == url or known.startswith((f"{url}/", f"{url}?", f"{url}#"))
                for known in self._urls
            )
        if one.kind == "doi":
            return self.has_words(one.text)
        words = squeezed(one.text)
        return not words or any(words in known for known in self._squeezed)

    def find_words(self, text: str) -> tuple[Source, int, int] | None:
        """Where a source has a wording, case, space and punctuation aside."""
        words = squeezed(text)
        if not words:
            return None
        pattern: re.Pattern[str] | None = None
        for source, known in zip(self.sources, self._squeezed, strict=True):
            if words not in known:
                continue
            pattern = pattern or re.compile(r"[\W_]*".join(map(re.escape, words)), re.IGNORECASE)
            match = pattern.search(source.text)
            return (source, *match.span()) if match else (source, 0, len(source.text))
        return None

    def similar(self, text: str, finder: EvidenceFinder) -> Evidence | None:
        """The piece of a source that a wording is close to."""
        found = finder.find(text, [source.text for source in self.sources])
        if not found:
            return None
        source = self.sources[found[0].source]
        quoted = [
            (source, one)
            for source in self.sources
            for one in find_references(source.text)
            if one.kind == "quote"
        ]
        words = squeezed(text)
        pieces = [(source, one.start, one.end) for source, one in quoted]
        pieces.append((source, found[0].start, found[0].end))
        best = max(
            pieces,
            key=lambda piece: _ratio(words, squeezed(piece[0].text[piece[1] : piece[2]])),
        )
        score = _ratio(words, squeezed(best[0].text[best[1] : best[2]]))
        return best[0].evidence(best[1], best[2], score) if score >= _SIMILAR else None

    def speakers_of(self, text: str) -> list[str]:
        """Whom the sources have say a wording; empty where they do not tell."""
        words = squeezed(text)
        names: list[str] = []
        for source, known in zip(self.sources, self._squeezed, strict=True):
            if words not in known:
                continue
            quotes = [
                (one.start, one.end)
                for one in find_references(source.text)
                if one.kind == "quote" and words in squeezed(one.text)
            ]
            told = speakers(source.text, quotes)
            if len(told) < len(quotes) or not quotes:
                return []
            names += [one.speaker for one in told]
        return [name for name in names if not _PRONOUNS.fullmatch(name)]

    def near(self, name: str, year: str) -> tuple[bool, str | None]:
        """Whether a name stands in a source, and a year beside it: the one asked for, if it can."""
        beside: str | None = None
        named = False
        for source in self.sources:
            for match in re.finditer(rf"(?<!\w){re.escape(name)}", source.text, re.IGNORECASE):
                named = True
                around = source.text[max(0, match.start() - _NEAR) : match.end() + _NEAR]
                years = re.findall(r"(?<![0-9])(?:1[5-9]|20)[0-9]{2}(?![0-9])", around)
                if year in years:
                    return True, year
                beside = beside or next(iter(years), None)
        return named, beside


def _check_author(one: Reference, held: _Library) -> Iterator[Finding]:
    name, year = one.parts
    named, beside = held.near(name, year)
    if not named:
        yield _finding("citation.author", one, f"No source names {name}.")
    elif beside is not None and beside != year:
        yield _finding("citation.year", one, f"The source has {name} beside {beside}.")


def _is_scare_quote(one: Reference) -> bool:
    if one.kind != "quote":
        return False
    words = squeezed(one.text)
    return len(words) < (_SHORT if words.isascii() else _SHORT_HAN)


def _ratio(words: str, other: str) -> float:
    if not words or not other or len(other) > 3 * len(words):
        return 0.0
    return SequenceMatcher(None, words, other, autojunk=False).ratio()


def _same_person(one: str, other: str) -> bool:
    """Whether two names share a word, or one Chinese name is in the other."""
    a, b = one.lower().strip(), other.lower().strip()
    if not (a.isascii() and b.isascii()):
        return a in b or b in a or a[-2:] == b[-2:]
    skipped = {"the", "a", "an", "mr", "mrs", "ms", "dr", "sir"}
    return bool((set(re.findall(r"\w+", a)) & set(re.findall(r"\w+", b))) - skipped)


def _finding(
    rule: str,
    one: Reference,
    reason: str,
    evidence: tuple[Evidence, ...] = (),
    suggestion: str | None = None,
) -> Finding:
    p = _P[rule]
    kind: HallucinationType = "attribution"
    return Finding(one.start, one.end, p, rule, reason, kind, severity_of(p), evidence, suggestion)
