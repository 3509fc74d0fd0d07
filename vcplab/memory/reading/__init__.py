"""Texts from files and tables become documents, or rows of a report."""
