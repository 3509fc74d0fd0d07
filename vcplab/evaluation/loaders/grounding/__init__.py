"""Readers of published sets of hallucinations, one module per format.

No set is shipped: each reader takes the path of the user's own copy (facts/hallucination §2).
"""

from __future__ import annotations

from vcplab.evaluation.loaders.grounding.aggrefact import load_cliff, load_goyal21
from vcplab.evaluation.loaders.grounding.begin import load_begin
from vcplab.evaluation.loaders.grounding.faithbench import load_faithbench
from vcplab.evaluation.loaders.grounding.halluqa import load_halluqa
from vcplab.evaluation.loaders.grounding.halueval import load_halueval
from vcplab.evaluation.loaders.grounding.pairs import load_pairs
from vcplab.evaluation.loaders.grounding.qags import load_qags
from vcplab.evaluation.loaders.grounding.ragtruth import load_ragtruth
from vcplab.evaluation.loaders.grounding.records import from_records
from vcplab.evaluation.loaders.grounding.summedits import load_summedits
from vcplab.evaluation.loaders.grounding.tofueval import load_tofueval
from vcplab.evaluation.loaders.grounding.truthfulqa import load_truthfulqa
from vcplab.evaluation.loaders.grounding.wice import load_wice, load_wice_spans

__all__ = [
    "FORMATS",
    "from_records",
    "load_begin",
    "load_cliff",
    "load_faithbench",
    "load_goyal21",
    "load_halluqa",
    "load_halueval",
    "load_pairs",
    "load_qags",
    "load_ragtruth",
    "load_summedits",
    "load_tofueval",
    "load_truthfulqa",
    "load_wice",
    "load_wice_spans",
]

#: Format → its reader.
FORMATS = {
    "begin": load_begin,
    "cliff": load_cliff,
    "faithbench": load_faithbench,
    "goyal21": load_goyal21,
    "halluqa": load_halluqa,
    "halueval": load_halueval,
    "pairs": load_pairs,
    "qags": load_qags,
    "ragtruth": load_ragtruth,
    "records": from_records,
    "summedits": load_summedits,
    "tofueval": load_tofueval,
    "truthfulqa": load_truthfulqa,
    "wice": load_wice,
    "wice_spans": load_wice_spans,
}
