"""An attempt's work on its way to the integration ref: saved, judged, merged, swapped, landed."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from coditect import git
from coditect.findings import CoditectError, Finding
from coditect.git import Conflict, GitError, Held
from coditect.plan.model import DeliverableKind
from coditect.run import events as ev
from coditect.run import state as st
from coditect.run.local.attempts import hand_over
from coditect.run.local.context import Context, is_error, told
from coditect.run.shell import Halt

_changes = lru_cache(maxsize=64)(git.read_changes)
"""Two commits differ by the same for ever; saving, gate and merge each want to know."""


def _date(attempt: st.Attempt) -> int:
    """Seconds since the epoch for commits about an attempt: from the journal, so repeatable."""
    return attempt.started // 1000


def save(context: Context, attempt: st.Attempt) -> Sequence[ev.Event]:
    """Put what the agent wrote under a ref (E6). A lane that cannot be saved is put aside whole."""
    lane = context.lane(attempt)
    ref = context.refs.saved(attempt.task, attempt.number)
    task = context.task(attempt)
    aside = context.attempt_folder(attempt) / "lane"
    if aside.exists() and not lane.folder.exists():
        aside.rename(lane.folder)  # put aside by a coordinator that was killed before it said so
    try:
        saved = git.snapshot(
            lane,
            attempt.base,
            message=f"{task.title or task.id}",
            trailers=context.trailers(attempt),
            date=_date(attempt),
            ref=ref,
        )
    except (CoditectError, OSError) as error:
        raise CoditectError.of(
            "work-not-saved", f"{error} {_put_aside(lane.folder, aside)}"
        ) from error
    if saved is None:
        tree = context.repository(attempt).tree_of(attempt.base)
        return (ev.WorkSaved(attempt.task, attempt.number, attempt.base, tree, "", 0),)
    changes = _changes(context.repository(attempt), attempt.base, saved.commit)
    if any(finding.code.startswith("unsaved-") for finding in saved.findings):
        _put_aside(lane.folder, aside)  # git cannot keep all of it, so the folder is kept
    return (
        ev.WorkSaved(
            task=attempt.task,
            number=attempt.number,
            commit=saved.commit,
            tree=saved.tree,
            ref=ref,
            changed=len(changes.changes),
            findings=tuple(told(finding) for finding in saved.findings),
        ),
    )


def _put_aside(lane: Path, aside: Path) -> str:
    """Keep a lane's folder before the next attempt wipes it; says where, for people."""
    if not os.path.lexists(lane):
        return "Nothing is left of what the agent wrote."
    places = (aside, aside.with_name(f"lane-{time.time_ns()}"), lane.with_name(f"{lane.name}.kept"))
    trouble: OSError | None = None
    for place in places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(place):
                lane.rename(place)
                return f"What the agent wrote is kept in {place}."
        except OSError as error:
            trouble = error
    raise Halt(
        Finding(
            "work-not-kept",
            f"What an agent wrote in {lane} can neither be saved nor put aside: {trouble}.",
            "See to the disk's free space and its permissions, then: coditect resume",
        )
    )


def inspect(context: Context, attempt: st.Attempt) -> Sequence[ev.Event]:
    """Let the gate judge the diff; what could not be saved counts against it too."""
    plan = context.plan
    changes = _changes(context.repository(attempt), attempt.base, attempt.commit)
    objections = git.judge(
        changes,
        plan.language(attempt.task).matches,
        task=attempt.task,
        owned=", ".join(str(path) for path in plan.owned(attempt.task)),
    )
    findings = (*attempt.unsaved, *(told(finding) for finding in objections))
    good = not any(is_error(finding) for finding in findings)
    return (ev.DiffChecked(attempt.task, attempt.number, ok=good, findings=findings),)


def build(context: Context, attempt: st.Attempt, onto: str) -> Sequence[ev.Event]:
    """Merge the work onto a head; the merge brings the work's files and no others."""
    repository, task = context.repository(attempt), context.task(attempt)
    who = (attempt.task, attempt.number)
    built = git.build(
        repository,
        onto,
        attempt.commit,
        message=f"Integrate {task.id}: {task.title or task.id}",
        trailers=context.trailers(attempt),
        date=_date(attempt),
        tree=attempt.tree if onto == attempt.base else None,
    )
    if isinstance(built, Conflict):
        # A name that is no UTF-8 has surrogates, which nothing can show.
        paths = (path.encode("utf-8", "backslashreplace").decode("utf-8") for path in built.paths)
        return (ev.CandidateBuilt(*who, onto, None, None, tuple(paths)),)
    if task.verify:
        # Verification may take long enough for the user to collect garbage.
        keep = context.refs.candidate(attempt.task, attempt.number)
        repository.refs.run("update-ref", "--no-deref", keep, built.commit)
    return (ev.CandidateBuilt(*who, onto, built.commit, built.tree),)


def swap(context: Context, attempt: st.Attempt, candidate: st.Candidate) -> Sequence[ev.Event]:
    """Move the integration ref to the prepared commit: the moment of integration (E3).

    Also makes what the integration brings along (secrets, tags), which a repetition makes again.
    """
    repository, name = context.repository(attempt), context.repository_name(attempt)
    ref = context.refs.integration
    try:
        moved = git.swap(repository, ref, candidate.commit, candidate.onto)
    except GitError:
        # Garbage may have been collected while nobody carried the run on; the same parents,
        # message and date make the same commit again.
        build(context, attempt, candidate.onto)
        moved = git.swap(repository, ref, candidate.commit, candidate.onto)
    if not moved and not git.is_integrated(repository, ref, candidate.commit):
        raise CoditectError.of(
            "integration-ref-moved",
            f"Somebody else moved {ref} in {repository.path} away from {candidate.onto[:12]}.",
            "Only the engine moves this ref. Put it back, then: coditect resume",
        )
    repository.know_tree(candidate.commit, candidate.tree)
    hand_over(context, attempt)
    for each in context.task(attempt).deliverables:
        if each.kind is DeliverableKind.TAG:
            make_tag(context, name, each.value, candidate.commit, _date(attempt), attempt.task)
    return (ev.Integrated(attempt.task, attempt.number, name, candidate.commit),)


def make_tag(
    context: Context, repository: str, name: str, commit: str, date: int, why: str
) -> None:
    """Make a tag that the plan delivers; raises if somebody else gave its name to another commit.

    One that this run made is made anew: its checkpoint is looked at again.
    """
    place, ref = context.repositories[repository], f"refs/tags/{name}"
    message = f"{name}: {why}\n\n{_made_by(context)}"
    finding = git.tag(place, name, commit, message=message, date=date)
    if finding is not None and is_ours(context, repository, name):
        place.refs.run("update-ref", "--no-deref", "-d", ref, place.refs.text("rev-parse", ref))
        finding = git.tag(place, name, commit, message=message, date=date)
    if finding is not None:
        raise CoditectError(finding)


def is_ours(context: Context, repository: str, name: str) -> bool:
    """Say whether a tag is one that this run made."""
    done = context.repositories[repository].refs.run(
        "cat-file", "tag", f"refs/tags/{name}", ok=(0, 1, 128)
    )
    return done.code == 0 and _made_by(context) in done.text.splitlines()


def _made_by(context: Context) -> str:
    return f"Coditect-Run: {context.run}"


def land(context: Context, name: str, commit: str) -> Sequence[ev.Event]:
    """Fast-forward the target branch, and push it if the run was told to.

    A push that fails takes nothing back: the branch has landed, and what is held is the push.
    """
    repository, branch = context.repositories[name], context.plan.repositories[name].branch
    outcome = git.land(
        repository,
        branch,
        commit,
        update_checkout=context.settings.update_checkout,
        note=f"coditect: land {context.run}",
    )
    if isinstance(outcome, Held):
        finding = outcome.finding
        return (ev.LandingHeld(name, branch, commit, finding.message, finding.hint),)
    landed = ev.Landed(name, branch, commit)
    if not context.settings.push:
        return (landed,)
    try:
        pushed = git.push(repository, context.settings.push, branch, commit)
    except (CoditectError, OSError) as error:
        return landed, ev.LandingHeld(name, branch, commit, str(error), moved=True)
    if isinstance(pushed, Held):
        finding = pushed.finding
        held = ev.LandingHeld(name, branch, commit, finding.message, finding.hint, moved=True)
        return landed, held
    return (landed,)
