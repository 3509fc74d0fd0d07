"""Answers at once with a task, goes on, and posts the outcome in the shape that ``shape`` names."""

import json
import os
import sys
import time
import urllib.error
import urllib.request


def post(url, body):
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


args = json.loads(sys.stdin.buffer.read() or b"{}")
base, plugin = os.environ["CALLBACK_BASE_URL"], os.environ["PLUGIN_NAME_FOR_CALLBACK"]
task = args["task"] if args.get("task") else f"task-{os.getpid()}"
if args.get("noise"):
    print("starting up ...", flush=True)
for _ in range(args.get("flood", 0) // 1000):
    sys.stdout.write('{"progress": 1}\n' * 1000)
if args.get("silent"):
    time.sleep(60)
if args.get("refuse"):
    print(json.dumps({"status": "error", "error": "no room for tasks"}), flush=True)
    sys.exit(0)
if args.get("crash"):
    sys.stderr.write("it never began\n")
    sys.exit(2)
first = {
    "task_id": task,
    "base": base,
    "plugin": plugin,
    "pid": os.getpid(),
    "message": f"Wait for {{{{VCP_ASYNC_RESULT::{plugin}::{task}}}}}",
}
if "ballast" in args:
    first["ballast"] = "x" * args["ballast"]
if "cut" in args:
    # The pipe is read while this much of it is there, a status inside it included.
    first |= {"inner": {"status": "error", "error": "inner"}, "end": args["cut"]}
whole = json.dumps({"status": "success", "result": first}) + "\n"
if "cut" in args:
    at = whole.rindex('"end": ') + len('"end": ') + args["at"]
    sys.stdout.write(whole[:at])
    sys.stdout.flush()
    time.sleep(0.2)
    whole = whole[at:]
sys.stdout.write(whole)
sys.stdout.flush()
end = time.monotonic() + 60
while not os.path.exists(args["go"]) and time.monotonic() < end:
    time.sleep(0.02)
body = {"requestId": task, "status": "Succeed", "message": "画好了 🎨"}
if args.get("shape") == "body":
    answered = post(base, {"pluginName": plugin, "taskId": task, **body})
elif args.get("shape") == "none":
    answered = 0
else:
    answered = post(f"{base}/{plugin}/{task}", body)
if "answered" in args:
    with open(args["answered"], "w") as file:
        file.write(str(answered))
sys.exit(args.get("code", 0))
