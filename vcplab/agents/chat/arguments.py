"""What a chat is given, checked before anything is written: agents, words, numbers, parts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vcplab.agents._identity import folded_name
from vcplab.agents.agent import Agent
from vcplab.agents.chat.ending import bounded
from vcplab.agents.chat.mentions import find_mentions
from vcplab.agents.chat.message import USER
from vcplab.agents.chat.policies import Policy, as_policy
from vcplab.agents.chat.state import ChatState
from vcplab.agents.chat.stopping import (
    ConsensusReached,
    RoundLimit,
    StopCondition,
    TimeLimit,
    as_stop,
)
from vcplab.core.errors import InvalidInputError
from vcplab.core.settings import get_settings
from vcplab.models.chat.ledger import Price, PriceTable

__all__ = [
    "check_joining",
    "check_parts",
    "members_of",
    "path_of",
    "policy_of",
    "prices_of",
    "seed_of",
    "spoken",
    "stop_of",
    "text_of",
    "whole_of",
]

_PICTURES = ("data:", "http://", "https://")
_TOOLBOX = ("ahandle", "aexecute", "descriptions", "definitions")


def text_of(given: Any, where: str) -> str:
    """A text.

    Raises:
        InvalidInputError: It is something else.
    """
    if not isinstance(given, str):
        raise InvalidInputError(
            f"{where} is a text, not {given!r}.", where=where, next_step="give a text"
        )
    return given


def path_of(given: Any, where: str) -> Path:
    """A file's path.

    Raises:
        InvalidInputError: It is no path.
    """
    if not isinstance(given, str | Path):
        raise InvalidInputError(
            f"{given!r} is no path.", where=where, next_step="give a file's path"
        )
    return Path(given).expanduser()


def whole_of(given: Any, where: str, least: int) -> int:
    """A whole number from ``least``.

    Raises:
        InvalidInputError: It is something else.
    """
    if isinstance(given, bool) or not isinstance(given, int) or given < least:
        raise InvalidInputError(
            f"{where} cannot be {given!r}.",
            where=where,
            next_step=f"give a whole number from {least}",
        )
    return given


def seed_of(given: Any) -> int:
    """A seed; None for the settings' one.

    Raises:
        InvalidInputError: It is no whole number.
    """
    if given is None:
        return get_settings().seed
    if isinstance(given, bool) or not isinstance(given, int):
        raise InvalidInputError(
            f"{given!r} is no seed.", where="seed", next_step="give a whole number"
        )
    return given


def prices_of(given: Any) -> PriceTable | None:
    """A price list.

    Args:
        given: A `PriceTable`, or a mapping from models to prices or their fields.

    Raises:
        InvalidInputError: It is something else.
    """
    if given is None or isinstance(given, PriceTable):
        return given
    if not isinstance(given, Mapping):
        raise _no_prices(f"{given!r} is no price list.")
    try:
        known = {
            name: Price(**price) if isinstance(price, Mapping) else price
            for name, price in given.items()
        }
    except TypeError as error:
        raise _no_prices(f"A price cannot be read: {error}.") from error
    return PriceTable(known)


def _no_prices(problem: str) -> InvalidInputError:
    return InvalidInputError(
        problem,
        where="prices",
        next_step='give e.g. {"qwen3": {"input": 0.5, "output": 1.5}}, per million tokens',
    )


def members_of(given: Any, tags: Any = None) -> list[Agent]:
    """The agents of a new chat.

    Args:
        given: Agents, mappings of their fields, or names.
        tags: Seed 002's ``member_tags``: keywords by agent's id or name.

    Raises:
        InvalidInputError: One cannot be an agent, or two are called the same.
    """
    if isinstance(given, str | Mapping | Agent) or not isinstance(given, Iterable):
        raise InvalidInputError(
            f"{given!r} is no list of agents.",
            where="agents",
            next_step='give a list, also for one: [vl.Agent("…", "…")]',
        )
    if tags is not None and not isinstance(tags, Mapping):
        raise InvalidInputError(
            f"{tags!r} says nothing about whose keywords they are.",
            where="member_tags",
            next_step='give keywords by agent: {"校对专家": ["错别字"]}',
        )
    found: dict[str, Agent] = {}
    for one in given:
        agent = Agent.of(one)
        own = (tags or {}).get(agent.id, (tags or {}).get(agent.name))
        if own is not None:
            agent = agent.with_(keywords=own)
        if agent.id in found:
            raise _called_alike(agent)
        check_joining(agent, found)
        found[agent.id] = agent
    return list(found.values())


def check_joining(agent: Agent, others: Mapping[str, Agent]) -> None:
    """Check that an agent can take part beside others; one of the same id it replaces.

    Args:
        agent: The agent.
        others: Those who are there, by id.

    Raises:
        InvalidInputError: Another one is called the same, but for case and Unicode form.
    """
    if folded_name(agent.id) == USER:
        raise InvalidInputError(
            f"{USER!r} is the id of the person at the notebook.",
            where="agent",
            next_step="give the agent another id",
        )
    called = _called(agent)
    if any(other.id != agent.id and called & _called(other) for other in others.values()):
        raise _called_alike(agent)


def _called(agent: Agent) -> set[str]:
    return {folded_name(name) for name in (agent.id, agent.name, agent.display_name)}


def _called_alike(agent: Agent) -> InvalidInputError:
    return InvalidInputError(
        f"There is an agent called {agent.display_name!r} already.",
        where="agent",
        next_step="give it another name, or the same id in chat.add_agent(…) to replace that one; "
        "case and width of letters make no other name",
    )


def check_parts(tools: Any, tokenizer: Any, approver: Any) -> None:
    """Check what a chat works with.

    Raises:
        InvalidInputError: It cannot be used as that.
    """
    if tools is not None and not all(callable(getattr(tools, name, None)) for name in _TOOLBOX):
        raise InvalidInputError(
            f"{tools!r} holds no tools.", where="tools", next_step="give lab.tools, or None"
        )
    if tokenizer is not None and not callable(getattr(tokenizer, "count", None)):
        raise InvalidInputError(
            f"{tokenizer!r} counts no tokens.",
            where="tokenizer",
            next_step="give an object with count(text) and truncate(text, max_tokens), or None",
        )
    if approver is not None and not callable(approver):
        raise InvalidInputError(
            f"{approver!r} cannot be asked.",
            where="approver",
            next_step="give a function of kind, agent and text that says what is allowed",
        )


def policy_of(mode: Any, apart: Mapping[str, Any], *, again: bool = False) -> Policy:
    """The mode, with what seed 002 says of it among the chat's options.

    Args:
        mode: The mode.
        apart: The options.
        again: Whether the chat is there already: then what they say wins over the mode's own, and
            cannot be about another mode.

    Raises:
        InvalidInputError: There is no such mode, or an option cannot be accepted.
    """
    policy = as_policy(mode)
    for option, name, own in (
        ("consensus_threshold", "consensus", "threshold"),
        ("tag_match_mode", "natural", "tag_match_mode"),
    ):
        if apart.get(option) is None:
            continue
        told = {own: apart[option]}
        as_policy({"mode": name, **told})  # a wrong value is wrong in every mode
        if policy.name == name:
            values = policy.to_dict()
            policy = as_policy({**values, **told} if again else {**told, **values})
        elif again:
            raise InvalidInputError(
                f"{option} is an option of mode {name!r}, and this chat's is {policy.name!r}.",
                where=option,
                next_step=f'give mode="{name}" too, or leave it out',
            )
    return policy


def stop_of(given: Any, apart: Mapping[str, Any], policy: Policy) -> StopCondition:
    """When to stop, with what seed 002 says of it among the chat's options.

    Args:
        given: What `as_stop` takes.
        apart: The options: ``max_rounds``, and ``timeout`` in milliseconds.
        policy: The mode.

    Raises:
        InvalidInputError: It says nothing about when to stop.
    """
    found = as_stop(given)
    rounds, timeout = apart.get("max_rounds"), apart.get("timeout")
    if found is None and policy.name == "consensus":
        found = ConsensusReached() if rounds is not None else ConsensusReached() | bounded(None)
    if rounds is not None:
        limit: StopCondition = RoundLimit(whole_of(rounds, "max_rounds", 1))
        found = limit if found is None else found | limit
    if timeout is not None and (isinstance(timeout, bool) or timeout != 0):
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not (
            0 < timeout < math.inf
        ):  # fmt: skip
            raise InvalidInputError(
                f"timeout cannot be {timeout!r}.",
                where="timeout",
                next_step="give milliseconds, more than 0, or None",
            )
        limit = TimeLimit(timeout / 1000)
        found = (bounded(None) if found is None else found) | limit
    return bounded(found)


def spoken(state: ChatState, text: Any, to: Any, user_id: Any, images: Any = ()) -> dict[str, Any]:
    """The facts of what a person says.

    Args:
        state: The chat.
        text: What is said.
        to: To whom, privately; None for everybody.
        user_id: Who says it.
        images: Pictures.

    Raises:
        InvalidInputError: Nothing is said, or something cannot be accepted.
        NotFoundError: ``to`` names nobody.
    """
    pictures = _pictures(images)
    if not isinstance(text, str) or not (text.strip() or pictures):
        raise InvalidInputError("Nothing is said.", where="text", next_step="give a text")
    data: dict[str, Any] = {"text": text}
    if user_id != USER:
        data["user"] = _person(state, user_id)
    if to is not None:
        whom = [to] if isinstance(to, str | Agent) else to
        if not isinstance(whom, Sequence | set | frozenset | tuple) or not whom:
            raise InvalidInputError(
                f"{to!r} names nobody.",
                where="to",
                next_step="give an agent or a list of agents, or None for everybody",
            )
        who = [one if isinstance(one, Agent) else text_of(one, "to") for one in whom]
        data["to"] = sorted({state.agent(one).id for one in who})
    called = find_mentions(text, state.agents.values(), author=user_id)
    if called:
        data["mentions"] = list(dict.fromkeys(mention.agent_id for mention in called))
    if pictures:
        data["images"] = pictures
    return data


def _person(state: ChatState, user_id: Any) -> str:
    name = user_id.strip() if isinstance(user_id, str) else ""
    if len(name.splitlines()) != 1:
        raise InvalidInputError(
            f"{user_id!r} is nobody's id.", where="user_id", next_step="give one line of text"
        )
    if any(folded_name(name) in _called(agent) for agent in state.agents.values()):
        raise InvalidInputError(
            f"{name!r} is an agent, and people do not speak as agents.",
            where="user_id",
            next_step="give the person another id; chat.request_speak(agent) gives an agent the "
            "floor",
        )
    return name


def _pictures(given: Any) -> list[str]:
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        wrong = [one for one in given if not (isinstance(one, str) and one.startswith(_PICTURES))]
        if not wrong:
            return list(given)
        given = wrong[0]
    raise InvalidInputError(
        f"{given!r} is no picture." if isinstance(given, str) else "This is no list of pictures.",
        where="images",
        next_step='give a list of addresses: ["https://…"] or ["data:image/png;base64,…"]',
    )
