"""Plan against actual: from a journal to a report. Pure, but for the git-backed seam `changes`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from coditect.findings import CoditectError
from coditect.plan.model import HOUR, Plan
from coditect.report import checks, totals
from coditect.report.clock import Clock
from coditect.report.compare import Source, agent_lines, checkpoint_lines, stream_lines, task_lines
from coditect.report.evidence import Evidence, of_adapter, weakest
from coditect.report.history import History, read
from coditect.report.rework import Changes, rework
from coditect.report.run_report import LandingLine, Refusal, RiskLine, RunReport
from coditect.run import events as ev
from coditect.run.program import Program, Settings, compile_program


def actual(
    plan: Plan,
    entries: Sequence[ev.Entry],
    *,
    changes: Changes | None = None,
    program: Program | None = None,
    run: str = "",
) -> RunReport:
    """Compare a plan with what a journal says.

    `changes` gives the paths of a merge commit; without it, rework is not known. `program` saves
    compiling the plan once more. CoditectError if the journal has no beginning.
    """
    started = entries[0].event if entries else None
    if not isinstance(started, ev.RunStarted):
        raise CoditectError.of(
            "no-beginning",
            "The journal does not begin with the start of a run.",
            "Choose another run; `coditect runs` lists them.",
        )
    program = program or program_of(plan, started)
    history = read(program, entries)
    source = _source(plan, program, started, history, changes)
    tasks = task_lines(source)
    checkpoints = checkpoint_lines(source)
    accepted = [check for task in tasks if task.state == "integrated" for check in task.checks]
    tried = [
        check
        for record in history.attempts.values()
        for check in checks.read_checks(record.results)
    ]
    return RunReport(
        run=run,
        plan=plan.name,
        title=plan.title,
        outcome=history.state.finished or "unfinished",
        started=history.started,
        last=history.state.now,
        pace=source.clock.pace,
        restarts=history.restarts,
        evidence=source.evidence,
        totals=totals.totals(source, tasks, checkpoints),
        tasks=tasks,
        streams=stream_lines(source, tasks),
        checkpoints=checkpoints,
        agents=agent_lines(source),
        task_checks=checks.tally(accepted, tried),
        checkpoint_checks=checks.tally(
            [check for gate in history.gates.values() for check in checks.looked_at(gate)],
            [
                check
                for gate in history.gates.values()
                for check in checks.read_checks(gate.refused)
            ],
        ),
        refusals=_refusals(history),
        risks=_risks(source),
        landings=_landings(source),
        hours_per_day=plan.calendar.hours_per_day,
    )


def program_of(plan: Plan, started: ev.RunStarted) -> Program:
    """Compile the plan as the run did; settings that this version does not know are left out."""
    known = {item.name for item in fields(Settings)}
    chosen = {name: value for name, value in started.settings.items() if name in known}
    return compile_program(plan, Settings(**chosen), started.order, started.planned)


def _source(
    plan: Plan,
    program: Program,
    started: ev.RunStarted,
    history: History,
    changes: Changes | None,
) -> Source:
    pace = program.settings.pace
    rehearse = bool(started.settings.get("rehearse")) or pace > 0

    def kind(agent: str) -> Evidence:
        known = plan.agents.get(agent)
        return of_adapter(known.adapter if known else "", rehearse=rehearse)

    kinds = {name: kind(name) for name in plan.agents}
    records = history.attempts.values()
    kinds.update({record.agent: kind(record.agent) for record in records})
    return Source(
        plan=plan,
        program=program,
        history=history,
        clock=Clock(history.started, pace),
        planned={
            name: (start / HOUR, finish / HOUR) for name, (start, finish) in started.planned.items()
        },
        evidence_of=kinds,
        evidence=weakest((kinds[record.agent] for record in records), Evidence.MODELLED),
        rework=None if changes is None else rework(history.merges, changes),
    )


def _refusals(history: History) -> tuple[Refusal, ...]:
    found: list[Refusal] = []
    for record in history.attempts.values():
        found.extend(checks.attempt_refusals(record))
    for name, gate in history.gates.items():
        found.extend(checks.gate_refusals(name, gate))
    return tuple(found)


def _risks(source: Source) -> tuple[RiskLine, ...]:
    lines = []
    for at, event in source.history.risks:
        risk = source.plan.risks.get(event.risk)
        lines.append(
            RiskLine(
                id=event.risk,
                title=risk.title if risk else "",
                why=event.why,
                at=source.clock.at(at),
                mitigation=risk.mitigation if risk else "",
                fallback=risk.fallback if risk else "",
            )
        )
    return tuple(lines)


def _landings(source: Source) -> tuple[LandingLine, ...]:
    state, history = source.history.state, source.history
    pushes = source.program.settings.push is not None
    lines = []
    for name, head in state.heads.items():
        landed = state.landed.get(name, "")
        repository = source.plan.repositories.get(name)
        held = history.held.get(name)
        if held and head == landed and not held.moved:
            held = None  # landed since, or by hand
        last = history.landed.get(name)
        lines.append(
            LandingLine(
                repository=name,
                branch=last.branch if last else repository.branch if repository else "",
                head=head,
                landed=landed,
                complete=head == landed,
                held=held.reason if held else "",
                hint=held.hint if held else "",
                moved=held is not None and held.moved,
                pushed=last is not None and name not in history.unpushed if pushes else None,
            )
        )
    return tuple(lines)
