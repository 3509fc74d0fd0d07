"""Providers: times, the environment, own values, results, tools."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

import pytest

from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import InvalidInputError, MissingDependencyError, NotFoundError
from vcplab.prompt.placeholders import (
    AsyncResults,
    EnvironmentProvider,
    PlaceholderProvider,
    Resolved,
    StaticResults,
    TimeProvider,
    ToolDescriptionProvider,
    VariableEngine,
    create_variable_engine,
)

MOMENT = "2026-11-21T05:49:08+08:00"


def engine_of(*providers: object) -> VariableEngine:
    engine = create_variable_engine()
    for provider in providers:
        engine.register_provider(provider)
    return engine


def text_of(answer: str | Resolved | None) -> str | None:
    return answer.text if isinstance(answer, Resolved) else answer


# --- times ----------------------------------------------------------------------------------------

SEED = {
    "Date": "2026-11-21",
    "Time": "05:49:08",
    "DateTime": "2026-11-21 05:49:08",
    "Timestamp": "1795211348",
    "Today": "2026-11-21",
    "Now": "05:49:08",
    "ISO8601": "2026-11-21T05:49:08+08:00",
    "Year": "2026",
    "Month": "11",
    "Day": "21",
    "Hour": "05",
    "Minute": "49",
    "Second": "08",
    "Weekday": "Saturday",
    "Festival": None,
    "date": None,
}
TOOLBOX = {
    "Date": "2026/11/21",
    "Time": "05:49:08",
    "Today": "星期六",
    "Weekday": "星期六",
    "DateTime": "2026/11/21 05:49:08",
    "Timestamp": "1795211348",
    "Now": None,
    "Festival": "丙午马年十月十三",
    "LunarDate": "十月十三",
    "LunarYear": "丙午年",
    "LunarMonth": "十月",
    "LunarDay": "十三",
    "LunarFestival": "",
    "SolarTerm": "",
    "Zodiac": "马",
}


@pytest.mark.parametrize(("name", "value"), SEED.items())
def test_times_of_the_seed(name: str, value: str | None) -> None:
    assert TimeProvider(clock=FrozenClock(MOMENT)).resolve(name) == value


@pytest.mark.parametrize(("name", "value"), TOOLBOX.items())
def test_times_of_the_toolbox(name: str, value: str | None) -> None:
    if name in ("Festival", "SolarTerm", "Zodiac") or name.startswith("Lunar"):
        pytest.importorskip("lunar_python", reason="the lunar calendar needs lunar_python")
    assert TimeProvider("toolbox", FrozenClock(MOMENT)).resolve(name) == value


@pytest.mark.parametrize(
    ("date", "line", "festival"),
    [
        ("2025-04-30", "乙巳蛇年四月初三", ""),
        ("2026-02-04", "乙巳蛇年腊月十七 立春", ""),  # 立春 comes before the new year
        ("2026-02-16", "乙巳蛇年腊月廿九", "除夕"),
        ("2026-02-17", "丙午马年正月初一", "春节"),
        ("2025-07-25", "乙巳蛇年闰六月初一", ""),
        ("2026-09-25", "丙午马年八月十五", "中秋节"),
    ],
)
def test_the_lunar_calendar(date: str, line: str, festival: str) -> None:
    pytest.importorskip("lunar_python", reason="the lunar calendar needs lunar_python")
    provider = TimeProvider("toolbox", FrozenClock(f"{date}T12:00+08:00"))
    assert provider.resolve("Festival") == line
    assert provider.resolve("LunarFestival") == festival


def test_the_lunar_package_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lunar_python", None)
    engine = engine_of(TimeProvider("toolbox", FrozenClock(MOMENT)))
    assert engine.resolve_all("{{Date}}") == "2026/11/21"
    with pytest.raises(MissingDependencyError, match="pip install lunar_python"):
        engine.resolve_all("{{Festival}}")


def test_single_digits() -> None:
    clock = FrozenClock("2026-01-05T00:00:00+08:00")
    assert TimeProvider("toolbox", clock).resolve("Date") == "2026/1/5"
    assert TimeProvider(clock=clock).resolve("Date") == "2026-01-05"


def test_zone_and_clock() -> None:
    with use_clock(FrozenClock(MOMENT)):
        assert TimeProvider().resolve("Now") == "05:49:08"
        london = TimeProvider(zone="Europe/London")
        assert london.resolve("DateTime") == "2026-11-20 21:49:08"
        assert london.resolve("Timestamp") == SEED["Timestamp"]
    old = TimeProvider(clock=FrozenClock("1969-12-31T23:59:58.5+00:00"))
    assert old.resolve("Timestamp") == "-2"


def test_one_resolve_tells_one_moment() -> None:
    clock = FrozenClock("2026-12-31T23:59:59+08:00")

    class Ticking(PlaceholderProvider):
        def resolve(self, key: str) -> str | None:
            if key == "tick":
                clock.advance(timedelta(seconds=1))
                return ""
            return None

    times = TimeProvider(clock=clock)
    engine = engine_of(times, Ticking())
    assert engine.resolve_all("{{Date}}{{tick}} {{Time}}") == "2026-12-31 23:59:59"
    assert engine.resolve_all("{{Date}} {{Time}}") == "2027-01-01 00:00:00"
    clock.advance(timedelta(seconds=1))
    assert times.resolve("Time") == "00:00:01"


def test_impossible_times() -> None:
    with pytest.raises(InvalidInputError, match="did you mean 'toolbox'"):
        TimeProvider("toolbx")
    with pytest.raises(NotFoundError):
        TimeProvider(zone="Asia/Atlantis")


# --- the environment ------------------------------------------------------------------------------

MACHINE = {"USER": "nova", "LANG": "zh_CN", "LANG_X": "x", "API_KEY": "k", "OTHER": "o"}


def test_the_seeds_example_with_a_default_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "Administrator")
    engine = engine_of(EnvironmentProvider())
    assert engine.resolve_all("User: {{ENV_USER}}") == "User: Administrator"
    monkeypatch.delenv("USER")
    monkeypatch.setenv("USERNAME", "Windows")
    assert engine.resolve_all("{{ENV_USER}}") == "Windows"
    for name in ("USERNAME", "LOGNAME", "LNAME"):
        monkeypatch.delenv(name, raising=False)
    assert engine.resolve_all("{{ENV_USER}}") != ""


def test_only_what_is_allowed_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCPLAB_TEST_OTHER", "x")
    monkeypatch.setenv("NODE_ENV", "test")
    engine = engine_of(EnvironmentProvider())
    text = "{{ENV_NODE_ENV}} {{ENV_VCPLAB_TEST_OTHER}} {{NODE_ENV}} {{ENV_}}"
    assert engine.resolve_all(text) == "test {{ENV_VCPLAB_TEST_OTHER}} {{NODE_ENV}} {{ENV_}}"


@pytest.mark.parametrize(
    ("allow", "name", "allowed"),
    [
        (("USER", "LANG_*"), "LANG_X", True),
        (("USER", "LANG_*"), "LANG", False),
        (("USER",), "user", False),
        ("USER", "USER", True),
        (("*",), "OTHER", True),
        (("*",), "API_KEY", False),
        (("*",), "openaiApiKey", False),
        (("*",), "GITHUB_TOKEN", False),
        (("*",), "MY_SECRET_X", False),
        (("*",), "DB_PASSWORD", False),
        (("*_KEY",), "API_KEY", False),
        (("API_KEY",), "API_KEY", True),
        ((), "USER", False),
    ],
)
def test_the_allow_list(allow: tuple[str, ...], name: str, allowed: bool) -> None:
    provider = EnvironmentProvider(allow, environ={name: "v"})
    assert provider.allows(name) is allowed
    assert (text_of(provider.resolve(f"ENV_{name}")) == "v") is allowed


def test_seed_003_question_3(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = EnvironmentProvider()
    engine = engine_of(provider)
    for stage, url in (
        ("development", "http://localhost:3000"),
        ("production", "https://api.example.com"),
    ):
        monkeypatch.setenv("NODE_ENV", stage)
        if engine.resolve_all("{{ENV_NODE_ENV}}") == "development":
            provider.set_variable("API_URL", "http://localhost:3000")
        if engine.resolve_all("{{ENV_NODE_ENV}}") == "production":
            provider.set_variable("API_URL", "https://api.example.com")
        assert engine.resolve_all("{{ENV_API_URL}}") == url


def test_set_variables_win_and_go_again() -> None:
    provider = EnvironmentProvider(("OTHER",), {"OTHER": "mine"}, environ=MACHINE)
    engine = engine_of(provider, PlaceholderProvider({"x": "X"}))
    provider.set_variable("ENV_NEW", "<{{x}}>")
    provider.set_variable("API_KEY", "")
    assert engine.resolve_all("{{ENV_OTHER}} {{ENV_NEW}} {{ENV_API_KEY}}") == "mine <X> "
    assert provider.names() == ["ENV_OTHER", "ENV_NEW", "ENV_API_KEY"]
    assert provider.delete_variable("NEW")
    assert not provider.delete_variable("NEW")
    provider.clear_variables()
    assert engine.resolve_all("{{ENV_OTHER}} {{ENV_NEW}}") == "o {{ENV_NEW}}"
    assert MACHINE["OTHER"] == "o"


def test_the_machines_values_are_not_expanded() -> None:
    provider = EnvironmentProvider(("PWD",), environ={"PWD": "/tmp/{{x}}"})
    engine = engine_of(provider, PlaceholderProvider({"x": "X"}))
    assert engine.resolve_all("{{ENV_PWD}}") == "/tmp/{{x}}"


def test_impossible_variables() -> None:
    provider = EnvironmentProvider()
    with pytest.raises(InvalidInputError):
        provider.set_variable("A}}", "x")
    with pytest.raises(InvalidInputError):
        provider.set_variable("A", 5)
    with pytest.raises(InvalidInputError):
        EnvironmentProvider(("USER", 5))
    assert text_of(provider.resolve("ENV_A")) is None


# --- own values -----------------------------------------------------------------------------------


def test_own_placeholders() -> None:
    provider = PlaceholderProvider({"a": "1"})
    provider.set_placeholder("空", "")
    provider.set_placeholders({"b": "2", "c": "{{b}}"})
    engine = engine_of(provider)
    assert engine.resolve_all("{{a}}{{空}}{{b}}{{c}}") == "122"
    assert provider.get_placeholder("c") == "{{b}}"
    assert provider.get_placeholder("d") is None
    copy = provider.get_all_placeholders()
    copy["a"] = "changed"
    assert provider.get_all_placeholders() == {"a": "1", "空": "", "b": "2", "c": "{{b}}"}
    assert provider.delete_placeholder("空")
    assert not provider.delete_placeholder("空")
    assert engine.resolve_all("{{空}}") == "{{空}}"
    provider.clear_placeholders()
    assert engine.resolve_all("{{a}}") == "{{a}}"


def test_two_of_them_need_two_names() -> None:
    engine = engine_of(
        PlaceholderProvider({"a": "1"}), PlaceholderProvider({"b": "2"}, name="more")
    )
    assert engine.resolve_all("{{a}}{{b}}") == "12"


@pytest.mark.parametrize("key", ["", " a", "a ", "a}", "{a", "a\nb", "x" * 201, 5])
def test_impossible_names_set_nothing(key: object) -> None:
    provider = PlaceholderProvider({"a": "1"})
    with pytest.raises(InvalidInputError):
        provider.set_placeholders({"b": "2", key: "3"})
    assert provider.get_all_placeholders() == {"a": "1"}


def test_errors_of_names_and_values_help() -> None:
    with pytest.raises(InvalidInputError, match="write 'AppName'"):
        PlaceholderProvider({"{{AppName}}": "x"})
    with pytest.raises(InvalidInputError, match="str"):
        PlaceholderProvider({"Version": 1.0})


# --- results --------------------------------------------------------------------------------------


def test_static_results() -> None:
    results = StaticResults({"{{VCPWeatherInfo}}": "晴 {{x}}"})
    engine = engine_of(results, PlaceholderProvider({"x": "never"}))
    results.set_loading("VCPNews", "今日新闻")
    results.set_failed("VCPBroken", "Broken", ValueError("no net"))
    assert engine.resolve_all("{{VCPWeatherInfo}}") == "晴 {{x}}"
    assert engine.resolve_all("{{VCPNews}}") == "[今日新闻 a-zheng-zai-jia-zai-zhong... ]"
    assert engine.resolve_all("{{VCPBroken}}") == "[Error updating Broken: no net]"
    assert results.delete("{{VCPNews}}")
    assert not results.delete("VCPNews")
    results.clear()
    assert results.names() == []
    with pytest.raises(InvalidInputError):
        results.set("VCPX", {"a": 1})
    with pytest.raises(InvalidInputError):
        results.set("{{ VCPX }}", "x")


PENDING = "[任务 Video.Gen-2 (ID: a_1-b) 结果待更新...]"
TASK = "VCP_ASYNC_RESULT::Video.Gen-2::a_1-b"


@pytest.mark.parametrize("opening", [2, 3, 4])
@pytest.mark.parametrize("closing", [2, 3, 4])
def test_asynchronous_results_with_two_to_four_braces(opening: int, closing: int) -> None:
    text = "<" + "{" * opening + TASK + "}" * closing + ">"
    results = AsyncResults()
    engine = engine_of(results, PlaceholderProvider({"x": "never"}))
    assert engine.resolve_all(text) == f"<{PENDING}>"
    results.set(TASK, "done {{x}}")
    assert engine.resolve_all(text) == "<done {{x}}>"
    assert results.delete(TASK)
    assert engine.resolve_all(text) == f"<{PENDING}>"
    assert engine_of().resolve_all(text) == text


def test_a_fifth_brace_is_text() -> None:
    assert engine_of(AsyncResults()).resolve_all("{" * 5 + TASK + "}" * 5) == "{" + PENDING + "}"


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ({"status": "Succeed", "message": "视频好了"}, "视频好了"),
        ({"status": "Failed", "message": "坏了"}, "坏了"),
        ({"status": "Succeed"}, "任务 P (ID: 1) 已成功完成。"),
        ({"status": "Succeed", "message": ""}, "任务 P (ID: 1) 已成功完成。"),
        ({"status": "Failed", "reason": "no GPU"}, "任务 P (ID: 1) 处理失败。原因: no GPU"),
        ({"status": "Failed"}, "任务 P (ID: 1) 处理失败。"),
        ({"status": "Odd"}, "任务 P (ID: 1) 已完成。"),
        ({"message": 5}, "任务 P (ID: 1) 已完成。"),
        ("", ""),
    ],
)
def test_what_a_task_reported(report: object, expected: str) -> None:
    results = AsyncResults()
    results.set("{{VCP_ASYNC_RESULT::P::1}}", report)
    assert engine_of(results).resolve_all("{{VCP_ASYNC_RESULT::P::1}}") == expected
    assert results.names() == ["VCP_ASYNC_RESULT::P::1"]
    results.clear()
    assert results.names() == []


@pytest.mark.parametrize("name", ["P::1", "VCP_ASYNC_RESULT::插件::1", "VCP_ASYNC_RESULT::P::", 5])
def test_what_is_no_task(name: object) -> None:
    with pytest.raises(InvalidInputError):
        AsyncResults().set(name, "x")
    assert engine_of(AsyncResults()).resolve_all(f"{{{{{name}}}}}") == f"{{{{{name}}}}}"


def test_a_report_is_text_or_a_mapping() -> None:
    with pytest.raises(InvalidInputError, match="mapping"):
        AsyncResults().set(TASK, 5)


# --- tools ----------------------------------------------------------------------------------------


class Tools:
    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self.calls = 0

    def get_tool_descriptions(self) -> dict[str, str]:
        self.calls += 1
        return self.texts


class SlowTools(Tools):
    async def get_tool_descriptions(self) -> dict[str, str]:
        await asyncio.sleep(0)
        self.calls += 1
        return self.texts


TEXTS = {"VCPRandomness": "Random event generator...", "Sci": "Computes {{Date}}."}


@pytest.mark.parametrize("kind", [Tools, SlowTools])
def test_tools(kind: type[Tools]) -> None:
    tools = kind(TEXTS)
    engine = engine_of(ToolDescriptionProvider(tools), PlaceholderProvider({"Date": "never"}))
    text = "{{VCPAllTools}}|{{VCPSci}}|{{VCPRandomness}}|{{VCPNobody}}|{{Sci}}"
    expected = (
        "VCPRandomness: Random event generator...\nVCPSci: Computes {{Date}}.|"
        "Computes {{Date}}.|Random event generator...|{{VCPNobody}}|{{Sci}}"
    )
    assert engine.resolve_all(text) == expected
    assert tools.calls == 1
    assert asyncio.run(engine.aresolve_all(text)) == expected
    assert engine.resolve_all("{{Sci}} {{VCP_ASYNC_RESULT::P::1}}")
    assert tools.calls == 2


def test_tools_of_the_toolbox() -> None:
    engine = engine_of(ToolDescriptionProvider(Tools(TEXTS), "toolbox"))
    assert engine.resolve_all("{{VCPAllTools}}") == (
        "Random event generator...\n\n---\n\nComputes {{Date}}."
    )
    assert engine_of(ToolDescriptionProvider(Tools({}))).resolve_all("<{{VCPAllTools}}>") == "<>"


def test_descriptions_may_be_expanded() -> None:
    engine = engine_of(
        ToolDescriptionProvider(Tools(TEXTS), recurse=True), PlaceholderProvider({"Date": "now"})
    )
    assert engine.resolve_all("{{VCPSci}}") == "Computes now."


def test_what_describes_no_tools() -> None:
    with pytest.raises(InvalidInputError, match="get_tool_descriptions"):
        ToolDescriptionProvider(5)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="dialect"):
        ToolDescriptionProvider(Tools(TEXTS), "cherry")


def test_descriptions_of_tools_from_a_mapping() -> None:
    provider = ToolDescriptionProvider({"Randomness": "Random event generator"})
    engine = VariableEngine()
    engine.register_provider(provider)
    assert engine.resolve_all("{{VCPAllTools}}") == "VCPRandomness: Random event generator"
    assert engine.resolve_all("{{VCPRandomness}}") == "Random event generator"
