"""Detection and suppression of hallucinations on SummEdits, WiCE and the bundled pairs.

    python benchmarks/bench_hallucination.py --data ../shared/data
    python benchmarks/bench_hallucination.py --only bundled

Thresholds, penalties and calibrations come from held-out scores of the training side (for
SummEdits the other seven domains, for WiCE the dev and train files, for the bundled pairs their
train and dev splits); the tests are scored once. Ablations are run on SummEdits' domains and inside
WiCE's training files, never on its tests. The model that comes with the package is made and
measured by ``fit_grounding.py``; here it is scored on the bundled test split alone, which it never
saw.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path

import hallucination_sides as sides
import numpy as np
from measure import load_line, verdict
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from vcplab.evaluation.datasets import load_grounding
from vcplab.evaluation.detection.baselines import StyleOnly
from vcplab.evaluation.statistics import expected_calibration_error
from vcplab.grounding.aggregation import Aggregator, fit_logistic
from vcplab.grounding.aggregation.logistic import STRENGTHS
from vcplab.grounding.detectors.lexical import CANDIDATES, SCHEMA, LexicalDetector
from vcplab.grounding.detectors.tokens import TokenDetector
from vcplab.grounding.features import FAMILIES, GROUNDED, feature_names
from vcplab.grounding.features.numbers import check_numbers
from vcplab.protocol.grounding import Sample
from vcplab.text.quantities import find_quantities

DOMAINS = (
    "ectsum", "news", "podcast", "qmsumm", "sales_call", "sales_email", "samsum", "scitldr",
)  # fmt: skip
SECTIONS = (
    "summedits", "claims", "spans", "numbers", "speed", "bundled", "suppression", "resume",
)  # fmt: skip


@dataclass
class Table:
    """Samples with everything that is measured of them."""

    samples: list[Sample]
    x: np.ndarray
    y: np.ndarray
    groups: list[str]
    style: np.ndarray

    def part(self, rows) -> Table:
        """Some of the rows."""
        rows = np.flatnonzero(rows)
        return Table(
            [self.samples[row] for row in rows],
            self.x[rows],
            self.y[rows],
            [self.groups[row] for row in rows],
            self.style[rows],
        )


NAMES = feature_names(tuple(FAMILIES))
FAMILY = np.array([name.partition(".")[0] for name in NAMES])
LEXICAL = np.isin(FAMILY, GROUNDED)
LENGTH = np.array([name == "lengths.length" for name in NAMES])


# -- data -----------------------------------------------------------------------------------------


def read_summedits(folder: Path) -> list[Sample]:
    return list(load_grounding(folder / "summedits", "summedits", strict=True))


def read_wice(folder: Path, split: str) -> list[Sample]:
    return list(load_grounding(folder / "wice", "wice", split=split, strict=True))


def read_wice_spans(folder: Path, *splits: str) -> list[Sample]:
    data = load_grounding(folder / "wice", "wice_spans", strict=True)
    return [sample for split in splits for sample in data.split_named(split)]


def table(samples: list[Sample]) -> Table:
    detector = LexicalDetector(tuple(FAMILIES), aggregator=None)
    rows = [detector.features(sample) for sample in samples]
    assert all(row is not None for row in rows)
    style = [verdict.raw for verdict in StyleOnly().detect(samples)]
    return Table(
        samples,
        np.array(rows),
        np.array([bool(sample.label) for sample in samples]),
        [sample.group for sample in samples],
        np.array(style, dtype=float),
    )


# -- figures --------------------------------------------------------------------------------------


def ece(p, y) -> float:
    """Expected calibration error in ten bins of equal width."""
    return float(expected_calibration_error(y.astype(float), p))


def interval(statistic, groups, *arrays, rounds: int = 400) -> str:
    """95 % by bootstrap over groups."""
    rng = np.random.default_rng(0)
    names, place = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(place == one) for one in range(len(names))]
    values = []
    for _ in range(rounds):
        rows = np.concatenate([members[one] for one in rng.integers(0, len(names), len(names))])
        if 0 < arrays[0][rows].sum() < len(rows):
            values.append(statistic(*(array[rows] for array in arrays)))
    low, high = np.percentile(values, [2.5, 97.5])
    return f"[{low:.3f}, {high:.3f}]"


def fit(part: Table, columns, groups=None, strengths=STRENGTHS) -> Aggregator:
    names = [name for name, used in zip(NAMES, columns, strict=True) if used]
    own = part.groups if groups is None else groups
    return Aggregator.fit(
        part.x[:, columns], part.y, own, names=names, schema=SCHEMA, strengths=strengths, folds=7
    )


def chosen(part: Table, groups=None) -> tuple[Aggregator, np.ndarray]:
    """The model of the candidate families with the lowest held-out log-loss in training."""
    fits = [
        (fit(part, np.isin(FAMILY, families), groups), np.isin(FAMILY, families))
        for families in CANDIDATES
    ]
    return min(fits, key=lambda pair: pair[0].facts["loss"])


def show(name: str, y, p, said, groups, calibrated: bool = True) -> None:
    same = np.ptp(p) == 0
    auroc = 0.5 if same else roc_auc_score(y, p)
    bounds = "" if same else interval(roc_auc_score, groups, y, p)
    print(
        f"  {name:24} AUROC {auroc:.3f} {bounds:15} BAcc {balanced_accuracy_score(y, said):.3f} "
        f"F1 {f1_score(y, said):.3f}" + (f" ECE {ece(p, y):.3f}" if calibrated else "")
    )


# -- sections -------------------------------------------------------------------------------------


def leave_one_out(data: Table, domain, columns=None, strengths=STRENGTHS):
    """Probabilities and decisions for each domain by a model of the others.

    Without columns the families, too, are chosen among the other domains.
    """
    p, said = np.zeros(len(data.y)), np.zeros(len(data.y), dtype=bool)
    for one in DOMAINS:
        outside = domain == one
        others, groups = data.part(~outside), list(domain[~outside])
        if columns is None:
            model, used = chosen(others, groups)
        else:
            model, used = fit(others, columns, groups, strengths), columns
        p[outside] = model.probabilities(data.x[outside][:, used])
        said[outside] = p[outside] >= model.threshold
    return p, said


def by_domain(statistic, y, values, domain) -> float:
    return float(np.mean([statistic(y[domain == one], values[domain == one]) for one in DOMAINS]))


def summedits(folder: Path) -> None:
    data = table(read_summedits(folder))
    domain = np.array([sample.meta["domain"] for sample in data.samples])
    y = data.y
    print(f"SummEdits, leave one domain out: n={len(y)}, {y.mean():.1%} hallucinated")
    show("always positive", y, np.ones(len(y)), np.ones(len(y), bool), data.groups, False)
    show("length only", y, *leave_one_out(data, domain, LENGTH), data.groups)
    styled = Table(data.samples, data.style[:, None], y, data.groups, data.style)
    p, said = np.zeros(len(y)), np.zeros(len(y), dtype=bool)
    for one in DOMAINS:
        out = domain == one
        own = Aggregator.fit(
            styled.x[~out], y[~out], list(domain[~out]), names=["style"], schema="style", folds=7
        )
        p[out] = own.probabilities(styled.x[out])
        said[out] = p[out] >= own.threshold
    show("style only", y, p, said, data.groups)
    p, said = leave_one_out(data, domain)
    show("lexical", y, p, said, data.groups)
    print("  " + ", ".join(
        f"{one} {balanced_accuracy_score(y[domain == one], said[domain == one]):.3f}"
        for one in DOMAINS
    ))  # fmt: skip
    mean = by_domain(balanced_accuracy_score, y, said, domain)
    print(f"  mean of domains: AUROC {by_domain(roc_auc_score, y, p, domain):.3f} BAcc {mean:.3f}")
    print(verdict("SummEdits leave-one-domain-out BAcc (pooled)",
                  balanced_accuracy_score(y, said), 0.62, True))  # fmt: skip
    print(verdict("SummEdits leave-one-domain-out BAcc (mean of domains)", mean, 0.62, True))
    fitted = fit_logistic(data.x[:, LEXICAL], y, data.groups, folds=7)
    inside = _platt_held_out(fitted.held_out, y, data.groups)
    print(verdict("SummEdits in-domain ECE (documents held out)", ece(inside, y), 0.05, False))
    print("  ablation (penalty fixed at .01): AUROC and BAcc, mean of domains")
    for name in GROUNDED:
        line = f"    {name:12}"
        for how, columns in (("without", LEXICAL & (name != FAMILY)), ("alone", name == FAMILY)):
            p, said = leave_one_out(data, domain, columns, (0.01,))
            line += (
                f" {how} {by_domain(roc_auc_score, y, p, domain):.3f} "
                f"{by_domain(balanced_accuracy_score, y, said, domain):.3f}"
            )
        print(line)


def _platt_held_out(scores, y, groups):
    """Calibrated probabilities whose curve, too, was fitted without their group."""
    from vcplab.grounding.aggregation import fit_platt
    from vcplab.grounding.aggregation.logistic import grouped_folds

    p = np.zeros(len(y))
    for inside, outside in grouped_folds(y, groups, 5):
        p[outside] = fit_platt(scores[inside], y[inside])(scores[outside])
    return p


def claims(folder: Path) -> None:
    dev, test = (table(read_wice(folder, split)) for split in ("dev", "test"))
    y = test.y
    print(f"WiCE claims, dev → test: n={len(dev.y)} → {len(y)}, {y.mean():.1%} hallucinated")
    show("always positive", y, np.ones(len(y)), np.ones(len(y), bool), test.groups, False)
    for name, columns in (("length only", LENGTH), ("lexical", LEXICAL)):
        model = fit(dev, columns)
        if name == "lexical":
            model, columns = chosen(dev)
        p = model.probabilities(test.x[:, columns])
        show(name, y, p, p >= model.threshold, test.groups)
    own = Aggregator.fit(dev.style[:, None], dev.y, dev.groups, names=["style"], schema="style")
    styled = own.probabilities(test.style[:, None])
    show("style only", y, styled, styled >= own.threshold, test.groups)
    used = ", ".join(dict.fromkeys(FAMILY[columns]))
    print(
        f"  chosen on dev: {used}; penalty {model.facts['strength']}, "
        f"threshold {model.threshold:.3f}, log-loss {model.facts['loss']:.3f}"
    )
    print(verdict("WiCE claims AUROC", roc_auc_score(y, p), 0.78, True))
    print(verdict("WiCE claims BAcc", balanced_accuracy_score(y, p >= model.threshold), 0.70, True))
    print(verdict("WiCE claims ECE", ece(p, y), 0.05, False))
    print("  ablation inside dev (groups held out): AUROC")
    for name in GROUNDED:
        line = f"    {name:12}"
        for how, columns in (("without", LEXICAL & (name != FAMILY)), ("alone", name == FAMILY)):
            held = fit_logistic(dev.x[:, columns], dev.y, dev.groups, folds=7).held_out
            line += f" {how} {roc_auc_score(dev.y, held):.3f}"
        print(line)


def char_f1(samples: list[Sample], predicted) -> tuple[float, float, float]:
    """Character micro precision, recall and F1."""
    both = said = gold = 0
    for sample, spans in zip(samples, predicted, strict=True):
        marked, true = np.zeros((2, len(sample.response)), dtype=bool)
        for start, end in spans:
            marked[start:end] = True
        for span in sample.spans or ():
            true[span.start : span.end] = True
        both += int((marked & true).sum())
        said += int(marked.sum())
        gold += int(true.sum())
    return both / max(1, said), both / max(1, gold), 2 * both / max(1, said + gold)


def spans(folder: Path) -> None:
    train = read_wice_spans(folder, "train", "dev")
    test = read_wice_spans(folder, "test")
    fitted = TokenDetector().fit(train)
    rules = LexicalDetector(aggregator=None)
    print(f"WiCE spans, train + dev → test: n={len(train)} → {len(test)}; character P / R / F1")
    for name, predicted in (
        ("all text", [[(0, len(sample.response))] for sample in test]),
        ("lexical rules", [_found(v) for v in rules.detect(test)]),
        ("token model", [_found(v) for v in fitted.detect(test)]),
    ):
        precision, recall, f1 = char_f1(test, predicted)
        print(f"  {name:16} {precision:.3f} / {recall:.3f} / {f1:.3f}")
    assert fitted.model is not None
    print(f"  fit: {dict(fitted.model.facts)}, threshold {fitted.threshold}")
    print(verdict("WiCE spans character F1", f1, 0.60, True))
    print("  ablation inside train + dev (groups held out): character F1")
    for name in GROUNDED:
        if not FAMILIES[name].token_names:
            continue
        rest = tuple(one for one in GROUNDED if one != name)
        part = TokenDetector(rest)
        part._lexical._sources = fitted._lexical._sources
        own = part.fit(train)
        assert own.model is not None
        print(f"    {name:12} without {own.model.facts['held_out_f1']:.3f}")


def _found(said):
    return [(finding.start, finding.end) for finding in said.findings]


def numbers(folder: Path) -> None:
    samples = read_summedits(folder)
    detector = LexicalDetector(aggregator=None)
    wrong = proposed = correct = altered = clean = 0
    for sample in samples:
        held = detector.held(sample)
        assert held is not None
        checks = [one for one in check_numbers(held) if not (one.value or one.trivial)]
        rivals = [one.nearest[1] for one in checks if one.nearest is not None]
        if not sample.label:
            clean += 1
            altered += bool(rivals)
            continue
        seed = {(one.dimension, one.base) for one in find_quantities(sample.correction or "")}
        wrong += len(checks)
        proposed += len(rivals)
        correct += sum((one.dimension, one.base) in seed for one in rivals)
    print(f"Number replacement on SummEdits: {wrong} wrong numbers found, {proposed} replaced")
    print(verdict("replacements that restore the seed's", correct / proposed, 0.80, True))
    print(verdict("clean summaries altered", altered / clean, 0.03, False))


def speed(folder: Path) -> None:
    samples = [s for s in read_summedits(folder) if s.meta["domain"] == "podcast"][:400]
    samples = [
        Sample(s.id, s.response, (s.context[0][:5000],), label=s.label, group=s.group)
        for s in samples
    ]
    detector = LexicalDetector().fit(samples)
    tokens = np.mean([len(detector.held(s).source.tokens) for s in samples])
    best = np.inf
    for _ in range(3):
        began = time.process_time()
        detector.detect(samples)
        best = min(best, time.process_time() - began)
    print(f"Speed: {len(samples)} responses, {tokens:.0f} words of context each, indices cached")
    print(verdict("lexical, CPU ms a response", 1000 * best / len(samples), 5.0, False))


def bundled(folder: Path) -> None:
    sides.bundled()


def suppression(folder: Path) -> None:
    sides.suppression(folder)


def resume(folder: Path) -> None:
    sides.resume(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("VCPLAB_BENCH_DATA", "../shared/data")),
        help="folder with summedits/ and wice/ (or set VCPLAB_BENCH_DATA)",
    )
    parser.add_argument("--only", choices=SECTIONS, action="append", help="one section")
    options = parser.parse_args()
    if not (options.data / "summedits").is_dir():
        print(f"no data at {options.data}: give --data FOLDER (summedits/ and wice/)")
        return
    print(load_line())
    for section in options.only or SECTIONS:
        globals()[section](options.data)
        print(flush=True)


if __name__ == "__main__":
    main()
