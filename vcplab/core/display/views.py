"""Views: the functions that draw an object, found by name and imported when asked for."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

from vcplab.core.errors import InvalidInputError, MissingDependencyError, NotFoundError

__all__ = ["is_notebook", "register_view", "view"]

# (kind, owner) -> "module:function". Only strings, so that the ground floor imports no room.
_DECLARED: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("panel", "Comparison"): "vcplab.widgets.explorer:explorer",
        ("panel", "DetectionBoard"): "vcplab.widgets.detection_panel:detection_panel",
        ("panel", "GroupChat"): "vcplab.widgets.chat_panel:chat_panel",
        ("panel", "NodeFacet"): "vcplab.widgets.node_panel:node_panel",
        ("panel", "PluginsFacet"): "vcplab.widgets.plugin_panel:plugin_panel",
        ("panel", "TraceFacet"): "vcplab.widgets.trace_panel:trace_panel",
        ("plot", "Comparison"): "vcplab.evaluation.plots:forest_plot",
        ("plot", "Why"): "vcplab.evaluation.waterfalls:waterfall_plot",
    }
)
_registered: dict[tuple[str, str], str] = {}
_TARGET = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
# Packages that come with an extra of ours; any other is named as it is.
_EXTRAS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "IPython": "lab",
        "ipykernel": "lab",
        "jupyterlab": "lab",
        "sentence_transformers": "dense",
        "torch": "dense",
    }
)


def register_view(kind: str, owner: str, target: str) -> None:
    """Say which function draws a kind of view of a type; a later word replaces an earlier one.

    Args:
        kind: ``"panel"``, ``"plot"`` or another word.
        owner: Name of the type that is drawn, e.g. ``"Comparison"``.
        target: ``"package.module:function"``; imported when the view is first asked for.

    Raises:
        InvalidInputError: ``target`` is not of that form.
    """
    if not _TARGET.fullmatch(target):
        raise InvalidInputError(
            f"{target!r} does not name a function.",
            where="target",
            next_step='write "package.module:function"',
        )
    _registered[kind, owner] = target


def view(kind: str, owner: str) -> Callable[..., Any]:
    """Find and import the function that draws a kind of view of a type.

    Args:
        kind: ``"panel"``, ``"plot"`` or another word.
        owner: Name of the type that is to be drawn.

    Returns:
        The function.

    Raises:
        NotFoundError: There is no such view, or its module or function does not exist.
        MissingDependencyError: The view needs a package that is not installed.
    """
    target = _registered.get((kind, owner)) or _DECLARED.get((kind, owner))
    where = f"{kind} of {owner}"
    if target is None:
        known = sorted(" of ".join(key) for key in {**_DECLARED, **_registered})
        near = get_close_matches(where, known, n=1)
        raise NotFoundError(
            f"There is no {kind} for {owner}.",
            where=where,
            next_step=(f"did you mean the {near[0]}? " if near else "")
            + f"The views are: {', '.join(known)}",
        )
    module_name, function_name = target.split(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not error.name or missing == module_name.partition(".")[0]:
            raise NotFoundError(
                f"The {where} is declared at {target}, which does not exist.",
                where=where,
                next_step="install an edition that has it, or register_view(...) another function",
            ) from error
        extra = _EXTRAS.get(missing)
        raise MissingDependencyError(
            f"The {where} needs the package {missing!r}.",
            where=where,
            next_step=f"run `pip install {f'vcplab[{extra}]' if extra else missing}`",
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise NotFoundError(
            f"The {where} is declared at {target}, but {module_name} has no such function.",
            where=where,
            next_step="register_view(...) the function's present name",
        )
    found: Callable[..., Any] = function
    return found


def is_notebook() -> bool:
    """Whether a Jupyter kernel runs this code; never imports IPython to find out."""
    ipython = sys.modules.get("IPython")
    get_ipython = getattr(ipython, "get_ipython", None)
    shell = get_ipython() if callable(get_ipython) else None
    return getattr(shell, "kernel", None) is not None
