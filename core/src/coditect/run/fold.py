"""Takes facts into a state: a method an event; a fact about a dead attempt changes nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatchmethod
from typing import Any, Protocol

from coditect.run import events as ev
from coditect.run.consequences import Consequences
from coditect.run.program import Program
from coditect.run.state import (
    Attempt,
    Candidate,
    Door,
    GateState,
    Phase,
    Stage,
    State,
    TaskState,
)

DAY = 24 * 3600 * 1000


class _OfAttempt(Protocol):
    @property
    def task(self) -> str: ...

    @property
    def number(self) -> int: ...


class Fold:
    """Changes one state, in place, event by event."""

    def __init__(self, program: Program, state: State) -> None:
        self.program = program
        self.state = state
        self.then = Consequences(program, state)

    def enter(self, entry: ev.Entry) -> None:
        """Take in one journalled event."""
        self.state.now = max(self.state.now, entry.at)
        self.take(entry.event)

    @singledispatchmethod
    def take(self, event: Any) -> None:
        """Take in what happened."""
        raise TypeError(f"not an event: {event!r}")

    # --- the run ----------------------------------------------------------------------------------

    @take.register
    def _run_started(self, event: ev.RunStarted) -> None:
        if self.state.started is not None:
            return
        self.state.started = self.state.now
        self.state.heads = dict(event.bases)
        self.state.landed = dict(event.bases)
        for name, count in list(self.state.unmet.items()):
            if count == 0:
                self.then.met(name)
        for risk in self.program.risks.values():
            if risk.due is not None:
                self.state.timers[f"risk:{risk.id}"] = self.state.now + risk.due
        if self.program.settings.landing == "daily":
            self.state.timers["landing"] = self.state.now + DAY

    @take.register
    def _cancel_requested(self, event: ev.CancelRequested) -> None:
        if not self.then.first(event.request) or self.state.finished:
            return
        if event.task is None:
            self.state.cancelled = True
            self.state.timers.clear()
            return
        task = self.state.tasks.get(event.task)
        if not task or task.phase in (Phase.INTEGRATED, Phase.SKIPPED):
            return
        if event.task in self.state.live:
            self.state.tasks[event.task] = replace(task, cancelled=True)
        else:
            self._task_parked(ev.TaskParked(event.task, f"cancelled by {event.by}"))

    @take.register
    def _run_finished(self, event: ev.RunFinished) -> None:
        self.state.finished = event.outcome

    @take.register
    def _retry_requested(self, event: ev.RetryRequested) -> None:
        if not self.then.first(event.request) or self.state.cancelled:
            return
        gate = self.state.gates.get(event.subject)
        task = self.state.tasks.get(event.subject)
        if gate and gate.door in (Door.PARKED, Door.REJECTED):
            self.state.gates[event.subject] = GateState(Door.CONFIRMING, since=self.state.now)
            self.then.reopen()
        elif task and task.phase is Phase.PARKED:
            self.state.tasks[event.subject] = TaskState(Phase.SKIPPED, attempts=task.attempts)
            self.then.reopen()

    @take.register
    def _timer_fired(self, event: ev.TimerFired) -> None:
        if self.state.timers.pop(event.key, None) is None:
            return
        what, _, name = event.key.partition(":")
        if what == "retry":
            task = self.state.tasks[name]
            if task.phase is Phase.FAILED:
                self.state.tasks[name] = replace(task, phase=Phase.READY)
                self.state.ready |= {name}
        elif what == "hold":
            gate = self.state.gates[name]
            if gate.door is Door.HELD:
                self.state.gates[name] = replace(gate, door=Door.CONFIRMING, since=self.state.now)
        elif what == "risk":
            self.state.late |= {name}
        elif what == "landing":
            self.state.land_due = not self.then.all_landed()
            self.state.timers["landing"] = self.state.now + DAY

    @take.register
    def _risk_triggered(self, event: ev.RiskTriggered) -> None:
        self.state.risks |= {event.risk}

    # --- attempts ---------------------------------------------------------------------------------

    @take.register
    def _attempt_started(self, event: ev.AttemptStarted) -> None:
        task = self.state.tasks[event.task]
        if event.task in self.state.live or event.number <= task.attempts:
            return
        self.state.ready -= {event.task}
        self.state.tasks[event.task] = replace(
            task,
            phase=Phase.ACTIVE,
            attempts=event.number,
            rescued=task.rescued or event.rescue,
        )
        self.state.live[event.task] = Attempt(
            task=event.task,
            number=event.number,
            stage=Stage.STARTING,
            slot=event.slot,
            agent=event.agent,
            base=event.base,
            attending=event.attending,
            rescue=event.rescue,
            since=self.state.now,
            started=self.state.now,
            heads=event.heads,
        )

    def _at(self, event: _OfAttempt, *stages: Stage) -> Attempt | None:
        """The living attempt an event speaks of, if it is in one of these stages."""
        attempt = self.state.live.get(event.task)
        if attempt and attempt.number == event.number and attempt.stage in stages:
            return attempt
        return None

    def _to(self, attempt: Attempt, stage: Stage, **changes: Any) -> None:
        since = attempt.since if stage is attempt.stage else self.state.now
        self.state.live[attempt.task] = replace(attempt, stage=stage, since=since, **changes)

    @take.register
    def _attempt_attached(self, event: ev.AttemptAttached) -> None:
        if attempt := self._at(event, Stage.STARTING, Stage.RUNNING):
            self._to(attempt, Stage.RUNNING, pid=event.pid, inherited=event.again)

    @take.register
    def _attempt_exited(self, event: ev.AttemptExited) -> None:
        if attempt := self._at(event, Stage.STARTING, Stage.RUNNING):
            inherited = attempt.inherited or event.again
            self._to(
                attempt, Stage.EXITED, reason=event.reason, code=event.code, inherited=inherited
            )

    @take.register
    def _work_saved(self, event: ev.WorkSaved) -> None:
        if attempt := self._at(event, Stage.EXITED):
            self._to(
                attempt,
                Stage.COMMITTED,
                commit=event.commit,
                tree=event.tree,
                unsaved=event.findings,
            )

    @take.register
    def _diff_checked(self, event: ev.DiffChecked) -> None:
        attempt = self._at(event, Stage.COMMITTED)
        if not attempt or not attempt.done_well:
            return
        if event.ok:
            self._to(attempt, Stage.QUEUED)
            self.state.queue += (attempt.task,)
        else:
            self._fault(attempt, "gate", _told(event.findings))

    @take.register
    def _candidate_built(self, event: ev.CandidateBuilt) -> None:
        attempt = self._at(event, Stage.QUEUED, Stage.VERIFIED)
        if (
            not attempt
            or event.onto != self.state.heads[self.program.tasks[attempt.task].repository]
        ):
            return
        if not event.commit or not event.tree:
            self._fault(attempt, "conflict", ", ".join(event.conflicts))
        else:
            self._to(
                attempt,
                Stage.QUEUED,
                candidate=Candidate(event.onto, event.commit, event.tree),
            )

    @take.register
    def _candidate_verified(self, event: ev.CandidateVerified) -> None:
        attempt = self._at(event, Stage.QUEUED)
        if not attempt or not attempt.candidate or attempt.candidate.commit != event.commit:
            return
        if event.ok:
            verified = replace(attempt.candidate, heads=event.heads)
            self._to(attempt, Stage.VERIFIED, candidate=verified)
        else:
            self._fault(attempt, "verification", _told(event.results))

    @take.register
    def _integration_prepared(self, event: ev.IntegrationPrepared) -> None:
        attempt = self._at(event, Stage.VERIFIED)
        if attempt and attempt.candidate and attempt.candidate.commit == event.new:
            self._to(attempt, Stage.PREPARED)

    @take.register
    def _integrated(self, event: ev.Integrated) -> None:
        attempt = self._at(event, Stage.PREPARED)
        if not attempt or not attempt.candidate or attempt.candidate.commit != event.commit:
            return
        self.state.heads[event.repository] = event.commit
        self._end(attempt)
        self.state.tasks[attempt.task] = replace(
            self.state.tasks[attempt.task], phase=Phase.INTEGRATED
        )
        self.then.done(attempt.task)

    @take.register
    def _attempt_failed(self, event: ev.AttemptFailed) -> None:
        # Not while its processes may live (E1), nor once its commit may be on the ref (E3).
        attempt = self._at(event, *(set(Stage) - {Stage.RUNNING, Stage.PREPARED}))
        if not attempt:
            return
        self._end(attempt)
        task = self.state.tasks[attempt.task]
        phase = Phase.PARKED if event.retry_at is None else Phase.FAILED
        self.state.tasks[attempt.task] = replace(
            task, phase=phase, failures=task.failures + 1, why=f"{event.reason}: {event.message}"
        )
        if event.retry_at is not None:
            self.state.timers[f"retry:{attempt.task}"] = event.retry_at

    @take.register
    def _attempt_lost(self, event: ev.AttemptLost) -> None:
        attempt = self._at(event, Stage.STARTING, Stage.RUNNING, Stage.EXITED, Stage.COMMITTED)
        if not attempt:
            return
        self._end(attempt)
        task = self.state.tasks[attempt.task]
        self.state.tasks[attempt.task] = replace(
            task,
            phase=Phase.PARKED if task.cancelled else Phase.READY,
            losses=task.losses + event.alive,
            rescued=task.rescued and not attempt.rescue,
            why=f"lost: {event.why}",
        )
        if not task.cancelled:
            self.state.ready |= {attempt.task}

    @take.register
    def _effect_failed(self, event: ev.EffectFailed) -> None:
        # While its processes may live it is watched until they are gone; then its work is saved.
        attempt = self._at(event, *(set(Stage) - {Stage.RUNNING, Stage.PREPARED}))
        if attempt:
            self._fault(attempt, "engine", f"{event.effect}: {event.message}")

    def _fault(self, attempt: Attempt, fault: str, text: str) -> None:
        self._to(attempt, attempt.stage, fault=fault, fault_text=text)

    @take.register
    def _task_parked(self, event: ev.TaskParked) -> None:
        task = self.state.tasks[event.task]
        if event.task in self.state.live or task.phase is Phase.INTEGRATED:
            return
        self.state.ready -= {event.task}
        self.state.timers.pop(f"retry:{event.task}", None)
        self.state.tasks[event.task] = replace(
            task, phase=Phase.PARKED, why=event.message or event.reason
        )

    @take.register
    def _task_skipped(self, event: ev.TaskSkipped) -> None:
        task = self.state.tasks[event.task]
        if event.task in self.state.live or task.phase in (Phase.INTEGRATED, Phase.PARKED):
            return
        self.state.ready -= {event.task}
        self.state.timers.pop(f"retry:{event.task}", None)
        self.state.tasks[event.task] = replace(task, phase=Phase.SKIPPED, why=event.because)

    def _end(self, attempt: Attempt) -> None:
        """A life ends: its slot and agents are free."""
        del self.state.live[attempt.task]
        self.state.queue = tuple(name for name in self.state.queue if name != attempt.task)

    # --- landing ----------------------------------------------------------------------------------

    @take.register
    def _landed(self, event: ev.Landed) -> None:
        self.state.landed[event.repository] = event.commit
        self.state.held.pop(event.repository, None)
        self.then.settle_landing()

    @take.register
    def _landing_held(self, event: ev.LandingHeld) -> None:
        self.state.held[event.repository] = event.commit
        self.then.settle_landing()

    # --- checkpoints ------------------------------------------------------------------------------

    @take.register
    def _checkpoint_held(self, event: ev.CheckpointHeld) -> None:
        gate = self.state.gates[event.checkpoint]
        if gate.door is not Door.DUE:
            return
        door = Door.CONFIRMING
        if event.until is not None and event.until > self.state.now:
            door = Door.HELD
            self.state.timers[f"hold:{event.checkpoint}"] = event.until
        self.state.gates[event.checkpoint] = replace(
            gate, door=door, attending=event.attending, since=self.state.now
        )

    @take.register
    def _checkpoint_verified(self, event: ev.CheckpointVerified) -> None:
        gate = self.state.gates[event.checkpoint]
        if gate.door is not Door.CONFIRMING:
            return
        if not event.ok:
            door, why = Door.PARKED, _told(event.results)
        elif gate.approved is False:
            door, why = Door.REJECTED, gate.why
        else:
            door, why = Door.WAITING, ""
        self.state.gates[event.checkpoint] = replace(
            gate, door=door, attending={}, why=why, since=self.state.now
        )

    @take.register
    def _approval_recorded(self, event: ev.ApprovalRecorded) -> None:
        gate = self.state.gates[event.checkpoint]
        if not self.then.first(event.request) or gate.door is Door.OPEN:
            return
        why = "" if event.approved else event.note or f"rejected by {event.by}"
        why = gate.why if gate.door is Door.PARKED else why
        decided = replace(gate, approved=event.approved, why=why)
        if gate.door in (Door.WAITING, Door.REJECTED):
            door = Door.WAITING if event.approved else Door.REJECTED
            decided = replace(decided, door=door, since=self.state.now)
        self.state.gates[event.checkpoint] = decided
        if gate.door is Door.REJECTED and event.approved and not self.state.cancelled:
            self.then.reopen()

    @take.register
    def _checkpoint_opened(self, event: ev.CheckpointOpened) -> None:
        gate = self.state.gates[event.checkpoint]
        if gate.door is not Door.WAITING:
            return
        self.state.gates[event.checkpoint] = replace(gate, door=Door.OPEN, since=self.state.now)
        if self.program.settings.landing == "checkpoint":
            self.state.land_due = not self.then.all_landed()
        self.then.done(event.checkpoint)


def _told(items: tuple[ev.Told, ...]) -> str:
    """What refused the work, in one line."""
    refused = (item for item in items if not item.get("ok", item.get("severity") == "warning"))
    said = [str(item["message"]) for item in refused]
    return "; ".join(said[:3]) + (f" and {len(said) - 3} more" if len(said) > 3 else "")
