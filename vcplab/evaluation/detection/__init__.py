"""Detectors of hallucinations as systems: the task, its metrics, slices and board.

``task`` is what ``compare`` runs and ``board`` its result; ``metrics`` names what is measured, from
rows that ``statistics`` counts; ``thresholds`` tells where a threshold comes from; ``baselines``
stand beside the detectors in every table.
"""
