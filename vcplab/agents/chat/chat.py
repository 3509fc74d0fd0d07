"""A group chat: agents in a room, an exact log, and one object to drive it all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vcplab.agents.agent import Agent
from vcplab.agents.chat.approvals import attended
from vcplab.agents.chat.arguments import path_of, spoken, text_of, whole_of
from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.driving import RunResult, at_once, on_loop
from vcplab.agents.chat.events import ChatEvent
from vcplab.agents.chat.log import ChatStore
from vcplab.agents.chat.message import USER, ChatMessage
from vcplab.agents.chat.opening import forked, opened
from vcplab.agents.chat.policies import Policy
from vcplab.agents.chat.shown import ShownRoom
from vcplab.agents.chat.stopping import StopCondition
from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.core.files import write_atomic
from vcplab.core.loop import blocking, on_library_loop
from vcplab.protocol.ports import ChatModel

if TYPE_CHECKING:
    from vcplab.agents.chat.replay import Replay

__all__ = ["GroupChat"]


class GroupChat(ShownRoom):
    """Agents in a room.

    ::

        chat = vl.GroupChat(
            [vl.Agent("写作助手", "…"), vl.Agent("校对专家", "…", keywords=["校对"])],
            mode="keyword", model="http://127.0.0.1:11434/v1", stop=vl.stop.rounds(5),
        )
        chat.start("撰写一篇关于AI的文章")
        chat.say("请先确定文章大纲")      # one round: those who should, speak
        chat.run()                        # they go on until something stops them
        chat.panel()

    Everything that happens is an event of its log, written as it happens; the state is what the
    log adds up to. Methods that take time have an asynchronous twin with an ``a`` before the name.

    Args:
        agents: Agents, mappings of their fields, or names.
        mode: Who speaks when: a mode's name, a policy of ``vl.policies``, a mapping, or a function
            of the state, the message and a random source.
        model: The chat model: an address, a name, a model; a mapping from agents' names to models
            gives each its own. None for the settings' ``model_url``.
        stop: When it ends by itself: ``vl.stop…``; by default after 10 rounds. One
            without any limit of its own gets one of 100 rounds.
        seed: Of all its random choices; None for the settings' seed.
        tools: The tools that agents may use, e.g. ``lab.tools``.
        variables: Resolves placeholders in agents' prompts, e.g. ``lab.variables``.
        store: Where its log is kept: a `ChatStore` or a file; None for memory.
        prices: What models cost.
        tokenizer: Counts the tokens of the window.
        approver: Says what is allowed where ``approve`` is set, instead of a person: a function of
            kind (``"turn"`` or ``"tool"``), agent's id and text.
        **options: Fields of `ChatOptions`, in either spelling.

    Raises:
        InvalidInputError: An argument cannot be accepted.
    """

    # --- driving ------------------------------------------------------------------------------

    def start(self, topic: str = "") -> Self:
        """Start it, or start it again after it has ended: limits count from here.

        Args:
            topic: What it is about; every agent is told.

        Raises:
            StateError: It is going on, or nobody takes part.
            InvalidInputError: The topic is no text.
        """
        text_of(topic, "topic")

        def begin() -> None:
            with self._session.lock:
                self._session.record("chat:start", self._start_facts(topic))
            self._runtime.paused = False
            self._runtime.rest()

        at_once(begin)
        return self

    async def astart(self, topic: str = "") -> Self:
        """`start`, for symmetry."""
        return self.start(topic)

    @on_library_loop
    async def asay(
        self,
        text: str,
        to: str | Agent | Sequence[str | Agent] | None = None,
        *,
        user_id: str = USER,
        images: Sequence[str] = (),
    ) -> list[ChatMessage]:
        """Say something, and let those answer who should: one round.

        While the chat is running, what is said is in the log at once, and taken up after the
        present turn.

        Args:
            text: What is said. Agents it mentions speak, whatever the mode (``mentions``).
            to: Agents to whom it is said privately; their replies are private too.
            user_id: Who says it.
            images: Pictures: ``data:`` or ``https:`` addresses.

        Returns:
            The replies.

        Raises:
            StateError: The chat was not started, or has ended.
            NotFoundError: ``to`` names nobody.
            InvalidInputError: Nothing is said.
        """
        return await self._runtime.say(spoken(self.state, text, to, user_id, images))

    say = attended(asay)

    @on_library_loop
    async def astep(self) -> ChatMessage | None:
        """Take the next turn; a new round begins where the last one is over.

        Returns:
            What was said; None if the turn gave nothing, or nobody has anything to say.

        Raises:
            StateError: The chat was not started, or has ended.
        """
        return await self._runtime.step()

    step = attended(astep)

    @on_library_loop
    async def arun(self, rounds: int | None = None) -> RunResult:
        """Let the agents go on until a stopping condition, a pause or an interruption.

        Args:
            rounds: Stop after so many rounds, the chat itself going on; 0 only ends the present
                one.

        Raises:
            StateError: The chat was not started, or has ended.
            InvalidInputError: That is no number of rounds.
        """
        if rounds is not None:
            whole_of(rounds, "rounds", 0)
        self._runtime.paused = False
        return await self._runtime.run(rounds)

    run = attended(arun)

    @on_library_loop
    async def ahandle_user_input(self, content: str, user_id: str = USER) -> list[Decision]:
        """Say something and only decide who speaks (seed 002 §1.3).

        Args:
            content: What is said.
            user_id: Who says it.

        Returns:
            The decisions, first first; have them carried out with `request_speak` or `step`.
        """
        message = self._runtime.hear(spoken(self.state, content, None, user_id))
        return await self._runtime.decide(message)

    handle_user_input = blocking(ahandle_user_input)

    @on_library_loop
    async def arequest_speak(self, agent: str | Agent, context: str = "") -> ChatMessage | None:
        """Give an agent the floor, whatever the mode.

        Args:
            agent: The agent.
            context: Why, for the log; ``"user_request"`` in seed 002.

        Returns:
            What it said; None if its turn gave nothing.

        Raises:
            NotFoundError: There is no such agent.
            StateError: The chat was not started, or has ended.
        """
        text_of(context, "context")
        known = self.state.agent(agent)
        decision = Decision(known.id, 100, f"{known.display_name} was given the floor.")
        return await self._runtime.one(decision, {"context": context} if context else {})

    request_speak = attended(arequest_speak)

    @on_library_loop
    async def aredo(
        self, message: str | ChatMessage | None = None, agent: str | Agent | None = None
    ) -> ChatMessage | None:
        """Take an agent's message back and have it said again, from what was known then.

        Args:
            message: The message or its id; None for the latest of an agent.
            agent: Who says it now; None for who said it.

        Returns:
            The new message, at the end of the chat.

        Raises:
            NotFoundError: There is no such message of an agent.
        """
        wanted = message.id if isinstance(message, ChatMessage) else message
        for said in reversed(self.state.messages):
            if said.turn and said.is_public and (wanted is None or said.id == wanted):
                break
        else:
            raise NotFoundError(
                "No agent said this." if wanted else "No agent has said anything.",
                where=wanted or self.id,
                next_step="give the id of an agent's message, as in chat.to_frame()",
            )
        who = self.state.agent(said.agent_id if agent is None else agent)
        return await self._runtime.again(said, who, "It was asked to say it again.")

    redo = attended(aredo)
    aredo_message, redo_message = aredo, redo  # seed 002's name

    def pause(self) -> None:
        """Have a run stop after the present turn; `run` and `resume` go on."""
        self._runtime.paused = True
        on_loop(self._runtime.rest)

    def resume(self) -> None:
        """Take a pause back; a run that has stopped is begun again with `run`."""
        self._runtime.paused = False
        on_loop(self._runtime.rest)

    def interrupt(self, agent: str | Agent | None = None) -> None:
        """Stop a turn in the middle: the model call ends, what was said so far stays.

        Args:
            agent: Whose turn; None for all turns and the run.

        Raises:
            NotFoundError: There is no such agent.
        """
        who = None if agent is None else self.state.agent(agent).id
        on_loop(self._runtime.interrupt, who)

    @on_library_loop
    async def aend(self, reason: str = "", summary: str = "") -> None:
        """End it; a turn that is going on is interrupted first.

        Args:
            reason: Why.
            summary: How it ended.
        """
        text_of(reason, "reason")
        text_of(summary, "summary")
        await self._runtime.finish(reason or "The user ended it.", "user", summary)

    end = blocking(aend)

    @on_library_loop
    async def aclose(self) -> None:
        """Stop what is going on and wait for it; the chat goes on when it is driven again."""
        await self._runtime.quiet()

    close = blocking(aclose)

    def approve(self, question: str | None = None) -> None:
        """Allow what waits for it (``approve=``).

        Args:
            question: The question's id; None for all that are open.

        Raises:
            NotFoundError: Nobody asks this.
        """
        self._approvals.answer(question, True)

    def deny(self, question: str | None = None) -> None:
        """Refuse what waits for approval; see `approve`."""
        self._approvals.answer(question, False)

    # --- keeping, forking, replaying -----------------------------------------------------------

    def to_jsonl(self) -> str:
        """The canonical log: JSON lines, the same bytes for the same chat in every process."""
        return self._session.log.to_jsonl()

    def save(self, path: str | Path) -> Path:
        """Write the canonical log to a file; its header keeps the options of an unstarted chat.

        Args:
            path: The file.

        Raises:
            InvalidInputError: It cannot be written.
        """
        path = path_of(path, "path")
        try:
            write_atomic(path, self._session.log.to_jsonl(self._unstarted()))
        except OSError as error:
            raise InvalidInputError(
                f"The file cannot be written: {error.strerror or error}.",
                where=str(path),
                next_step='give a file in a folder that is there: chat.save("chat.jsonl")',
            ) from error
        return path

    @classmethod
    def load(
        cls,
        source: str | Path,
        *,
        store: ChatStore | str | Path | None = None,
        model: ChatModel | str | Mapping[str, Any] | None = None,
        mode: str | Policy | Mapping[str, Any] | Callable[..., Any] | None = None,
        stop: StopCondition | Any = None,
        **options: Any,
    ) -> Self:
        """Open a chat again; it goes on where its log ends, in the middle of a turn too.

        Args:
            source: A canonical log's file, or the id or name of a chat in ``store``.
            store: The store that holds it, or that a file's events are put into.
            model: The models, as for a new chat; logs hold names only.
            mode: Another mode; needed where the chat had a function.
            stop: Another stopping condition; needed where the chat had a function.
            **options: Whatever else a new chat takes: ``tools``, ``prices``, ``max_speakers`` …
                The log says what of a started chat is different from here on.

        Raises:
            InvalidInputError: Something cannot be accepted, or not of a chat that is there.
            NotFoundError: There is no such chat or file.
            InvalidDataError: The log is broken.
            SchemaMismatchError: It is something else, or of a newer vcplab.
        """
        return opened(cls, source, store=store, model=model, mode=mode, stop=stop, **options)

    def fork(
        self,
        at: str | ChatMessage | int | None = None,
        *,
        store: ChatStore | None = None,
        name: str | None = None,
        **changes: Any,
    ) -> Self:
        """Another chat that shares this one's beginning and goes its own way.

        Args:
            at: The last event that is shared: a message, its id, or an event's number; None for
                the whole log.
            store: Where its own events go; this chat's store, where it copies nothing.
            name: Its name.
            **changes: What is different: ``model``, ``mode``, ``stop``, ``seed``, ``sharing`` …
                The fork's log says so.

        Raises:
            InvalidInputError: Something cannot be accepted, or not of a chat that is there.
            NotFoundError: There is no such message or event.
        """
        return forked(self, at, store=store, name=name, **changes)

    def replay(
        self, *, mode: Any = None, on_event: Callable[[ChatEvent], object] | None = None
    ) -> Replay:
        """Take every decision and every turn again, answered from the log, and compare.

        No model is called and no tool runs.

        Args:
            mode: The mode; needed where the chat has one of its own functions and was loaded.
            on_event: Called with every event of the second run.
        """
        from vcplab.agents.chat.replay import replay

        return replay(self, mode=mode, on_event=on_event)
