"""Stored variables, system variables and templates."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import InvalidInputError, NotFoundError, ReadOnlyError, VCPErrorCode
from vcplab.core.loop import run
from vcplab.core.store import Store
from vcplab.core.workspace import Workspace
from vcplab.prompt.placeholders import PlaceholderProvider, PromptVariables, VariableEngine
from vcplab.prompt.stored_variables import PromptVariable, StoredVariables, VariableStore
from vcplab.prompt.system_variables import SYSTEM_VARIABLES, SystemVariables
from vcplab.prompt.templates import PromptTemplate, TemplateStore

NOON = FrozenClock("2026-11-21T12:30:05+08:00")

# --- system variables ---------------------------------------------------------------------------


def test_dates_of_the_clock() -> None:
    system = SystemVariables(clock=NOON)
    assert {name: system.value(name) for name in SYSTEM_VARIABLES if "greeting" not in name} == {
        "current_date": "2026-11-21",
        "current_time": "12:30:05",
        "current_datetime": "2026-11-21 12:30:05",
        "current_year": "2026",
        "current_month": "11",
        "current_season": "秋季",
    }
    assert system.resolve("Date") is None


@pytest.mark.parametrize(
    ("month", "north", "south"),
    [
        (1, "冬季", "夏季"),
        (2, "冬季", "夏季"),
        (3, "春季", "秋季"),
        (5, "春季", "秋季"),
        (6, "夏季", "冬季"),
        (8, "夏季", "冬季"),
        (9, "秋季", "春季"),
        (11, "秋季", "春季"),
        (12, "冬季", "夏季"),
    ],
)
def test_seasons(month: int, north: str, south: str) -> None:
    clock = FrozenClock(f"2026-{month:02}-15T08:00+00:00")
    assert SystemVariables(clock=clock).value("current_season") == north
    assert SystemVariables(clock=clock, southern=True).value("current_season") == south


def test_greetings_go_by_seed_and_moment() -> None:
    def greetings(seed: int) -> list[str]:
        return [
            SystemVariables(
                seed=seed, language="en", clock=FrozenClock(f"2026-11-{day:02}T08:00+00:00")
            ).value("random_greeting")
            for day in range(1, 29)
        ]

    assert greetings(1) == greetings(1)
    assert greetings(1) != greetings(2)
    assert len(set(greetings(1))) == 3  # all of them come up
    evening = SystemVariables(language="en", clock=FrozenClock("2026-11-01T20:00+00:00"))
    assert evening.value("random_greeting") not in greetings(1)


def test_greetings_are_the_same_in_other_processes() -> None:
    code = (
        "from vcplab.core.clock import FrozenClock\n"
        "from vcplab.prompt.system_variables import SystemVariables as S\n"
        "c = FrozenClock('2026-11-21T12:30:05+08:00')\n"
        "print(ascii([S(seed=n, clock=c).value('random_greeting') for n in range(9)]))"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    ]
    assert said[0] == said[1]
    assert len(set(eval(said[0]))) > 1


def test_not_frozen_when_the_store_is_made() -> None:
    templates = TemplateStore()
    template = PromptTemplate("t", "{{current_date}}")
    for day in ("2026-01-01", "2026-01-02"):
        with use_clock(FrozenClock(f"{day}T00:00+00:00")):
            assert templates.render(template) == day


def test_other_languages_are_refused() -> None:
    with pytest.raises(InvalidInputError):
        SystemVariables(language="fr")  # type: ignore[arg-type]


# --- stored variables ---------------------------------------------------------------------------


@pytest.fixture
def variables() -> VariableStore:
    return VariableStore(system=SystemVariables(clock=NOON))


def test_create_read_update_delete(variables: VariableStore) -> None:
    variables.create("公司", "西湖茶社", description="who", category="team")
    variables.create({"name": "x", "value": "1", "isSystem": False})
    assert variables.get("公司").value == "西湖茶社"
    assert variables.update("公司", "新茶社").value == "新茶社"
    assert variables.update("公司", {"description": "d"}, category="c").category == "c"
    assert variables.update("x", name="y").id == "x"
    assert variables.get("x").name == "y"  # by its id
    assert variables.values() == {"公司": "新茶社", "y": "1"}
    assert [one.name for one in variables.list(category="c")] == ["公司"]
    assert variables.delete("公司").value == "新茶社"
    assert "公司" not in variables
    with pytest.raises(NotFoundError) as caught:
        variables.get("公司")
    assert caught.value.code == VCPErrorCode.VARIABLE_NOT_FOUND


def test_names_are_unique_and_exact(variables: VariableStore) -> None:
    variables.create("Name", "1")
    variables.create("name", "2")
    with pytest.raises(InvalidInputError, match="already"):
        variables.create("name", "3")
    with pytest.raises(InvalidInputError, match="already"):
        variables.update("Name", name="name")
    assert variables.create("name", "3", replace=True).value == "3"
    assert variables.values() == {"Name": "1", "name": "3"}


@pytest.mark.parametrize("name", list(SYSTEM_VARIABLES))
def test_system_variables_stay_as_they_are(variables: VariableStore, name: str) -> None:
    variables.create("mine", "x")
    attempts: list[Callable[[], object]] = [
        lambda: variables.create(name, "x"),
        lambda: variables.create(name, "x", replace=True),
        lambda: variables.create({"name": "other", "id": name}),
        lambda: variables.update(name, "x"),
        lambda: variables.update("mine", name=name),
        lambda: variables.delete(name),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidInputError, match="system variable"):
            attempt()
    assert variables.get(name).is_system
    assert variables.values() == {"mine": "x"}


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "{{x}}"},
        {"name": ""},
        {"name": "a\nb"},
        {"name": "a", "value": 7},
        {"name": "a", "isSystem": True},
        {"name": "a", "colour": "blue"},
        {},
        7,
    ],
)
def test_impossible_variables(variables: VariableStore, bad: Any) -> None:
    with pytest.raises(InvalidInputError):
        variables.create(bad)
    assert len(variables) == 0


def test_a_labs_engine_knows_them(variables: VariableStore) -> None:
    engine = VariableEngine()
    engine.register_provider(variables.provider())
    variables.create("city", "西安")
    variables.create("hello", "{{city}}，{{current_year}}")
    assert engine.resolve_all("{{hello}} {{nobody}}") == "西安，2026 {{nobody}}"
    variables.update("city", "北京")
    assert engine.resolve_all("{{city}}") == "北京"
    assert {"city", "hello", "current_date"} <= set(engine.names())


def test_kept_in_a_lab(tmp_path: Path) -> None:
    with Workspace(tmp_path / "lab") as workspace:
        VariableStore(workspace).create("a", "1")
        TemplateStore(workspace).create("t", "{{a}}", ["a"])
    with Workspace(tmp_path / "lab") as workspace:
        assert TemplateStore(workspace).render("t") == "1"


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    Store(path, schema="x").close()
    with Store(path, schema="x", read_only=True) as store:
        with pytest.raises(ReadOnlyError):
            VariableStore(store).create("a")
        with pytest.raises(ReadOnlyError):
            TemplateStore(store).create("a")


# --- templates ----------------------------------------------------------------------------------


@pytest.fixture
def templates(variables: VariableStore) -> TemplateStore:
    return TemplateStore(variables=variables)


def test_template_crud(templates: TemplateStore) -> None:
    made = templates.create("欢迎", "{{name}}！", ["{{name}}", "name"], category="c")
    assert made.variables == ("name",)
    assert made.placeholders == ("name",)
    templates.create({"name": "b", "content": "x", "variables": "x, y"})
    assert templates.get("b").variables == ("x", "y")
    with pytest.raises(InvalidInputError, match="already"):
        templates.create("b")
    with pytest.raises(InvalidInputError, match="already"):
        templates.update("b", name="欢迎")
    assert templates.update("欢迎", name="问候").id == "欢迎"
    assert templates.get("欢迎").name == "问候"
    assert [one.name for one in templates.list(category="c")] == ["问候"]
    assert templates.create("b", "new", replace=True).content == "new"
    assert templates.delete("b").content == "new"
    with pytest.raises(NotFoundError):
        templates.render("b")


@pytest.mark.parametrize(
    "bad",
    [
        {"name": " "},
        {"name": "a\nb"},
        {"name": "a", "content": 3},
        {"name": "a", "variables": 3},
        {"name": "a", "variables": ["{x"]},
        {"name": "a", "body": "x"},
    ],
)
def test_impossible_templates(templates: TemplateStore, bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        templates.create(bad)
    assert len(templates) == 0


def test_given_then_stored_then_system_then_engine(templates: TemplateStore) -> None:
    engine = VariableEngine()
    engine.register_provider(
        PlaceholderProvider(dict.fromkeys(["a", "b", "current_year", "d", "Date"], "engine"))
    )
    templates.engine = engine
    templates.variables.create("a", "stored")
    templates.variables.create("b", "stored")
    told = templates.explain(PromptTemplate("t", "{{a}} {{b}} {{current_year}} {{d}}"), a="given")
    assert told.text == "given stored 2026 engine"
    assert [use.provider for use in told] == [
        "template:given",
        "template:stored",
        "template:stored",
        "placeholder",
    ]
    assert templates.render(PromptTemplate("t", "{{current_year}}"), current_year=1999) == "1999"


def test_declared_variables_without_a_value_are_listed(templates: TemplateStore) -> None:
    templates.create("t", "{{a}} {{b}} {{c}} {{free}}", ["a", "b", "c"])
    with pytest.raises(NotFoundError, match="values for: a, c") as caught:
        templates.render("t", b="2")
    assert caught.value.code == VCPErrorCode.VARIABLE_NOT_FOUND
    assert caught.value.details["missing"] == ["a", "c"]
    assert templates.render("t", {"b": "2"}, strict=False) == "{{a}} 2 {{c}} {{free}}"
    assert templates.render("t", {"a": "1", "b": "1"}, b=2, c=0.5) == "1 2 0.5 {{free}}"


def test_a_value_in_a_value_may_be_missing_too(templates: TemplateStore) -> None:
    templates.create("t", "{{a}}", ["a", "deep"])
    with pytest.raises(NotFoundError, match="deep"):
        templates.render("t", a="{{deep}}")
    assert templates.render("t", a="{{deep}}", deep="found") == "found"


def test_circles_and_depth_are_the_engines(templates: TemplateStore) -> None:
    templates.variables.create("a", "{{b}}")
    templates.variables.create("b", "{{a}}")
    with pytest.raises(InvalidInputError) as caught:
        templates.render(PromptTemplate("t", "{{a}}"))
    assert caught.value.code == VCPErrorCode.CIRCULAR_DEPENDENCY
    templates.variables.update("b", "end")
    assert templates.render(PromptTemplate("t", "{{a}}")) == "end"
    templates.engine = VariableEngine(max_recursion_depth=1)
    with pytest.raises(InvalidInputError) as caught:
        templates.render(PromptTemplate("t", "{{a}}"))
    assert caught.value.code == VCPErrorCode.MAX_RECURSION_EXCEEDED


def test_var_and_tar(templates: TemplateStore) -> None:
    templates.engine = VariableEngine()
    templates.engine.register_provider(
        PromptVariables({"TarRole": "上将", "VarCity": "西安", "VarEmpty": ""})
    )
    templates.variables.create("VarCity", "北京")
    text = "{{TarRole}} {{VarCity}} {{VarEmpty}} {{VarNone}}"
    assert templates.render(PromptTemplate("t", text)) == "上将 北京 [未配置 VarEmpty] {{VarNone}}"


@pytest.mark.parametrize("value", [None, True, ["x"], b"x"])
def test_values_are_text_or_numbers(templates: TemplateStore, value: object) -> None:
    with pytest.raises(InvalidInputError):
        templates.render(PromptTemplate("t", "{{a}}"), a=value)


def test_names_that_are_options_too(templates: TemplateStore) -> None:
    text = "{{strict}} {{template}} {{self}}"
    values = {"strict": "s", "template": "t", "self": "me"}
    assert templates.render(PromptTemplate("t", text), values) == "s t me"


def test_what_has_to_be_awaited(templates: TemplateStore) -> None:
    class Slow:
        name = "slow"

        def resolve(self, key: str) -> Awaitable[str] | None:
            async def answer() -> str:
                return "late"

            return answer() if key == "slow" else None

    templates.engine = VariableEngine()
    templates.engine.register_provider(Slow())
    template = PromptTemplate("t", "{{slow}} {{a}}", ("slow", "a"))
    assert templates.render(template, a="1") == "late 1"
    assert run(templates.arender(template, a="2")) == "late 2"
    with pytest.raises(NotFoundError, match="for: a"):
        run(templates.arender(template))


def test_they_show_themselves(templates: TemplateStore) -> None:
    templates.create("<b>", "{{x}}", ["x"])
    templates.variables.create("x", "<i>")
    assert repr(templates) == "<TemplateStore: 1 templates, 1 variables>"
    assert repr(templates.variables) == "<VariableStore: 1 variables, 7 of the system>"
    assert "<b>" not in templates._repr_html_()
    assert "<i>" not in templates.variables._repr_html_()
    assert templates.to_frame()["variables"].tolist() == ["x"]
    assert len(templates.variables.to_frame()) == 8
    assert [one.name for one in templates] == ["<b>"]
    assert "x" in templates.variables
    assert isinstance(templates.variables.provider(), StoredVariables)
    assert PromptVariable("x", "1").to_dict()["is_system"] is False
