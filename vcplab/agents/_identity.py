"""Names and versions of agents that are kept. Private: see `vcplab.agents.store`."""

from __future__ import annotations

import re
import unicodedata

from vcplab.core.errors import InvalidInputError

__all__ = ["folded_name", "id_taken", "name_taken", "next_version"]


def folded_name(text: str) -> str:
    """A name as it is compared: without regard to case and Unicode form."""
    return unicodedata.normalize("NFKC", str(text)).strip().casefold()


def next_version(version: str) -> str:
    """``1.0.0`` → ``1.0.1``: the last number goes up, whatever stands around it."""
    match = re.fullmatch(r"(.*?)(\d+)(\D*)", version, re.DOTALL)
    if match is None:
        return f"{version}.1"
    return f"{match[1]}{int(match[2]) + 1}{match[3]}"


def name_taken(label: str, name: str) -> InvalidInputError:
    """The error of a name that another agent has; `label` names the entry."""
    return InvalidInputError(
        f"There is an agent named {name!r} already.",
        where=f"{label}, name",
        next_step="use another name, update() or replace=True",
    )


def id_taken(label: str, agent_id: str) -> InvalidInputError:
    """The error of an id that another agent has; `label` names the entry."""
    return InvalidInputError(
        f"Another agent has the id {agent_id!r}.",
        where=f"{label}, id",
        next_step="leave the id out, or choose another one",
    )
