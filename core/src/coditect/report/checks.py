"""Verification results of a journal, read and counted by kind. Pure.

A verification that was declared and not run is counted as such and never as passed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from coditect.plan.model import VerificationKind
from coditect.report.history import AttemptRecord, GateRecord
from coditect.report.run_report import Check, Refusal, Tally
from coditect.run.events import Told
from coditect.run.state import Door

NO_KIND = "engine"
"""What results without a kind count under: the engine itself could not look."""


def read_checks(results: Iterable[Told]) -> tuple[Check, ...]:
    """Read results as `candidate_verified` and `checkpoint_verified` hold them."""
    return tuple(_check(result) for result in results)


def _check(result: Told) -> Check:
    kind = result.get("kind")
    known = kind in tuple(VerificationKind)
    return Check(
        kind=VerificationKind(str(kind)) if known else None,
        ok=result.get("ok") is True,
        run=not result.get("skipped", False),
        what=str(result.get("run", "")),
        message=str(result.get("message", "")),
        seconds=float(result.get("seconds", 0.0)),
    )


def tally(accepted: Iterable[Check], refused: Iterable[Check]) -> Mapping[str, Tally]:
    """Count by kind, weakest first: `accepted` stand on what was let through."""
    passed: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    not_run: Counter[str] = Counter()
    for check in accepted:
        if not check.run:
            not_run[check.kind or NO_KIND] += 1
        elif check.ok:
            passed[check.kind or NO_KIND] += 1
    for check in refused:
        if check.run and not check.ok:
            failed[check.kind or NO_KIND] += 1
    return {
        kind: Tally(passed[kind], failed[kind], not_run[kind])
        for kind in (*map(str, VerificationKind), NO_KIND)
        if passed[kind] or failed[kind] or not_run[kind]
    }


def attempt_refusals(record: AttemptRecord) -> Iterator[Refusal]:
    """Say what the gate, the merge or a verification held against an attempt."""
    who = (record.task, record.number)
    for finding in record.refusals:
        yield Refusal(
            *who,
            by="gate",
            code=str(finding.get("code", "")),
            message=str(finding.get("message", "")),
            paths=_paths(finding.get("data")),
        )
    if record.conflicts:
        message = "The merge onto the integration head conflicts."
        yield Refusal(*who, "conflict", "merge-conflict", message, record.conflicts)
    for check in read_checks(record.results):
        if check.run and not check.ok:
            yield _refused(*who, check)


def gate_refusals(name: str, record: GateRecord) -> Iterator[Refusal]:
    """Say what was held against opening a checkpoint."""
    for check in read_checks(record.refused):
        if check.run and not check.ok:
            yield _refused(name, None, check)


def looked_at(record: GateRecord) -> tuple[Check, ...]:
    """Give the results that let a checkpoint through; none if it was not."""
    passed = record.door in (Door.WAITING, Door.OPEN)
    return read_checks(record.results) if passed else ()


def _refused(subject: str, number: int | None, check: Check) -> Refusal:
    message = check.message or check.what
    return Refusal(subject, number, "verification", check.kind or NO_KIND, message, ())


def _paths(data: Any) -> tuple[str, ...]:
    """The paths among a finding's facts."""
    if not isinstance(data, Mapping):
        return ()
    return tuple(str(data[key]) for key in ("path", "other") if key in data)
