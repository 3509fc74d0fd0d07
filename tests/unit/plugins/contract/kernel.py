"""A process like a kernel: opens a lab, starts calls that never end, and waits to be killed."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import vcplab as vl


def main() -> None:
    folder, mark, go = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    # Only what the plugins start bears the marker.
    os.environ["CONTRACT_MARK"] = mark
    os.environ["CONTRACT_VALUE"] = str(folder / "absent")
    plugins = Path(__file__).resolve().parent / "folders"
    lab = vl.Lab(folder / "lab")
    for name in ("PyBad", "PyLater", "PyTalker"):
        lab.plugins.add(plugins / name, trust=True)
    for do in ("fork bomb", "fork bomb, new sessions", "fork bomb, double", "hang, deaf"):
        lab.plugins.submit("PyBad", {"do": do, "count": 5}, timeout=60)
    lab.plugins.submit("PyTalker", {"do": "sleep", "ready": str(folder / "ready")})
    lab.tools.call("PyLater", {"go": go, "task": "t"})
    print("ready", flush=True)
    time.sleep(120)


if __name__ == "__main__":
    main()
