"""Tells the text of a file that the test names; fails where there is none."""

import os
import sys
import time

if sys.stdin.read():
    sys.exit("a static plugin is given no input")
try:
    with open(os.environ["CONTRACT_VALUE"], encoding="utf-8") as file:
        text = file.read()
    hangs = text.startswith("hang:")
    sys.stdout.buffer.write(text.removeprefix("hang:").encode("utf-8"))
    sys.stdout.flush()
    if hangs:
        time.sleep(60)
except OSError:
    sys.stdout.write("half a val")
    sys.exit("the source is gone")
