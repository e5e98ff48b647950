import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLANS = Path(__file__).parents[3] / "plans"
FOUNDING = str(PLANS / "coditect-cloud.yaml")


def coditect(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from coditect.cli.app import main; main()", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "COLUMNS": "100", **environment},
        check=False,
    )


def test_it_prints_a_summary_and_ends_well() -> None:
    done = coditect("schedule", FOUNDING)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "proven shortest" in done.stdout
    assert "knee" in done.stdout


def test_json_is_one_document_and_nothing_else() -> None:
    done = coditect("schedule", FOUNDING, "--json", "--agents", "5")
    assert done.returncode == 0
    assert done.stderr == ""
    data = json.loads(done.stdout)
    assert data["makespan_hours"] == 62
    assert [point["agents"] for point in data["curve"]] == [5]


def test_the_page_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    page = tmp_path / "schedule.html"
    done = coditect("schedule", FOUNDING, "--html", str(page), "--agents", "2..3")
    assert done.returncode == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert f"Wrote {page}." in done.stdout.replace("\n", "")


def test_a_plan_whose_ownership_is_broken_can_still_be_timed_and_that_is_said() -> None:
    done = coditect("schedule", str(PLANS / "coditect-cloud-literal.yaml"), "--agents", "6")
    assert done.returncode == 0
    assert "cannot be carried out yet" in done.stderr
    assert "at once on the same paths" in " ".join(done.stdout.split())


@pytest.mark.parametrize("agents", ["0", "none", "5..2", "1..1000", "1.5", "-1"])
def test_numbers_of_agents_that_make_no_sense_are_refused(agents: str) -> None:
    done = coditect("schedule", FOUNDING, f"--agents={agents}")
    assert done.returncode == 2
    assert "Write a number such as 5" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_an_unknown_solver_is_refused() -> None:
    done = coditect("schedule", FOUNDING, "--solver", "magic", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["findings"][0]["code"] == "bad-option"


def test_a_plan_that_goes_in_circles_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(
        """
schema: 1
name: round
title: Round
repositories: {r: {}}
agents: {a: {adapter: rehearsal}}
workstreams: {w: {agents: a, owns: "r:src/"}}
tasks:
  one: {workstream: w, effort: 1h, needs: two}
  two: {workstream: w, effort: 1h, needs: one}
""",
        encoding="utf-8",
    )
    done = coditect("schedule", str(path))
    assert done.returncode == 2
    assert "dependency-cycle" in done.stderr


def test_a_page_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    done = coditect("schedule", FOUNDING, "--agents", "5", "--html", str(tmp_path / "no" / "x"))
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


def test_help_shows_examples() -> None:
    done = coditect("schedule", "--help")
    assert done.returncode == 0
    assert "coditect schedule plan.yaml --agents 3" in " ".join(done.stdout.split())
