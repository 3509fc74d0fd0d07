"""Misbehaves as ``do`` asks; whatever it starts bears the marker of its environment."""

import os
import signal
import subprocess
import sys
import time

PAUSE = [sys.executable, "-c", "import time; time.sleep(120)"]


def double_fork(new_session):
    """Start a process whose parent is gone."""
    if os.fork() == 0:
        if new_session:
            os.setsid()
        if os.fork() == 0:
            time.sleep(120)
        os._exit(0)
    os.wait()


def misbehave(do, count):
    if do == "fork bomb":
        for _ in range(count):
            subprocess.Popen(PAUSE)
        time.sleep(120)
    elif do == "fork bomb, new sessions":
        for _ in range(count):
            subprocess.Popen(PAUSE, start_new_session=True)
        time.sleep(120)
    elif do == "fork bomb, double":
        for _ in range(count):
            double_fork(new_session=True)
        time.sleep(120)
    elif do == "fork bomb, no trace":
        # Neither in the group nor in the environment; the marker is in the command line.
        for _ in range(count):
            pause = [*PAUSE, os.environ["CONTRACT_MARK"]]
            subprocess.Popen(pause, start_new_session=True, env={})
        time.sleep(120)
    elif do == "fork bomb, then success":
        for number in range(count):
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
            subprocess.Popen(PAUSE, start_new_session=number % 2 == 0, **quiet)
            double_fork(new_session=True)
        print('{"status": "success", "result": "done"}', flush=True)
    elif do == "hang":
        time.sleep(120)
    elif do == "hang, deaf":
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(120)
    elif do == "hang, complaining":
        sys.stderr.write("waiting for a server\n")
        sys.stderr.flush()
        time.sleep(120)
    elif do == "100 MB":
        for _ in range(100):
            sys.stdout.write("x" * 1024 * 1024)
        sys.stdout.flush()
    elif do == "garbage":
        sys.stdout.buffer.write(os.urandom(200_000))
    elif do == "crash":
        sys.stdout.write('{"status": "success", "res')
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGSEGV)
    elif do == "closed stdout":
        os.close(1)
        time.sleep(120)
    elif do == "all closed":
        os.closerange(0, 3)
        time.sleep(120)
    elif do == "endless":
        while True:
            sys.stdout.write("still here\n")
            sys.stdout.flush()
            time.sleep(0.02)
    elif do == "held pipe":
        # The plugin is gone; what it started keeps its standard output open.
        subprocess.Popen(PAUSE, start_new_session=True)
        print('{"status": "success", "result": "done"}', flush=True)


if os.environ.get("CONTRACT_CLOSES_STDIN"):
    # Before it reads anything.
    os.close(0)
    if os.environ["CONTRACT_CLOSES_STDIN"] == "reply":
        print('{"status": "success", "result": "did not listen"}', flush=True)
    elif os.environ["CONTRACT_CLOSES_STDIN"] == "hang":
        time.sleep(120)
    os._exit(0)

import json  # noqa: E402  (closing standard input at once comes first)

given = json.loads(sys.stdin.buffer.read() or b"{}")
misbehave(given["do"], given.get("count", 5))
