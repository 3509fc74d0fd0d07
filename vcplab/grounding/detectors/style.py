"""False certainty, citations that cite nothing, overgeneralising: reported, never counted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from vcplab.grounding.detectors._references import find_references
from vcplab.grounding.detectors._sources import Protection, Stopwatch, abstain
from vcplab.protocol.grounding import Finding, Sample, Verdict

__all__ = ["STYLE_PATTERNS", "StyleDetector", "StyleHit", "find_style"]

#: What is looked for, by family; English words are whole words.
STYLE_PATTERNS: Final = {
    "certainty": re.compile(
        r"\b(?:definitely|certainly|undoubtedly|undeniably|unquestionably|obviously|clearly|"
        r"of course|without (?:a |any )?doubt|beyond (?:a |any )?doubt|no doubt|absolutely|"
        r"guaranteed|100 ?% (?:sure|certain|true|safe)|needless to say|it is a fact that)\b|"
        r"毫无疑问|毋庸置疑|无可置疑|无疑|不用说|绝对(?!值|零度|路径|地址|坐标|多数|温度|湿度|压力|误差)|"
        r"肯定(?!了|句|的是|地说|性|答|他|她)|必然(?!性)|必定|显然|显而易见|当然|百分之百|百分百|一定(?:会|是|能)",
        re.IGNORECASE,
    ),
    "citation": re.compile(
        r"\b(?:(?:many |some |several |numerous |recent |various )?"
        r"(?:studies|research|experts|scientists|researchers|scholars|analysts|statistics|surveys|"
        r"reports|sources) (?:have |has |all |clearly )?"
        r"(?:shown?|shows|proven?|proves?|say|says|suggests?|indicates?|confirm(?:s|ed)?|agree[sd]?|"
        r"believe|found|reveal(?:s|ed)?)|"
        r"according to (?:some |many |various |recent )?(?:studies|research|experts|reports|"
        r"scientists|statistics|sources)|"
        r"it is (?:well[ -])?(?:known|established|documented) that|"
        r"it is (?:widely|generally|commonly) (?:known|accepted|believed|agreed)|"
        r"as (?:everyone|everybody|we all) knows?)\b|"
        r"众所周知|大家都知道|"
        r"(?:有|多项|大量|许多|最新|相关|一些|不少)?(?:研究|专家|数据|调查|报告|科学家|学者|统计|资料)"
        r"(?:们)?(?:都|已经?|普遍|一致)?(?:表明|显示|证明|指出|认为|证实|发现|表示)|"
        r"据(?:有关|相关)?(?:研究|专家|统计|报道|调查|资料|悉|说)",
        re.IGNORECASE,
    ),
    "generalisation": re.compile(
        r"\b(?:always|never|every(?:one|body)|no ?body|no one|all (?:of (?:them|us|you)|people|"
        r"experts|scientists|users|women|men|children)|none of them|every single|"
        r"without exception|in (?:all|every) cases?|everything is|nothing ever|"
        r"the (?:best|only) way to)\b|"
        r"所有人|所有的人|每个人|人人都|任何人都|没有人|无一例外|从来不|从来没有|从不|永远|总是|"
        r"全都|一概|无论什么|无论如何都|世界上最|史上最",
        re.IGNORECASE,
    ),
}
_REASONS: Final = {
    "certainty": "“{}” claims certainty; it does not say why.",
    "citation": "“{}” appeals to somebody who is not named.",
    "generalisation": "“{}” leaves no exception.",
}
_NAMES: Final = (*(f"style.{family}" for family in STYLE_PATTERNS), "style.hits")
_WHY: Final = "Style says nothing about truth."
# A named source nearby makes an appeal to studies a citation.
_CITED: Final = 60


class StyleHit(NamedTuple):
    """A turn of phrase.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last.
        family: ``certainty``, ``citation`` or ``generalisation``.
        text: The characters.
    """

    start: int
    end: int
    family: str
    text: str


def find_style(text: str) -> list[StyleHit]:
    """The turns of phrase of a text, in order; none in code, quotations or titles.

    An appeal to studies, experts or reports does not count where a number, an author with a year,
    an address or a title follows in the same sentence.

    Args:
        text: Any string, Chinese or English.
    """
    return sorted(_hits(text))


def _hits(text: str) -> Iterator[StyleHit]:
    protection = Protection(text)
    references = find_references(text)
    quoted = [(one.start, one.end) for one in references if one.kind in ("quote", "title")]
    cited = [one.start for one in references if one.kind != "quote"]
    for family, pattern in STYLE_PATTERNS.items():
        for match in pattern.finditer(text):
            start, end = match.span()
            if start in protection or any(a <= start < b for a, b in quoted):
                continue
            if family == "citation" and any(
                end <= at <= end + _CITED and not re.search(r"[。！？\n]|\. ", text[end:at])
                for at in cited
            ):
                continue
            yield StyleHit(start, end, family, match[0])


class StyleDetector:
    """Reports turns of phrase that the original suppressor took for hallucinations.

    On real answers they tell nothing: AUROC .483 on 450 answers of RAGTruth
    (facts/hallucination §0).  So every finding has ``p=None`` and every verdict abstains;
    the counts are features (``style.certainty``, ``style.citation``, ``style.generalisation``,
    ``style.hits``) that a fitted `CombinedDetector` may weigh.
    """

    name = "style"
    calibrated = False
    names = _NAMES
    fingerprint = "style-1"

    def __repr__(self) -> str:
        return "StyleDetector()"

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A verdict without a probability for each sample.

        Args:
            samples: Responses.
        """
        verdicts: list[Verdict] = []
        for sample in samples:
            watch = Stopwatch()
            hits = find_style(sample.response)
            counts = [float(sum(h.family == family for h in hits)) for family in STYLE_PATTERNS]
            features = dict(zip(_NAMES, [*counts, float(len(hits))], strict=True))
            findings = tuple(
                Finding(
                    hit.start, hit.end, None, f"style.{hit.family}",
                    _REASONS[hit.family].format(hit.text), severity="low",
                )
                for hit in hits
            )  # fmt: skip
            said = abstain(_WHY, watch, features)
            verdicts.append(Verdict(None, findings, features=features, abstained=_WHY, ms=said.ms))
        return verdicts
