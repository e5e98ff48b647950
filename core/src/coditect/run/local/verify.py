"""Verification: commands decide, on the very tree that would be integrated (E4, E9)."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from coditect.agents import AttemptSpec, Exited, Lost, Reason, launch, stop, wait
from coditect.findings import CoditectError
from coditect.git import checkout_tree, exists, overlay
from coditect.paths import Language
from coditect.plan.model import Deliverable, DeliverableKind, Verification, VerificationKind
from coditect.run import events as ev
from coditect.run import state as st
from coditect.run.local.attempts import SECRETS
from coditect.run.local.context import Context
from coditect.run.local.work import is_ours, make_tag

_KEPT = ("PATH", "HOME", "LANG", "TERM", "USER")
"""What a command gets of the coordinator's environment."""
_SUPERVISORS = 3
"""How many supervisors a command may lose before that is the engine's trouble."""


def verify(
    context: Context,
    attempt: st.Attempt,
    candidate: st.Candidate,
    heads: Mapping[str, str],
    stopped: threading.Event,
) -> Sequence[ev.Event]:
    """Look for the task's deliverables and run its verifications on the candidate's tree."""
    task, name = context.task(attempt), context.repository_name(attempt)
    trees = {**heads, name: candidate.tree}
    folder = context.attempt_folder(attempt)
    results = [
        _deliverable(context, each, trees, folder / SECRETS)
        for each in task.deliverables
        if each.kind is not DeliverableKind.COMMAND
    ]
    runner = _Runner(
        context,
        trees={**trees, name: candidate.tree},
        judges_from={**heads, name: candidate.onto},
        scratch=context.folder.checks / "candidate",
        logs=folder / "verify" / candidate.commit[:12],
        label=attempt.task,
        stopped=stopped,
    )
    work = _work(task.deliverables, task.verify, rehearsed=context.rehearsed(attempt.agent))
    if all(result["ok"] for result in results):
        results += runner.run_all(work, name)
    if stopped.is_set():
        return ()
    good = all(result["ok"] for result in results)
    return (
        ev.CandidateVerified(
            attempt.task, attempt.number, candidate.commit, good, tuple(results), dict(heads)
        ),
    )


def confirm(
    context: Context, name: str, heads: Mapping[str, str], date: int, stopped: threading.Event
) -> Sequence[ev.Event]:
    """Look at a checkpoint's deliverable and run its verifications on the heads as they are."""
    checkpoint = context.plan.checkpoints[name]
    deliverables = (checkpoint.deliverable,) if checkpoint.deliverable else ()
    results = [
        _deliverable(context, each, heads, context.folder.secrets)
        for each in deliverables
        if each.kind is not DeliverableKind.COMMAND
    ]
    runner = _Runner(
        context,
        trees=heads,
        judges_from=heads,
        scratch=context.folder.checks / f"checkpoint-{name}",
        logs=context.folder.path / "checkpoints" / name,
        label=name,
        stopped=stopped,
    )
    rehearsed = all(
        context.rehearsed(agent)
        for stream in checkpoint.participants
        for agent in context.plan.workstreams[stream].agents
    )
    first = sorted(heads)[0] if heads else ""
    work = _work(deliverables, checkpoint.verify, rehearsed=rehearsed)
    if all(result["ok"] for result in results):
        results += runner.run_all(work, first)
    if stopped.is_set():
        return ()
    # The engine makes a tag, once everything else is as it has to be.
    if all(result["ok"] for result in results):
        results += [
            _tag(context, each, heads, date, name)
            for each in deliverables
            if each.kind is DeliverableKind.TAG
        ]
    good = all(result["ok"] for result in results)
    return (ev.CheckpointVerified(name, good, tuple(results), dict(heads)),)


def _result(kind: VerificationKind, run: str, message: str, *, ok: bool, **more: object) -> ev.Told:
    return {"kind": str(kind), "run": run, "ok": ok, "message": message, "seconds": 0.0, **more}


def _deliverable(
    context: Context, each: Deliverable, trees: Mapping[str, str], secrets: Path
) -> ev.Told:
    """A presence check: that something is there, and nothing about what it is worth.

    A tag is made by the engine; until then its name has to be free.
    """
    where = each.repository or ""
    there, missing = True, "is missing"
    if each.kind is DeliverableKind.PATH:
        there = exists(context.repositories[where], trees[where], each.value)
    elif each.kind is DeliverableKind.SECRET:
        file = secrets / each.value
        there = file.is_file() and not file.is_symlink() and file.stat().st_size > 0
    else:
        taken = context.repositories[where].resolve(f"refs/tags/{each.value}")
        there = taken in (None, trees[where]) or is_ours(context, where, each.value)
        missing = f"is not the engine's: it is there already and names {taken}"
    found = "can be made" if each.kind is DeliverableKind.TAG else "is there"
    message = f"{each} {found if there else missing}"
    return _result(VerificationKind.PRESENCE, str(each), message, ok=there)


def _work(
    deliverables: Iterable[Deliverable], verifications: Iterable[Verification], *, rehearsed: bool
) -> list[tuple[Verification, bool]]:
    """Name the commands that decide, each with whether it is skipped because of stand-ins."""
    found = [
        (Verification(VerificationKind.PRESENCE, each.value, each.repository), rehearsed)
        for each in deliverables
        if each.kind is DeliverableKind.COMMAND
    ]
    for each in verifications:
        found.append((each, rehearsed and each.kind is not VerificationKind.PRESENCE))
    return found


def _tag(
    context: Context, each: Deliverable, heads: Mapping[str, str], date: int, why: str
) -> ev.Told:
    """The engine makes the tag: that it could is the presence check."""
    assert each.repository is not None
    try:
        make_tag(context, each.repository, each.value, heads[each.repository], date, why)
    except CoditectError as error:
        return _result(VerificationKind.PRESENCE, str(each), str(error), ok=False)
    return _result(VerificationKind.PRESENCE, str(each), f"{each} is made", ok=True)


class _Runner:
    """Runs commands in scratch checkouts, one after the other, under a supervisor each.

    The supervisor is leashed: a verification dies with the coordinator, for it is cheap to repeat.
    """

    def __init__(
        self,
        context: Context,
        *,
        trees: Mapping[str, str],
        judges_from: Mapping[str, str],
        scratch: Path,
        logs: Path,
        label: str,
        stopped: threading.Event,
    ) -> None:
        self._context = context
        self._trees = trees
        self._judges_from = judges_from
        self._scratch = scratch
        self._logs = logs
        self._label = label
        self._stopped = stopped

    def run_all(self, work: Iterable[tuple[Verification, bool]], default: str) -> list[ev.Told]:
        """Run verifications in order, up to the first that refuses; those with True are skipped."""
        results: list[ev.Told] = []
        # Left by an earlier coordinator; leashed supervisors do not outlive it for long.
        for left in self._logs.glob("*/spec.json"):
            stop(left.parent, grace=0.0)
        for number, (each, skip) in enumerate(work, 1):
            if skip:
                note = "not run: a stand-in's work is only looked for"
                results.append(_result(each.kind, each.run, note, ok=True, skipped=True))
            elif not self._stopped.is_set():
                results.append(self._run(number, each, each.repository or default))
                if not results[-1]["ok"]:
                    break
        return results

    def _run(self, number: int, each: Verification, name: str) -> ev.Told:
        began = time.monotonic()
        folder = self._logs / str(number)
        found: Exited | Lost | None = None
        for _ in range(_SUPERVISORS):
            found = self._supervised(folder, number, each, name)
            if not isinstance(found, Lost) or self._stopped.is_set():
                break
        else:
            raise CoditectError.of(
                "verification-lost",
                f"The supervisor of `{each.run}` was killed {_SUPERVISORS} times.",
                "Look whether the machine runs out of memory.",
            )
        seconds = round(time.monotonic() - began, 3)
        good = isinstance(found, Exited) and found.ok
        message = f"`{each.run}` accepts" if good else self._refusal(each, found, folder)
        return {**_result(each.kind, each.run, message, ok=good), "seconds": seconds}

    def _supervised(
        self, folder: Path, number: int, each: Verification, name: str
    ) -> Exited | Lost | None:
        """Run a command once, in a checkout as if it were fresh; None if it was interrupted."""
        if folder.exists():
            stop(folder, grace=0.0)
            shutil.rmtree(folder)
        cwd = self._checkout(each, name)
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment |= {"CODITECT_RUN": self._context.run, "CODITECT_VERIFIES": self._label}
        spec = AttemptSpec(
            run=self._context.run,
            task=f"verify-{self._label}",
            number=number,
            argv=("/bin/sh", "-c", each.run),
            cwd=str(cwd),
            env=environment,
            timeout=each.timeout,
            grace=2.0,
            leash=True,
        )
        with launch(folder, spec, self._context.launcher) as held:
            found = wait(held, interrupt=self._stopped)
        if found is None:
            stop(folder, grace=0.0)
        return found

    def _checkout(self, each: Verification, name: str) -> Path:
        repository = self._context.repositories[name]
        tree = self._trees[name]
        judges = tuple(path.pattern for path in each.judges if path.repository == name)
        if judges:
            # The files that decide come from the base, not from the lane they judge.
            tree = overlay(repository, tree, self._judges_from[name], Language(judges).matches)
        return checkout_tree(repository, tree, self._scratch / name)

    def _refusal(self, each: Verification, found: object, folder: Path) -> str:
        how = "did not finish"
        if isinstance(found, Exited):
            how = f"ended with exit status {found.code}"
            if found.reason is Reason.TIMEOUT:
                how = f"took longer than {each.timeout} s"
            elif found.signal is not None:
                how = f"was ended by signal {found.signal}"
            elif found.reason is not Reason.EXIT:
                how = f"did not finish ({found.reason})"
        return f"`{each.run}` {how}; its output is in {folder}"
