"""Verification: commands decide, on the very tree that would be integrated (E4, E9)."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from coditect.agents import AttemptSpec, Exited, Running, launch, recover, stop, wait
from coditect.findings import CoditectError
from coditect.git import checkout_tree, exists, overlay
from coditect.paths import Language
from coditect.plan.model import Deliverable, DeliverableKind, Verification, VerificationKind
from coditect.run import events as ev
from coditect.run import state as st
from coditect.run.local.attempts import SECRETS
from coditect.run.local.context import Context
from coditect.run.local.work import make_tag

_KEPT = ("PATH", "HOME", "LANG", "TERM", "USER")
"""What a command gets of the coordinator's environment."""


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
        if each.kind is not DeliverableKind.TAG
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
    skip = context.rehearsed(attempt.agent)
    results += runner.run_all(task.verify, name, skip=skip)
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
    results = []
    deliverable = checkpoint.deliverable
    if deliverable is not None and deliverable.kind is DeliverableKind.TAG:
        results.append(_tag(context, deliverable, heads, date, name))
    elif deliverable is not None:
        results.append(_deliverable(context, deliverable, heads, context.folder.secrets))
    runner = _Runner(
        context,
        trees=heads,
        judges_from=heads,
        scratch=context.folder.checks / f"checkpoint-{name}",
        logs=context.folder.path / "checkpoints" / name,
        label=name,
        stopped=stopped,
    )
    skip = all(
        context.rehearsed(agent)
        for stream in checkpoint.participants
        for agent in context.plan.workstreams[stream].agents
    )
    first = sorted(heads)[0] if heads else ""
    results += runner.run_all(checkpoint.verify, first, skip=skip)
    if stopped.is_set():
        return ()
    good = all(result["ok"] for result in results)
    return (ev.CheckpointVerified(name, good, tuple(results), dict(heads)),)


def _result(kind: VerificationKind, run: str, message: str, *, ok: bool, **more: object) -> ev.Told:
    return {"kind": str(kind), "run": run, "ok": ok, "message": message, "seconds": 0.0, **more}


def _deliverable(
    context: Context, each: Deliverable, trees: Mapping[str, str], secrets: Path
) -> ev.Told:
    """A presence check: that something is there, and nothing about what it is worth."""
    if each.kind is DeliverableKind.PATH and each.repository:
        repository = context.repositories[each.repository]
        there = exists(repository, trees[each.repository], each.value)
    elif each.kind is DeliverableKind.SECRET:
        file = secrets / each.value
        there = file.is_file() and not file.is_symlink() and file.stat().st_size > 0
    else:
        there = True
    message = f"{each} is there" if there else f"{each} is missing"
    return _result(VerificationKind.PRESENCE, str(each), message, ok=there)


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

    def run_all(
        self, verifications: Iterable[Verification], default: str, *, skip: bool
    ) -> list[ev.Told]:
        """Run verifications in order, up to the first that refuses."""
        results: list[ev.Told] = []
        for number, each in enumerate(verifications, 1):
            if skip and each.kind is not VerificationKind.PRESENCE:
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
        if folder.exists():
            # Left by an earlier coordinator; a leashed supervisor did not outlive it for long.
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
            ended = recover(folder)
            found = None if isinstance(ended, Running) else ended
        seconds = round(time.monotonic() - began, 3)
        good = isinstance(found, Exited) and found.ok
        message = f"`{each.run}` accepts" if good else self._refusal(each, found, folder)
        return {**_result(each.kind, each.run, message, ok=good), "seconds": seconds}

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
            how = {"timeout": f"took longer than {each.timeout} s"}.get(
                str(found.reason), f"ended with exit status {found.code}"
            )
        return f"`{each.run}` {how}; its output is in {folder}"
