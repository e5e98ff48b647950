"""Checkpoints, landing and pushing in real runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import coditect.git
from coditect.findings import CoditectError
from coditect.report import run_words as words
from coditect.report.actual import actual
from coditect.report.event_words import describe
from coditect.report.run_page import run_page
from coditect.run import events as ev
from coditect.run.home import ask
from coditect.run.state import State
from support.outing import Outing, git, repository

HEAD = """
schema: 1
name: gated
repositories: {app: {}, lib: {}}
agents: {ann: {adapter: command}, bob: {adapter: command}}
workstreams:
  one: {agents: ann, owns: "app:one/"}
  two: {agents: bob, owns: "lib:two/"}
tasks:
  a: {workstream: one, effort: 1h, run: "mkdir one; echo A > one/a"}
  b: {workstream: two, effort: 1h, run: "mkdir two; echo B > two/b"}
  c: {workstream: one, effort: 1h, needs: a, run: "echo C > one/c"}
checkpoints:
  gate: {participants: [one, two], after: [a, b], before: c, duration: 1h, %s}
"""


def gated(tmp_path: Path, gate: str, **options: Any) -> Outing:
    return Outing.begin(tmp_path, HEAD % gate, **options)


def listening(trip: Outing, kind: type[Any], deed: Any) -> Any:
    """A listener that does something at the first event of a kind."""
    done: list[ev.Event] = []

    def listen(entry: ev.Entry, state: State) -> None:
        if isinstance(entry.event, kind) and not done:
            done.append(entry.event)
            deed(entry.event)

    return listen


# --- checkpoints ----------------------------------------------------------------------------------


def test_nothing_behind_a_checkpoint_starts_before_it_is_open(tmp_path: Path) -> None:
    trip = gated(
        tmp_path,
        'deliverable: {tag: "app:v1"}, verify: {kind: e2e, repository: lib, run: "test -s two/b"}',
    )
    assert trip.carry_on() == "succeeded"
    order = [
        (entry.event.kind, getattr(entry.event, "task", ""))
        for entry in trip.book.entries
        if entry.event.kind in {"integrated", "checkpoint_opened", "attempt_started"}
    ]
    opened = order.index(("checkpoint_opened", ""))
    assert {("integrated", "a"), ("integrated", "b")} <= set(order[:opened])
    assert order.index(("attempt_started", "c")) > opened


def test_a_checkpoints_tag_names_the_head_that_its_commands_accepted(tmp_path: Path) -> None:
    trip = gated(
        tmp_path,
        'deliverable: {tag: "app:v1"}, verify: {kind: e2e, repository: app, run: "test -s one/a"}',
    )
    assert trip.carry_on() == "succeeded"
    [verified] = trip.events(ev.CheckpointVerified)
    assert git(trip.places["app"], "rev-parse", "v1^{commit}") == verified.heads["app"]
    assert f"Coditect-Run: {trip.run}" in git(trip.places["app"], "cat-file", "tag", "v1")
    assert trip.book.state.heads["app"] != verified.heads["app"]


def test_a_checkpoint_that_is_refused_makes_no_tag_and_a_retry_looks_again(tmp_path: Path) -> None:
    (tmp_path / "user").mkdir()
    trip = gated(
        tmp_path,
        'deliverable: {tag: "app:v1"}, '
        f'verify: {{kind: e2e, repository: app, run: "test -e {tmp_path}/user/ready"}}',
    )
    assert trip.carry_on() == "failed"
    assert git(trip.places["app"], "tag") == ""
    assert "ended with exit status 1" in trip.book.state.gates["gate"].why
    assert trip.book.state.tasks["c"].why == "checkpoint gate is parked"
    (tmp_path / "user/ready").touch()
    ask(trip.home.folder(trip.run), "retry", by="ann", subject="gate")
    assert trip.carry_on() == "succeeded"
    assert git(trip.places["app"], "tag") == "v1"


def test_a_tag_that_the_run_made_for_an_earlier_look_moves_with_the_new_one(
    tmp_path: Path,
) -> None:
    """As if the coordinator had been killed right after it made the tag, and heads went on."""
    trip = gated(tmp_path, 'deliverable: {tag: "app:v1"}')

    def made_before(event: ev.Event) -> None:
        place = trip.places["app"]
        message = f"v1: gate\n\nCoditect-Run: {trip.run}"
        git(place, "tag", "-a", "-m", message, "v1", trip.book.started.bases["app"])

    assert trip.carry_on(listening(trip, ev.Integrated, made_before)) == "succeeded"
    [verified] = trip.events(ev.CheckpointVerified)
    assert git(trip.places["app"], "rev-parse", "v1^{commit}") == verified.heads["app"]


def test_a_tag_of_somebody_elses_parks_the_checkpoint_and_stays(tmp_path: Path) -> None:
    trip = gated(tmp_path, 'deliverable: {tag: "app:v1"}')
    place = trip.places["app"]
    git(place, "tag", "-a", "-m", "mine", "v1")
    before = git(place, "rev-parse", "v1")
    assert trip.carry_on() == "failed"
    assert "there already" in trip.book.state.gates["gate"].why
    assert git(place, "rev-parse", "v1") == before
    git(place, "tag", "-d", "v1")
    ask(trip.home.folder(trip.run), "retry", by="ann", subject="gate")
    assert trip.carry_on() == "succeeded"


def test_a_tag_that_comes_while_the_checkpoint_is_verified_parks_it_in_words(
    tmp_path: Path,
) -> None:
    place = tmp_path / "repositories/app"
    trip = gated(
        tmp_path,
        'deliverable: {tag: "app:v1"}, verify: {kind: e2e, repository: app, '
        f'run: "git -C {place} tag v1 {"HEAD"}"}}',
    )
    assert trip.carry_on() == "failed"
    assert "v1 is already there" in trip.book.state.gates["gate"].why


@pytest.mark.parametrize(
    ("deliverable", "outcome"),
    [
        ('"app:one/a"', "succeeded"),
        ('"lib:two/"', "succeeded"),
        ('{command: "test -s two/b", repository: lib}', "succeeded"),
        ('{command: "test -s two/none", repository: lib}', "failed"),
    ],
)
def test_a_checkpoint_opens_only_if_its_deliverable_is_there(
    tmp_path: Path, deliverable: str, outcome: str
) -> None:
    trip = gated(tmp_path, f"deliverable: {deliverable}")
    assert trip.carry_on() == outcome


def test_a_person_decides_while_nobody_carries_the_run_on(tmp_path: Path) -> None:
    trip = gated(tmp_path, "approval: true", approve_all=False)
    folder = trip.home.folder(trip.run)

    def leave(event: ev.Event) -> None:
        import os  # noqa: PLC0415
        import signal  # noqa: PLC0415

        os.kill(os.getpid(), signal.SIGINT)

    assert trip.carry_on(listening(trip, ev.CheckpointVerified, leave)) is None
    ask(folder, "reject", by="ann", checkpoint="gate", note="no errors in the contract")
    assert trip.carry_on() == "failed"
    assert trip.book.state.gates["gate"].why == "no errors in the contract"
    ask(folder, "approve", by="bob", checkpoint="gate")
    assert trip.carry_on() == "succeeded"
    assert [(event.approved, event.by) for event in trip.events(ev.ApprovalRecorded)] == [
        (False, "ann"),
        (True, "bob"),
    ]


def test_the_work_of_a_checkpoint_is_attended_by_its_participants(tmp_path: Path) -> None:
    trip = Outing.begin(
        tmp_path,
        """
schema: 1
name: attended
repositories: {app: {}, lib: {}}
agents: {ann: {adapter: command}, bob: {adapter: command}}
workstreams:
  one: {agents: ann, owns: "app:one/"}
  two: {agents: bob, owns: "lib:two/"}
tasks:
  contract: {workstream: one, effort: 1h, run: "mkdir one; echo A > one/a"}
  b: {workstream: two, effort: 1h, needs: contract, run: "mkdir two; echo B > two/b"}
checkpoints:
  talk: {participants: [one, two], during: contract, deliverable: "app:one/a"}
""",
    )
    assert trip.carry_on() == "succeeded"
    first = trip.events(ev.AttemptStarted)[0]
    assert (first.task, first.agent, dict(first.attending)) == ("contract", "ann", {"two": "bob"})


# --- landing --------------------------------------------------------------------------------------


def landings(trip: Outing) -> list[tuple[str, str]]:
    return [
        (event.kind, event.commit)
        for entry in trip.book.entries
        if isinstance(event := entry.event, ev.Landed | ev.LandingHeld)
        and event.repository == "app"
    ]


@pytest.mark.parametrize(
    ("policy", "count"), [("continuous", 2), ("checkpoint", 2), ("end", 1), ("daily", 1)]
)
def test_landing_moves_the_branch_when_the_policy_says(
    tmp_path: Path, policy: str, count: int
) -> None:
    trip = gated(tmp_path, "approval: false", landing=policy)
    assert trip.carry_on() == "succeeded"
    landed = landings(trip)
    assert len(landed) == count
    assert landed[-1] == ("landed", trip.book.state.heads["app"])
    assert trip.files("app", "main") == {"README": "hello", "one/a": "A", "one/c": "C"}


def test_a_branch_that_is_checked_out_is_held_with_the_command_to_type(tmp_path: Path) -> None:
    trip = gated(tmp_path, "approval: false")
    place = trip.places["app"]
    git(place, "checkout", "-q", "main")
    assert trip.carry_on() == "succeeded"
    assert {kind for kind, _ in landings(trip)} == {"landing_held"}
    held = trip.events(ev.LandingHeld)[-1]
    assert "checked out" in held.reason
    assert "merge --ff-only" in held.hint
    assert trip.files("app", "main") == {"README": "hello"}
    assert git(place, "status", "--porcelain") == ""
    assert trip.book.state.held["app"] == trip.book.state.heads["app"]


def test_a_clean_checkout_is_taken_along_when_that_is_wanted_and_a_dirty_one_never(
    tmp_path: Path,
) -> None:
    trip = gated(tmp_path, "approval: false", update_checkout=True)
    place = trip.places["app"]
    git(place, "checkout", "-q", "main")
    (place / "README").write_text("mine\n")

    def clean(event: ev.Event) -> None:
        git(place, "checkout", "README")

    assert trip.carry_on(listening(trip, ev.LandingHeld, clean)) == "succeeded"
    assert [kind for kind, _ in landings(trip)] == ["landing_held", "landed"]
    assert (place / "one/c").read_text() == "C\n"
    assert git(place, "status", "--porcelain") == ""


def test_a_branch_that_went_elsewhere_is_held_and_nothing_is_lost(tmp_path: Path) -> None:
    trip = gated(tmp_path, "approval: false", landing="end")
    place = trip.places["app"]
    tree = git(place, "rev-parse", "main^{tree}")
    mine = git(place, "commit-tree", "-p", "main", "-m", "mine", tree)
    git(place, "branch", "-f", "main", mine)
    assert trip.carry_on() == "succeeded"
    assert [kind for kind, _ in landings(trip)] == ["landing_held"]
    assert git(place, "rev-parse", "main") == mine


def test_a_branch_that_is_gone_is_held_in_words(tmp_path: Path) -> None:
    trip = gated(tmp_path, "approval: false", landing="end")
    git(trip.places["app"], "branch", "-m", "main", "trunk")
    assert trip.carry_on() == "succeeded"
    assert "no branch 'main'" in trip.events(ev.LandingHeld)[0].reason


# --- pushing --------------------------------------------------------------------------------------


def with_remote(trip: Outing, name: str) -> Path:
    there = repository(trip.folder / "remotes" / name, bare=True)
    git(there, "update-ref", "refs/heads/main", git(there, "rev-parse", "main"))
    place = trip.places[name]
    git(place, "remote", "add", "origin", str(there))
    git(place, "push", "-q", "--force", "origin", "main")
    return there


def test_what_has_landed_is_pushed(tmp_path: Path) -> None:
    trip = gated(tmp_path, "approval: false", push="origin")
    remotes = {name: with_remote(trip, name) for name in trip.places}
    assert trip.carry_on() == "succeeded"
    for name, there in remotes.items():
        assert git(there, "rev-parse", "main") == trip.book.state.heads[name]
    assert not trip.events(ev.LandingHeld)


def test_a_branch_that_is_not_pushed_has_landed_all_the_same(tmp_path: Path) -> None:
    trip = gated(tmp_path, "approval: false", push="nowhere", landing="end")
    assert trip.carry_on() == "succeeded"
    state = trip.book.state
    assert state.landed == state.heads == state.held
    assert {event.repository for event in trip.events(ev.Landed)} == {"app", "lib"}
    assert all(event.moved for event in trip.events(ev.LandingHeld))
    book = trip.book
    report = actual(book.plan, book.entries)
    for line in report.landings:
        assert line.landed == line.head == git(trip.places[line.repository], "rev-parse", "main")
        assert (line.complete, line.pushed) == (True, False)
        assert words.landing(line).startswith("has all of integration. Not pushed: The push to")
    assert "has all of integration. Not pushed" in run_page(report)
    said = [describe(event, book.plan).text for event in trip.events(ev.LandingHeld)]
    assert all(re.match("main is at [0-9a-f]{10}; not pushed: The push to", one) for one in said)


def test_a_push_that_never_ends_is_held_and_the_branch_has_landed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trip = gated(tmp_path, "approval: false", push="origin", landing="end")

    def push(*_: object) -> None:
        raise CoditectError.of("git-timeout", "git push took too long.")

    monkeypatch.setattr(coditect.git, "push", push)
    assert trip.carry_on() == "succeeded"
    assert trip.book.state.landed == trip.book.state.heads
    assert all("took too long" in event.reason for event in trip.events(ev.LandingHeld))


def test_a_remote_that_is_not_there_holds_the_landing_in_words(tmp_path: Path) -> None:
    trip = gated(tmp_path, "approval: false", push="nowhere", landing="end")
    assert trip.carry_on() == "succeeded"
    held = trip.events(ev.LandingHeld)
    assert {event.repository for event in held} == {"app", "lib"}
    assert all("push to nowhere failed" in event.reason for event in held)
    assert trip.files("app", "main")["one/c"] == "C"


def test_a_remote_that_went_elsewhere_holds_the_landing_in_words(tmp_path: Path) -> None:
    trip = gated(tmp_path, "approval: false", push="origin", landing="end")
    there = with_remote(trip, "app")
    with_remote(trip, "lib")
    tree = git(there, "rev-parse", "main^{tree}")
    mine = git(there, "commit-tree", "-p", "main", "-m", "mine", tree)
    git(there, "update-ref", "refs/heads/main", mine)
    assert trip.carry_on() == "succeeded"
    assert "does not take" in trip.events(ev.LandingHeld)[0].reason
    assert git(there, "rev-parse", "main") == mine


def test_a_slow_push_keeps_no_newer_head_waiting_in_a_queue_of_older_ones(tmp_path: Path) -> None:
    """Heads that went by while a push was slow are not pushed after the newest."""
    tasks = "".join(
        f'  t{n}: {{workstream: one, effort: 1h, run: "mkdir -p one; echo {n} > one/t{n}"}}\n'
        for n in range(6)
    )
    trip = Outing.begin(
        tmp_path,
        f"""
schema: 1
name: pushed
repositories: {{app: {{}}}}
agents: {{ann: {{adapter: command}}}}
workstreams: {{one: {{agents: ann, owns: "app:one/"}}}}
tasks:
{tasks}
""",
        push="origin",
    )
    there = with_remote(trip, "app")
    # The first push waits until all is integrated.
    hook = trip.places["app"] / ".git/hooks/pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nuntil [ -e {tmp_path}/go ]; do sleep 0.02; done\n")
    hook.chmod(0o755)
    integrated: list[ev.Event] = []

    def count(entry: ev.Entry, state: State) -> None:
        if isinstance(entry.event, ev.Integrated):
            integrated.append(entry.event)
            if len(integrated) == 6:
                (tmp_path / "go").touch()

    assert trip.carry_on(count) == "succeeded"
    assert not trip.events(ev.LandingHeld)
    assert git(there, "rev-parse", "main") == trip.book.state.heads["app"]
    assert len(trip.events(ev.Landed)) <= 2
