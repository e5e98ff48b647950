"""Real runs in trouble: agents that resist, folders that vanish, a git that is gone, restarts."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import coditect.git
from coditect.agents import Exited, look
from coditect.findings import CoditectError
from coditect.git import RunRefs
from coditect.run import events as ev
from coditect.run.home import RunLock, ask
from coditect.run.journal import Writer
from coditect.run.local import LocalHands, orphan
from coditect.run.shell import Listener
from coditect.run.state import State
from support.outing import Outing, git
from support.workshop import until

ONE = """
schema: 1
name: trouble
repositories: {app: {}}
agents: {ann: {adapter: command}}
workstreams: {one: {agents: ann, owns: "app:one/"}}
tasks:
"""
TASK = '  a: {workstream: one, effort: 1h, retries: %d, run: "%s"}\n'
GOOD = "mkdir one; echo A > one/a"


def trip(tmp_path: Path, run: str = GOOD, retries: int = 0, **options: Any) -> Outing:
    return Outing.begin(tmp_path, ONE + TASK % (retries, run), **options)


def processes(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(folder) in word for word in words):
            found.append(process)
    return found


@pytest.fixture(autouse=True)
def nobody_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    until(lambda: not processes(tmp_path))


def once(kind: type[Any], deed: Callable[[], object]) -> Listener:
    """A listener that does something at the first event of a kind."""
    done: list[ev.Entry] = []

    def listen(entry: ev.Entry, state: State) -> None:
        if isinstance(entry.event, kind) and not done:
            done.append(entry)
            deed()

    return listen


class Killed(BaseException):
    """Stands for a kill of the coordinator: nothing that it had in hand is recorded."""


def killed() -> None:
    raise Killed


def leave() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def say(outing: Outing, what: str, **fields: Any) -> None:
    ask(outing.home.folder(outing.run), what, by="ann", **fields)


def record(outing: Outing, *events: ev.Event) -> None:
    writer = Writer(outing.home.journal_file, outing.run)
    writer.append(events)
    writer.close()


# --- cancelling -----------------------------------------------------------------------------------


def test_cancelling_ends_the_whole_tree_of_an_agent_that_resists_and_saves_its_work(
    tmp_path: Path,
) -> None:
    resist = "trap '' TERM INT HUP; mkdir one; echo half > one/a;"
    resist += " setsid sh -c 'trap : TERM; sleep 300 & sleep 300' & (sleep 300 &);"
    resist += f" touch {tmp_path}/began; while :; do sleep 300; done"
    outing = trip(tmp_path, resist)
    moments: list[float] = []

    def cancel() -> None:
        until((tmp_path / "began").exists)
        moments.append(time.monotonic())
        say(outing, "cancel", task=None)

    thread = threading.Thread(target=cancel)
    thread.start()
    assert outing.carry_on() == "cancelled"
    thread.join()
    assert time.monotonic() - moments[0] < 20
    assert not processes(tmp_path)
    [saved] = outing.events(ev.WorkSaved)
    assert outing.files("app", saved.ref)["one/a"] == "half"
    assert outing.files("app") == {"README": "hello"}


def test_an_attempt_that_was_cancelled_before_anybody_started_is_never_started(
    tmp_path: Path,
) -> None:
    outing = trip(tmp_path)
    with pytest.raises(Killed):
        outing.carry_on(once(ev.AttemptStarted, killed))
    record(outing, ev.CancelRequested("ann", "a"))
    assert outing.carry_on() == "failed"
    assert not (outing.attempt("a") / "spec.json").exists()
    assert outing.book.state.tasks["a"].phase == "parked"
    say(outing, "retry", subject="a")
    assert outing.carry_on() == "succeeded"


def test_a_run_that_was_cancelled_before_anybody_started_starts_nobody(tmp_path: Path) -> None:
    outing = trip(tmp_path)
    with pytest.raises(Killed):
        outing.carry_on(once(ev.AttemptStarted, killed))
    say(outing, "cancel", task=None)
    assert outing.carry_on() == "cancelled"
    assert not outing.attempt("a").exists()


# --- agents that harm their surroundings ----------------------------------------------------------


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("L=$(dirname $CODITECT_LANE); cd /; rm -rf $L", "Nothing is left"),
        ("cd /; rm -rf $CODITECT_LANE", "What the agent wrote is kept in"),
        ("cd /; rm -rf $CODITECT_LANE; touch $CODITECT_LANE", "What the agent wrote is kept in"),
        ("cd /; L=$CODITECT_LANE; mv $L $L.moved; ln -s $L.moved $L", "is kept in"),
        ("rm ../engine.git/prepared.json; " + GOOD, "What the agent wrote is kept in"),
        ("rm -rf ../engine.git; " + GOOD, "What the agent wrote is kept in"),
        ("L=$(dirname $CODITECT_LANE); cd /; rm -rf $L; touch $L", "kept in"),
    ],
)
def test_a_lane_that_was_harmed_fails_the_attempt_in_words_and_not_the_next(
    tmp_path: Path, deed: str, words: str
) -> None:
    outing = trip(tmp_path, f"test -e {tmp_path}/again || {{ {deed}; exit; }}; {GOOD}", 1)
    listen = once(ev.AttemptFailed, (tmp_path / "again").touch)
    assert outing.carry_on(listen) == "succeeded"
    [failed] = outing.failures("a")
    assert failed.reason == "engine"
    assert words in failed.message
    assert outing.files("app")["one/a"] == "A"
    if "kept in" in failed.message and GOOD in deed:
        kept = Path(failed.message.rpartition("kept in ")[2].rstrip("."))
        assert (kept / "tree/one/a").read_text() == "A\n"


def test_an_agent_that_removes_its_own_attempt_folder_is_lost_and_ends_parked(
    tmp_path: Path,
) -> None:
    outing = trip(tmp_path, "rm -rf $(dirname $CODITECT_PROMPT)", lost_limit=2)
    assert outing.carry_on() == "failed"
    assert "too often" in outing.why("a")
    assert [event.alive for event in outing.events(ev.AttemptLost)] == [True, True]


@pytest.mark.parametrize("again", [False, True])
def test_an_agent_that_removed_its_own_attempt_folder_can_be_stopped(
    tmp_path: Path, again: bool
) -> None:
    deed = f"rm -rf $(dirname $CODITECT_PROMPT); touch {tmp_path}/began; sleep 300 & sleep 300"
    outing = trip(tmp_path, deed)

    def cancel() -> None:
        until((tmp_path / "began").exists)
        leave() if again else say(outing, "cancel", task=None)

    thread = threading.Thread(target=cancel)
    thread.start()
    outcome = outing.carry_on()
    thread.join()
    if again:
        assert outcome is None
        say(outing, "cancel", task=None)
        outcome = outing.carry_on()
    assert outcome == "cancelled"
    assert outing.book.state.tasks["a"].attempts == 1


def test_a_supervisor_that_can_never_begin_does_not_keep_the_engine_busy_for_ever(
    tmp_path: Path,
) -> None:
    outing = trip(tmp_path, lost_limit=3)
    for number in range(1, 20):
        (outing.attempt("a", number) / "lock").mkdir(parents=True)
    assert outing.carry_on() == "failed"
    assert "too often" in outing.why("a")
    assert outing.book.state.tasks["a"].attempts == 4


def test_whoever_was_started_though_starting_failed_does_not_work_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outing = trip(tmp_path, "sleep 300", 0)
    # The supervisor is there; that it could be watched fails.
    monkeypatch.setattr("coditect.agents.launcher.Launcher._ask", refuse)
    monkeypatch.setattr("coditect.agents.launcher.os.pidfd_open", refuse)
    assert outing.carry_on() == "failed"
    monkeypatch.undo()
    assert "too many open files" in outing.why("a").lower()
    assert outing.failures("a")[0].reason == "engine"
    until(lambda: not processes(tmp_path))


def refuse(*args: object) -> None:
    raise OSError(24, "Too many open files")


def test_work_that_can_neither_be_saved_nor_put_aside_stops_the_run_before_it_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outing = trip(tmp_path, f"rm ../engine.git/prepared.json; {GOOD}", 0)
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if "lanes" in path.parts and path.name == "app":
            raise OSError(30, "Read-only file system")
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(CoditectError) as caught:
        outing.carry_on()
    assert caught.value.findings[0].code == "work-not-kept"
    lane = outing.top / "lanes/one-0/app"
    assert (lane / "tree/one/a").read_text() == "A\n"
    monkeypatch.undo()
    assert outing.carry_on() == "failed"
    assert (outing.attempt("a") / "lane/tree/one/a").read_text() == "A\n"


def test_work_is_put_aside_though_there_is_something_already(tmp_path: Path) -> None:
    deed = f"mkdir $(dirname $CODITECT_PROMPT)/lane; rm ../engine.git/prepared.json; {GOOD}"
    outing = trip(tmp_path, deed, 0)
    assert outing.carry_on() == "failed"
    kept = Path(outing.why("a").rpartition("kept in ")[2].rstrip("."))
    assert kept != outing.attempt("a") / "lane"
    assert (kept / "tree/one/a").read_text() == "A\n"


# --- repositories in trouble ----------------------------------------------------------------------


def test_a_repository_that_is_gone_parks_its_tasks_in_words_and_a_retry_goes_on(
    tmp_path: Path,
) -> None:
    outing = trip(tmp_path, retries=1)
    place = outing.places["app"]
    hide = once(ev.AttemptStarted, lambda: place.rename(tmp_path / "hidden"))
    assert outing.carry_on(hide) == "failed"
    assert {failed.reason for failed in outing.failures("a")} == {"engine"}
    with pytest.raises(CoditectError) as caught:
        outing.carry_on()
    assert caught.value.findings[0].code == "git-no-folder"
    (tmp_path / "hidden").rename(place)
    say(outing, "retry", subject="a")
    assert outing.carry_on() == "succeeded"


def test_a_missing_object_is_told_and_once_it_is_back_a_retry_goes_on(tmp_path: Path) -> None:
    outing = trip(tmp_path)
    place = outing.places["app"]
    blob = git(place, "rev-parse", "HEAD:README")
    file = place / ".git/objects" / blob[:2] / blob[2:]
    content = file.read_bytes()
    file.unlink()
    assert outing.carry_on() == "failed"
    assert outing.failures("a")[0].reason == "engine"
    file.write_bytes(content)
    say(outing, "retry", subject="a")
    assert outing.carry_on() == "succeeded"


def test_a_damaged_object_is_told_in_words(tmp_path: Path) -> None:
    outing = trip(tmp_path)
    place = outing.places["app"]
    blob = git(place, "rev-parse", "HEAD:README")
    file = place / ".git/objects" / blob[:2] / blob[2:]
    file.chmod(0o600)
    file.write_bytes(b"nonsense")
    assert outing.carry_on() == "failed"
    assert outing.failures("a")[0].reason == "engine"


def test_without_git_on_the_path_nothing_begins_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outing = trip(tmp_path)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(CoditectError) as caught:
        outing.carry_on()
    assert caught.value.findings[0].code == "git-missing"
    monkeypatch.undo()
    assert outing.carry_on() == "succeeded"
    assert len(outing.events(ev.AttemptStarted)) == 1


def test_a_git_that_vanishes_on_the_way_is_told_and_the_work_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outing = trip(tmp_path)
    (tmp_path / "bin").mkdir()
    hide = once(ev.AttemptExited, lambda: monkeypatch.setenv("PATH", str(tmp_path / "bin")))
    assert outing.carry_on(hide) == "failed"
    monkeypatch.undo()
    [failed] = outing.failures("a")
    assert "no git program on PATH" in failed.message
    assert (outing.attempt("a") / "lane/tree/one/a").read_text() == "A\n"
    say(outing, "retry", subject="a")
    assert outing.carry_on() == "succeeded"


def test_an_integration_ref_that_somebody_moved_ends_the_life_in_words(tmp_path: Path) -> None:
    outing = trip(tmp_path)
    place = outing.places["app"]
    ref = RunRefs(outing.run).integration
    base = git(place, "rev-parse", ref)
    other = git(place, "commit-tree", "-m", "other", git(place, "rev-parse", f"{base}^{{tree}}"))
    move = once(ev.IntegrationPrepared, lambda: git(place, "update-ref", ref, other))
    with pytest.raises(CoditectError) as caught:
        outing.carry_on(move)
    assert caught.value.findings[0].code == "integration-ref-moved"
    git(place, "update-ref", ref, base)
    assert outing.carry_on() == "succeeded"
    assert len(outing.events(ev.Integrated)) == 1


def test_a_deleted_integration_ref_ends_the_life_in_words(tmp_path: Path) -> None:
    outing = trip(tmp_path)
    place = outing.places["app"]
    ref = RunRefs(outing.run).integration
    base = git(place, "rev-parse", ref)
    with pytest.raises(CoditectError):
        outing.carry_on(once(ev.IntegrationPrepared, lambda: git(place, "update-ref", "-d", ref)))
    git(place, "update-ref", ref, base)
    assert outing.carry_on() == "succeeded"


# --- restarts -------------------------------------------------------------------------------------


def test_agents_at_work_are_attached_again_and_not_started_again(tmp_path: Path) -> None:
    outing = trip(tmp_path, f"until [ -e {tmp_path}/go ]; do sleep 0.02; done; {GOOD}")
    assert outing.carry_on(once(ev.AttemptAttached, leave)) is None
    go = once(ev.AttemptAttached, (tmp_path / "go").touch)
    assert outing.carry_on(go) == "succeeded"
    attached = outing.events(ev.AttemptAttached)
    assert [event.again for event in attached] == [False, True]
    assert len({event.pid for event in attached}) == 1
    assert len(outing.events(ev.AttemptStarted)) == 1


def test_an_agent_that_ended_while_nobody_looked_is_found_with_its_end(tmp_path: Path) -> None:
    outing = trip(tmp_path, f"until [ -e {tmp_path}/go ]; do sleep 0.02; done; {GOOD}")
    assert outing.carry_on(once(ev.AttemptAttached, leave)) is None
    (tmp_path / "go").touch()
    until(lambda: isinstance(look(outing.attempt("a")), Exited))
    assert outing.carry_on() == "succeeded"
    [exited] = outing.events(ev.AttemptExited)
    assert exited.again
    assert exited.code == 0


def test_an_agent_that_two_coordinators_left_is_found_with_its_end_by_the_third(
    tmp_path: Path,
) -> None:
    outing = trip(tmp_path, f"until [ -e {tmp_path}/go ]; do sleep 0.02; done; {GOOD}")
    assert outing.carry_on(once(ev.AttemptAttached, leave)) is None
    assert outing.carry_on(once(ev.AttemptAttached, leave)) is None
    (tmp_path / "go").touch()
    until(lambda: isinstance(look(outing.attempt("a")), Exited))
    assert outing.carry_on() == "succeeded"
    assert [event.again for event in outing.events(ev.AttemptAttached)] == [False, True]
    [exited] = outing.events(ev.AttemptExited)
    assert exited.again


def test_an_agent_that_ends_under_the_coordinator_that_took_it_over_is_no_second_restart(
    tmp_path: Path,
) -> None:
    outing = trip(tmp_path, f"until [ -e {tmp_path}/go ]; do sleep 0.02; done; {GOOD}")
    assert outing.carry_on(once(ev.AttemptAttached, leave)) is None

    def end() -> None:
        (tmp_path / "go").touch()
        until(lambda: isinstance(look(outing.attempt("a")), Exited))

    assert outing.carry_on(once(ev.AttemptAttached, end)) == "succeeded"
    [exited] = outing.events(ev.AttemptExited)
    assert not exited.again


def test_an_attempt_whose_start_was_not_recorded_is_found_at_work(tmp_path: Path) -> None:
    """Killed between the start of the supervisor and its record."""
    outing = trip(tmp_path, f"until [ -e {tmp_path}/go ]; do sleep 0.02; done; {GOOD}")
    with pytest.raises(Killed):
        outing.carry_on(once(ev.AttemptStarted, killed))
    book = outing.book
    with RunLock(book.folder) as lock, LocalHands.open(book, lock) as hands:
        from coditect.run import actions as act  # noqa: PLC0415

        launch = act.Launch(book.state.live["a"])
        [attached] = hands.do(launch, book.state, threading.Event())
        assert isinstance(attached, ev.AttemptAttached)
        until((outing.attempt("a") / "owner").exists)
    (tmp_path / "go").touch()
    assert outing.carry_on() == "succeeded"
    assert len(outing.events(ev.AttemptStarted)) == 1


def test_an_attempt_whose_supervisor_never_claimed_it_is_given_up_and_made_again(
    tmp_path: Path,
) -> None:
    """Killed between the spec and the start of the supervisor."""
    outing = trip(tmp_path)
    with pytest.raises(Killed):
        outing.carry_on(once(ev.AttemptStarted, killed))
    folder = outing.attempt("a")
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text("{}")
    assert outing.carry_on() == "succeeded"
    [lost] = outing.events(ev.AttemptLost)
    assert not lost.alive
    assert len(outing.events(ev.AttemptStarted)) == 2
    assert not outing.events(ev.AttemptFailed)


def test_a_merge_that_was_on_the_ref_before_the_kill_is_integrated_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outing = Outing.begin(
        tmp_path,
        ONE
        + f'  a: {{workstream: one, effort: 1h, run: "{GOOD}; echo key > $CODITECT_SECRETS/key",'
        ' deliverable: [{secret: key}, {tag: "app:v1"}]}\n',
    )
    real = coditect.git.swap

    def swap(*args: Any) -> bool:
        real(*args)
        raise Killed

    monkeypatch.setattr(coditect.git, "swap", swap)
    with pytest.raises(Killed):
        outing.carry_on()
    monkeypatch.undo()
    assert not outing.events(ev.Integrated)
    assert not (outing.top / "secrets/key").exists()
    assert outing.carry_on() == "succeeded"
    [integrated] = outing.events(ev.Integrated)
    place = outing.places["app"]
    assert git(place, "rev-parse", "v1^{commit}") == integrated.commit
    assert (outing.top / "secrets/key").read_text() == "key\n"
    count = git(place, "rev-list", "--count", "--first-parent", f"HEAD..{integrated.commit}")
    assert count == "1"


def test_locks_that_a_killed_git_left_under_the_runs_refs_are_healed(tmp_path: Path) -> None:
    outing = trip(tmp_path)
    top = outing.places["app"] / ".git/refs/coditect" / outing.run
    (top / "integration.lock").touch()
    other = outing.places["app"] / ".git/refs/heads/other.lock"
    other.touch()
    assert outing.carry_on() == "succeeded"
    assert not list(top.rglob("*.lock"))
    assert other.exists()


def test_a_kill_between_save_and_its_record_saves_the_same_again(tmp_path: Path) -> None:
    outing = trip(tmp_path, f"mkfifo pipe; {GOOD}", 0)
    with pytest.raises(Killed):
        outing.carry_on(once(ev.AttemptExited, killed))
    book = outing.book
    with RunLock(book.folder) as lock, LocalHands.open(book, lock) as hands:
        from coditect.run import actions as act  # noqa: PLC0415

        save = act.Save(book.state.live["a"])
        [first] = hands.do(save, book.state, threading.Event())
        [second] = hands.do(save, book.state, threading.Event())
    assert first == second
    assert outing.carry_on() == "failed"
    assert outing.events(ev.WorkSaved) == [first]
    assert (outing.attempt("a") / "lane/tree/one/a").exists()


def test_an_orphans_work_is_saved_by_its_supervisor_in_a_lane_with_traps_for_python(
    tmp_path: Path,
) -> None:
    """The command that saves runs in the lane, and imports nothing from there."""
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'trapped')!r}, 'w')\n")
    traps = f"for m in json pathlib sqlite3 coditect yaml; do cp {trap} $m.py; done"
    outing = trip(tmp_path, f"{GOOD}; {traps}; sleep 300", 0, orphan_after=1.0)
    assert outing.carry_on(once(ev.AttemptAttached, leave)) is None
    saved = RunRefs(outing.run).saved("a", 1)
    until(lambda: isinstance(look(outing.attempt("a")), Exited), 60)
    assert not (tmp_path / "trapped").exists()
    assert outing.files("app", saved)["one/a"] == "A"
    say(outing, "cancel", task=None)
    assert outing.carry_on() == "cancelled"
    [exited] = outing.events(ev.AttemptExited)
    assert exited.reason == "orphaned"
    assert exited.again


def test_the_saver_of_an_orphan_leaves_alone_what_is_not_alive(tmp_path: Path) -> None:
    outing = trip(tmp_path)
    assert outing.carry_on() == "succeeded"
    before = git(outing.places["app"], "for-each-ref")
    assert orphan.main(str(outing.home.path), outing.run, "a", "1") == 0
    assert git(outing.places["app"], "for-each-ref") == before


def test_the_saver_of_an_orphan_saves_what_there_is(tmp_path: Path) -> None:
    outing = trip(tmp_path)
    with pytest.raises(Killed):
        outing.carry_on(once(ev.AttemptExited, killed))
    assert orphan.main(str(outing.home.path), outing.run, "a", "2") == 0
    saved = RunRefs(outing.run).saved("a", 1)
    assert not git(outing.places["app"], "for-each-ref", saved)
    assert orphan.main(str(outing.home.path), outing.run, "a", "1") == 0
    assert outing.files("app", saved)["one/a"] == "A"
    assert outing.carry_on() == "succeeded"


def test_a_polite_kill_leaves_the_run(tmp_path: Path) -> None:
    outing = trip(tmp_path, f"until [ -e {tmp_path}/go ]; do sleep 0.02; done; {GOOD}")
    before = signal.getsignal(signal.SIGTERM)
    term = once(ev.AttemptAttached, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert outing.carry_on(term) is None
    assert signal.getsignal(signal.SIGTERM) == before
    (tmp_path / "go").touch()
    assert outing.carry_on() == "succeeded"


def test_a_watcher_that_breaks_leaves_the_run_whole(tmp_path: Path) -> None:
    outing = trip(tmp_path)

    def broken() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        outing.carry_on(once(ev.WorkSaved, broken))
    assert outing.carry_on() == "succeeded"


def test_a_run_whose_plan_is_gone_from_disk_goes_on(tmp_path: Path) -> None:
    outing = trip(tmp_path)
    shutil.rmtree(tmp_path / "plan.yaml", ignore_errors=True)
    assert outing.carry_on() == "succeeded"
