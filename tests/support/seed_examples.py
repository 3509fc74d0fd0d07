"""The examples of seed 002's group chat, in Python spelling, as nearly to the letter as it goes.

Their models are recordings, kept beside the tests. The recordings were made from the scripts
below, stand-ins that understand nothing: they are no model's words. Run as a program it makes them
anew::

    python tests/support/seed_examples.py
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import vcplab as vl
from vcplab.agents.chat.events import ChatEvent
from vcplab.agents.chat.orchestrator import create_group_chat_orchestrator
from vcplab.agents.chat.service import GroupChatService
from vcplab.widgets.group_chat_panel import GroupChatPanel

RECORDINGS = Path(__file__).resolve().parent.parent / "unit" / "agents" / "chat" / "recordings"

_YES = {"stance": "approve", "confidence": 0.9, "reason": "可行"}
_NO = {"stance": "reject", "confidence": 0.8, "reason": "风险太大"}
SCRIPTS: dict[str, Any] = {
    "team": {"a2": ["大纲：一、起源；二、现状；三、未来。"]},
    "panel": {"a1": ["我来分析需求。", "还有预算。"]},
    "service": {"assistant-1": ["用户需要更快的搜索。"]},
    "ipc": {
        "expert-1": ["先看数据。", "我同意折中。"],
        "expert-2": ["我反对。", "分阶段可以。", "结论：分阶段采用。"],
        ("expert-1", "position"): [_YES, _YES],
        ("expert-2", "position"): [_NO, _YES],
    },
}


def team(model: Any, heard: list[ChatEvent]) -> Any:
    """使用示例 1: several agents in a chat."""
    # 创建适配器
    adapter = vl.create_unified_agent_adapter()

    # 添加 Agent
    adapter.from_assistant({"id": "a1", "name": "写作助手", "prompt": "你是专业的写作助手..."})
    adapter.from_assistant({"id": "a2", "name": "校对专家", "prompt": "你是专业的文字校对..."})
    adapter.from_assistant({"id": "a3", "name": "创意顾问", "prompt": "你是创意策划专家..."})

    # 创建群聊
    orchestrator = create_group_chat_orchestrator(
        {"name": "内容创作团队", "speakingMode": "keyword", "maxRounds": 5}, model=model
    )
    orchestrator.subscribe(heard.append)

    # 添加参与者
    for agent in adapter.to_group_agents():
        orchestrator.add_agent(agent)

    # 开始
    orchestrator.start("撰写一篇关于AI的文章")

    # 处理用户输入
    decisions = orchestrator.handle_user_input("请先确定文章大纲")

    # 让决定发言的 Agent 说话
    for decision in decisions:
        if decision.should_speak:
            orchestrator.request_speak(decision.agent_id, "user_request")

    return orchestrator


class Clicks:
    """What a browser would ask of a panel, and what it is told."""

    def __init__(self, panel: GroupChatPanel) -> None:
        self.panel = panel
        self.sent: list[Any] = []
        self._answered = threading.Condition()
        panel.send = self._take  # type: ignore[method-assign]

    def _take(self, content: Any, buffers: Any = None) -> None:
        with self._answered:
            self.sent.append(content)
            self._answered.notify_all()

    def click(self, what: str, **arguments: Any) -> None:
        """Ask, and wait for the answer; a problem is an error."""
        number = len(self.sent)
        asked = {"kind": "do", "id": number, "what": what, "chat": "1", **arguments}
        self.panel._asked(None, asked)

        def answers() -> list[Any]:
            return [m for m in self.sent if m.get("kind") == "answer" and m["id"] == number]

        with self._answered:
            assert self._answered.wait_for(answers, timeout=10)
        assert answers()[0]["problem"] == ""


def panel(model: Any, heard: list[ChatEvent], close: Callable[[], object] = lambda: None) -> Any:
    """GroupChat UI 使用示例 1: the panel, used as its buttons would."""
    assistants = [
        {"id": "a1", "name": "产品经理", "prompt": "你是一个产品经理...", "emoji": "📋"},
        {"id": "a2", "name": "设计师", "prompt": "你是一个设计师..."},
    ]

    group_chat_panel = GroupChatPanel(
        available_assistants=assistants,
        initial_config={"speakingMode": "mention", "maxRounds": 10},
        on_close=close,
        model=model,
    )

    browser = Clicks(group_chat_panel)
    browser.click("start", topic="讨论新功能设计", agents=["a1", "a2"], mode="mention")
    assert group_chat_panel.chat is not None
    heard.extend(group_chat_panel.chat.events)
    group_chat_panel.chat.subscribe(heard.append)
    browser.click("say", text="@产品经理 请分析用户需求")
    browser.click("invite", agent="a1")
    browser.click("end")
    return browser


def service(model: Any, heard: list[ChatEvent]) -> Any:
    """GroupChat UI 使用示例 2: the service."""
    group_chat_service = GroupChatService(model=model)

    # 创建群聊会话
    session_id = group_chat_service.create_session({"name": "产品讨论", "speakingMode": "mention"})[
        "session_id"
    ]

    # 添加助手
    group_chat_service.adapt_assistant(
        {"id": "assistant-1", "name": "产品经理", "prompt": "你是一个产品经理..."}
    )

    # 开始群聊
    group_chat_service.start(session_id, "讨论新功能设计")

    # 发送消息
    decisions = group_chat_service.handle_user_input(session_id, "@产品经理 请分析用户需求")[
        "decisions"
    ]
    assert [decision.agent_id for decision in decisions] == ["assistant-1"]

    # 订阅事件
    def told(event: ChatEvent) -> None:
        heard.append(event)
        if event.type == "agent:speak":
            assert event.message is not None
            print(f"{event.message.agent_name}: {event.message.content}")

    unsubscribe = group_chat_service.subscribe(told)

    group_chat_service.settle(session_id)
    unsubscribe()
    return group_chat_service


def ipc(model: Any, heard: list[ChatEvent]) -> Any:
    """GroupChat UI 使用示例 3: the calls of ``window.api.groupChat``."""
    group_chat = GroupChatService(model=model)

    # 创建会话
    result = group_chat.create({"speakingMode": "consensus"})

    # 添加 Agent
    group_chat.add_agent(
        {
            "sessionId": result["session_id"],
            "agent": {
                "id": "expert-1",
                "name": "AI专家",
                "displayName": "AI技术专家",
                "role": "expert",
                "expertise": ["AI", "机器学习"],
                "triggerKeywords": ["AI", "LLM", "模型"],
                "systemPrompt": "你是AI领域的专家...",
                "priority": 80,
            },
        }
    )

    # 监听事件
    group_chat.on_event(heard.append)

    # 到此为止的是原文; 共识要有对手、开始和结束
    session = {"sessionId": result["session_id"]}
    sceptic = {"id": "expert-2", "name": "安全专家", "role": "host", "priority": 60}
    group_chat.invoke("groupchat:addAgent", {**session, "agent": sceptic})
    group_chat.start({**session, "topic": "要不要采用大模型"})
    group_chat.handle_user_input({**session, "content": "请讨论"})
    group_chat.settle(session)
    group_chat.chat(result["session_id"]).run()
    group_chat.end(session)
    return group_chat


EXAMPLES: dict[str, Callable[..., Any]] = {
    "team": team, "panel": panel, "service": service, "ipc": ipc,
}  # fmt: skip


def record(name: str, path: Path) -> None:
    """Make one recording anew from its script.

    Args:
        name: The example.
        path: The file.
    """
    script = vl.Scripted(SCRIPTS[name], name="script (no model)")
    EXAMPLES[name](vl.Recorded.record(script, path), [])
    assert script.unused == (), script.unused


if __name__ == "__main__":
    RECORDINGS.mkdir(exist_ok=True)
    for example in EXAMPLES:
        (RECORDINGS / f"{example}.jsonl").unlink(missing_ok=True)
        record(example, RECORDINGS / f"{example}.jsonl")
