"""Suppressors of hallucinations as systems: what their changes did to gold and to correct text.

``task`` is what ``compare`` runs and ``board`` its result; ``edits`` holds changes against gold,
``metrics`` names what is measured; ``baselines`` stand beside the suppressors in every table.
"""
