"""From what a user writes to a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from vcplab.agents.chat.policies.base import Policy
from vcplab.agents.chat.policies.consensus import ConsensusPolicy
from vcplab.agents.chat.policies.custom import CustomPolicy
from vcplab.agents.chat.policies.invitation import InvitationPolicy
from vcplab.agents.chat.policies.keyword import KeywordPolicy
from vcplab.agents.chat.policies.mention import MentionPolicy
from vcplab.agents.chat.policies.natural import NaturalPolicy
from vcplab.agents.chat.policies.selected import SelectedPolicy
from vcplab.agents.chat.policies.sequential import SequentialPolicy
from vcplab.agents.chat.policies.weighted import RandomPolicy
from vcplab.core.errors import InvalidInputError
from vcplab.core.names import named_options, snake_keys

__all__ = ["MODES", "as_policy"]

_POLICIES: tuple[type[Policy], ...] = (
    SequentialPolicy,
    RandomPolicy,
    NaturalPolicy,
    InvitationPolicy,
    MentionPolicy,
    KeywordPolicy,
    ConsensusPolicy,
    SelectedPolicy,
)
#: The names of the modes that are there, without one's own functions.
MODES: tuple[str, ...] = tuple(policy.name for policy in _POLICIES)

_SPELLINGS: dict[str, tuple[type[Policy], dict[str, Any]]] = {
    **{policy.name: (policy, {}) for policy in _POLICIES},
    "roundrobin": (SequentialPolicy, {}),
    "weighted": (RandomPolicy, {}),
    "naturerandom": (NaturalPolicy, {}),
    "naturalrandom": (NaturalPolicy, {}),
    "invite": (InvitationPolicy, {}),
    "inviteonly": (InvitationPolicy, {"invite_only": True}),
    "mentions": (MentionPolicy, {}),
    "keywords": (KeywordPolicy, {}),
    "select": (SelectedPolicy, {}),
    "selector": (SelectedPolicy, {}),
    "modelselected": (SelectedPolicy, {}),
    "model": (SelectedPolicy, {}),
    "auto": (SelectedPolicy, {}),
}
_MODE_KEYS = ("mode", "speaking_mode")


def as_policy(
    given: str | Policy | type[Policy] | Mapping[str, Any] | Callable[..., Any],
) -> Policy:
    """The policy that a user means.

    Args:
        given: A mode's name in any spelling (``"sequential"``, ``"round_robin"``,
            ``"naturerandom"``, ``"invite-only"``, ``"model"``, …), a policy, a mapping of a
            ``mode`` and options in either spelling (``{"mode": "random", "count": 2}``, as
            `Policy.to_dict` gives it), or a function of one's own.

    Raises:
        InvalidInputError: There is no such mode or option, or an option's value is impossible.
    """
    if isinstance(given, Policy):
        return given
    if isinstance(given, str):
        kind, preset = _named(given)
        return kind(**preset)
    if isinstance(given, Mapping):
        options = snake_keys(given)
        mode = next((options.pop(key) for key in _MODE_KEYS if key in options), None)
        if mode is None:
            raise InvalidInputError(
                "The options name no mode.", where="mode", next_step=f"one of: {', '.join(MODES)}"
            )
        if not isinstance(mode, str):
            kind, preset = type(chosen := as_policy(mode)), {}
            preset = {f.name: getattr(chosen, f.name) for f in fields(chosen)}
        elif _plain(mode) == CustomPolicy.name:
            function = options.get("function")
            if callable(function):
                return CustomPolicy(function)
            raise InvalidInputError(
                f"A function ({function or 'one of your own'}) cannot be had from its name.",
                where="mode",
                next_step="give the function itself as the mode",
            )
        else:
            kind, preset = _named(mode)
        chosen_options = named_options(
            kind, options, {}, what=f"The mode {kind.name!r}", where="mode"
        )
        for name, value in chosen_options.items():
            if isinstance(value, list):
                chosen_options[name] = tuple(value)
        return kind(**{**preset, **chosen_options})
    if isinstance(given, type) and issubclass(given, Policy):
        return given()
    if callable(given):
        return CustomPolicy(given)
    raise InvalidInputError(
        f"{given!r} is no speaking mode.",
        where="mode",
        next_step=f"one of: {', '.join(MODES)}; or a function of your own",
    )


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c not in "_- ")


def _named(name: str) -> tuple[type[Policy], dict[str, Any]]:
    found = _SPELLINGS.get(_plain(name))
    if found is None:
        raise InvalidInputError(
            f"There is no speaking mode {name!r}.",
            where="mode",
            next_step=f"one of: {', '.join(MODES)}; or a function of your own",
        )
    return found
