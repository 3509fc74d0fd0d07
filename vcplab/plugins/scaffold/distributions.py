"""Which packages an exported script needs."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable
from functools import lru_cache

__all__ = ["is_importable", "requirements_of"]


def is_importable(module: str) -> bool:
    """Whether a module belongs to the standard library or to an installed package.

    Args:
        module: Its full name.
    """
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names or bool(_distributions().get(top))


def requirements_of(modules: Iterable[str]) -> list[str]:
    """The lines of ``requirements.txt``: each distribution with the version that is installed.

    Args:
        modules: Full names of modules; those of the standard library need none.
    """
    tops = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    names = {name for top in tops for name in _distributions().get(top, ())}
    return sorted(f"{name}=={importlib.metadata.version(name)}" for name in names)


def _distributions() -> dict[str, tuple[str, ...]]:
    # Packages may be installed while the notebook runs: the answer holds for one search path.
    return _read(tuple(sys.path))


@lru_cache(maxsize=1)
def _read(path: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    found = importlib.metadata.packages_distributions()
    return {top: tuple(dict.fromkeys(names)) for top, names in found.items()}
