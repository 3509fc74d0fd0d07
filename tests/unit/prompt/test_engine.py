"""The variable engine: order, recursion, limits, verbatim values, synchronous and not."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
import time
from collections.abc import Awaitable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import (
    InvalidInputError,
    LoopError,
    MissingDependencyError,
    NotFoundError,
    VCPError,
    VCPErrorCode,
)
from vcplab.core.loop import library_loop, run
from vcplab.core.trace import Span, add_sink
from vcplab.prompt.placeholders import (
    Answer,
    EnvironmentProvider,
    PlaceholderProvider,
    PlaceholderUse,
    Resolved,
    TimeProvider,
    ToolDescriptionProvider,
    VariableEngine,
    VariableProvider,
    create_variable_engine,
)


class Table:
    """A provider from a dictionary; counts what it is asked."""

    def __init__(self, values: dict[str, Answer], name: str = "table") -> None:
        self.name = name
        self.values = values
        self.asked: list[str] = []

    def resolve(self, key: str) -> Answer | Awaitable[Answer]:
        self.asked.append(key)
        return self.values.get(key)


class Slow(Table):
    """The same, to be awaited."""

    def resolve(self, key: str) -> Answer | Awaitable[Answer]:
        async def later() -> Answer:
            await asyncio.sleep(0)
            self.thread = threading.current_thread()
            return self.values.get(key)

        self.asked.append(key)
        return later()


def engine_of(values: dict[str, Answer], **options: object) -> VariableEngine:
    engine = create_variable_engine(**options)
    engine.register_provider(Table(values))
    return engine


def resolve(text: str, values: dict[str, Answer], **options: object) -> str:
    return engine_of(values, **options).resolve_all(text)


# --- seed 003, word for word ----------------------------------------------------------------------


class PluginRuntime:
    def get_tool_descriptions(self) -> dict[str, str]:
        return {"VCPRandomness": "Random event generator..."}


def test_seed_003_variable_module() -> None:
    plugin_runtime = PluginRuntime()
    engine = create_variable_engine(
        {"enableRecursion": True, "maxRecursionDepth": 5, "detectCircular": True}
    )
    engine.register_provider(TimeProvider(), 100)
    engine.register_provider(EnvironmentProvider(environ={"USER": "Administrator"}), 90)
    provider = PlaceholderProvider()
    provider.set_placeholder("AppName", "My App")
    provider.set_placeholder("Version", "1.0.0")
    engine.register_provider(provider, 80)
    engine.register_provider(ToolDescriptionProvider(plugin_runtime), 70)

    with use_clock(FrozenClock("2025-10-27T15:30:00+08:00")):
        assert engine.resolve_all("Time: {{DateTime}}") == "Time: 2025-10-27 15:30:00"
        assert engine.resolve_all("Now: {{DateTime}}") == "Now: 2025-10-27 15:30:00"
    assert engine.resolve_all("User: {{ENV_USER}}") == "User: Administrator"
    assert engine.resolve_all("{{AppName}} v{{Version}}") == "My App v1.0.0"
    assert (
        engine.resolve_all("Available tools:\n{{VCPAllTools}}")
        == "Available tools:\nVCPRandomness: Random event generator..."
    )


def test_seed_003_resolve_all_is_also_awaited() -> None:
    engine = create_variable_engine()
    engine.register_provider(PlaceholderProvider({"AppName": "My App", "Version": "1.0.0"}), 80)
    assert asyncio.run(engine.aresolve_all("{{AppName}} v{{Version}}")) == "My App v1.0.0"


def test_seed_003_provider_priority() -> None:
    engine = create_variable_engine()
    tool_desc_provider = ToolDescriptionProvider(PluginRuntime())
    time_provider, env_provider = TimeProvider(), EnvironmentProvider()
    placeholder_provider = PlaceholderProvider()
    engine.register_provider(placeholder_provider, 70)
    engine.register_provider(env_provider, 80)
    engine.register_provider(time_provider, 90)
    engine.register_provider(tool_desc_provider, 100)
    assert engine.providers == (
        tool_desc_provider,
        time_provider,
        env_provider,
        placeholder_provider,
    )
    assert all(isinstance(provider, VariableProvider) for provider in engine.providers)


def test_seed_003_options_and_defaults() -> None:
    options = create_variable_engine().options
    assert (options.enable_recursion, options.detect_circular) == (True, True)
    assert (options.max_recursion_depth, options.max_placeholders) == (10, 100)
    options = create_variable_engine({"maxPlaceholders": 7, "enableRecursion": False}).options
    assert (options.max_placeholders, options.enable_recursion) == (7, False)
    assert VariableEngine(options, max_placeholders=8).options.max_placeholders == 8


@pytest.mark.parametrize(
    "options",
    [
        {"maxPlaceholder": 7},
        {"max_placeholders": 0},
        {"max_recursion_depth": True},
        {"max_recursion_depth": 2.5},
        {"strict": 1},
    ],
)
def test_impossible_options(options: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        create_variable_engine(options)


def test_options_are_a_mapping() -> None:
    with pytest.raises(InvalidInputError, match="mapping"):
        create_variable_engine(5)


# --- who is asked ---------------------------------------------------------------------------------


def test_higher_priority_wins_and_equals_keep_their_order() -> None:
    engine = create_variable_engine()
    engine.register_provider(Table({"a": "low"}, "low"), 1)
    engine.register_provider(Table({"a": "high"}, "high"), 100)
    engine.register_provider(Table({"a": "later"}, "later"), 100)
    assert engine.resolve_all("{{a}}") == "high"
    assert engine.unregister_provider("high")
    assert engine.resolve_all("{{a}}") == "later"
    assert not engine.unregister_provider("high")


def test_the_same_name_replaces() -> None:
    engine = create_variable_engine()
    engine.register_provider(Table({"a": "1"}, "one"))
    engine.register_provider(Table({"a": "2"}, "two"))
    new = engine.register_provider(Table({"a": "3"}, "one"))
    assert engine.resolve_all("{{a}}") == "3"
    assert engine.providers[0] is new
    assert len(engine.providers) == 2
    engine.register_provider(new, -1)
    assert engine.resolve_all("{{a}}") == "2"


def test_each_name_is_asked_for_once() -> None:
    table = Table({"a": "{{b}}{{b}}", "b": "B"})
    engine = create_variable_engine()
    engine.register_provider(table)
    assert engine.resolve_all("{{a}}{{b}}{{a}}{{x}}{{x}}") == "BBBBB{{x}}{{x}}"
    assert sorted(table.asked) == ["a", "b", "x"]


@pytest.mark.parametrize("provider", [object(), Table, {"a": "1"}, None])
def test_what_is_no_provider(provider: object) -> None:
    with pytest.raises(InvalidInputError):
        create_variable_engine().register_provider(provider)


@pytest.mark.parametrize("priority", ["1", True, float("nan"), None])
def test_what_is_no_priority(priority: object) -> None:
    with pytest.raises(InvalidInputError, match="priority is a number"):
        create_variable_engine().register_provider(Table({}), priority)


def test_names_for_completion() -> None:
    engine = create_variable_engine()
    engine.register_provider(PlaceholderProvider({"x": "1", "Date": "2"}))
    engine.register_provider(TimeProvider(), 1)
    engine.register_provider(Table({}))
    names = engine.names()
    assert names.count("Date") == 1
    assert names[-1] == "x"
    assert repr(engine) == "VariableEngine(time, placeholder, table)"


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["变量", "A-b", "a.b", "a_1", "Agent:Nova", "日记本 二", "पथ", "VCPTavern::P::s:a,b"]
)
def test_names_of_any_script(name: str) -> None:
    assert resolve(f"<{{{{{name}}}}}>", {name: "v"}) == "<v>"


@pytest.mark.parametrize(
    "text",
    ["{{ a }}", "{{a }}", "{{ a}}", "{{\u3000a}}", "{{}}", "{{a}", "{a}", "{{a\nb}}", "{{a{b}}"],
)
def test_what_is_no_placeholder(text: str) -> None:
    assert resolve(text, dict.fromkeys(["a", " a ", "a ", " a", "", "a\nb", "b"], "v")) == text


def test_more_braces_stay_around_the_value() -> None:
    assert resolve("{{{a}}}", {"a": "v"}) == "{v}"


def test_unknown_ones_stay() -> None:
    assert resolve("{{a}} {{nobody}} {{a}}", {"a": "v"}) == "v {{nobody}} v"


def test_empty_text_is_a_value() -> None:
    assert resolve("<{{a}}>", {"a": ""}) == "<>"


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["$&", "$$", "$1", "$`", "\\1", "\\g<0>", "\\", "{{", "}}", "{{ }}", "{}", "{{a", "a}}", "\0"],
)
def test_values_are_not_patterns(value: str) -> None:
    assert resolve("<{{v}}|{{v}}>", {"v": value, "a": "wrong"}) == f"<{value}|{value}>"


def test_a_value_and_its_surroundings_form_no_placeholder() -> None:
    values: dict[str, Answer] = {"open": "{{", "b": "wrong", "half": "b}}", "a": "x"}
    assert resolve("{{open}}b}}", values) == "{{b}}"
    assert resolve("{{{{a}}}}", {"a": "b", "b": "wrong"}) == "{{b}}"
    assert resolve("{{outer}}", {"outer": "{{open}}{{half}}", **values}) == "{{b}}"


def test_recursion() -> None:
    values: dict[str, Answer] = {"a": "[{{b}}]", "b": "({{c}})", "c": "C"}
    assert resolve("{{a}}", values) == "[(C)]"
    assert resolve("{{a}}", values, enable_recursion=False) == "[{{b}}]"


def test_a_provider_decides_on_recursion() -> None:
    values: dict[str, Answer] = {
        "no": Resolved("{{b}}", recurse=False),
        "yes": Resolved("{{b}}"),
        "b": "B",
    }
    assert resolve("{{no}} {{yes}} {{b}}", values) == "{{b}} B B"


def test_others_means_every_provider_but_this_one() -> None:
    engine = create_variable_engine()
    engine.register_provider(Table({"p": Resolved("{{q}} {{d}}", "others"), "q": "Q"}, "own"))
    engine.register_provider(Table({"d": "[{{q}}]"}, "other"))
    # In the value of p, also further down, "own" does not answer; elsewhere it does.
    assert engine.resolve_all("{{p}} {{q}} {{d}}") == "{{q}} [{{q}}] Q [Q]"


@given(st.text(st.sampled_from("ab{} \n\\$&1变"), max_size=60))
def test_text_of_unknown_placeholders_is_unchanged(text: str) -> None:
    assert resolve(text, {}, max_placeholders=1000) == text


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_values_are_inserted_verbatim(before: str, value: str, after: str) -> None:
    before, after = before.replace("{", ""), after.replace("}", "")
    text = before + "{{名.字}}" + after
    done = resolve(text, {"名.字": Resolved(value, recurse=False)})
    assert done == before + value + after


@given(st.lists(st.sampled_from(["{{a}}", "{{b}}", "{{c}}", "{{?}}", "{", "}", "x"]), max_size=30))
def test_like_a_plain_reading(parts: list[str]) -> None:
    # Values without braces: then replacing one after the other is right, too.
    text = "".join(parts)
    expected = text
    for name, value in {"a": "1", "b": "", "c": "\\g<0>$&"}.items():
        expected = expected.replace("{{" + name + "}}", value)
    assert resolve(text, {"a": "1", "b": "", "c": "\\g<0>$&"}) == expected


# --- limits ---------------------------------------------------------------------------------------


def chain(length: int) -> dict[str, Answer]:
    values: dict[str, Answer] = {f"V{i}": f"{{{{V{i + 1}}}}}" for i in range(1, length)}
    return {**values, f"V{length}": "end"}


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"A": "{{A}}"}, "A → A"),
        ({"A": "{{B}}", "B": "x {{A}}"}, "A → B → A"),
        ({"A": "{{x}}{{B}}", "B": "{{C}}", "C": "{{B}}", "x": "y"}, "B → C → B"),
    ],
)
def test_a_cycle_is_named(values: dict[str, Answer], path: str) -> None:
    with pytest.raises(InvalidInputError, match=f": {path}\\.") as caught:
        resolve("{{A}}", values)
    assert caught.value.code is VCPErrorCode.CIRCULAR_DEPENDENCY
    assert " → ".join(caught.value.details["cycle"]) == path


def test_after_a_cycle_the_engine_goes_on() -> None:
    engine = engine_of({"A": "{{B}}", "B": "{{A}}", "C": "c"})
    for _ in range(2):
        with pytest.raises(InvalidInputError, match="A → B → A"):
            engine.resolve_all("{{A}}")
        with pytest.raises(InvalidInputError, match="B → A → B"):
            engine.resolve_all("{{C}}{{B}}")
        assert engine.resolve_all("{{C}}") == "c"


def test_the_same_value_twice_is_no_cycle() -> None:
    assert resolve("{{a}}{{b}}", {"a": "{{b}}{{b}}", "b": "{{c}}", "c": "C"}) == "CCC"


def test_an_undetected_cycle_ends_at_the_depth() -> None:
    for text in ("{{A}}{{A}}", "{{A}} and {{A}}"):
        with pytest.raises(InvalidInputError, match="more than 10 deep") as caught:
            resolve("{{A}}", {"A": text}, detect_circular=False)
        assert caught.value.code is VCPErrorCode.MAX_RECURSION_EXCEEDED


def test_depth_counts_the_placeholders_that_lie_in_each_other() -> None:
    assert resolve("{{V1}}", chain(10)) == "end"
    with pytest.raises(InvalidInputError, match=r"V1 → V2 → .* → V11") as caught:
        resolve("{{V1}}", chain(11))
    assert caught.value.code is VCPErrorCode.MAX_RECURSION_EXCEEDED
    assert resolve("{{V1}}", chain(11), max_recursion_depth=11) == "end"
    assert resolve("{{a}}", {"a": "A"}, max_recursion_depth=1) == "A"


def test_an_unknown_placeholder_is_never_too_deep() -> None:
    assert resolve("{{a}}", {"a": "{{nobody}}"}, max_recursion_depth=1) == "{{nobody}}"


@pytest.mark.parametrize("text", ["{{V6}}{{V1}}", "{{V1}}{{V6}}", "{{V11}} {{V2}} {{V1}}"])
def test_depth_does_not_depend_on_what_is_known_already(text: str) -> None:
    with pytest.raises(InvalidInputError, match="deep") as caught:
        resolve(text, chain(11))
    assert caught.value.code is VCPErrorCode.MAX_RECURSION_EXCEEDED


def test_values_may_lie_thousands_deep() -> None:
    limits = {"max_recursion_depth": 5000, "max_placeholders": 5000}
    assert resolve("{{V1}}", chain(5000), **limits) == "end"
    values = chain(5000)
    values["V5000"] = "{{V1}}"
    with pytest.raises(InvalidInputError) as caught:
        resolve("{{V1}}", values, **limits)
    assert caught.value.code is VCPErrorCode.CIRCULAR_DEPENDENCY
    assert len(str(caught.value)) < 1000


def test_different_placeholders_are_limited() -> None:
    text = "".join(f"{{{{n{i}}}}}" for i in range(100))
    assert resolve(text + text, {}) == text + text
    table = Table({})
    engine = create_variable_engine()
    engine.register_provider(table)
    with pytest.raises(InvalidInputError, match="at most 100") as caught:
        engine.resolve_all(text + "{{one_more}}")
    assert caught.value.code is VCPErrorCode.INVALID_INPUT
    assert table.asked == []


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_limit_holds_at_any_depth(depth: int) -> None:
    values = chain(depth + 1)
    values[f"V{depth + 1}"] = "".join(f"{{{{n{i}}}}}" for i in range(100 - depth))
    with pytest.raises(InvalidInputError, match="at most 100") as caught:
        resolve("{{V1}}", values)
    assert caught.value.where == f"the value of {{{{V{depth + 1}}}}}"
    assert resolve("{{V1}}", values, max_placeholders=101)


def test_growth_is_limited() -> None:
    values = {f"L{i}": f"{{{{L{i + 1}}}}}" * 10 for i in range(9)}
    values["L9"] = "lol"
    with pytest.raises(InvalidInputError, match="more than 10000000 characters"):
        resolve("{{L0}}", values)
    assert resolve("{{a}}" * 10, {"a": "x"}, max_length=10) == "x" * 10
    with pytest.raises(InvalidInputError, match="max_length"):
        resolve("{{a}}" * 11, {"a": "x"}, max_length=10)


def test_ten_thousand_placeholders() -> None:
    values = {f"变量{i}": f"值{i}" for i in range(10_000)}
    engine = create_variable_engine(max_placeholders=10_000)
    engine.register_provider(TimeProvider(), 100)
    engine.register_provider(EnvironmentProvider(), 90)
    engine.register_provider(PlaceholderProvider(values), 80)
    text = "\n".join(f"{i}: {{{{变量{i}}}}}" for i in range(10_000))
    expected = "\n".join(f"{i}: 值{i}" for i in range(10_000))
    begun = time.perf_counter()
    assert engine.resolve_all(text) == expected
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize("unit", ["{", "{{", "{{a", "{{{{a}", "{{VCP_ASYNC_RESULT::", "{{a b "])
def test_time_is_linear_on_hostile_text(unit: str) -> None:
    engine = engine_of({})
    text = unit * (1_000_000 // len(unit))
    begun = time.perf_counter()
    assert engine.resolve_all(text) == text
    assert time.perf_counter() - begun < 2


def test_strict() -> None:
    engine = create_variable_engine(strict=True)
    engine.register_provider(PlaceholderProvider({"AppName": "{{Versoin}}", "Version": "1"}))
    with pytest.raises(NotFoundError, match=r"did you mean \{\{Version\}\}") as caught:
        engine.resolve_all("{{AppName}}")
    assert caught.value.code is VCPErrorCode.VARIABLE_NOT_FOUND
    assert caught.value.where == "the value of {{AppName}}"
    assert engine.resolve_all("{{Version}} {{ not one }}") == "1 {{ not one }}"


# --- failures -------------------------------------------------------------------------------------


class Broken:
    name = "broken"

    def __init__(self, error: BaseException | None = None, answer: object = None) -> None:
        self.error, self.answer = error, answer

    def resolve(self, key: str) -> object:
        if self.error:
            raise self.error
        return self.answer


def failing(provider: object) -> VariableEngine:
    engine = create_variable_engine()
    engine.register_provider(Table({"outer": "{{inner}}"}), 1)
    engine.register_provider(provider)
    return engine


def test_a_failing_provider_is_named() -> None:
    with pytest.raises(
        VCPError, match=r"'broken' .*\{\{inner\}\}: ZeroDivisionError: oh"
    ) as caught:
        failing(Broken(ZeroDivisionError("oh"))).resolve_all("{{outer}}")
    assert caught.value.details == {"provider": "broken", "placeholder": "inner"}
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_an_error_of_ours_keeps_its_class() -> None:
    own = MissingDependencyError("No such package.", where="there", next_step="install it")
    with pytest.raises(MissingDependencyError, match=r"'broken'.*No such package") as caught:
        failing(Broken(own)).resolve_all("{{inner}}")
    assert (caught.value.where, caught.value.next_step) == ("there", "install it")


@pytest.mark.parametrize("answer", [5, b"x", Resolved(5), ["x"]])
def test_an_answer_is_text(answer: object) -> None:
    with pytest.raises(InvalidInputError, match="'broken'"):
        failing(Broken(answer=answer)).resolve_all("{{inner}}")


def test_an_interrupt_is_no_failure() -> None:
    with pytest.raises(KeyboardInterrupt):
        failing(Broken(KeyboardInterrupt())).resolve_all("{{inner}}")


@pytest.mark.parametrize("text", [None, 5, b"{{a}}", ["{{a}}"]])
def test_only_text_is_resolved(text: object) -> None:
    with pytest.raises(InvalidInputError, match="in text"):
        engine_of({}).resolve_all(text)


# --- loops ----------------------------------------------------------------------------------------


def test_synchronous_providers_need_no_loop() -> None:
    engine = engine_of({"a": "{{b}}", "b": "B"})

    async def within() -> str:
        return engine.resolve_all("{{a}}")

    assert asyncio.run(within()) == "B"
    assert run(within()) == "B"  # even on the library's own thread


def mixed() -> tuple[VariableEngine, Slow]:
    engine = create_variable_engine()
    slow = engine.register_provider(Slow({"s": "[{{t}}]", "t": "T"}, "slow"), 1)
    engine.register_provider(Table({"a": "{{s}}"}))
    return engine, slow


def test_asynchronous_providers() -> None:
    engine, slow = mixed()
    text, expected = "{{a}} {{s}} {{nobody}}", "[T] [T] {{nobody}}"
    assert engine.resolve_all(text) == expected
    assert slow.asked == ["a", "s", "t", "nobody"]
    loops_thread = slow.thread
    assert loops_thread is not threading.current_thread()
    assert asyncio.run(engine.aresolve_all(text)) == expected
    assert run(engine.aresolve_all(text)) == expected
    assert slow.thread is loops_thread

    async def cell() -> str:
        return engine.resolve_all(text)  # blocks a loop that is not the library's

    assert asyncio.run(cell()) == expected


def test_waiting_on_the_loops_own_thread_is_refused() -> None:
    engine, _ = mixed()

    async def within() -> str:
        assert library_loop().is_current()
        return engine.resolve_all("{{s}}")

    with pytest.raises(LoopError, match="await aresolve_all"):
        run(within())
    gc.collect()  # a coroutine that nobody awaited would warn, which is an error here


def test_a_future_of_the_callers_loop() -> None:
    class Futures:
        name = "futures"

        def resolve(self, key: str) -> Awaitable[Answer]:
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(0.05, future.set_result, "F")
            return future

    engine = create_variable_engine()
    engine.register_provider(Futures())
    assert asyncio.run(engine.aresolve_all("{{f}}")) == "F"


def test_failures_while_awaiting_are_named() -> None:
    class Failing:
        name = "failing"

        async def resolve(self, key: str) -> Answer:
            raise ValueError("late")

    engine = create_variable_engine()
    engine.register_provider(Failing())
    for attempt in (
        lambda: engine.resolve_all("{{x}}"),
        lambda: asyncio.run(engine.aresolve_all("{{x}}")),
    ):
        with pytest.raises(VCPError, match=r"'failing' .*\{\{x\}\}: ValueError: late"):
            attempt()


def test_cancelling() -> None:
    class Never:
        name = "never"

        async def resolve(self, key: str) -> Answer:
            await asyncio.Event().wait()
            return None

    engine = create_variable_engine()
    engine.register_provider(Never())

    async def main() -> None:
        task = asyncio.ensure_future(engine.aresolve_all("{{x}}"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_threads_share_an_engine() -> None:
    engine = create_variable_engine()
    engine.register_provider(Table({"a": "{{b}}", "b": "B"}))
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(200):
                name = f"own {number}"
                engine.register_provider(Table({name: str(turn)}, name))
                assert engine.resolve_all(f"{{{{a}}}}{{{{{name}}}}}") == f"B{turn}"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# --- what happened --------------------------------------------------------------------------------


def test_explain() -> None:
    engine = create_variable_engine()
    engine.register_provider(Table({"a": "[{{b}}{{b}}]"}, "first"))
    engine.register_provider(Table({"b": "B"}, "second"))
    told = engine.explain("{{a}} {{b}} {{x}} {{a}}")
    assert told.text == "[BB] B {{x}} [BB]"
    assert told.uses == (
        PlaceholderUse("a", "first", "[BB]", 1, None, 2),
        PlaceholderUse("b", "second", "B", 2, "a", 3),
        PlaceholderUse("x", None, None, 1, None, 1),
    )
    assert told.unresolved == ("x",)
    assert list(told.to_frame()["provider"])[:2] == ["first", "second"]
    assert len(told) == 3
    assert repr(told) == "Resolution(17 characters, 2 answered, 1 not)"
    assert asyncio.run(engine.aexplain("{{a}} {{b}} {{x}} {{a}}")) == told


def test_nothing_to_explain() -> None:
    told = engine_of({}).explain("plain")
    assert (told.text, told.uses) == ("plain", ())
    assert list(told.to_frame().columns)[:2] == ["placeholder", "provider"]


def test_the_explanation_is_escaped() -> None:
    shown = engine_of({"a": "<script>x</script>"}).explain("{{a}}{{<b>}}")._repr_html_()
    assert "<script>" not in shown
    assert "<b>" not in shown
    assert "&lt;script&gt;" in shown


class Spans:
    def __init__(self) -> None:
        self.ended: list[Span] = []

    def on_start(self, span: Span) -> None: ...

    def on_end(self, span: Span) -> None:
        self.ended.append(span)

    def on_event(self, span: Span) -> None: ...


def test_a_resolve_is_traced() -> None:
    sink = Spans()
    engine = engine_of({"a": "{{b}}", "b": "B", "c": "{{c}}"})
    with add_sink(sink):
        engine.resolve_all("{{a}} {{x}}")
        engine.resolve_all("nothing here")
        asyncio.run(engine.aresolve_all("{{b}}"))
        with pytest.raises(InvalidInputError):
            engine.resolve_all("{{c}}")
    first, second, third = sink.ended
    assert (first.name, first.kind, first.status) == ("prompt.placeholders", "variable", "ok")
    assert first.attributes == {
        "input": "{{a}} {{x}}",
        "output": "B {{x}}",
        "placeholders": 3,
        "answered": 2,
        "unresolved": 1,
        "depth": 2,
        "providers": {"a": "table", "b": "table"},
    }
    assert second.attributes["output"] == "B"
    assert (third.status, third.error_type) == ("error", "InvalidInputError")
