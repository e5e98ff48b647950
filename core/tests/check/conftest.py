"""Plans as text for `check`, with a mark where a finding has to point."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from coditect.check import check
from coditect.findings import Finding, Place
from coditect.plan import load_plan

MARK = "§"

HEAD = """\
schema: 1
name: small
repositories:
  app: {}
agents:
  ann: {adapter: rehearsal}
  bob: {adapter: rehearsal}
workstreams:
  left: {agents: ann, owns: app:left/}
  right: {agents: bob, owns: app:right/}
tasks:
"""

ENTRY = (
    "    workstream: {stream}\n    effort: {effort}\n    verify: {{kind: presence, run: 'true'}}\n"
)


@pytest.fixture
def head() -> str:
    """A plan up to its tasks: two workstreams with a slot each, in one repository."""
    return HEAD


@pytest.fixture
def task() -> Callable[..., str]:
    """Write a task in YAML."""

    def write(name: str, stream: str = "left", *lines: str, effort: str = "1h") -> str:
        more = "".join(f"    {line}\n" for line in lines)
        return f"  {name}:\n" + ENTRY.format(stream=stream, effort=effort) + more

    return write


@pytest.fixture
def checked() -> Callable[[str], tuple[tuple[Finding, ...], Place | None]]:
    """Check a plan's text; give the findings and the place of the mark in it."""

    def run(text: str) -> tuple[tuple[Finding, ...], Place | None]:
        before, mark, after = text.partition(MARK)
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        place = Place("plan.yaml", line, column) if mark else None
        return check(load_plan(Path("plan.yaml"), before + after)), place

    return run
