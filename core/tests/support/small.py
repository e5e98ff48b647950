"""A plan small enough to know a run's figures by heart."""

from __future__ import annotations

from pathlib import Path

from coditect.plan import load_plan
from coditect.plan.model import HOUR, Plan
from coditect.run.program import Settings
from support.journey import Journey

TEXT = """
schema: 1
name: small
title: {title}
repositories:
  app: {{}}
agents:
  ann: {{adapter: {adapter}}}
  bob: {{adapter: {adapter}}}
workstreams:
  code: {{agents: ann, owns: "app:code/"}}
  text: {{agents: bob, owns: "app:text/"}}
tasks:
  a: {{title: "{a}", workstream: code, effort: 2h, deliverable: "app:code/a.py",
      verify: {{kind: presence, run: test -s code/a.py}}}}
  b: {{title: B, workstream: code, effort: 1h, needs: a, deliverable: "app:code/b.py",
      verify: {{kind: tool, run: python3 code/b.py}}}}
  c: {{title: C, workstream: text, effort: 1h, deliverable: "app:text/c.md"}}
  d: {{title: D, workstream: text, effort: 1h, needs: [b, c], deliverable: "app:text/d.md",
      verify: {{kind: e2e, run: make e2e}}}}
  e: {{title: E, workstream: text, effort: 1h, deliverable: "app:text/e.md",
      verify: {{kind: presence, run: test -s text/e.md}}}}
checkpoints:
  gate: {{title: Gate, participants: [code, text], after: [b, c], before: d, duration: 1h,
         deliverable: "app:code/b.py", approval: true}}
risks:
  slow: {{title: B is slow, fallback: Ask Ann, trigger: {{task: b, late_by: 30m}}}}
"""

PLANNED = {
    "a": (0, 2 * HOUR),
    "b": (2 * HOUR, 3 * HOUR),
    "c": (0, HOUR),
    "e": (HOUR, 2 * HOUR),
    "gate": (3 * HOUR, 4 * HOUR),
    "d": (4 * HOUR, 5 * HOUR),
}
"""The shortest schedule, in seconds of work."""


def small_plan(
    title: str = "A small plan", a: str = "A", adapter: str = "rehearsal", text: str = TEXT
) -> Plan:
    """Read the plan; `a` is the title of task a, escaped as YAML wants it."""
    return load_plan(Path("small.yaml"), text=text.format(title=title, a=a, adapter=adapter))


def small_journey(plan: Plan | None = None, **options: object) -> Journey:
    """Make its run: an hour is a second, and each of the engine's effects takes 10 ms."""
    settings = {"settings": Settings(pace=1000), "step": 10, "planned": PLANNED}
    return Journey(plan or small_plan(), **{**settings, **options})  # type: ignore[arg-type]
