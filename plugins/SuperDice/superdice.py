"""SuperDice: a VCP plugin that rolls dice and draws the tray.

Reads one JSON object from standard input, writes one to standard output.
"""

from __future__ import annotations

from dicekit.reply import answer
from dicekit.stdio import serve

if __name__ == "__main__":
    serve("SuperDice", answer)
