"""Write the recordings of ``notebooks/07_group_chat.ipynb`` anew.

The notebook runs once with its recordings replaced by recorders of the lines below, which were
written by hand. Run it after a change of the lines, or of what the notebook asks for::

    python .ci/record_chats.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import nbclient
import nbformat

from vcplab import Recorded

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "07_group_chat.ipynb"
RECORDINGS = ROOT / "notebooks" / "recordings"
# The cell that says where answers come from; the recorders are put in right behind it.
MARK = "def voice("

TIMETABLE = """两小时排得下，我用工具把钟点算出来。
<<<[TOOL_REQUEST]>>>
maid:「始」小林「末」,
tool_name:「始」timetable「末」,
start:「始」14:00「末」,
parts:「始」开场和安装 20, 打招呼 15, 读一个数 15, 休息 10, 比大小 15, 循环 15, 改规则 30「末」
<<<[END_TOOL_REQUEST]>>>"""

#: By scene, then by agent (and purpose where it is not to speak): what is answered, in order.
SCENES: dict[str, dict[Any, list[Any]]] = {
    "workshop": {
        "小林": [
            "先定一个目标：两小时后，每个人带走一个自己写的小程序。我建议做“猜数字”，规则一句话就能"
            "讲清，输入、判断、循环都用得上。",
            "那就这样排：开场和安装 20 分钟，四个步骤各 15 分钟，休息 10 分钟，最后 30 分钟自己改"
            "规则，正好两小时。",
            "就这么定了：Ada 写四个步骤和测试，老周写报错单页，我提前一天发安装说明。散会。",
        ],
        "Ada": [
            "Guess-the-number fits. I would cut it into four steps that each run on their own: "
            "print a greeting, read a number, compare once, then put it in a loop. Whoever falls "
            "behind starts from the file of the step before.",
            "I will write the four files tonight, with one test per step, so that everybody sees "
            "something turn green. For the free half hour: count the tries, limit them, or let "
            "the computer guess.",
        ],
        "老周": [
            "初学者通常卡在两处：忘了把 input() 的结果转成整数，还有缩进。这两处值得故意先错一次，"
            "让大家看看报错长什么样，再一起改。",
            "最容易超时的是安装。请大家前一天先装好，现场再备三台电脑。我来写一页“看到这个报错怎么办”。",
        ],
    },
    "timetable": {
        "小林": [
            TIMETABLE,
            "14:00 开场和安装，14:20 起前两步，14:50 休息，15:00 起后两步，15:30 自己改规则，"
            "16:00 结束。",
        ],
    },
    "handouts": {
        "小林": [
            "我倾向于发：手边有一页纸，问题会少一半。",
            "那就只印报错单页，一人一张；四个步骤放在文件里，不印。",
            "结论：印报错单页，步骤不印。Ada 保留意见，我记下了：屏幕和纸来回看会分心，所以纸面"
            "朝下放，卡住了再翻。",
        ],
        "Ada": [
            "I would rather not. Eyes that go back and forth between paper and screen lose the "
            "line they were typing.",
            "One page is better than ten. I still think the error belongs where it happens, but I "
            "will not stand in the way.",
        ],
        "老周": [
            "要发。报错是英文的，初学者看到就慌；纸上有中文解释，自己就能往下走。",
            "同意只印一页。十二份，我周五打印好。",
        ],
        ("小林", "position"): [
            {"stance": "approve", "confidence": 0.7, "reason": "手边有纸，问题会少一半"},
            {"stance": "approve", "confidence": 0.8, "reason": "只印一页，不会分心"},
        ],
        ("Ada", "position"): [
            {"stance": "reject", "confidence": 0.8, "reason": "paper and screen: too much at once"},
            {"stance": "abstain", "confidence": 0.6, "reason": "not convinced, not in the way"},
        ],
        ("老周", "position"): [
            {"stance": "approve", "confidence": 0.9, "reason": "报错要有中文解释"},
            {"stance": "approve", "confidence": 0.9, "reason": "一页正合适"},
        ],
    },
    "late": {
        "Ada": [
            "If a beginner is late, the first step can simply be skipped: step two has a greeting "
            "of its own, and nobody will notice that anything is missing from the afternoon.",
            "Skip step one: step two has a greeting of its own.",
        ],
        "老周": ["让他从第二步的文件开始，我坐到旁边补前面的。"],
        "小林": ["迟到超过半小时的，先看旁边的人做，休息时再补。"],
    },
    "late_keyword": {
        "老周": ["别让他自己赶。我带他把第一步口头走一遍，三分钟够了。"],
    },
}


def main() -> int:
    """Record every scene that the notebook asks for; exit code 1 where lines are left over."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = next(n for n, cell in enumerate(notebook.cells) if MARK in cell.source)
    with tempfile.TemporaryDirectory() as folder:
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(_recorders(Path(folder))))
        notebook.cells.append(nbformat.v4.new_code_cell(_LEFT))
        nbclient.NotebookClient(
            notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": folder}}
        ).execute()
        left = "".join(output.get("text", "") for output in notebook.cells[-1].outputs).strip()
        for path in sorted(Path(folder).glob("*.jsonl")):
            if failed := [call for call in Recorded(path).exchanges if call.failure]:
                raise SystemExit(f"{path.stem}, line {failed[0].line}: {failed[0].failure}")
            target = RECORDINGS / path.name
            target.write_bytes(path.read_bytes())
            print(f"{target.relative_to(ROOT)}: {len(path.read_bytes()):,} bytes")
    if left:
        print(f"never asked for: {left}")
    return int(bool(left))


def _recorders(folder: Path) -> str:
    return f"""
from pathlib import Path as _Path

_scenes, _made, _recorders = {SCENES!r}, {{}}, {{}}


def voice(scene, delay=0.0):
    path = _Path({str(folder)!r}) / f"{{scene}}.jsonl"
    if scene not in _made:
        _made[scene] = vl.Scripted(_scenes[scene], name="written lines", pieces=4)
        _recorders[scene] = vl.Recorded.record(_made[scene], path)
    if not path.exists():
        return _recorders[scene]
    return vl.Recorded(path, match="order", delay=delay)


recordings = _Path({str(folder)!r})
"""


_LEFT = """
for _name, _lines in _scenes.items():
    if _name not in _made or _made[_name].unused:
        print(_name, _made[_name].unused if _name in _made else "the whole scene")
"""

if __name__ == "__main__":
    sys.exit(main())
