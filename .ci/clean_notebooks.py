"""Notebooks are committed without outputs: strip them, or with ``--check`` only complain.

Usage: ``python .ci/clean_notebooks.py [--check] FILE_OR_FOLDER ...``
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


def problems(notebook: dict[str, Any]) -> list[str]:
    """What a committed notebook must not hold."""
    found = []
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell.get("outputs"):
            found.append(f"cell {number} has outputs")
        if cell.get("execution_count"):
            found.append(f"cell {number} has an execution count")
        if "execution" in cell.get("metadata", {}):
            found.append(f"cell {number} has execution times")
    if notebook["metadata"].get("kernelspec") != KERNELSPEC:
        found.append("the kernel is not the plain 'python3'")
    if "widgets" in notebook["metadata"]:
        found.append("widget state is stored")
    return found


def clean(notebook: dict[str, Any]) -> None:
    """Take out, in place, everything that `problems` names."""
    for cell in notebook["cells"]:
        cell.get("metadata", {}).pop("execution", None)
        if cell["cell_type"] == "code":
            cell["outputs"] = []
            cell["execution_count"] = None
    notebook["metadata"].pop("widgets", None)
    notebook["metadata"]["kernelspec"] = dict(KERNELSPEC)


def notebooks(paths: list[Path]) -> Iterator[Path]:
    """The notebooks among the files and below the folders."""
    for path in paths:
        found = sorted(path.rglob("*.ipynb")) if path.is_dir() else [path]
        yield from (file for file in found if ".ipynb_checkpoints" not in file.parts)


def main() -> int:
    """Strip or check; exit code 1 where a check found something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, complain")
    parser.add_argument("paths", nargs="+", type=Path)
    arguments = parser.parse_args()
    failed = False
    for path in notebooks(arguments.paths):
        content = json.loads(path.read_text(encoding="utf-8"))
        found = problems(content)
        if found and arguments.check:
            failed = True
            print(f"{path}: {'; '.join(found)}. Mend with: python .ci/clean_notebooks.py {path}")
        elif found:
            clean(content)
            text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
            path.write_text(text, encoding="utf-8", newline="\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
