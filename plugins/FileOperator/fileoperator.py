"""FileOperator: a VCP plugin that works on files in named folders, and nowhere else.

Reads one JSON object from standard input, writes one to standard output.
"""

from __future__ import annotations

from filekit.commands import answer
from filekit.stdio import serve

if __name__ == "__main__":
    serve("FileOperator", answer)
