"""Evaluation: systems × items through one experiment runner, with statistics, plots and reports.

``comparison`` holds the one verb, ``compare``; ``tasks`` says what a task is, ``retrieval`` is the
first; ``matrix`` runs systems over items and resumes; ``datasets`` and ``loaders`` read what is
evaluated on; ``statistics``, ``plots`` and ``report`` exist once for every task.
"""
