"""Tar, Var and Sar: settings, files, models (facts/vcp-protocol §3)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.clock import FrozenClock
from vcplab.core.dotenv import parse_dotenv
from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    NotFoundError,
    VCPErrorCode,
)
from vcplab.prompt.placeholders import (
    PromptVariables,
    TimeProvider,
    VariableEngine,
    create_variable_engine,
    use_model,
)


def engine_of(variables: PromptVariables) -> VariableEngine:
    engine = create_variable_engine()
    engine.register_provider(variables)
    engine.register_provider(TimeProvider("toolbox", FrozenClock("2026-11-21T05:49:08+08:00")))
    return engine


def resolve(text: str, values: dict[str, str], folder: Path | None = None) -> str:
    return engine_of(PromptVariables(values, folder)).resolve_all(text)


# --- Tar and Var ----------------------------------------------------------------------------------


def test_plain_values() -> None:
    values = {"VarCity": "北京", "TarX": "{{VarCity}}", "Other": "o", "VarEmpty": "", "VarB": " "}
    assert resolve("{{VarCity}} {{Other}} {{VarNone}}", values) == "北京 {{Other}} {{VarNone}}"
    assert resolve("{{TarX}} {{VarCity}}", values) == "{{VarCity}} 北京"  # not re-expanded
    assert resolve("{{VarEmpty}}{{VarB}}", values) == "[未配置 VarEmpty][未配置 VarB]"


def test_dates_come_after_the_variables() -> None:
    values = {"VarTimeNow": "今天是{{Date}},{{Today}}。现在是{{Time}}。"}
    assert resolve("{{VarTimeNow}}", values) == "今天是2026/11/21,星期六。现在是05:49:08。"


def test_files_are_expanded(tmp_path: Path) -> None:
    (tmp_path / "sys.txt").write_text("\ufeff你在{{VarCity}}，{{VarMore}}", "utf-8")
    (tmp_path / "more.TXT").write_text("{{Date}}", "utf-8")
    values = {"TarSys": "sys.txt", "VarMore": "more.TXT", "VarCity": "北京"}
    assert resolve("{{TarSys}}!", values, tmp_path) == "你在北京，2026/11/21!"
    engine = engine_of(PromptVariables(values, tmp_path))
    assert engine.resolve_all("{{TarSys}}") == "你在北京，2026/11/21"
    (tmp_path / "sys.txt").write_text("edited", "utf-8")
    assert engine.resolve_all("{{TarSys}}") == "edited"


def test_files_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("{{VarB}}", "utf-8")
    (tmp_path / "b.txt").write_text("{{VarA}}", "utf-8")
    with pytest.raises(InvalidInputError, match="VarA → VarB → VarA") as caught:
        resolve("{{VarA}}", {"VarA": "a.txt", "VarB": "b.txt"}, tmp_path)
    assert caught.value.code is VCPErrorCode.CIRCULAR_DEPENDENCY


@pytest.mark.parametrize("name", ["../secret.txt", "sub/../../secret.txt", "..\\secret.txt"])
def test_files_stay_in_their_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.txt").write_text("secret", "utf-8")
    folder = tmp_path / "TVStxt"
    (folder / "sub").mkdir(parents=True)
    with pytest.raises(InvalidInputError, match="outside its folder"):
        resolve("{{VarX}}", {"VarX": name}, folder)
    with pytest.raises(InvalidInputError, match="outside its folder"):
        resolve("{{VarX}}", {"VarX": str(tmp_path / "secret.txt")}, folder)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_does_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret", "utf-8")
    folder = tmp_path / "TVStxt"
    folder.mkdir()
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(InvalidInputError, match="outside"):
        resolve("{{VarX}}", {"VarX": "link.txt"}, folder)


def test_files_in_folders_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("A", "utf-8")
    assert (
        resolve("{{VarX}}{{VarY}}", {"VarX": "sub/a.txt", "VarY": "sub\\a.txt"}, tmp_path) == "AA"
    )


def test_broken_files(tmp_path: Path) -> None:
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NotFoundError, match=r"'variables'.*VarX.*no\.txt"):
        resolve("{{VarX}}", {"VarX": "no.txt"}, tmp_path)
    with pytest.raises(InvalidDataError, match="UTF-8"):
        resolve("{{VarX}}", {"VarX": "bytes.txt"}, tmp_path)
    with pytest.raises(NotFoundError, match="no folder"):
        resolve("{{VarX}}", {"VarX": "a.txt"})
    with pytest.raises(InvalidInputError, match="VarX"):
        PromptVariables({"VarX": 5})


# --- config.env -----------------------------------------------------------------------------------


def test_a_servers_folder(tmp_path: Path) -> None:
    (tmp_path / "config.env").write_text(
        "# settings\nPORT=6005\nVarCity=北京 # here\nTarSys=sys.txt\n"
        'VarLong="first\nsecond # {{Date}}"\nVarEmpty=\nSarModel2=gpt,claude\n'
        "SarPrompt2=older\nSarModel1=gpt\nSarPrompt1=hidden\n",
        "utf-8",
    )
    (tmp_path / "TVStxt").mkdir()
    (tmp_path / "TVStxt" / "sys.txt").write_text("[{{VarCity}}]", "utf-8")
    (tmp_path / "sarprompt.json").write_text(
        json.dumps([{"promptKey": "SarPrompt1", "models": ["claude"], "content": "newer"}]),
        "utf-8",
    )
    variables = PromptVariables(tmp_path / "config.env", model="claude")
    engine = engine_of(variables)
    assert engine.resolve_all("{{TarSys}} {{VarEmpty}}") == "[北京] [未配置 VarEmpty]"
    assert engine.resolve_all("{{VarLong}} {{PORT}}") == "first\nsecond # 2026/11/21 {{PORT}}"
    assert engine.resolve_all("{{SarPrompt1}} {{SarPrompt2}}") == "newer older"
    assert variables.names() == [
        *("VarCity", "TarSys", "VarLong", "VarEmpty", "SarPrompt1", "SarPrompt2", "SarPromptAll"),
    ]
    with pytest.raises(NotFoundError, match="config"):
        PromptVariables(tmp_path / "no" / "config.env")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\r\nB = 2 \rC=3", {"A": "1", "B": "2", "C": "3"}),
        ("\ufeffA=1", {"A": "1"}),
        ("export A=1\n  B=2", {"A": "1", "B": "2"}),
        ("# A=1\n\nnonsense\nB=2", {"B": "2"}),
        ("A=x#y", {"A": "x"}),
        ("A='x#y' # c", {"A": "x#y"}),
        ("A=\"x\\ny\\tz\"\nB='x\\ny'", {"A": "x\ny\\tz", "B": "x\\ny"}),
        ('A="C:\\temp"', {"A": "C:\\temp"}),
        ('A=`it\'s "so"`', {"A": 'it\'s "so"'}),
        ("A='one\ntwo\n'\nB=3", {"A": "one\ntwo\n", "B": "3"}),
        ('A="say \\"hi\\""\nB=1', {"A": 'say \\"hi\\"', "B": "1"}),
        ('A="open\nB=2', {"A": '"open', "B": "2"}),
        ("A='x' y\nB=2", {"A": "'x' y", "B": "2"}),
        ("A=\nB=''", {"A": "", "B": ""}),
        ("A=1\nA=2", {"A": "2"}),
        ("A=b=c", {"A": "b=c"}),
        ("A=${B}", {"A": "${B}"}),
        ("变量=值", {"变量": "值"}),
        ("", {}),
    ],
)
def test_dotenv(text: str, expected: dict[str, str]) -> None:
    assert parse_dotenv(text) == expected


@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), st.text(max_size=20)))
def test_dotenv_gives_back_what_was_quoted(values: dict[str, str]) -> None:
    values = {
        name: value.replace("'", "").replace("\r", "").rstrip("\\")
        for name, value in values.items()
    }
    assert parse_dotenv("\n".join(f"{n}='{v}' # '" for n, v in values.items())) == values


@given(st.text(st.sampled_from("AB=# '\"`\\\n\rn"), max_size=60))
def test_dotenv_takes_any_text(text: str) -> None:
    for name in parse_dotenv(text):
        assert name.strip("ABn") == ""


# --- Sar ------------------------------------------------------------------------------------------

ROWS = [
    {"promptKey": "SarPrompt1", "models": ["gpt-5", "Claude"], "content": "exact {{VarX}}"},
    {"promptKey": "SarPrompt2", "models": ["gpt"], "content": "in", "matchMode": "includes"},
    {"promptKey": "SarPrompt3", "models": [], "content": "nobody", "matchMode": "includes"},
    {"promptKey": "SarPrompt4", "models": ["gpt-5"], "content": "file.txt"},
]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-5", "exact X|in||F"),
        ("GPT-5", "exact X|in||F"),
        ("claude", "exact X|||"),
        ("my-gpt-6", "|in||"),
        ("gpt-5-mini", "|in||"),
        ("other", "|||"),
        (None, "|||"),
    ],
)
def test_prompts_for_models(tmp_path: Path, model: str | None, expected: str) -> None:
    (tmp_path / "file.txt").write_text("F", "utf-8")
    text = "{{SarPrompt1}}|{{SarPrompt2}}|{{SarPrompt3}}|{{SarPrompt4}}"
    given_model = PromptVariables({"VarX": "X"}, tmp_path, sar=ROWS, model=model)
    assert engine_of(given_model).resolve_all(text) == expected
    engine = engine_of(PromptVariables({"VarX": "X"}, tmp_path, sar=ROWS))
    with use_model("other"), use_model(model):
        assert engine.resolve_all(text) == expected
    everything = "\n".join(part for part in expected.split("|") if part)
    assert engine_of(given_model).resolve_all("{{SarPromptAll}}") == everything


def test_unknown_prompts_stay() -> None:
    engine = engine_of(PromptVariables({}, sar=ROWS))
    assert engine.resolve_all("{{SarPrompt9}}{{SarOther}}") == "{{SarPrompt9}}{{SarOther}}"
    assert engine_of(PromptVariables({})).resolve_all("{{SarPromptAll}}") == "{{SarPromptAll}}"


@pytest.mark.parametrize(
    "content",
    [
        "{",
        '{"promptKey": "SarPrompt1"}',
        '[{"models": []}]',
        '[{"promptKey": "a", "matchMode": "near"}]',
        '[{"promptKey": "a", "models": [5]}]',
        "[" * 100_000,
    ],
)
def test_a_broken_file_of_prompts(tmp_path: Path, content: str) -> None:
    (tmp_path / "sar.json").write_text(content, "utf-8")
    with pytest.raises(InvalidDataError, match=r"sar\.json"):
        PromptVariables({}, sar=tmp_path / "sar.json")


def test_broken_rows() -> None:
    with pytest.raises(InvalidDataError, match=r"0\.promptKey"):
        PromptVariables({}, sar=[{"promptKey": 5}])
    with pytest.raises(InvalidDataError):
        PromptVariables({}, sar=["SarPrompt1"])
    with pytest.raises(InvalidDataError):
        PromptVariables({}, sar="no such file.json")
