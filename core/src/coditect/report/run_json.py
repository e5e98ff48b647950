"""A run's report for machines. The keys below are stable: they are added to, never changed.

`schema` is 1. Every figure is `{value, unit, evidence, basis}`; every line has the `evidence` of
its actual figures, and everything under `planned` is modelled. Hours count from the start of the
run (see `RunReport`); keys end in the unit: `_h` hours, `_ms` real milliseconds, `_at` milliseconds
since the epoch. Of `usage`, `wall`, `user` and `sys` are seconds that supervisors saw; every other
key is what agents said. What is not known is null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from coditect.report.evidence import Figure
from coditect.report.plain import escaped
from coditect.report.run_report import (
    AgentLine,
    AttemptLine,
    Check,
    CheckpointLine,
    LandingLine,
    Refusal,
    RiskLine,
    RunReport,
    Span,
    StreamLine,
    Tally,
    TaskLine,
    Totals,
)

SCHEMA = 1


def dumps(report: RunReport) -> str:
    """Give the report as one JSON document, harmless for a terminal."""
    return escaped(json.dumps(as_json(report), indent=2, ensure_ascii=False))


def as_json(report: RunReport) -> dict[str, Any]:
    """Give the report as plain data."""
    return {
        "schema": SCHEMA,
        "run": report.run,
        "plan": report.plan,
        "title": report.title,
        "outcome": report.outcome,
        "started_at": report.started,
        "last_at": report.last,
        "pace_ms": report.pace,
        "restarts": report.restarts,
        "evidence": str(report.evidence),
        "trust": report.trust,
        "hours_per_day": report.hours_per_day,
        "totals": _totals(report.totals),
        "verification": {
            "tasks": _tallies(report.task_checks),
            "checkpoints": _tallies(report.checkpoint_checks),
            "unverified": list(report.unverified),
        },
        "workstreams": [_stream(line) for line in report.streams],
        "checkpoints": [_checkpoint(line) for line in report.checkpoints],
        "agents": [_agent(line) for line in report.agents],
        "tasks": [_task(line) for line in report.tasks],
        "refusals": [_refusal(each) for each in report.refusals],
        "risks": [_risk(each) for each in report.risks],
        "landings": [_landing(each) for each in report.landings],
    }


def _figure(figure: Figure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    return {
        "value": figure.value,
        "unit": figure.unit,
        "evidence": str(figure.evidence),
        "basis": figure.label,
    }


def _span(span: Span | None) -> dict[str, float] | None:
    return None if span is None else {"start_h": span.start, "finish_h": span.finish}


def _totals(totals: Totals) -> dict[str, Any]:
    return {
        "sequential": _figure(totals.sequential),
        "planned_makespan": _figure(totals.planned_makespan),
        "elapsed": _figure(totals.elapsed),
        "makespan": _figure(totals.makespan),
        "delay": _figure(totals.delay),
        "planned_speed_up": _figure(totals.planned_speed_up),
        "speed_up": _figure(totals.speed_up),
        "velocity": _figure(totals.velocity),
        "throughput": _figure(totals.throughput),
        "waiting": _figure(totals.waiting),
        "gate": _figure(totals.gate),
        "approval_wait": _figure(totals.approval_wait),
        "downtime": _figure(totals.downtime),
        "exit_to_integration_median": _figure(totals.overhead_median),
        "exit_to_integration_p95": _figure(totals.overhead_p95),
        "rework": _figure(totals.rework),
        "changed_paths": totals.changed,
        "tasks": totals.tasks,
        "tasks_done": totals.done,
        "tasks_retried": totals.retried,
        "attempts": totals.attempts,
        "attempts_failed": totals.failed,
        "attempts_lost": totals.lost,
        "conflicts": totals.conflicts,
        "usage": dict(totals.usage),
    }


def _tallies(counts: Mapping[str, Tally]) -> dict[str, Any]:
    return {
        kind: {"passed": count.passed, "failed": count.failed, "not_run": count.not_run}
        for kind, count in counts.items()
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "kind": None if check.kind is None else str(check.kind),
        "run": check.run,
        "ok": check.ok if check.run else None,
        "what": check.what,
        "message": check.message,
        "seconds": check.seconds,
    }


def _stream(line: StreamLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "title": line.title,
        "evidence": str(line.evidence),
        "slots": line.slots,
        "tasks": line.tasks,
        "tasks_done": line.done,
        "planned": {"work_h": line.planned_hours, "utilisation": line.planned_utilisation},
        "work_h": line.work,
        "waiting_h": line.waiting,
        "gate_h": line.gate,
        "utilisation": line.utilisation,
    }


def _checkpoint(line: CheckpointLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "title": line.title,
        "evidence": str(line.evidence),
        "state": line.state,
        "why": line.why,
        "participants": list(line.participants),
        "attending": list(line.attending),
        "planned": _span(line.planned),
        "actual": _span(line.actual),
        "gathering_h": line.gathering,
        "hold_h": line.hold,
        "verification_h": line.verification,
        "approval_wait_h": line.approval_wait,
        "approval": line.approval,
        "decisions": [
            {"approved": each.approved, "by": each.by, "note": each.note, "after_h": each.at}
            for each in line.decisions
        ],
        "checks": [_check(check) for check in line.checks],
    }


def _agent(line: AgentLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "adapter": line.adapter,
        "evidence": str(line.evidence),
        "attempts": line.attempts,
        "work_h": line.work,
        "attending_h": line.attending,
        "held_h": line.held,
        "utilisation": line.utilisation,
    }


def _task(line: TaskLine) -> dict[str, Any]:
    gate = line.gate
    return {
        "id": line.id,
        "title": line.title,
        "workstream": line.workstream,
        "phase": line.phase,
        "evidence": str(line.evidence),
        "state": line.state,
        "why": line.why,
        "planned": {"effort_h": line.effort, "span": _span(line.planned)},
        "actual": _span(line.actual),
        "late_h": line.late,
        "work_h": line.work,
        "lost_work_h": line.lost_work,
        "waiting_h": line.waiting,
        "backoff_h": line.backoff,
        "gate": None
        if gate is None
        else {
            "save_ms": gate.save,
            "gate_ms": gate.gate,
            "queue_ms": gate.queue,
            "verification_ms": gate.verification,
            "integration_ms": gate.integration,
            "total_ms": gate.total,
        },
        "agents": list(line.agents),
        "attempts": [_attempt(each) for each in line.attempts],
        "repository": line.repository,
        "commit": line.commit or None,
        "changed": None if line.changed is None else list(line.changed),
        "rework": [{"path": path, "first": first} for path, first in line.rework],
        "verified": line.verified,
        "checks": [_check(check) for check in line.checks],
    }


def _attempt(line: AttemptLine) -> dict[str, Any]:
    return {
        "number": line.number,
        "agent": line.agent,
        "ending": line.ending,
        "reason": line.reason,
        "message": line.message,
        "fallback": line.rescue,
        "life": _span(line.span),
        "work": _span(line.work),
    }


def _refusal(refusal: Refusal) -> dict[str, Any]:
    return {
        "subject": refusal.subject,
        "attempt": refusal.number,
        "by": refusal.by,
        "code": refusal.code,
        "message": refusal.message,
        "paths": list(refusal.paths),
    }


def _risk(risk: RiskLine) -> dict[str, Any]:
    return {
        "id": risk.id,
        "title": risk.title,
        "why": risk.why,
        "after_h": risk.at,
        "mitigation": risk.mitigation,
        "fallback": risk.fallback,
    }


def _landing(line: LandingLine) -> dict[str, Any]:
    return {
        "repository": line.repository,
        "branch": line.branch,
        "integration": line.head,
        "landed": line.landed,
        "complete": line.complete,
        "held": line.held or None,
        "hint": line.hint or None,
        "pushed": line.pushed,
    }
