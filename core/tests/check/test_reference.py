"""The reference lists every code that the product can tell, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "core" / "src" / "coditect"
PLAN = ("plan", "check", "paths")
RUN = ("schedule", "git", "agents", "run", "report", "cli")
TELLERS = {"Finding", "slip", "of", "_stop", "report"}
PREFIXED = {"held": "landing-", "_trouble": "schedule-"}
"""Functions that put something before the code they are given."""
KINDS = ("repository", "agent", "workstream", "participant", "task")
DYNAMIC = {f"unknown-{kind}" for kind in KINDS} | {
    f"unused-{kind}" for kind in ("repository", "agent", "workstream")
}


def nodes(packages: tuple[str, ...]) -> Iterator[ast.AST]:
    for package in packages:
        for path in (SOURCES / package).rglob("*.py"):
            yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def told(packages: tuple[str, ...]) -> set[str]:
    """Every literal code in the calls that make findings."""
    found: set[str] = set()
    for node in nodes(packages):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            codes = [each.value for each in node.keywords if each.arg == "code"]
            if name in TELLERS | PREFIXED.keys():
                codes += node.args[:1]
            found |= {
                PREFIXED.get(name, "") + str(code.value)
                for code in codes
                if isinstance(code, ast.Constant)
            }
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "code":
            found |= {
                str(leaf.value)
                for leaf in ast.walk(node.value)
                if isinstance(leaf, ast.Constant) and "-" in str(leaf.value)
            }
    return {code for code in found if re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", code)}


def listed() -> set[str]:
    text = (ROOT / "docs" / "reference" / "findings.md").read_text(encoding="utf-8")
    return {
        code
        for line in text.splitlines()
        if line.startswith("| `")
        for code in re.findall(r"`([a-z0-9-]+)`", line.split("|")[1])
    }


@pytest.mark.parametrize(("packages", "least"), [(PLAN, 60), (RUN, 70)])
def test_every_code_is_in_the_reference(packages: tuple[str, ...], least: int) -> None:
    codes = told(packages)
    assert len(codes) > least
    assert (codes | DYNAMIC) - listed() == set()


def test_the_reference_lists_nothing_that_is_never_told() -> None:
    assert listed() - told(PLAN) - told(RUN) - DYNAMIC == set()
