"""Upstream's diary files."""
