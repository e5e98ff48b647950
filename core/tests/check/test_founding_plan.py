"""The founding plan: carried out as mended, and what the document's own ownership lacks."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from coditect.check import Chains, Order, check
from coditect.findings import Finding, Severity, errors
from coditect.plan import DeliverableKind, Plan, load_plan

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "founding-plan.md"


@pytest.fixture(scope="module")
def mended() -> Plan:
    return load_plan(ROOT / "plans" / "coditect-cloud.yaml")


@pytest.fixture(scope="module")
def literal() -> Plan:
    return load_plan(ROOT / "plans" / "coditect-cloud-literal.yaml")


@pytest.fixture(scope="module")
def gaps(literal: Plan) -> tuple[Finding, ...]:
    return check(literal)


def test_the_mended_plan_has_only_a_note_to_tell(mended: Plan) -> None:
    """Documents and modules are only looked for, until tools for them come with real agents."""
    (note,) = check(mended)
    assert (note.code, note.severity) == ("task-without-verification", Severity.NOTE)


def test_hello_has_nothing_to_tell() -> None:
    assert check(load_plan(ROOT / "plans" / "hello.yaml")) == ()


def test_the_founding_plan_is_whole(mended: Plan) -> None:
    assert len(mended.tasks) == 54
    assert sum(task.effort.hours for task in mended.tasks.values()) == 133
    assert Counter(task.workstream for task in mended.tasks.values()) == {
        "infrastructure": 10,
        "backend": 20,
        "deployment": 11,
        "security": 3,
        "documentation": 10,
    }
    assert len(mended.agents) == 5
    assert mended.agents["security-specialist"].days == frozenset({1, 2, 3, 7})
    assert list(mended.checkpoints) == [
        "api-contract-agreement",
        "infrastructure-readiness",
        "backend-complete",
        "deploy-to-gke",
        "client-sdk-ready",
    ]
    assert all(gate.approval for gate in mended.checkpoints.values())
    assert len(mended.risks) == 5
    assert mended.baseline is not None
    assert (mended.baseline.days_low, mended.baseline.days_high) == (18, 23)


def test_every_task_can_be_given_to_an_agent(mended: Plan) -> None:
    for task in mended.tasks.values():
        assert len(task.brief) > 80
        assert task.owns
        assert any(item.kind is DeliverableKind.PATH for item in task.deliverables)


def test_both_plans_have_the_same_work(mended: Plan, literal: Plan) -> None:
    assert list(mended.tasks) == list(literal.tasks)
    for name, task in mended.tasks.items():
        other = literal.tasks[name]
        assert (task.effort, task.needs, task.workstream) == (
            other.effort,
            other.needs,
            other.workstream,
        )
        assert [item.value for item in task.deliverables] == [
            item.value for item in other.deliverables
        ]
    assert mended.checkpoints == literal.checkpoints


def test_what_the_documents_ownership_lacks_is_found(gaps: tuple[Finding, ...]) -> None:
    assert Counter((finding.code, finding.severity) for finding in gaps) == {
        ("deliverable-outside-ownership", Severity.ERROR): 13,
        ("owns-nothing", Severity.ERROR): 3,
        ("task-writes-several-repositories", Severity.ERROR): 1,
        ("ownership-overlap", Severity.ERROR): 1,
        ("checkpoint-never-opens", Severity.ERROR): 1,
        ("unused-repository", Severity.WARNING): 1,
        ("task-without-verification", Severity.NOTE): 1,
    }


def test_the_tasks_that_could_not_deliver_are_these(gaps: tuple[Finding, ...]) -> None:
    def tasks(code: str) -> list[str]:
        return [dict(finding.data)["task"] for finding in gaps if finding.code == code]

    assert tasks("owns-nothing") == ["security-review", "security-audit", "security-validation"]
    assert tasks("deliverable-outside-ownership") == [
        "config-maps",
        "github-actions",
        "build-automation",
        "e2e-tests",
        "e2e-validation",
        "prometheus-grafana",
        "alerting",
        "sdk-structure",
        "sdk-implementation",
        "sdk-offline-mode",
        "sdk-tests",
        "sdk-publish",
        "sdk-integrate",
    ]


def test_the_shared_contract_is_the_overlap(gaps: tuple[Finding, ...]) -> None:
    (overlap,) = [dict(f.data) for f in gaps if f.code == "ownership-overlap"]
    assert overlap["witness"] == ("api/openapi.yaml", "api/openapi.yaml")
    assert overlap["repository"] == "coditect-cloud-backend"
    assert overlap["pairs"] == 96
    assert [(mend["kind"], mend["change"]) for mend in overlap["mends"]] == [
        ("except", "workstreams.infrastructure")
    ]


def test_the_guide_states_what_the_tool_says(gaps: tuple[Finding, ...], mended: Plan) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    pairs = next(dict(f.data)["pairs"] for f in gaps if f.code == "ownership-overlap")
    stuck = sum(f.code in ("owns-nothing", "deliverable-outside-ownership") for f in gaps)
    hours = Chains(Order(mended)).length / 3600
    for figure in (
        f"{len(errors(gaps))} errors",
        f"{pairs} pairs",
        f"{stuck} of the 54 tasks",
        f"{hours:g} hours",
    ):
        assert figure in text, figure
    told = {finding.code for finding in gaps if finding.severity is not Severity.NOTE}
    assert told <= set(re.findall(r"`([a-z-]+)`", text))
