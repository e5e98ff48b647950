"""The reference lists every code that loading and checking can tell."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "core" / "src" / "coditect"
TELLERS = {"Finding", "slip", "of", "_stop"}
KINDS = ("repository", "agent", "workstream", "participant", "task")


def told() -> set[str]:
    """Every literal code in the calls that make findings."""
    found = {f"unknown-{kind}" for kind in KINDS}
    found |= {f"unused-{kind}" for kind in ("repository", "agent", "workstream")}
    for package in ("plan", "check", "paths"):
        for path in (SOURCES / package).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and node.args:
                    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                    first = node.args[0]
                    if name in TELLERS and isinstance(first, ast.Constant):
                        found.add(str(first.value))
                if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "code":
                    found |= {
                        str(leaf.value)
                        for leaf in ast.walk(node.value)
                        if isinstance(leaf, ast.Constant) and "-" in str(leaf.value)
                    }
    return {code for code in found if re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", code)}


def test_every_code_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference" / "findings.md").read_text(encoding="utf-8")
    listed = {
        code
        for line in text.splitlines()
        if line.startswith("| `")
        for code in re.findall(r"`([a-z0-9-]+)`", line.split("|")[1])
    }
    codes = told()
    assert len(codes) > 60
    assert codes - listed == set()
