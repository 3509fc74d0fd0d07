"""The chat panel in a real browser: agents stream, a person joins in, and text stays text."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.browser.conftest import Lab

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=2</script>"

TALK = r"""
from vcplab.agents.agent import Agent
from vcplab.agents.chat.chat import GroupChat
from vcplab.models.chat.scripted import Scripted
from vcplab.widgets.chat_panel import chat_panel

words = " ".join(f"word{number}" for number in range(40))
endless = " ".join(f"more{number}" for number in range(3_000))
writer = Agent("Writer", role="host", avatar="W", description="Drafts the text 起草文字")
critic = Agent("校对专家", "Check.", id="critic", role="expert", expertise=["校对", "错别字"])
model = Scripted(
    {
        "Writer": [
            f"我来写大纲。\n\n```python\nprint('plan')  # <b>plain</b>\n```\n{words}",
            endless,
            *[f"Another way: {words}"] * 9,
        ],
        "critic": [f"我来校对，{words}"] * 9,
    },
    delay=0.02,
)
chat = GroupChat([writer, critic], model=model, name="写作 Writing", seed=7)
chat_panel(chat, height=620)
"""

HOSTILE_TALK = r"""
from vcplab.agents.agent import Agent
from vcplab.agents.chat.chat import GroupChat
from vcplab.models.chat.scripted import Scripted
from vcplab.widgets.chat_panel import chat_panel

HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=2</script>"
said = f"{HOSTILE} [look](javascript:window.hacked=3)\n```<b>\n{HOSTILE}\n```\n![p](x.png)"
eve = Agent(f"Eve {HOSTILE}", id="eve", description=HOSTILE, avatar="<b>", expertise=[HOSTILE])
chat = GroupChat([eve], model=Scripted([said, RuntimeError(HOSTILE)]), name=HOSTILE)
chat.start(HOSTILE)
chat_panel(chat)
"""

SELECTOR = r"""
from vcplab.widgets.agent_selector import GroupAgentSelector

GroupAgentSelector([eve, "Bob 鲍勃"], on_change=lambda ids: print("chosen:", *ids, flush=True))
"""

SETUP = r"""
import time
from vcplab.core.errors import InvalidInputError
from vcplab.models.chat.scripted import Scripted
from vcplab.widgets.group_chat_panel import GroupChatPanel

assistants = [
    {"id": "pm", "name": "产品经理", "prompt": "你是一个产品经理", "description": "写需求"},
    {"id": "dev", "name": "Engineer", "systemPrompt": "Build.", "groupRole": "expert"},
    {"id": "qa", "name": "Tester", "prompt": "Test."},
]
panel = GroupChatPanel(
    available_assistants=assistants,
    initial_config={"speakingMode": "mention", "maxRounds": 10, "name": "产品讨论"},
    approve="turns",
    on_close=lambda: print("closed:", len(panel.chat.messages), "messages", flush=True),
    model=Scripted(lambda request: f"{request.agent} says yes."),
)
panel
"""


def _open(lab: Lab, name: str, *cells: str) -> Page:
    lab.write_notebook(name, list(cells))
    lab.open_notebook(name)
    lab.run_cell(0)
    lab.page.locator(".vcplab-chat[data-status]").wait_for()
    assert lab.errors() == []
    lab.execute("notebook:hide-all-cell-code")
    return lab.page


def _status(page: Page, status: str) -> None:
    page.locator(f".vcplab-chat[data-status={status}]").wait_for()


def _messages(page: Page, agent: str = "") -> Locator:
    who = f"[data-agent='{agent}']" if agent else ""
    return page.locator(f".vcplab-chat-log .vcplab-chat-message{who}")


def _button(page: Page, name: str) -> Locator:
    return page.locator(".vcplab-chat").get_by_role("button", name=name, exact=True)


def _inert(page: Page) -> None:
    """Nothing that was said has become an element, nor run."""
    panel = page.locator(".vcplab-chat")
    assert panel.locator("script, svg, iframe, b, a, img").count() == 0
    # An onerror comes a moment after its element: first that of one that is made now.
    page.evaluate(
        "() => new Promise(done => Object.assign(new Image(), { onerror: () => done(), src: 'x' }))"
    )
    assert page.evaluate("() => window.hacked") is None


def test_agents_stream_and_a_person_joins_in(lab: Lab) -> None:
    page = _open(lab, "chat_talk.ipynb", TALK)
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    _status(page, "new")
    page.get_by_label("Topic").fill("写一篇关于茶的文章")
    page.keyboard.press("Enter")
    _status(page, "idle")

    # A name is completed with the keyboard; Enter then sends.
    area = page.get_by_label("Message", exact=True)
    area.focus()
    page.keyboard.type("mail a@b.org, then @")
    names = page.get_by_role("listbox", name="Agents")
    names.wait_for()
    assert names.get_by_role("option").count() == 3
    page.keyboard.press("ArrowDown")
    assert area.get_attribute("aria-activedescendant") == names.get_by_role("option").nth(
        1
    ).get_attribute("id")
    page.keyboard.press("Escape")
    assert not names.is_visible()
    page.keyboard.type("wri")
    names.wait_for()
    lab.screenshot("chat_panel_names")
    page.keyboard.press("Tab")
    assert area.input_value() == "mail a@b.org, then @Writer "
    page.keyboard.type("bad add")  # not the notebook's keys for new cells, and to delete one
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("请先确定文章大纲")
    area.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    assert area.input_value().endswith("bad add\n请先确定文章大纲")  # the input method's Enter
    page.keyboard.press("Enter")
    assert area.input_value() == ""

    # The reply grows in one and the same place.
    draft = page.locator(".vcplab-chat-draft[data-agent=Writer] .vcplab-chat-words")
    draft.filter(has_text="word3").wait_for()
    place = draft.element_handle()
    before = place.inner_text()
    page.wait_for_function(
        "([place, long]) => place.isConnected && place.textContent.length > long",
        arg=[place, len(before)],
    )
    after = place.text_content() or ""
    assert after.startswith(before[:10])
    first = _messages(page, "Writer").first
    first.filter(has_text="word39").wait_for()
    assert first.locator("pre").inner_text() == "print('plan')  # <b>plain</b>"
    assert page.locator(".vcplab-chat-draft").count() == 0
    first.get_by_text("Why it spoke").click()
    assert first.locator(".vcplab-chat-why p").inner_text().startswith("Round 1, turn 1: ")
    _status(page, "idle")
    assert _messages(page).count() == 2
    log = page.get_by_role("log")
    assert log.get_attribute("aria-live") == "polite"
    assert page.locator(".vcplab-chat-drafts").get_attribute("aria-live") == "off"
    assert log.locator(".vcplab-chat-drafts").count() == 0

    # They go on until somebody interrupts.
    _button(page, "Run").click()
    page.locator(".vcplab-chat-draft", has_text="more20").wait_for()
    _button(page, "Pause").wait_for()
    lab.screenshot_all("chat_panel_streaming")
    lab.use_theme("JupyterLab Dark")
    lab.screenshot_all("chat_panel_streaming_dark")
    lab.use_theme("JupyterLab Light")
    _button(page, "■ Interrupt").click()
    page.locator(".vcplab-chat-tag", has_text="interrupted").wait_for()
    _status(page, "idle")
    assert "more2999" not in _messages(page, "Writer").last.inner_text()

    # One step, and once more.
    before_step = _messages(page).count()
    _button(page, "Step").and_(page.locator(":enabled")).click()
    page.wait_for_function(
        "n => document.querySelectorAll('.vcplab-chat-log .vcplab-chat-message').length === n",
        arg=before_step + 1,
    )
    _status(page, "idle")
    last = _messages(page).last
    redone = last.get_attribute("data-id")
    last.get_by_role("button", name="Redo").click()
    page.locator(f".vcplab-chat-log [data-id={redone}]").wait_for(state="detached")
    page.wait_for_function(
        "n => document.querySelectorAll('.vcplab-chat-log .vcplab-chat-message').length === n",
        arg=before_step + 1,
    )
    _status(page, "idle")

    # A fork begins with what was said up to there, and is a chat of its own.
    _messages(page).nth(1).get_by_role("button", name="Fork").click()
    fork = page.get_by_role("tab", name="fork 1")
    fork.wait_for()
    page.wait_for_function(
        "() => document.querySelectorAll('.vcplab-chat-log .vcplab-chat-message').length === 2"
    )
    assert fork.get_attribute("aria-selected") == "true"
    area.fill("@校对专家 elsewhere")
    area.press("Enter")
    _messages(page, "critic").first.filter(has_text="word39").wait_for()
    assert _messages(page).count() == 4
    lab.screenshot_all("chat_panel_fork")
    fork.press("ArrowLeft")
    page.wait_for_function(
        "n => document.querySelectorAll('.vcplab-chat-log .vcplab-chat-message').length === n",
        arg=before_step + 1,
    )
    page.get_by_label("Speaking mode").select_option("random")
    page.locator(".vcplab-chat-note", has_text="random").wait_for()
    _button(page, "End").click()
    page.locator(".vcplab-chat-end").wait_for()
    _button(page, "Start again").wait_for()
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    assert lab.errors() == []


def test_what_is_said_stays_text(lab: Lab) -> None:
    page = _open(lab, "chat_hostile.ipynb", HOSTILE_TALK, SELECTOR)
    _status(page, "idle")
    area = page.get_by_label("Message", exact=True)
    area.fill(f"{HOSTILE} @")
    page.keyboard.press("End")
    page.locator(".vcplab-chat-names li").first.filter(has_text=HOSTILE).wait_for()
    page.keyboard.press("Escape")
    area.press("Enter")
    said = _messages(page, "eve").filter(has_text="javascript:window.hacked=3")
    said.wait_for()
    assert said.locator("pre").inner_text() == HOSTILE
    assert HOSTILE in said.locator(".vcplab-chat-name").inner_text()
    assert f"{HOSTILE} [look](javascript:window.hacked=3)" in said.inner_text()
    said.get_by_text("Why it spoke").click()
    _status(page, "idle")
    _button(page, "Step").and_(page.locator(":enabled")).click()
    page.locator(".vcplab-chat-failure", has_text=HOSTILE).wait_for()
    page.get_by_role("button", name="Agents (1)").click()
    page.locator(".vcplab-chat-about", has_text=HOSTILE).wait_for()
    lab.screenshot_all("chat_panel_hostile")
    page.get_by_label("Speaking mode").evaluate(
        "(box) => { box.append(new Option('<b>', '<b>')); box.value = '<b>';"
        " box.dispatchEvent(new Event('change')) }"
    )
    page.locator(".vcplab-chat-alarm", has_text="<b>").wait_for()
    lab.run_cell(1)
    selector = page.locator(".vcplab-chat-selector")
    selector.get_by_text("2 of 2 take part").wait_for()
    assert HOSTILE in selector.locator(".vcplab-chat-name").first.inner_text()
    selector.get_by_role("button", name="None").click()
    selector.get_by_role("checkbox", name="Bob 鲍勃").click()
    selector.get_by_text("1 of 2 take part").wait_for()
    page.locator(".jp-OutputArea-output", has_text="chosen: Bob 鲍勃").wait_for()
    _inert(page)
    # And the canary sings where it can.
    page.evaluate("html => { document.createElement('div').innerHTML = html }", HOSTILE)
    page.wait_for_function("() => window.hacked === 1")


def test_choose_start_approve_and_close(lab: Lab) -> None:
    page = _open(lab, "chat_setup.ipynb", SETUP, "import os\nprint('process', os.getpid())")
    _status(page, "setup")
    page.set_viewport_size({"width": 1040, "height": 1000})
    assert page.locator(".vcplab-chat-agents input:checked").count() == 3
    page.get_by_role("checkbox", name="Tester").click()
    lab.screenshot_all("chat_panel_setup")
    page.get_by_role("button", name="Agents (2)").wait_for()
    page.get_by_label("Topic").fill("讨论新功能设计")
    _button(page, "Start").click()
    _status(page, "idle")
    assert page.get_by_label("Speaking mode").input_value() == "mention"
    page.get_by_role("button", name="Agents (2)").click()
    page.get_by_role("checkbox", name="Tester").click()
    page.get_by_role("button", name="Agents (3)").wait_for()

    # Who speaks asks first.
    page.get_by_role("button", name="Invite Engineer").click()
    question = page.locator(".vcplab-chat-approval", has_text="Engineer wants to speak.")
    question.wait_for()
    _status(page, "waiting")
    lab.screenshot_all("chat_panel_approval")
    question.get_by_role("button", name="Approve").click()
    _messages(page, "dev").filter(has_text="dev says yes.").wait_for()
    assert question.count() == 0
    page.get_by_role("button", name="Invite 产品经理").click()
    page.get_by_role("button", name="Deny").click()
    page.locator(".vcplab-chat-silent", has_text="was not allowed to speak").wait_for()
    assert _messages(page).count() == 1

    # A kernel that is busy with something else: the click waits, and says so.
    area = page.get_by_label("Message", exact=True)
    area.fill("只是说说")
    page.get_by_label("Privately to").select_option(label="privately to Tester")
    lab.run_cell(1)
    told = page.locator(".jp-OutputArea-output", has_text="process")
    kernel = int(told.inner_text().split()[1])
    os.kill(kernel, signal.SIGSTOP)
    try:
        area.press("Enter")
        page.locator(".vcplab-chat-waiting", has_text="Waiting for the kernel").wait_for()
    finally:
        os.kill(kernel, signal.SIGCONT)
    _messages(page, "user").filter(has_text="privately to Tester").wait_for()
    page.wait_for_function("() => !document.querySelector('.vcplab-chat-waiting').textContent")
    page.get_by_role("button", name="Deny").click()
    _status(page, "idle")

    page.set_viewport_size({"width": 520, "height": 1000})
    lab.execute("application:toggle-left-area")
    page.wait_for_function("() => document.querySelector('.vcplab-chat').clientWidth < 460")
    lab.screenshot_all("chat_panel_narrow")
    assert page.evaluate(
        """() => ['', '-scroller', '-head', '-composer', '-people'].every(name => {
            const box = document.querySelector(`.vcplab-chat${name}`);
            return box.scrollWidth <= box.clientWidth;
        })"""
    )
    _button(page, "Close").click()
    page.locator(".vcplab-chat").wait_for(state="detached")
    page.locator(".jp-OutputArea-output", has_text="closed: 2 messages").wait_for()
    assert lab.errors() == []
