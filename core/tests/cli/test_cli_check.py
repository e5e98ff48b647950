"""`check` and `schema`: the answer, its exit code, and its shape for machines."""

from __future__ import annotations

import jsonschema
import pytest
import yaml

from cli.scratch import HELLO, ROOT, Scratch

LITERAL = str(ROOT / "plans" / "coditect-cloud-literal.yaml")


def test_a_good_plan_is_said_to_be_good(hello: Scratch) -> None:
    done = hello("check", "plan.yaml")
    assert done.words == (
        "✓ plan.yaml: 5 tasks, 1 checkpoint, 2 workstreams; no two tasks that may run at once can "
        "touch the same file (no findings)."
    )


def test_a_bad_plan_is_an_answer_with_lines_and_mends(scratch: Scratch) -> None:
    done = scratch("check", LITERAL, code=1)
    assert f"{LITERAL}:23:3: warning [unused-repository]" in done.out
    assert "   23 |   coditect-core: {}\n          ^\n" in done.out
    assert "      mend: " in done.out
    last = done.out.rindex("\n✗ ")
    assert "error [" not in done.out[last:]
    assert "19 errors, 1 warning, 1 note." in done.words


def test_findings_for_machines_say_the_same(scratch: Scratch) -> None:
    data = scratch("check", LITERAL, "--json", code=1).json
    assert data.keys() == {"ok", "plan", "findings"}
    assert (data["ok"], data["plan"]) == (False, LITERAL)
    finding = data["findings"][0]
    assert finding.keys() == {"code", "severity", "message", "hint", "place", "related", "data"}
    assert finding["place"] == {"file": LITERAL, "line": 23, "column": 3}


def test_a_good_plan_for_machines(hello: Scratch) -> None:
    assert hello("check", "plan.yaml", "--json").json == {
        "ok": True,
        "plan": "plan.yaml",
        "findings": [],
    }


def test_a_plan_that_is_no_plan_is_a_bad_plan(scratch: Scratch) -> None:
    (scratch.work / "bytes.yaml").write_bytes(b"schema: 1\n\xff\n")
    done = scratch("check", "bytes.yaml", code=1)
    assert "bytes.yaml:2:1: error [plan-not-utf8]" in done.out


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
@pytest.mark.parametrize("command", ["check", "schedule", "run", "rehearse"])
def test_without_a_plan_there_is_no_answer(scratch: Scratch, command: str, name: str) -> None:
    done = scratch(command, name, code=2)
    assert done.out == ""
    assert "error [plan-" in done.err
    data = scratch(command, name, "--json", code=2).json
    assert data["ok"] is False
    assert data["findings"][0]["code"] in {"plan-not-found", "plan-unreadable"}


@pytest.mark.parametrize("command", ["run", "rehearse"])
def test_a_bad_plan_is_not_begun_and_its_findings_have_places(hello: Scratch, command: str) -> None:
    text = HELLO.read_text(encoding="utf-8").replace("needs: greeting ", "needs: greetin ")
    (hello.work / "plan.yaml").write_text(text, encoding="utf-8")
    done = hello(command, "plan.yaml", code=2)
    assert "plan.yaml:69:12: error [unknown-task] There is no task `greetin`." in done.err
    assert "Did you mean `greeting`?" in done.err
    assert hello("runs", "--json").json["runs"] == []


def test_the_schema_accepts_the_plans_of_this_repository(scratch: Scratch) -> None:
    schema = scratch("schema").json
    for path in (ROOT / "plans").glob("*.yaml"):
        jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema)
