"""Models that come with the package, as JSON, each with its provenance.

They are made by ``benchmarks/fit_grounding.py``.
"""

from __future__ import annotations

import functools
import json
from importlib.resources import files

from vcplab.grounding.aggregation import Aggregator

__all__ = ["shipped"]


@functools.cache
def shipped(name: str, schema: str) -> Aggregator:
    """A model of the package.

    Args:
        name: ``lexical``.
        schema: What computes its features.

    Raises:
        SchemaMismatchError: It was fitted to features that were computed otherwise.
        InvalidDataError: Its file is broken.
        OSError: It cannot be read.
    """
    place = files("vcplab.grounding.models").joinpath(f"{name}.json")
    data = json.loads(place.read_text(encoding="utf-8"))
    return Aggregator.from_dict(data, names=data["names"], schema=schema, where=f"{name}.json")
