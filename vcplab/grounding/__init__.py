"""Grounding: what came out of a model, held against what it should rest on."""
