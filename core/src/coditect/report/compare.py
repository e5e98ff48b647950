"""Plan against actual, a line for each task, workstream, checkpoint and agent. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from coditect.plan.model import HOUR, Checkpoint, Plan, Task
from coditect.report.checks import read_checks
from coditect.report.clock import Clock
from coditect.report.evidence import Evidence, weakest
from coditect.report.history import AttemptRecord, Ending, History
from coditect.report.rework import Rework
from coditect.report.run_report import (
    AgentLine,
    AttemptLine,
    CheckpointLine,
    Decision,
    GateTime,
    Span,
    StreamLine,
    TaskLine,
)
from coditect.run.program import Program
from coditect.run.state import Door


@dataclass(frozen=True, slots=True)
class Source:
    """What all lines are made from."""

    plan: Plan
    program: Program
    history: History
    clock: Clock
    planned: Mapping[str, tuple[float, float]]
    """Task or checkpoint -> planned start and finish, hours."""
    evidence_of: Mapping[str, Evidence]
    """Agent -> what its work is evidence of."""
    evidence: Evidence
    """The weakest of all attempts."""
    rework: Rework | None

    @property
    def elapsed(self) -> float:
        """Hours from the start until the last thing happened."""
        return self.clock.at(self.history.last)

    @property
    def planned_makespan(self) -> float:
        """Hours; 0 without a schedule."""
        return max((finish for _, finish in self.planned.values()), default=0.0)

    def span(self, name: str) -> Span | None:
        """When a task or checkpoint was planned."""
        return Span(*self.planned[name]) if name in self.planned else None

    def evidence_from(self, records: Iterable[AttemptRecord]) -> Evidence:
        """What these attempts are evidence of."""
        return weakest(self.evidence_of[record.agent] for record in records)

    def ended(self, record: AttemptRecord) -> int:
        """When an attempt's life ended; now, if it has not."""
        return self.history.state.now if record.ended is None else record.ended

    def worked(self, record: AttemptRecord) -> int:
        """Milliseconds that the agent's processes were there."""
        if record.attached is None:
            return 0
        stopped = record.exited if record.exited is not None else self.ended(record)
        return stopped - record.attached


# --- tasks ----------------------------------------------------------------------------------------


def task_lines(source: Source) -> tuple[TaskLine, ...]:
    """Give each task's line, in the plan's order."""
    return tuple(_task(source, task) for task in source.plan.tasks.values())


def _task(source: Source, task: Task) -> TaskLine:
    history, clock = source.history, source.clock
    state, waits, records = (
        history.state.tasks[task.id],
        history.waits[task.id],
        history.of(task.id),
    )
    final = next((record for record in records if record.ending is Ending.INTEGRATED), None)
    looked = final or next((record for record in reversed(records) if record.results), None)
    worked = [source.worked(record) for record in records]
    lost = [source.worked(record) for record in records if _is_lost(record)]
    known = source.rework
    return TaskLine(
        id=task.id,
        title=task.title,
        workstream=task.workstream,
        phase=task.phase,
        state=str(state.phase),
        why=state.why if final is None else "",
        effort=task.effort.hours,
        planned=source.span(task.id),
        actual=_life(source, records),
        work=clock.hours(sum(worked)),
        lost_work=clock.hours(sum(lost)),
        waiting=clock.hours(waits.ready),
        backoff=clock.hours(waits.backoff),
        gate=_gate_time(final) if final else None,
        attempts=tuple(_attempt(source, record) for record in records),
        agents=tuple(dict.fromkeys(record.agent for record in records)),
        repository=source.program.tasks[task.id].repository,
        commit=final.commit if final else "",
        changed=known.changed.get(task.id) if known else None,
        checks=read_checks(looked.results) if looked else (),
        rework=known.again.get(task.id, ()) if known else (),
        evidence=source.evidence_from(records),
    )


def _is_lost(record: AttemptRecord) -> bool:
    return record.ending in (Ending.FAILED, Ending.LOST)


def _life(source: Source, records: tuple[AttemptRecord, ...]) -> Span | None:
    if not records:
        return None
    clock = source.clock
    return Span(clock.at(records[0].started), clock.at(source.ended(records[-1])))


def _attempt(source: Source, record: AttemptRecord) -> AttemptLine:
    clock = source.clock
    work = None
    if record.attached is not None:
        work = Span(clock.at(record.attached), clock.at(record.attached + source.worked(record)))
    return AttemptLine(
        number=record.number,
        agent=record.agent,
        span=Span(clock.at(record.started), clock.at(source.ended(record))),
        work=work,
        ending=str(record.ending),
        reason=record.reason,
        message=record.message,
        rescue=record.rescue,
    )


def _gate_time(record: AttemptRecord) -> GateTime | None:
    """Split the way from exit to integration; each part ends where the next one begins.

    While nobody carried the run on there was no way: it begins when the exit was noticed.
    """
    moments = (
        record.noticed,
        record.saved,
        record.checked,
        record.built,
        record.verified,
        record.ended,
    )
    known = [moment for moment in moments if moment is not None]
    if len(known) < len(moments):
        return None
    return GateTime(*(after - before for before, after in pairwise(known)))


# --- workstreams ----------------------------------------------------------------------------------


def stream_lines(source: Source, tasks: tuple[TaskLine, ...]) -> tuple[StreamLine, ...]:
    """Give each workstream's line, in the plan's order."""
    lines = []
    for stream in source.plan.workstreams.values():
        mine = [task for task in tasks if task.workstream == stream.id]
        records = [
            record
            for record in source.history.attempts.values()
            if source.program.tasks[record.task].workstream == stream.id
        ]
        planned, work = sum(task.effort for task in mine), sum(task.work for task in mine)
        lines.append(
            StreamLine(
                id=stream.id,
                title=stream.title or stream.id,
                slots=stream.slots,
                done=sum(task.state == "integrated" for task in mine),
                tasks=len(mine),
                planned_hours=planned,
                work=work,
                waiting=sum(task.waiting for task in mine),
                gate=source.clock.hours(gated(source, records)),
                planned_utilisation=_share(planned, source.planned_makespan * stream.slots),
                utilisation=_share(work, source.elapsed * stream.slots),
                evidence=source.evidence_from(records),
            )
        )
    return tuple(lines)


def gated(source: Source, records: Iterable[AttemptRecord]) -> int:
    """Milliseconds between these attempts' exits, once noticed, and their ends."""
    return sum(
        source.ended(record) - record.noticed for record in records if record.noticed is not None
    )


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


# --- checkpoints ----------------------------------------------------------------------------------


def checkpoint_lines(source: Source) -> tuple[CheckpointLine, ...]:
    """Give each checkpoint's line, in the plan's order."""
    return tuple(_checkpoint(source, each) for each in source.plan.checkpoints.values())


def _checkpoint(source: Source, checkpoint: Checkpoint) -> CheckpointLine:
    history, clock = source.history, source.clock
    record, gate = history.gates[checkpoint.id], history.state.gates[checkpoint.id]
    work = history.of(checkpoint.during) if checkpoint.during else ()
    begins = [each.started for each in work[:1]]
    begins += [
        record.entered[door] for door in (Door.HELD, Door.CONFIRMING) if door in record.entered
    ]
    opened = record.entered.get(Door.OPEN)
    last = opened if opened is not None else history.state.now
    gathering = record.spent.get(Door.DUE, 0)
    attending = [*record.attending.values()]
    if checkpoint.during:
        gathering += history.waits[checkpoint.during].ready
        for each in work:
            attending += (each.agent, *each.attending.values())
    held = record.spent.get(Door.HELD, 0)
    held += sum(source.ended(each) - each.started for each in work)
    return CheckpointLine(
        id=checkpoint.id,
        title=checkpoint.title,
        state=str(gate.door),
        why=gate.why,
        participants=checkpoint.participants,
        attending=tuple(dict.fromkeys(attending)),
        planned=source.span(checkpoint.id) or source.span(checkpoint.during or ""),
        actual=Span(clock.at(min(begins)), clock.at(last)) if begins else None,
        gathering=clock.hours(gathering),
        hold=clock.hours(held),
        verification=clock.hours(record.spent.get(Door.CONFIRMING, 0)),
        approval_wait=clock.hours(record.spent.get(Door.WAITING, 0)),
        decisions=tuple(
            Decision(event.approved, event.by, event.note, clock.at(at))
            for at, event in record.decisions
        ),
        approval=checkpoint.approval,
        checks=read_checks(record.results),
        evidence=source.evidence_from(work) if work else source.evidence,
    )


# --- agents ---------------------------------------------------------------------------------------


def agent_lines(source: Source) -> tuple[AgentLine, ...]:
    """Give each agent's line, in the plan's order; agents the plan lost come last."""
    lines = []
    records = source.history.attempts.values()
    gates = source.history.gates.values()
    for name, evidence in source.evidence_of.items():
        mine = [record for record in records if record.agent == name]
        work = sum(source.worked(record) for record in mine)
        life = sum(source.ended(record) - record.started - record.unnoticed for record in mine)
        attending = sum(
            source.ended(record) - record.started
            for record in records
            if name in record.attending.values()
        ) + sum(gate.attended for gate in gates if name in gate.attending.values())
        agent = source.plan.agents.get(name)
        lines.append(
            AgentLine(
                id=name,
                adapter=agent.adapter if agent else "",
                work=source.clock.hours(work),
                attending=source.clock.hours(attending),
                held=source.clock.hours(life - work),
                utilisation=_share(source.clock.hours(work + attending), source.elapsed),
                attempts=len(mine),
                evidence=evidence if mine else Evidence.MODELLED,
            )
        )
    return tuple(lines)


def sequential_hours(plan: Plan) -> float:
    """Hours of all tasks and checkpoints one after the other."""
    seconds = sum(task.effort.likely for task in plan.tasks.values())
    seconds += sum(each.duration for each in plan.checkpoints.values() if not each.during)
    return seconds / HOUR
