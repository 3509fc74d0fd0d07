"""A progress bar where somebody watches, nothing elsewhere."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["Progress"]


class Progress:
    """Counts finished items; draws a tqdm bar in a notebook or on a terminal.

    Args:
        total: Number of items.
        done: How many are finished already.
        label: What is being done.
        show: True or False to decide; None follows ``settings.progress`` and whether standard error
            is a terminal or this is a notebook.
    """

    def __init__(self, total: int, done: int, label: str, show: bool | None = None) -> None:
        self.done = done
        self._bar: Any = None
        if total - done <= 0:
            return
        notebook = _in_notebook()
        if show is None:
            from vcplab.core.settings import get_settings

            show = get_settings().progress and (notebook or _is_terminal())
        if show:
            if notebook:
                from tqdm.auto import tqdm
            else:
                from tqdm import tqdm
            self._bar = tqdm(
                total=total, initial=done, desc=label, unit="item", leave=False, file=sys.stderr
            )

    def advance(self, count: int) -> None:
        """Count finished items."""
        self.done += count
        if self._bar is not None:
            self._bar.update(count)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def _is_terminal() -> bool:
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # a closed stream
        return False


def _in_notebook() -> bool:
    from vcplab.core.display import is_notebook

    return is_notebook()
