from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from coditect.report.actual import actual
from coditect.report.run_json import as_json, dumps
from coditect.run.program import Settings
from support.small import small_journey, small_plan

FIGURES = {
    "sequential",
    "planned_makespan",
    "elapsed",
    "makespan",
    "delay",
    "planned_speed_up",
    "speed_up",
    "velocity",
    "throughput",
    "waiting",
    "gate",
    "approval_wait",
    "exit_to_integration_median",
    "exit_to_integration_p95",
    "rework",
}


def document(title: str = "A small plan", until: int | None = None) -> dict[str, Any]:
    plan = small_plan(title)
    journey = small_journey(plan, settings=Settings(pace=1000, approve_all=True), skipped=True)
    journey.run(until)
    found: dict[str, Any] = json.loads(
        dumps(actual(plan, journey.journal, changes=journey.changes))
    )
    return found


def test_every_figure_says_its_unit_and_what_it_rests_on() -> None:
    totals = document()["totals"]
    assert {name for name, value in totals.items() if isinstance(value, dict)} - {
        "usage"
    } == FIGURES
    for name in FIGURES:
        assert set(totals[name]) == {"value", "unit", "evidence", "basis"}
    assert totals["makespan"]["evidence"] == "rehearsed"
    assert totals["speed_up"] == {
        "value": 7 / totals["makespan"]["value"],
        "unit": "times",
        "evidence": "modelled",
        "basis": "modelled / rehearsed",
    }


def test_every_line_says_what_its_actual_figures_are() -> None:
    found = document()
    for part in ("workstreams", "checkpoints", "agents", "tasks"):
        assert [line["evidence"] for line in found[part]] == ["rehearsed"] * len(found[part])


def test_the_keys_are_those_that_are_documented() -> None:
    found = document()
    assert set(found) == {
        *("schema", "run", "plan", "title", "outcome", "started_at", "last_at", "pace_ms"),
        *("restarts", "evidence", "trust", "hours_per_day", "totals", "verification"),
        *("workstreams", "checkpoints", "agents", "tasks", "refusals", "risks", "landings"),
    }
    assert set(found["tasks"][0]) == {
        *("id", "title", "workstream", "phase", "evidence", "state", "why", "planned", "actual"),
        *("late_h", "work_h", "lost_work_h", "waiting_h", "backoff_h", "gate", "agents"),
        *("attempts", "repository", "commit", "changed", "rework", "verified", "checks"),
    }
    assert set(found["tasks"][0]["gate"]) == {
        *("save_ms", "gate_ms", "queue_ms", "verification_ms", "integration_ms", "total_ms")
    }
    assert set(found["checkpoints"][0]) == {
        *("id", "title", "evidence", "state", "why", "participants", "attending", "planned"),
        *("actual", "gathering_h", "hold_h", "verification_h", "approval_wait_h", "approval"),
        *("decisions", "checks"),
    }
    assert found["schema"] == 1


def test_a_verification_that_did_not_run_has_no_result() -> None:
    found = document()
    check = next(task for task in found["tasks"] if task["id"] == "b")["checks"][0]
    assert (check["kind"], check["run"], check["ok"]) == ("tool", False, None)
    assert found["verification"]["tasks"]["tool"] == {"passed": 0, "failed": 0, "not_run": 1}
    assert found["verification"]["unverified"] == ["b", "c", "d"]


def test_what_is_not_known_is_null() -> None:
    found = document(until=500)
    assert found["outcome"] == "unfinished"
    page = Path(__file__).parents[3] / "docs/reference/report.md"
    [row] = [
        line for line in page.read_text("utf-8").splitlines() if line.startswith("| `outcome`")
    ]
    assert "`unfinished` while it goes on" in row
    assert found["totals"]["makespan"] is None
    assert found["totals"]["exit_to_integration_median"] is None
    assert found["totals"]["downtime"] is None
    task = next(task for task in found["tasks"] if task["id"] == "d")
    assert (task["actual"], task["late_h"], task["gate"], task["commit"]) == (None,) * 4


def test_the_document_is_harmless_for_a_terminal_and_keeps_its_meaning() -> None:
    title = r"\x9b31m\u202eA\x1b[2J"
    found = document(title=f'"{title}"')
    assert found["title"] == "\x9b31m\u202eA\x1b[2J"
    plan = small_plan(f'"{title}"')
    journey = small_journey(plan)
    journey.run(100)
    report = actual(plan, journey.journal)
    text = dumps(report)
    assert json.loads(text) == json.loads(json.dumps(as_json(report)))
    assert all(character.isprintable() or character == "\n" for character in text)
