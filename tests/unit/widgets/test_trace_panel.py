"""The trace panel without a browser: what it sends and what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError
from vcplab.core.trace import span


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    from vcplab.widgets.trace_panel import TracePanel

    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(TracePanel, "send", lambda self, content: messages.append(content))
    return messages


def test_batches_and_answers(tmp_path: Path, sent: list[dict[str, Any]]) -> None:
    with vl.Lab(tmp_path / "lab") as lab:
        with span("before", kind="tool", tool="T"):
            pass
        panel = lab.trace.panel()
        assert sent == []
        with span("after", api_key="hush-hush"):
            pass
        lab.trace.flush()
        names = [row[3] for message in sent for row in message["rows"]]
        assert "after" in names
        assert "hush" not in str(sent)
        sent.clear()
        panel._asked(panel, {"kind": "ready"})
        rows = [row for message in sent for row in message["rows"]]
        assert {"before", "after"} <= {row[3] for row in rows}
        sent.clear()
        panel._asked(panel, {"kind": "details", "id": rows[0][0]})
        (answer,) = sent
        assert '"name": "before"' in answer["text"]
        assert "tool_call T" in answer["request"]
        sent.clear()
        panel._asked(panel, {"kind": "details", "id": "nope"})
        assert "no longer" in sent[0]["text"]
        panel._asked(panel, "nonsense")
        panel.close()
        sent.clear()
        with span("later"):
            pass
        lab.trace.flush()
        assert sent == []


@pytest.mark.parametrize("limit", [1, 10**7])
def test_bad_limits(tmp_path: Path, limit: int) -> None:
    with vl.Lab(tmp_path / "lab") as lab, pytest.raises(InvalidInputError):
        lab.trace.panel(limit=limit)
