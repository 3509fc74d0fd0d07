"""Statistics of evaluation, once for every task.

``paired`` compares systems item by item; ``ranked``, ``decisions``, ``probabilities`` and
``selective`` judge what detectors say; ``spans`` judges where; ``resampling`` gives intervals of
anything over groups of items. The positive class is called true everywhere.
"""

from __future__ import annotations

from vcplab.evaluation.bootstrap import Interval, bootstrap_interval, bootstrap_intervals
from vcplab.evaluation.statistics.decisions import (
    Confusion,
    McNemar,
    Threshold,
    balanced_accuracy,
    best_threshold,
    confusion,
    f1_score,
    matthews,
    mcnemar,
)
from vcplab.evaluation.statistics.paired import (
    PERMUTATIONS,
    PairedDifference,
    adjust,
    check_correction,
    effect_size,
    effect_sizes,
    holm,
    paired_difference,
    paired_permutation_test,
    paired_permutation_tests,
    paired_t_test,
    paired_t_tests,
)
from vcplab.evaluation.statistics.probabilities import (
    BrierParts,
    brier_parts,
    brier_score,
    expected_calibration_error,
    log_loss,
    reliability_bins,
)
from vcplab.evaluation.statistics.ranked import auprc, auroc, prevalence
from vcplab.evaluation.statistics.resampling import (
    Resampled,
    bootstrap_groups,
    group_resamples,
    paired_bootstrap_p,
    resample_groups,
)
from vcplab.evaluation.statistics.selective import (
    aurc,
    confidence_of,
    e_aurc,
    risk_coverage,
    selective_accuracy,
)
from vcplab.evaluation.statistics.spans import (
    SpanCounts,
    SpanScores,
    char_scores,
    iou,
    span_counts,
)

__all__ = [
    "PERMUTATIONS",
    "BrierParts",
    "Confusion",
    "Interval",
    "McNemar",
    "PairedDifference",
    "Resampled",
    "SpanCounts",
    "SpanScores",
    "Threshold",
    "adjust",
    "auprc",
    "aurc",
    "auroc",
    "balanced_accuracy",
    "best_threshold",
    "bootstrap_groups",
    "bootstrap_interval",
    "bootstrap_intervals",
    "brier_parts",
    "brier_score",
    "char_scores",
    "check_correction",
    "confidence_of",
    "confusion",
    "e_aurc",
    "effect_size",
    "effect_sizes",
    "expected_calibration_error",
    "f1_score",
    "group_resamples",
    "holm",
    "iou",
    "log_loss",
    "matthews",
    "mcnemar",
    "paired_bootstrap_p",
    "paired_difference",
    "paired_permutation_test",
    "paired_permutation_tests",
    "paired_t_test",
    "paired_t_tests",
    "prevalence",
    "reliability_bins",
    "resample_groups",
    "risk_coverage",
    "selective_accuracy",
    "span_counts",
]
