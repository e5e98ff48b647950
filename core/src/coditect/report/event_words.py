"""The events of a run in words."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coditect.plan.model import Plan
from coditect.report.figures import counted
from coditect.report.plain import plain
from coditect.run import events as ev


@dataclass(frozen=True, slots=True)
class Said:
    """An event in words. Already harmless for a terminal."""

    subject: str
    """The task, checkpoint, repository or risk; empty for the run itself."""
    text: str
    tone: str = ""
    """A style: green for progress, yellow for attention, red for trouble."""
    routine: bool = False
    """Whether it may be left out: things go their way, or the next event says it again."""


class HeldLandings:
    """Remembers why landings are held: the same reason is told once a repository."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def told(self, event: ev.LandingHeld) -> bool:
        """Whether this was told before; it is from now on."""
        before = self._reasons.get(event.repository)
        self._reasons[event.repository] = event.reason
        return before == event.reason


def command(what: str, name: str, run: str = "") -> str:
    """Give what to type to `approve`, `reject`, `retry` or `cancel` something of a run."""
    return " ".join(("coditect", what, *(shlex.quote(word) for word in (run, name) if word)))


def describe(event: ev.Event, plan: Plan, *, run: str = "", asks: bool = False) -> Said:
    """Put an event into words; `asks`: the checkpoint it is about now waits for a person.

    `run` is named in the commands that a person may type; without it they mean the newest run.
    """
    said = (
        _of_agent(event)
        or _of_integration(event)
        or _of_trouble(event, run)
        or _of_checkpoint(event, run, asks=asks)
        or _of_run(event, plan)
    )
    return Said(plain(said.subject), plain(said.text, 300), said.tone, said.routine)


def _of_agent(event: ev.Event) -> Said | None:
    match event:
        case ev.AttemptStarted(task, number):
            again = f" (attempt {number})" if number > 1 else ""
            how = "tries the fallback" if event.rescue else "starts"
            others = ", ".join(sorted(set(event.attending.values())))
            also = f", attended by {others}" if others else ""
            return Said(task, f"{event.agent} {how}{again}{also}")
        case ev.AttemptAttached(task):
            if event.again:
                return Said(task, "is watched again after a restart", "yellow")
            return Said(task, f"runs as process {event.pid}", routine=True)
        case ev.AttemptExited(task):
            good = event.reason == "exit" and event.code == 0
            how = f"with status {event.code}" if event.reason == "exit" else f"by {event.reason}"
            return Said(task, f"its agent ended {how}", "" if good else "yellow", routine=good)
        case ev.WorkSaved(task):
            return Said(task, f"is saved, {counted(event.changed, 'path')} changed", routine=True)
        case _:
            return None


def _of_integration(event: ev.Event) -> Said | None:
    match event:
        case ev.DiffChecked(task):
            if event.ok:
                return Said(task, "passed the gate", routine=True)
            return Said(task, f"the gate refused it: {_objections(event.findings)}", "red", True)
        case ev.CandidateBuilt(task):
            if event.commit:
                return Said(task, f"is merged as {event.commit[:10]}", routine=True)
            return Said(task, f"conflicts in {', '.join(event.conflicts)}", "red", True)
        case ev.CandidateVerified(task):
            if event.ok:
                return Said(task, f"verified: {_results(event.results)}", routine=True)
            return Said(task, f"was not accepted: {_objections(event.results)}", "red", True)
        case ev.IntegrationPrepared(task):
            return Said(task, f"is about to be integrated as {event.new[:10]}", routine=True)
        case ev.Integrated(task):
            return Said(task, f"integrated as {event.commit[:10]}", "green")
        case _:
            return None


def _of_trouble(event: ev.Event, run: str) -> Said | None:
    match event:
        case ev.AttemptFailed(task):
            ending = "; is tried again" if event.retry_at is not None else ""
            message = f": {event.message}" if event.message else ""
            text = f"attempt {event.number} failed ({event.reason}){message}{ending}"
            return Said(task, text, "red")
        case ev.AttemptLost(task):
            return Said(
                task, f"attempt {event.number} was lost ({event.why}); starts anew", "yellow"
            )
        case ev.EffectFailed(task):
            return Said(task, f"could not {event.effect}: {event.message}", "red")
        case ev.TaskParked(task):
            message = (event.message or event.reason).rstrip(".")
            if event.reason == "cancelled":
                return Said(task, f"parked: {message}", "red")
            return Said(task, f"parked: {message}. Again: {command('retry', task, run)}", "red")
        case ev.TaskSkipped(task):
            return Said(task, f"skipped: {event.because}", "yellow")
        case _:
            return None


def _of_checkpoint(event: ev.Event, run: str, *, asks: bool) -> Said | None:
    match event:
        case ev.CheckpointHeld(name):
            who = ", ".join(sorted(set(event.attending.values())))
            return Said(name, f"is held, attended by {who}")
        case ev.CheckpointVerified(name):
            if not event.ok:
                again = f"Again: {command('retry', name, run)}"
                return Said(name, f"cannot open: {_objections(event.results)}. {again}", "red")
            if not asks:
                return Said(name, f"verified: {_results(event.results)}", routine=True)
            typed = command("approve", name, run)
            return Said(name, f"verified; waits for approval: {typed}", "bold yellow")
        case ev.CheckpointOpened(name):
            return Said(name, "is open", "green")
        case ev.ApprovalRecorded(name):
            if event.by == "--yes":
                return Said(name, "passed by --yes; nobody looked", "yellow")
            word = "approved" if event.approved else "rejected"
            note = f": {event.note}" if event.note else ""
            return Said(name, f"{word} by {event.by}{note}", "green" if event.approved else "red")
        case _:
            return None


def _of_run(event: ev.Event, plan: Plan) -> Said:
    match event:
        case ev.RunStarted():
            tasks, gates = (
                counted(len(plan.tasks), "task"),
                counted(len(plan.checkpoints), "checkpoint"),
            )
            return Said("", f"the run starts: {tasks}, {gates}")
        case ev.Landed(repository):
            return Said(repository, f"{event.branch} is at {event.commit[:10]}", routine=True)
        case ev.LandingHeld(repository):
            branch = event.branch or "its target branch"
            text = f"{branch} was not moved: {event.reason} {event.hint}"
            if event.moved:
                where = f"{branch} is at {event.commit[:10]}"
                text = f"{where}; not pushed: {event.reason} {event.hint}"
            return Said(repository, text.rstrip(), "yellow")
        case ev.TimerFired():
            return Said("", f"the moment of {event.key} has come", routine=True)
        case ev.RetryRequested(subject):
            return Said(subject, f"{event.by} asks to try it again")
        case ev.RiskTriggered(risk):
            known = plan.risks.get(risk)
            answer = f" Planned answer: {known.fallback}" if known and known.fallback else ""
            return Said(risk, f"this risk struck: {event.why}.{answer}", "yellow")
        case ev.CancelRequested():
            return Said(event.task or "", f"{event.by} asks to stop it", "yellow")
        case ev.RunFinished():
            tone = "bold green" if event.outcome == "succeeded" else "bold red"
            return Said("", f"the run {_OUTCOMES.get(event.outcome, event.outcome)}", tone)
        case _:
            return Said("", event.kind.replace("_", " "), routine=True)


_OUTCOMES = {"succeeded": "succeeded", "failed": "failed", "cancelled": "was cancelled"}


def _objections(items: Sequence[ev.Told]) -> str:
    said = [str(item.get("message") or item.get("run", "")) for item in items if not _fine(item)]
    return "; ".join(said[:2]) + (f" and {len(said) - 2} more" if len(said) > 2 else "")


def _fine(item: ev.Told) -> Any:
    return item.get("ok", False)


def _results(results: Sequence[ev.Told]) -> str:
    """Say what ran and what did not, by kind."""
    counts: dict[str, int] = {}
    for result in results:
        word = str(result.get("kind", "engine")) + (" NOT RUN" if result.get("skipped") else "")
        counts[word] = counts.get(word, 0) + 1
    return ", ".join(f"{count} {word}" for word, count in counts.items()) or "nothing to verify"
