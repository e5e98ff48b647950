"""From the document to the plan: defaults filled in, deliverables given their repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coditect.findings import Place
from coditect.plan import document as doc
from coditect.plan.model import (
    Agent,
    Baseline,
    BaselinePhase,
    Calendar,
    Checkpoint,
    Deliverable,
    DeliverableKind,
    Fallback,
    OwnedPath,
    Plan,
    Repository,
    Risk,
    Target,
    Task,
    Trigger,
    Verification,
    Workstream,
)


def translate(
    source: doc.PlanDocument, digest: str, places: Mapping[tuple[str | int, ...], Place]
) -> Plan:
    """Make the plan; names that nothing bears are kept, for `check` to tell."""
    workstreams = {key: _workstream(key, value) for key, value in source.workstreams.items()}
    return Plan(
        schema=source.schema_,
        name=source.name,
        title=source.title or source.name,
        repositories={
            key: Repository(key, value.path or key, value.branch)
            for key, value in source.repositories.items()
        },
        agents={key: _agent(key, value) for key, value in source.agents.items()},
        workstreams=workstreams,
        tasks={key: _task(key, value, workstreams) for key, value in source.tasks.items()},
        checkpoints={key: _checkpoint(key, value) for key, value in source.checkpoints.items()},
        risks={key: _risk(key, value) for key, value in source.risks.items()},
        calendar=_calendar(source.calendar),
        targets=_figures(source.targets),
        baseline=_baseline(source.baseline),
        digest=digest,
        places=places,
    )


def _agent(key: str, value: doc.AgentDocument) -> Agent:
    return Agent(
        id=key,
        adapter=value.adapter,
        run=value.run,
        days=value.availability,
        cost_per_day=value.cost,
        settings=dict(value.settings),
    )


def _workstream(key: str, value: doc.WorkstreamDocument) -> Workstream:
    return Workstream(
        id=key,
        agents=tuple(value.agents),
        slots=value.slots,
        owns=tuple(value.owns),
        excepts=tuple(value.excepts),
        title=value.title or "",
    )


def _task(key: str, value: doc.TaskDocument, workstreams: Mapping[str, Workstream]) -> Task:
    owns = tuple(value.owns)
    stream = workstreams.get(value.workstream)
    home = _only_repository(owns or (stream.owns if stream is not None else ()))
    fallback = value.fallback
    return Task(
        id=key,
        title=value.title or key,
        workstream=value.workstream,
        effort=value.effort,
        phase=value.phase,
        needs=tuple(value.needs),
        owns=owns,
        excepts=tuple(value.excepts),
        reads=tuple(value.reads),
        deliverables=tuple(_deliverable(item, home) for item in value.deliverable),
        verify=tuple(_verification(item) for item in value.verify),
        fallback=Fallback(fallback.agent, fallback.run, fallback.brief) if fallback else None,
        brief=value.brief or "",
        run=value.run,
        retries=value.retries,
        timeout=value.timeout,
        secrets=tuple(value.secrets),
        day=value.day[0] if value.day is not None else None,
    )


def _only_repository(paths: Sequence[OwnedPath]) -> str | None:
    names = {path.repository for path in paths}
    return names.pop() if len(names) == 1 else None


def _checkpoint(key: str, value: doc.CheckpointDocument) -> Checkpoint:
    return Checkpoint(
        id=key,
        title=value.title or key,
        participants=tuple(value.participants),
        after=tuple(value.after),
        before=tuple(value.before),
        during=value.during,
        duration=value.duration,
        deliverable=_deliverable(value.deliverable, None) if value.deliverable else None,
        verify=tuple(_verification(item) for item in value.verify),
        approval=value.approval,
        why=value.why or "",
        days=value.day,
    )


def _deliverable(value: doc.DeliverableMapping, home: str | None) -> Deliverable:
    if value.path is not None:
        repository, path = value.path
        return Deliverable(DeliverableKind.PATH, path, repository or value.repository or home)
    if value.tag is not None:
        repository, tag = value.tag
        return Deliverable(DeliverableKind.TAG, tag, repository or value.repository or home)
    if value.secret is not None:
        return Deliverable(DeliverableKind.SECRET, value.secret)
    return Deliverable(DeliverableKind.COMMAND, value.command or "", value.repository)


def _verification(value: doc.VerificationDocument) -> Verification:
    return Verification(
        kind=value.kind,
        run=value.run,
        repository=value.repository,
        timeout=value.timeout,
        judges=tuple(value.judges),
    )


def _risk(key: str, value: doc.RiskDocument) -> Risk:
    trigger = value.trigger
    return Risk(
        id=key,
        title=value.title or key,
        mitigation=value.mitigation or "",
        validation=value.validation or "",
        fallback=value.fallback or "",
        trigger=Trigger(trigger.task, trigger.late_by) if trigger else None,
    )


def _calendar(value: doc.CalendarDocument | None) -> Calendar:
    if value is None:
        return Calendar()
    return Calendar(
        hours_per_day=value.hours_per_day,
        start=value.start,
        currency=value.currency,
        cost_per_day=value.cost,
    )


def _figures(values: Mapping[str, doc.FigureDocument]) -> tuple[Target, ...]:
    return tuple(Target(key, value.title, value.value) for key, value in values.items())


def _baseline(value: doc.BaselineDocument | None) -> Baseline | None:
    if value is None:
        return None
    return Baseline(
        title=value.title,
        days_low=value.days[0],
        days_high=value.days[1],
        phases=tuple(BaselinePhase(phase.title, *phase.days) for phase in value.phases),
        claims=_figures(value.claims),
    )
