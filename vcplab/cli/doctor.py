"""``vcplab doctor``: what is installed, what is missing, what to do about it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from vcplab.cli.checks import Check, all_checks

__all__ = ["SUMMARY", "add_arguments", "render", "run"]

SUMMARY = "Say what is installed and what is missing, with a next step for each gap."

_MARKS = {"ok": "ok", "warn": "warn", "missing": "MISSING"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--costs", action="store_true", help="also measure what things cost here (about 10 s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print every check; exit code 1 where something required is missing."""
    checks = list(all_checks())
    if arguments.costs:
        from vcplab.cli.costs import cost_checks

        checks += cost_checks()
    healthy = not any(check.required and check.status == "missing" for check in checks)
    if arguments.json:
        report = {"ok": healthy, "checks": [check.to_dict() for check in checks]}
        print(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        print(render(checks))
        print(_verdict(checks, healthy))
    return 0 if healthy else 1


def render(checks: Sequence[Check]) -> str:
    """The checks as text, grouped by topic in the order of their first appearance."""
    width = max((len(check.name) for check in checks), default=0)
    lines = []
    for topic in dict.fromkeys(check.topic for check in checks):
        lines.append(f"{topic}:")
        for check in checks:
            if check.topic == topic:
                lines.append(f"  {_MARKS[check.status]:<8} {check.name:<{width}}  {check.found}")
                if check.next_step:
                    lines.append(f"  {'':<8} {'':<{width}}  -> {check.next_step}")
    return "\n".join(lines)


def _verdict(checks: Sequence[Check], healthy: bool) -> str:
    warnings = sum(check.status == "warn" for check in checks)
    optional = sum(check.status == "missing" and not check.required for check in checks)
    if not healthy:
        return "Something that vcplab needs is missing: see the lines marked MISSING."
    if warnings or optional:
        return f"vcplab works here ({warnings} warnings, {optional} optional parts missing)."
    return "vcplab works here; nothing is missing."
