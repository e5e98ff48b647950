"""Attempts on this machine: lane, supervisor, and what became of them."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coditect import agents
from coditect.agents import Assignment, Attached, AttemptSpec, Exited, Lost, Running, recover
from coditect.findings import CoditectError
from coditect.git import Lane, checkout_tree
from coditect.plan.model import DeliverableKind, Task
from coditect.run import events as ev
from coditect.run.local.context import Context
from coditect.run.state import Attempt

_PACE = 1000
"""Milliseconds an hour takes a stand-in beside real agents, where the run has no pace."""

SECRETS = "secrets"
"""The folder in an attempt's folder through which secrets are given and handed over."""


@dataclass
class Holds:
    """The attempts that this coordinator knows to be at work."""

    waiting: dict[tuple[str, int], Attached] = field(default_factory=dict)
    """Those that it started and nobody waits for yet."""
    met: set[tuple[str, int]] = field(default_factory=set)
    """Those that it saw alive."""


def launch(
    context: Context, attempt: Attempt, holds: Holds, *, cancelled: bool
) -> Sequence[ev.Event]:
    """Start an attempt, or find it again if an earlier coordinator had begun to.

    A spec exists before its supervisor can: without one, nobody was started, and nobody is if the
    attempt was cancelled meanwhile.
    """
    folder = context.attempt_folder(attempt)
    if (folder / "spec.json").exists():
        found = recover(folder)
        if isinstance(found, Lost) and not found.started:
            return (ev.AttemptLost(attempt.task, attempt.number, why=found.why),)
        return _found(attempt, found, again=True)
    if cancelled:
        why = "it was cancelled before it started"
        return (ev.AttemptLost(attempt.task, attempt.number, why=why),)
    lane = context.lane(attempt)
    lane.prepare(attempt.base)
    spec = _spec(context, attempt, lane, folder)
    try:
        held = agents.launch(folder, spec, context.launcher)
    except BaseException:
        agents.stop(folder, grace=0.0)  # Whoever was started over it is not to work unseen.
        raise
    holds.waiting[attempt.task, attempt.number] = held
    return (ev.AttemptAttached(attempt.task, attempt.number, held.pid),)


def watch(
    context: Context, attempt: Attempt, holds: Holds, leave: threading.Event
) -> Sequence[ev.Event]:
    """Wait for the end of an attempt; an attempt that another coordinator started is announced.

    Once only: the next coordinator after that one says nothing, unless it finds it ended.
    """
    folder, who = context.attempt_folder(attempt), (attempt.task, attempt.number)
    held = holds.waiting.pop(who, None)
    if held is None and not attempt.inherited:
        found = recover(folder)
        if isinstance(found, Running):
            holds.met.add(who)
        return _found(attempt, found, again=True)
    held = held or agents.attach(folder)
    if held is None:
        found = recover(folder)
        alive = isinstance(found, Running)
        return () if alive else _found(attempt, found, again=who not in holds.met)
    holds.met.add(who)
    with held:
        ended = agents.wait(held, interrupt=leave)
    return () if ended is None else _found(attempt, ended, again=False)


def stop(context: Context, attempt: Attempt) -> Sequence[ev.Event]:
    """End an attempt's processes; the watch tells how it ended."""
    agents.stop(context.attempt_folder(attempt), grace=5.0)
    return ()


def _found(attempt: Attempt, found: Running | Exited | Lost, *, again: bool) -> Sequence[ev.Event]:
    who = (attempt.task, attempt.number)
    match found:
        case Running():
            return (ev.AttemptAttached(*who, found.pid, found.isolation, again=True),)
        case Exited():
            usage = found.usage
            return (
                ev.AttemptExited(
                    *who,
                    reason=str(found.reason),
                    code=found.code,
                    signal=found.signal,
                    usage={"wall": usage.wall, "user": usage.user, "sys": usage.sys},
                    left_processes=found.left_processes,
                    output_bytes=found.output,
                    dropped_bytes=found.dropped,
                    again=again,
                ),
            )
        case Lost():
            return (ev.AttemptExited(*who, reason="lost", again=again),)


def _spec(context: Context, attempt: Attempt, lane: Lane, folder: Path) -> AttemptSpec:
    task, agent = context.task(attempt), context.plan.agents[attempt.agent]
    rescue = task.fallback if attempt.rescue else None
    stream = context.plan.workstreams[task.workstream]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    assignment = Assignment(
        run=context.run,
        task=task.id,
        title=task.title or task.id,
        workstream=stream.title or stream.id,
        brief=(rescue and rescue.brief) or task.brief,
        deliverables=task.deliverables,
        owns=tuple(path.pattern.text for path in context.plan.owned(task.id)),
        excepts=tuple(path.pattern.text for path in (*task.excepts, *stream.excepts)),
        repository=context.repository_name(attempt),
        secrets=_secrets(context, task, folder),
        number=attempt.number,
        agent=agent.id,
        settings={"pace": str((context.settings.pace or _PACE) / 1000), **agent.settings},
        command=(rescue and rescue.run) or task.run or agent.run,
        lane=lane.tree,
        folder=folder,
        reads=_reads(context, attempt, task),
        effort=task.effort.likely,
    )
    command = agents.adapter_for(context.adapter(attempt.agent)).prepare(assignment)
    return AttemptSpec(
        run=context.run,
        task=task.id,
        number=attempt.number,
        argv=command.argv,
        cwd=str(lane.tree),
        env=command.env,
        inherit=command.inherit,
        timeout=task.timeout,
        heartbeat=str(context.folder.heartbeat),
        orphan_after=context.settings.orphan_after,
        on_orphan=(
            sys.executable,
            "-P",
            "-m",
            "coditect.run.local.orphan",
            str(context.folder.home),
            context.run,
            task.id,
            str(attempt.number),
        ),
    )


def _secrets(context: Context, task: Task, folder: Path) -> Path | None:
    """Make the folder with the secrets a task is given; None if it neither gets nor gives any."""
    gives = any(each.kind is DeliverableKind.SECRET for each in task.deliverables)
    if not gives and not task.secrets:
        return None
    place = folder / SECRETS
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in task.secrets:
        source = context.folder.secrets / name
        if not source.is_file():
            raise CoditectError.of(
                "secret-missing",
                f"Task {task.id} is to be given the secret {name}, which is not in {source}.",
                "Put it there, for you alone to read, and retry the task.",
            )
        shutil.copyfile(source, place / name)
        (place / name).chmod(0o600)
    return place


def _reads(context: Context, attempt: Attempt, task: Task) -> dict[str, Path]:
    """Show the other repositories that a task may read, as they are at its base."""
    own = context.repository_name(attempt)
    top = context.folder.lane(task.workstream, attempt.slot, own).parent
    found: dict[str, Path] = {}
    for name in task.reads:
        if name != own:
            repository = context.repositories[name]
            found[name] = checkout_tree(
                repository, repository.tree_of(attempt.heads[name]), top / f".read-{name}"
            )
    return found


def hand_over(context: Context, attempt: Attempt) -> None:
    """Take the secrets that an attempt's task delivers into the run's keeping. Repeatable."""
    folder = context.attempt_folder(attempt) / SECRETS
    for each in context.task(attempt).deliverables:
        source = folder / each.value
        if each.kind is DeliverableKind.SECRET and source.is_file() and not source.is_symlink():
            keep = context.folder.secrets
            keep.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = keep / f".{each.value}.new"
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(source.read_bytes())
            draft.replace(keep / each.value)
