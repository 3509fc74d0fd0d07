"""%%groupchat in a real shell: what is said, what is shown, which chat, what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell

import vcplab as vl


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance()
    made.history_manager.enabled = False
    made.run_line_magic("load_ext", "vcplab")
    yield made
    made.run_line_magic("unload_ext", "vcplab")
    made.history_manager.end_session()
    made.reset(new_session=False)
    InteractiveShell.clear_instance()


@pytest.fixture
def chat(shell: InteractiveShell) -> vl.GroupChat:
    made = vl.GroupChat(["小红", "小明"], model=vl.Scripted(lambda r: f"{r.agent} 第一句。 好的"))
    shell.user_ns["chat"] = made
    return made


def run(shell: InteractiveShell, cell: str) -> None:
    shell.run_cell(cell, store_history=False).raise_error()


def test_the_cell_is_said_and_the_replies_are_shown(
    shell: InteractiveShell, chat: vl.GroupChat, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "%%groupchat\n大家好，$5 和 {braces}\n")
    assert [m.content for m in chat.messages if m.from_user] == ["大家好，$5 和 {braces}"]
    assert capsys.readouterr().out == "小红: 小红 第一句。 好的\n小明: 小明 第一句。 好的\n"
    assert chat.state.topic == "大家好，$5 和 {braces}"


def test_options(shell: InteractiveShell, chat: vl.GroupChat) -> None:
    run(shell, '%%groupchat chat --topic "预算" --rounds 3\n开始\n')
    assert (chat.state.topic, chat.state.round) == ("预算", 3)
    run(shell, "%%groupchat --to 小明\n只对你说\n")
    assert [m.agent_id for m in chat.messages if m.visible_to is not None] == ["user", "小明"]


def test_a_failure_is_shown(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.user_ns["mine"] = vl.GroupChat(["小红"], model=vl.Scripted([]))
    run(shell, "%%groupchat\n你好\n")
    assert capsys.readouterr().out.startswith("小红 said nothing: ")


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("%%groupchat nobody\nx", "The variable nobody does not exist"),
        ("%%groupchat lab\nx", "The variable lab is no chat"),
        ("%%groupchat\nx", "There is no chat yet"),
        ("%%groupchat --rounds 0\nx", "0 rounds are none"),
        ('%%groupchat --topic "x\nx', "cannot be read"),
    ],
)
def test_refusals(shell: InteractiveShell, cell: str, problem: str) -> None:
    shell.user_ns["lab"] = 3
    with pytest.raises(vl.VCPError, match=problem):
        run(shell, cell)


def test_several_chats(shell: InteractiveShell, chat: vl.GroupChat) -> None:
    shell.user_ns["other"] = vl.GroupChat(["A"])
    del shell.user_ns["chat"]
    shell.user_ns["one"] = chat
    with pytest.raises(vl.VCPError, match=r"several chats: one, other.*%%groupchat one"):
        run(shell, "%%groupchat\nx")
