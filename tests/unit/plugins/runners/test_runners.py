"""The runners of module plugins, started for real in both languages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from vcplab.core.errors import NotFoundError
from vcplab.plugins.runners import OPERATIONS, STYLES, runner_path

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="needs Node")
LANGUAGES = ["python", pytest.param("javascript", marks=needs_node)]


class Done(NamedTuple):
    reply: Any
    stdout: bytes
    stderr: str
    code: int
    seconds: float


@pytest.fixture
def runner(tmp_path):
    def run_it(
        script,
        source=None,
        operation="call",
        *,
        stdin=None,
        python=sys.executable,
        cwd=None,
        environment=None,
        **request,
    ):
        path = tmp_path / script
        if source is not None:
            path.write_text(source, encoding="utf-8")
        language = "python" if path.suffix == ".py" else "javascript"
        program = python if language == "python" else NODE
        given = json.dumps(request).encode() if stdin is None else stdin
        began = time.monotonic()
        done = subprocess.run(
            [program, str(runner_path(language)), operation, script],
            input=given,
            capture_output=True,
            cwd=cwd or tmp_path,
            env={**os.environ, **(environment or {})},
            timeout=20,
            check=False,
        )
        seconds = time.monotonic() - began
        lines = done.stdout.split(b"\n")
        assert len(lines) == 2, done.stdout[:500] + done.stderr[-2000:]
        assert lines[1] == b""
        return Done(
            json.loads(lines[0]), done.stdout, done.stderr.decode(), done.returncode, seconds
        )

    return run_it


def side_by_side(ask, rows):
    """Each row is a process of its own; a few of them run at a time."""
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(ask, rows))


def in_both(python, javascript):
    """The same plugin in both languages, as parameters."""
    return pytest.mark.parametrize(
        ("script", "source"),
        [
            pytest.param("plugin.py", python, id="python"),
            pytest.param("plugin.js", javascript, id="javascript", marks=needs_node),
        ],
    )


def test_the_paths():
    for language, name in {"javascript": "run_module.cjs", "Python": "run_module.py"}.items():
        assert runner_path(language).name == name
        assert runner_path(language).is_file()
    with pytest.raises(NotFoundError, match="rust"):
        runner_path("rust")
    assert OPERATIONS == ("call", "describe", "preprocess")
    assert STYLES == ("cherry", "module", "toolbox", "preprocessor")


# --- cherry (seed 001)


@in_both(
    "async def execute(params):\n"
    "    print('noise')\n"
    "    return {'success': True, 'output': f\"处理结果: {params['input']}\"}\n",
    "module.exports = { execute: async (params) => {\n"
    "  console.log('noise');\n"
    "  return { success: true, output: `处理结果: ${params.input}` };\n"
    "} };\n",
)
def test_cherry_executes(runner, script, source):
    done = runner(script, source, tool="my_plugin", args={"input": "茶"})  # no style: it is found
    assert done.reply == {"status": "success", "result": "处理结果: 茶"}
    assert done.code == 0
    assert "noise" in done.stderr


NO_REASON = "The plugin failed and gave no reason."
ANSWERS = [
    ({"success": True, "output": "a", "data": {}}, {"result": "a"}),
    ({"success": True, "output": "a", "data": []}, {"result": "a"}),
    (
        {"success": True, "output": "a", "data": {"n": 1}},
        {"result": {"output": "a", "data": {"n": 1}}},
    ),
    ({"success": True, "output": "a", "data": 0}, {"result": {"output": "a", "data": 0}}),
    ({"success": True, "data": [1]}, {"result": {"data": [1]}}),
    ({"success": True}, {"result": None}),
    ({"success": False, "error": "no tea"}, {"error": "no tea"}),
    ({"success": False, "output": "no cup"}, {"error": "no cup"}),
    ({"success": False}, {"error": NO_REASON}),
    ("just text", {"result": "just text"}),
    (None, {"result": None}),
    ({"status": "error", "error": "own"}, {"error": "own"}),
]


@in_both(
    "def execute(params):\n    return params['give']\n",
    "exports.execute = (params) => params.give;\n",
)
def test_what_cherry_answers_means(runner, tmp_path, script, source):
    (tmp_path / script).write_text(source, encoding="utf-8")

    def ask(row):
        return runner(script, args={"give": row[0]}, style="cherry")

    for (give, reply), done in zip(ANSWERS, side_by_side(ask, ANSWERS), strict=True):
        state = "error" if "error" in reply else "success"
        assert done.reply == {"status": state, **reply}, give
        assert done.code == 0


# --- module (seed 000)

MODULE_JS = """
let seen = null;
module.exports = {
  initialize(config) { seen = config; process.stdout.write('starting\\n'); },
  getTools() { return [{ name: 'brew', description: '泡茶', for: seen.who ?? null }]; },
  async executeTool(toolName, params) { return { toolName, params, seen }; },
  async cleanup() { console.error('CLEANED'); },
};
"""
MODULE_PY = """
seen = None
def initialize(config):
    global seen
    seen = config
    print('starting')
def {get_tools}():
    return [{{'name': 'brew', 'description': '泡茶', 'for': seen.get('who')}}]
async def {execute_tool}(name, params):
    return {{'toolName': name, 'params': params, 'seen': seen}}
async def cleanup():
    print('CLEANED')
"""


@pytest.mark.parametrize(
    ("script", "source"),
    [
        ("p.py", MODULE_PY.format(get_tools="get_tools", execute_tool="execute_tool")),
        ("p.py", MODULE_PY.format(get_tools="getTools", execute_tool="executeTool")),
        pytest.param("p.js", MODULE_JS, marks=needs_node),
    ],
)
def test_module_style(runner, script, source):
    request = {"config": {"who": "小克"}, "style": "module"}
    done = runner(script, source, tool="brew", args={"cups": "2"}, **request)
    assert done.reply["result"] == {
        "toolName": "brew",
        "params": {"cups": "2"},
        "seen": {"who": "小克"},
    }
    assert "starting" in done.stderr
    assert "CLEANED" in done.stderr
    done = runner(script, None, "describe", **request)
    assert done.reply["result"] == [{"name": "brew", "description": "泡茶", "for": "小克"}]
    assert "CLEANED" in done.stderr


@in_both(
    "class Tea:\n"
    "    def initialize(self, config): self.config = config\n"
    "    def getTools(self): return []\n"
    "    def executeTool(self, name, params): return [name, self.config]\n",
    "module.exports = class Tea {\n"
    "  initialize(config) { this.config = config; }\n"
    "  executeTool(name, params) { return [name, this.config]; }\n"
    "};\n",
)
def test_a_class_is_made_into_an_object(runner, script, source):
    done = runner(script, source, tool="t", config={"a": 1}, style="module")
    assert done.reply == {"status": "success", "result": ["t", {"a": 1}]}


# --- toolbox and preprocessors (facts/vcp-protocol §2)

TOOLBOX_PY = """
import sys
def initialize(config, deps):
    deps['vcpLogFunctions']['pushVcpLog']({'status': 'up'})
def process_tool_call(args, ctx):
    assert not ctx['signal'].is_set()
    ctx = {key: value for key, value in ctx.items() if key != 'signal'}
    return {'args': args, 'ctx': ctx}
def shutdown():
    print('SHUT')
"""
TOOLBOX_MJS = """
export async function initialize(config, deps) {
  deps.vcpLogFunctions.pushVcpLog({ status: 'up' });
}
export async function processToolCall(args, { signal, ...ctx }) {
  if (signal.aborted) throw new Error('aborted');
  return { args, ctx };
}
export function shutdown() { console.log('SHUT'); }
"""


@pytest.mark.parametrize(
    ("script", "source"),
    [
        ("p.py", TOOLBOX_PY),
        pytest.param("p.mjs", TOOLBOX_MJS, marks=needs_node),
        pytest.param("esm.js", TOOLBOX_MJS, marks=needs_node),
        pytest.param(
            "p.mjs",
            "export default { processToolCall: async (args, { signal, ...ctx }) =>\n"
            " { console.log('up', 'SHUT'); return { args, ctx }; } };\n",
            marks=needs_node,
        ),
    ],
)
def test_toolbox_style(runner, tmp_path, script, source):
    if script == "esm.js":
        (tmp_path / "package.json").write_text('{"type": "module"}')
    done = runner(
        script,
        source,
        tool="Hybrid",
        args={"q": "x"},
        style="toolbox",
        context={"requestIp": "127.0.0.1"},
    )
    assert done.reply["result"] == {
        "args": {"q": "x"},
        "ctx": {"requestIp": "127.0.0.1", "sourceNode": None, "pluginName": "Hybrid"},
    }
    assert "up" in done.stderr
    assert "SHUT" in done.stderr
    assert "ExperimentalWarning" not in done.stderr


@in_both(
    "def initialize(config): pass\n"
    "async def processMessages(messages, config):\n"
    "    return messages + [{'role': 'system', 'content': config['add']}]\n"
    "def process_tool_call(args): return args\n",
    "module.exports = {\n"
    "  async processMessages(messages, config) {\n"
    "    return [...messages, { role: 'system', content: config.add }];\n"
    "  },\n"
    "  processToolCall: (args) => args,\n"
    "};\n",
)
def test_preprocessors(runner, script, source):
    messages = [{"role": "user", "content": "早"}]
    request = {"config": {"add": "早上好"}, "messages": messages}
    done = runner(script, source, "preprocess", style="preprocessor", **request)
    assert done.reply["result"] == [*messages, {"role": "system", "content": "早上好"}]
    # A hybrid service is a preprocessor and a tool.
    done = runner(script, None, "call", style="preprocessor", args={"a": 1}, **request)
    assert done.reply["result"] == {"a": 1}


@in_both(
    "def process_messages(messages, config): return None\n",
    "exports.processMessages = () => {};\n",
)
def test_a_preprocessor_that_forgets_to_return(runner, script, source):
    done = runner(script, source, "preprocess", style="preprocessor")
    assert done.reply["status"] == "error"
    assert "did not return" in done.reply["error"]
    assert done.code == 1


@in_both("def execute(params): pass\n", "exports.execute = () => {};\n")
def test_describe_of_other_styles(runner, script, source):
    done = runner(script, source, "describe")
    assert done.reply["result"] == {"style": "cherry", "functions": ["execute"]}


# --- errors


@in_both(
    "def execute(params):\n    raise ValueError('no 茶')\n",
    "exports.execute = async () => { throw new TypeError('no 茶'); };\n",
)
def test_an_exception(runner, script, source):
    done = runner(script, source, style="cherry")
    assert done.reply["status"] == "error"
    assert done.reply["error"] in ("ValueError: no 茶", "TypeError: no 茶")
    assert "plugin." in done.stderr  # the stack names the file
    assert "no 茶" in done.stderr
    assert done.code == 1


@in_both(
    "raise RuntimeError('at import')\n",
    "throw new RangeError('at import');\n",
)
def test_an_exception_while_it_loads(runner, script, source):
    done = runner(script, source, style="cherry")
    assert "at import" in done.reply["error"]
    assert done.code == 1


@in_both("def broken(:\n", "module.exports = { broken( };\n")
def test_a_syntax_error(runner, script, source):
    done = runner(script, source, style="cherry")
    assert done.reply["error"].startswith("SyntaxError")
    assert done.code == 1


MISSING = [
    ("call", "cherry", "execute"),
    ("call", "module", "executeTool"),
    ("describe", "module", "getTools"),
    ("call", "toolbox", "processToolCall"),
    ("preprocess", "preprocessor", "processMessages"),
    ("call", None, "processToolCall"),
]


@in_both("def other(): pass\n", "exports.other = () => {};\n")
def test_a_missing_function_is_named(runner, tmp_path, script, source):
    (tmp_path / script).write_text(source, encoding="utf-8")

    def ask(row):
        return runner(script, None, row[0], style=row[1])

    for row, done in zip(MISSING, side_by_side(ask, MISSING), strict=True):
        assert done.reply["status"] == "error"
        assert row[2].lower() in done.reply["error"].replace("_", "").lower(), row
        assert done.code == 1


BAD_REQUESTS = {
    b"{": "not JSON",
    b'"\xff"': "not JSON in UTF-8",
    b"[]": "not an object",
    b'{"args": []}': "'args'",
    b'{"messages": {}}': "'messages'",
    b'{"style": "baroque"}': "'baroque'",
}


@in_both("def execute(p): return 1\n", "exports.execute = () => 1;\n")
def test_bad_requests(runner, tmp_path, script, source):
    (tmp_path / script).write_text(source, encoding="utf-8")

    def ask(stdin):
        return runner(script, stdin=stdin)

    for said, done in zip(BAD_REQUESTS.values(), side_by_side(ask, BAD_REQUESTS), strict=True):
        assert said in done.reply["error"]
        assert done.code == 1


@in_both("def execute(p): return p\n", "exports.execute = (p) => p;\n")
def test_empty_stdin_is_an_empty_request(runner, script, source):
    assert runner(script, source, stdin=b"").reply == {"status": "success", "result": {}}


@pytest.mark.parametrize("script", ["none.py", pytest.param("none.js", marks=needs_node)])
def test_no_script(runner, script):
    done = runner(script, style="cherry")
    assert script in done.reply["error"]
    assert done.code == 1


@pytest.mark.parametrize("script", ["p.py", pytest.param("p.js", marks=needs_node)])
def test_an_unknown_operation(runner, script):
    done = runner(script, "", "dance")
    assert done.reply["error"].startswith("Usage")
    assert done.code == 1


@in_both(
    "def execute(p): return {1, 2}\n",
    "exports.execute = () => ({ n: 1n });\n",
)
def test_a_result_that_is_no_json(runner, script, source):
    done = runner(script, source, style="cherry")
    assert "cannot be written as JSON" in done.reply["error"]
    assert done.code == 1


@in_both(
    "import sys\ndef execute(p): sys.exit(0)\n",
    "exports.execute = () => process.exit(0);\n",
)
def test_a_module_that_ends_the_process(runner, script, source):
    done = runner(script, source, style="cherry")
    assert "ended the process (exit code 0)" in done.reply["error"]
    assert done.code == 1


@needs_node
def test_a_promise_that_nothing_can_settle(runner):
    done = runner("p.js", "exports.execute = () => new Promise(() => {});\n", style="cherry")
    assert "never answered" in done.reply["error"]
    assert done.code == 1


@needs_node
@pytest.mark.parametrize(
    "source",
    [
        "exports.execute = () => new Promise(() => { Promise.reject(new Error('stray')); });\n",
        "exports.execute = () => new Promise(() => setTimeout(() => { throw Error('stray'); }));\n",
    ],
)
def test_an_error_outside_the_promise(runner, source):
    done = runner("p.js", source, style="cherry")
    assert done.reply == {"status": "error", "error": "stray"}
    assert done.code == 1


@needs_node
def test_things_thrown_that_are_no_errors(runner):
    done = runner("p.js", "exports.execute = () => { throw { code: 7 }; };\n", style="cherry")
    assert done.reply["error"] == 'The module threw {"code":7}.'


# --- the end of the process


@in_both(
    "import threading, time\n"
    "def executeTool(name, params):\n"
    "    threading.Thread(target=time.sleep, args=(60,)).start()\n"
    "    return 'done'\n"
    "def cleanup():\n"
    "    time.sleep(60)\n",
    "exports.executeTool = () => { setInterval(() => {}, 1000); return 'done'; };\n"
    "exports.cleanup = () => new Promise(() => {});\n",
)
def test_open_handles_and_an_endless_cleanup(runner, script, source):
    done = runner(script, source, style="module")
    assert done.reply == {"status": "success", "result": "done"}
    assert done.code == 0
    assert 1.0 <= done.seconds < 6  # a second, and what the start takes on a busy machine


@needs_node
def test_open_handles_alone_cost_nothing(runner):
    source = "exports.execute = () => { setInterval(() => {}, 1e6); return 'done'; };\n"
    bare = runner("bare.js", "exports.execute = () => 'done';\n", style="cherry")
    done = runner("p.js", source, style="cherry")
    assert done.reply["result"] == "done"
    assert done.seconds < bare.seconds + 0.9


@in_both(
    "def executeTool(name, params): return 1\ndef cleanup(): raise ValueError('late')\n",
    "exports.executeTool = () => 1;\nexports.cleanup = () => { throw new Error('late'); };\n",
)
def test_a_failing_cleanup_does_not_undo_the_result(runner, script, source):
    done = runner(script, source, style="module")
    assert done.reply == {"status": "success", "result": 1}
    assert "late" in done.stderr
    assert done.code == 0


@in_both(
    "def execute(p): return '茶' * 4_000_000\n",
    "exports.execute = () => '茶'.repeat(4_000_000);\n",
)
def test_twelve_megabytes_arrive_whole(runner, script, source):
    done = runner(script, source, style="cherry")
    assert done.reply["result"] == "茶" * 4_000_000
    assert len(done.stdout) > 12_000_000


@pytest.mark.parametrize(
    ("script", "source"),
    [
        ("p.py", "def execute(p): return 'x' * 10_000_000\n"),
        pytest.param("p.js", "exports.execute = () => 'x'.repeat(10_000_000);\n", marks=needs_node),
    ],
)
def test_a_slow_reader_gets_everything(runner, tmp_path, script, source):
    (tmp_path / script).write_text(source)
    python = script.endswith(".py")
    with subprocess.Popen(
        [
            sys.executable if python else NODE,
            str(runner_path("python" if python else "javascript")),
            "call",
            str(tmp_path / script),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        child.stdin.close()
        total = len(child.stdout.read(1))
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.3)  # it waits for the reader instead of dropping the rest
        total += len(child.stdout.read())
        assert child.wait(10) == 0
    assert total == 10_000_000 + len('{"status": "success", "result": ""}\n') - (0 if python else 3)


# --- what goes to stdout


@needs_node
def test_every_console_method_of_node_goes_to_stderr(runner):
    source = (
        "exports.execute = () => {\n"
        "  console.log('A'); console.info('B');\n"
        "  console.table([{ c: 'C' }]); console.dir({ d: 'D' });\n"
        "  console.debug('E'); process.stdout.write('F\\n'); console.group('G');\n"
        "  return 'ok';\n};\n"
    )
    done = runner("p.js", source, style="cherry")
    assert done.reply["result"] == "ok"
    for letter in "ABCDEFG":
        assert letter in done.stderr


def test_every_way_of_printing_in_python_goes_to_stderr(runner):
    source = (
        "import os, subprocess, sys\n"
        "def execute(p):\n"
        "    print('A'); sys.stdout.write('B\\n'); os.write(1, b'C\\n')\n"
        "    sys.__stdout__.write('D\\n'); sys.__stdout__.flush()\n"
        "    subprocess.run([sys.executable, '-c', 'print(\"E\")'], check=True)\n"
        "    return sys.stdin.read()\n"
    )
    done = runner("p.py", source, style="cherry")
    assert done.reply == {"status": "success", "result": ""}
    for letter in "ABCDE":
        assert letter in done.stderr


def test_python_prints_chinese_where_the_locale_is_c(runner):
    source = "def execute(p):\n    print('茶')\n    return '茶\\ud800'\n"
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment["PYTHONIOENCODING"] = "ascii"
    done = runner("p.py", source, style="cherry", environment=environment)
    assert done.reply["result"] == "茶\ud800"
    assert "茶" in done.stderr


# --- imports


def test_a_python_module_imports_from_its_own_folder_and_not_from_the_runners(runner, tmp_path):
    (tmp_path / "helper.py").write_text("VALUE = 7\n")
    source = (
        "from dataclasses import dataclass\n"
        "import sys, helper\n"
        "@dataclass\nclass Tea:\n    cups: int = 1\n"
        "def execute(p):\n"
        "    return [helper.VALUE, sys.argv[1:], __name__, any('runners' in x for x in sys.path),\n"
        "            'vcplab' in sys.modules]\n"
    )
    done = runner("plugin.py", source, style="cherry", cwd=tmp_path)
    assert done.reply["result"] == [7, [], "plugin", False, False]


@needs_node
def test_a_node_module_is_not_the_main_program(runner, tmp_path):
    (tmp_path / "helper.js").write_text("exports.value = 7;\n")
    source = (
        "const helper = require('./helper');\n"
        "if (require.main === module || !module.parent) throw new Error('taken for a program');\n"
        "exports.execute = () => [helper.value, process.argv.length];\n"
    )
    assert runner("p.js", source, style="cherry").reply["result"] == [7, 2]
    assert runner("p.cjs", source, style="cherry").reply["result"] == [7, 2]
