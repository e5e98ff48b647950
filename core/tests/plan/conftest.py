"""Plans as text, with a mark where a finding has to point."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from coditect.findings import CoditectError, Finding, Place
from coditect.plan import Plan, load_plan

MARK = "§"

BASE = """\
schema: 1
name: small
repositories:
  app: {}
agents:
  ann: {adapter: rehearsal}
workstreams:
  work:
    agents: ann
    owns: app:src/
tasks:
  first:
    workstream: work
    effort: 1h
"""

Refusal = tuple[tuple[Finding, ...], Place | None]


@pytest.fixture
def base() -> str:
    """The text of a small plan that has nothing wrong."""
    return BASE


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Plan]:
    """Load a plan from text, through a file."""

    def load_text(text: str) -> Plan:
        path = tmp_path / "plan.yaml"
        path.write_text(text, encoding="utf-8", newline="")
        return load_plan(path)

    return load_text


@pytest.fixture
def refuse(tmp_path: Path) -> Callable[[str], Refusal]:
    """Load a plan that is refused; give its findings and the place of the mark in the text."""

    def refuse_text(text: str) -> Refusal:
        before, mark, after = text.partition(MARK)
        path = tmp_path / "plan.yaml"
        path.write_text(before + after, encoding="utf-8", newline="")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        place = Place(str(path), line, column) if mark else None
        with pytest.raises(CoditectError) as caught:
            load_plan(path)
        return caught.value.findings, place

    return refuse_text
