"""Replies in every way, good and bad, as ``do`` asks."""

import json
import os
import subprocess
import sys
import time


def out(text):
    sys.stdout.buffer.write(text if isinstance(text, bytes) else text.encode("utf-8"))
    sys.stdout.buffer.flush()


def reply(result, **more):
    out(json.dumps({"status": "success", "result": result, **more}, ensure_ascii=False))


given = sys.stdin.buffer.read()
args = json.loads(given or b"{}")
do = args.get("do")
if do == "success":
    reply(args.get("say", "好的 🎲"))
elif do == "noise":
    out("loading the model ...\n{not JSON} done\n")
    reply("好的")
elif do == "noise around":
    out("loading the model ...\n")
    reply("好的")
    out("\nbye\n")
elif do == "plain":
    out("晴，25 度\n")
elif do == "two":
    reply("one")
    out("\n")
    reply("two")
elif do == "list":
    out('["status", "success"]')
elif do == "no status":
    out('{"result": "well"}')
elif do == "odd status":
    out('{"status": "pending", "result": "well"}')
elif do == "white space":
    out("\n\n  \t")
    reply("well")
    out("\n \n")
elif do == "silence":
    pass
elif do == "exit 3":
    reply("well")
    sys.exit(3)
elif do == "silent exit 3":
    sys.stderr.write("the cause of it all\n")
    sys.exit(3)
elif do == "error":
    out(
        json.dumps(
            {"status": "error", "error": args.get("say", "no such 骰子")}, ensure_ascii=False
        )
    )
elif do == "error, exit 1":
    out(json.dumps({"status": "error", "error": "no such 骰子", "result": {"hint": 1}}))
    sys.exit(1)
elif do == "stderr":
    sys.stderr.buffer.write(b"first warning\nbytes \xff\n")
    sys.stderr.buffer.write("中文 line\n".encode())
    sys.stderr.flush()
    reply("well")
elif do == "stderr flood":
    line = b"x" * 1023 + b"\n"
    for _ in range(args["megabytes"] * 1024):
        sys.stderr.buffer.write(line)
    sys.stderr.buffer.write(b"the last line\n")
    sys.stderr.flush()
    reply("well")
elif do == "large":
    reply("中" * args["characters"])
elif do == "bytes":
    out(b'{"status": "success", "result": "a' + b"\xff\xe4\xb8 " + '中🎲"}'.encode())
elif do == "split":
    whole = json.dumps({"status": "success", "result": "中🎲文"}, ensure_ascii=False).encode()
    for byte in whole:
        out(bytes([byte]))
        time.sleep(0.001)
elif do == "sleep":
    pause = [sys.executable, "-c", "import time; time.sleep(60)"]
    subprocess.Popen(pause)
    open(args["ready"], "w").close()
    time.sleep(60)
elif do == "stay":
    # A reply, but the process goes on: synchronous means "at exit".
    reply("too early")
    time.sleep(60)
elif do == "pid":
    reply(os.getpid())
elif do is None:
    reply(given.decode("utf-8"))
