"""``python -m vcplab``: the command line where no ``vcplab`` script is on the path."""

from __future__ import annotations

import sys

from vcplab.cli import main

if __name__ == "__main__":
    sys.exit(main())
