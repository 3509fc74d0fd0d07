"""Keeping what a forked child inherits from ever being finalised. Private."""

from __future__ import annotations

import ctypes

__all__ = ["leak"]


def leak(thing: object) -> None:
    """Hold an object for ever, past the clearing of modules at exit.

    A forked child has its parent's connections, tasks and loops. Finalising them there would act
    on the parent's files, locks and descriptors, and run the parent's ``finally`` blocks again.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
