"""The shell, with hands that do what a test says: order, cancelling, trouble, leaving."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from coditect.findings import CoditectError
from coditect.plan import load_plan
from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run import shell as shells
from coditect.run.home import Home, RunFolder, ask
from coditect.run.journal import Journal, Writer
from coditect.run.program import Program, Settings, compile_program
from coditect.run.shell import Listener, Shell, request_event
from coditect.run.state import State
from support.workshop import until

PLAN = """
schema: 1
name: pretend
repositories: {app: {}, lib: {}}
agents: {ann: {adapter: command, run: "true"}, bob: {adapter: command, run: "true"}}
workstreams:
  one: {agents: ann, owns: "app:one/"}
  two: {agents: bob, owns: "lib:two/"}
tasks:
  a: {workstream: one, effort: 1h, retries: 1}
  b: {workstream: two, effort: 1h, retries: 1}
  c: {workstream: one, effort: 1h, needs: [a, b]}
checkpoints:
  gate: {participants: [one, two], after: [a, b], before: c, approval: true, duration: 1h}
"""

Deed = Callable[[act.Effect, threading.Event], Sequence[ev.Event]]


class Pretend:
    """Hands that carry everything out well, at once; a test changes single deeds."""

    def __init__(self) -> None:
        self.deeds: dict[str, Deed] = {}
        self.done: list[act.Effect] = []
        self.threads: set[str] = set()
        self.at_work: Counter[act.Key] = Counter()
        self._guard = threading.Lock()

    def do(self, effect: act.Effect, state: State, stop: threading.Event) -> Sequence[ev.Event]:
        key = act.key(effect)
        with self._guard:
            self.at_work[key] += 1
            assert self.at_work[key] == 1, f"{key} is carried out twice at once"
            self.done.append(effect)
            self.threads.add(threading.current_thread().name)
        try:
            kind = type(effect).__name__.lower()
            deed = self.deeds.get(kind)
            return deed(effect, stop) if deed else well(effect)
        finally:
            with self._guard:
                self.at_work[key] -= 1

    def count(self, kind: type[act.Effect], task: str = "") -> int:
        with self._guard:
            return sum(
                isinstance(effect, kind) and (not task or named(effect) == task)
                for effect in self.done
            )


def named(effect: act.Effect) -> str:
    match effect:
        case act.Land(repository, _):
            return repository
        case act.Confirm(checkpoint):
            return checkpoint
        case _:
            return effect.attempt.task


def well(effect: act.Effect) -> Sequence[ev.Event]:
    match effect:
        case act.Land(repository, commit):
            return (ev.Landed(repository, "main", commit),)
        case act.Confirm(checkpoint):
            return (ev.CheckpointVerified(checkpoint, ok=True),)
    who = (effect.attempt.task, effect.attempt.number)
    merge = f"merge-{who[0]}-{who[1]}"
    match effect:
        case act.Launch():
            return (ev.AttemptAttached(*who, pid=1),)
        case act.Watch():
            return (ev.AttemptExited(*who, reason="exit", code=0),)
        case act.Stop():
            return ()
        case act.Save():
            return (ev.WorkSaved(*who, "work", "tree", "ref", 1),)
        case act.Inspect():
            return (ev.DiffChecked(*who, ok=True),)
        case act.Build(_, onto):
            return (ev.CandidateBuilt(*who, onto, merge, "tree"),)
        case act.Verify(_, candidate):
            return (ev.CandidateVerified(*who, candidate.commit, ok=True),)
        case act.Swap(_, candidate):
            repository = "app" if who[0] in "ac" else "lib"
            return (ev.Integrated(*who, repository, candidate.commit),)


class Trial:
    """A run in a home of its own, carried on by pretending hands, in a thread."""

    def __init__(self, home: Home, plan: str = PLAN, **settings: Any) -> None:
        self.home = home
        self.folder: RunFolder = home.folder("run")
        self.folder.path.mkdir(parents=True)
        self.hands = Pretend()
        loaded = load_plan(Path("plan.yaml"), text=plan)
        chosen = Settings(**{"approve_all": True, "backoff": 20, **settings})
        order = (*loaded.tasks, *loaded.checkpoints)
        self.program: Program = compile_program(loaded, chosen, order, {})
        self.outcome: str | None = "not run"
        self.error: BaseException | None = None
        self.listener: Listener = lambda entry, state: None
        self.shell: Shell | None = None
        writer = Writer(home.journal_file, "run")
        writer.append(
            [
                ev.RunStarted(
                    "plan.yaml",
                    plan,
                    dict.fromkeys(loaded.repositories, "base"),
                    {},
                    order,
                    asdict(chosen),
                )
            ]
        )
        writer.close()

    def begin(self) -> threading.Thread:
        writer = Writer(self.home.journal_file, "run")
        self.shell = Shell(
            self.folder,
            self.program,
            writer,
            self.hands,
            lanes=2,
            entries=writer.entries,
            listener=self.listener,
        )

        def carry_on(shell: Shell) -> None:
            try:
                self.outcome = shell.run()
            except BaseException as error:  # noqa: BLE001 - told by `carry_on`
                self.error = error
            finally:
                writer.close()

        thread = threading.Thread(target=carry_on, args=(self.shell,))
        thread.start()
        return thread

    def carry_on(self) -> str | None:
        self.error = None
        self.begin().join(timeout=60)
        if self.error is not None:
            raise self.error
        return self.outcome

    def leave(self) -> None:
        assert self.shell is not None
        self.shell.leave()

    def events(self, kind: type[Any]) -> list[Any]:
        entries = Journal(self.home.journal_file).entries("run")
        return [entry.event for entry in entries if isinstance(entry.event, kind)]

    def wait_for(self, kind: type[Any], count: int = 1) -> None:
        until(lambda: len(self.events(kind)) >= count)


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    trial = Trial(Home(tmp_path / "home"))
    yield trial
    assert not [t for t in threading.enumerate() if t.name.startswith(("effect", "heartbeat"))]


def blocked(opened: threading.Event, then: Deed | None = None) -> Deed:
    """A deed that waits until a test lets it go on, or the shell tells it to stop."""

    def wait(effect: act.Effect, stop: threading.Event) -> Sequence[ev.Event]:
        while not opened.wait(0.01):
            if stop.is_set():
                return ()
        return then(effect, stop) if then else well(effect)

    return wait


def failing(times: int, error: Callable[[], Exception]) -> Deed:
    left = Counter({"": times})

    def fail(effect: act.Effect, stop: threading.Event) -> Sequence[ev.Event]:
        left[""] -= 1
        if left[""] >= 0:
            raise error()
        return well(effect)

    return fail


def full_disk() -> OSError:
    return OSError(28, "No space left on device")


# --- order ----------------------------------------------------------------------------------------


def test_a_run_without_trouble_succeeds_and_every_effect_is_carried_out_once(trial: Trial) -> None:
    assert trial.carry_on() == "succeeded"
    counted = Counter((type(effect).__name__, named(effect)) for effect in trial.hands.done)
    for task in "abc":
        for kind in ("Launch", "Watch", "Save", "Inspect", "Verify", "Swap"):
            assert counted[kind, task] == 1
    assert counted["Confirm", "gate"] == 1
    assert not counted["Stop", "a"]


def test_every_event_is_told_once_in_order_with_the_state_it_led_to(trial: Trial) -> None:
    told: list[tuple[int, str | None]] = []
    trial.listener = lambda entry, state: told.append((entry.seq, state.finished))
    assert trial.carry_on() == "succeeded"
    assert [seq for seq, _ in told] == list(range(2, len(told) + 2))
    assert [outcome for _, outcome in told if outcome] == ["succeeded"]


def test_what_is_told_is_in_the_journal_already(trial: Trial) -> None:
    missing: list[int] = []

    def look(entry: ev.Entry, state: State) -> None:
        found = Journal(trial.home.journal_file).entries("run", entry.seq - 1)
        if not found or found[0] != entry:
            missing.append(entry.seq)

    trial.listener = look
    trial.carry_on()
    assert not missing


def test_effects_of_different_attempts_are_carried_out_at_the_same_time(trial: Trial) -> None:
    both = threading.Barrier(2, timeout=10)

    def meet(effect: act.Effect, stop: threading.Event) -> Sequence[ev.Event]:
        if named(effect) in "ab":
            both.wait()
        return well(effect)

    trial.hands.deeds["watch"] = meet
    assert trial.carry_on() == "succeeded"


def test_a_finished_run_is_not_carried_on_again(trial: Trial) -> None:
    trial.carry_on()
    done, events = len(trial.hands.done), len(trial.events(object))
    assert trial.carry_on() == "succeeded"
    assert (len(trial.hands.done), len(trial.events(object))) == (done, events)


def test_a_timer_fires_when_its_moment_has_come_and_not_before(trial: Trial) -> None:
    trial.hands.deeds["inspect"] = failing(1, full_disk)
    assert trial.carry_on() == "succeeded"
    [failed] = trial.events(ev.AttemptFailed)
    entries = Journal(trial.home.journal_file).entries("run")
    fired = [
        (entry.event.key, entry.at >= failed.retry_at)
        for entry in entries
        if isinstance(entry.event, ev.TimerFired)
    ]
    assert fired == [(f"retry:{failed.task}", True)]


def test_timers_go_by_the_journals_clock_though_the_hosts_is_set_back(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time_ns
    back = threading.Event()
    monkeypatch.setattr(
        "coditect.run.journal.time.time_ns",
        lambda: real() - (3_600_000_000_000 if back.is_set() else 0),
    )

    def fail(effect: act.Effect, stop: threading.Event) -> Sequence[ev.Event]:
        if not back.is_set():
            back.set()
            raise full_disk()
        return well(effect)

    trial.hands.deeds["save"] = fail
    assert trial.carry_on() == "succeeded"


# --- cancelling and leaving -----------------------------------------------------------------------


def test_cancelling_stops_the_agents_and_ends_the_run(trial: Trial) -> None:
    gone = threading.Event()

    def stopped(effect: act.Effect, stop: threading.Event) -> Sequence[ev.Event]:
        assert not isinstance(effect, act.Land | act.Confirm)
        who = (effect.attempt.task, effect.attempt.number)
        return (ev.AttemptExited(*who, reason="stopped", signal=15),)

    def end(effect: act.Effect, stop: threading.Event) -> Sequence[ev.Event]:
        gone.set()
        return ()

    trial.hands.deeds["watch"] = blocked(gone, stopped)
    trial.hands.deeds["stop"] = end
    thread = trial.begin()
    trial.wait_for(ev.AttemptAttached, 2)
    ask(trial.folder, "cancel", by="ann", task=None)
    thread.join(timeout=20)
    assert trial.outcome == "cancelled"
    assert {event.reason for event in trial.events(ev.AttemptFailed)} == {"cancelled"}
    assert trial.hands.count(act.Save) == 2


def test_a_stop_that_has_to_wait_for_its_watch_is_not_repeated_in_a_hurry(trial: Trial) -> None:
    gone = threading.Event()

    def stopped(effect: act.Effect, stop: threading.Event) -> Sequence[ev.Event]:
        assert not isinstance(effect, act.Land | act.Confirm)
        who = (effect.attempt.task, effect.attempt.number)
        return (ev.AttemptExited(*who, reason="stopped", signal=15),)

    trial.hands.deeds["watch"] = blocked(gone, stopped)
    thread = trial.begin()
    trial.wait_for(ev.AttemptAttached, 2)
    ask(trial.folder, "cancel", by="ann", task=None)
    until(lambda: trial.hands.count(act.Stop, "a") >= 2)
    assert trial.hands.count(act.Stop, "a") < 10
    gone.set()
    thread.join(timeout=20)
    assert trial.outcome == "cancelled"


def test_an_effect_that_is_no_longer_wanted_is_told_to_stop_and_its_late_word_changes_nothing(
    trial: Trial,
) -> None:
    told = threading.Event()

    def verify(effect: act.Effect, stop: threading.Event) -> Sequence[ev.Event]:
        if named(effect) != "a":
            return well(effect)
        assert stop.wait(20)
        told.set()
        return well(effect)

    trial.hands.deeds["verify"] = verify
    thread = trial.begin()
    until(lambda: trial.hands.count(act.Verify, "a"))
    ask(trial.folder, "cancel", by="ann", task="a")
    thread.join(timeout=20)
    assert told.is_set()
    assert trial.outcome == "failed"
    assert not [event for event in trial.events(ev.Integrated) if event.task == "a"]


def test_leaving_ends_nothing_and_the_next_life_goes_on(trial: Trial) -> None:
    opened = threading.Event()
    trial.hands.deeds["watch"] = blocked(opened)
    thread = trial.begin()
    trial.wait_for(ev.AttemptAttached, 2)
    trial.leave()
    thread.join(timeout=20)
    assert trial.outcome is None
    assert not trial.hands.count(act.Stop)
    assert not trial.events(ev.AttemptExited)
    opened.set()
    assert trial.carry_on() == "succeeded"
    assert trial.hands.count(act.Launch, "a") == 1
    assert trial.hands.count(act.Watch, "a") == 2


def test_leaving_before_anything_began_is_leaving_too(trial: Trial) -> None:
    trial.shell = None
    thread = trial.begin()
    trial.leave()
    thread.join(timeout=20)
    assert trial.outcome in (None, "succeeded")


def test_a_killed_shells_deeds_are_repeated_and_nothing_is_integrated_twice(trial: Trial) -> None:
    """A listener that raises right after an event stands for a kill at that event."""
    lives = 0

    class Killed(Exception):
        pass

    def kill(entry: ev.Entry, state: State) -> None:
        raise Killed

    trial.listener = kill
    while True:
        try:
            assert trial.carry_on() == "succeeded"
            break
        except Killed:
            lives += 1
            assert lives < 200
    assert lives > 25
    assert Counter(event.task for event in trial.events(ev.Integrated)) == Counter("abc")
    assert Counter(event.task for event in trial.events(ev.AttemptStarted)) == Counter("abc")


# --- the engine's own trouble ---------------------------------------------------------------------


@pytest.mark.parametrize("deed", ["launch", "save", "inspect", "build", "verify"])
@pytest.mark.parametrize(
    "error", [full_disk, lambda: CoditectError.of("git-failed", "git failed", "mend it")]
)
def test_trouble_is_recorded_and_tried_again(
    trial: Trial, deed: str, error: Callable[[], Exception]
) -> None:
    trial.hands.deeds[deed] = failing(1, error)
    assert trial.carry_on() == "succeeded"
    [failed] = trial.events(ev.EffectFailed)
    assert failed.effect == deed
    assert str(error()) in failed.message
    [consequence] = trial.events(ev.AttemptFailed)
    assert (consequence.task, consequence.reason) == (failed.task, "engine")


@pytest.mark.parametrize("deed", ["watch", "stop"])
def test_trouble_with_a_living_agent_is_tried_again_with_pauses_and_costs_nothing(
    trial: Trial, deed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shells, "_LOOK", 0.05)
    trial.hands.deeds[deed] = failing(4, full_disk)
    if deed == "stop":
        gone = threading.Event()
        trial.hands.deeds["watch"] = blocked(gone)
        fail = trial.hands.deeds["stop"]

        def stop(effect: act.Effect, told: threading.Event) -> Sequence[ev.Event]:
            fail(effect, told)
            gone.set()
            return ()

        trial.hands.deeds["stop"] = stop
    thread = trial.begin()
    if deed == "stop":
        trial.wait_for(ev.AttemptAttached, 2)
        ask(trial.folder, "cancel", by="ann", task=None)
    thread.join(timeout=30)
    assert trial.outcome == ("succeeded" if deed == "watch" else "cancelled")
    assert len(trial.events(ev.EffectFailed)) == 4
    reasons = {event.reason for event in trial.events(ev.AttemptFailed)}
    assert reasons <= {"cancelled"}


def test_trouble_that_lasts_does_not_flood_the_journal(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial.hands.deeds["watch"] = failing(10**6, full_disk)
    thread = trial.begin()
    trial.wait_for(ev.EffectFailed, 6)
    trial.leave()
    thread.join(timeout=20)
    entries = Journal(trial.home.journal_file).entries("run")
    times = [entry.at for entry in entries if isinstance(entry.event, ev.EffectFailed)]
    # Two agents, 0.25 s and then 0.5 s after the first trouble.
    assert times[5] - times[0] >= 700


def test_trouble_with_landing_is_a_landing_that_is_held(trial: Trial) -> None:
    trial.hands.deeds["land"] = failing(10**6, full_disk)
    assert trial.carry_on() == "succeeded"
    assert all("No space" in held.reason for held in trial.events(ev.LandingHeld))
    assert not trial.events(ev.Landed)


def test_trouble_with_a_checkpoint_parks_it_and_a_retry_looks_again(trial: Trial) -> None:
    trial.hands.deeds["confirm"] = failing(1, full_disk)
    assert trial.carry_on() == "failed"
    [verified] = trial.events(ev.CheckpointVerified)
    assert not verified.ok
    ask(trial.folder, "retry", by="ann", subject="gate")
    assert trial.carry_on() == "succeeded"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (full_disk, "integration-failed"),
        (lambda: CoditectError.of("integration-ref-moved", "it moved"), "integration-ref-moved"),
    ],
)
def test_an_integration_ref_that_cannot_be_moved_ends_the_life_in_words_and_not_the_run(
    trial: Trial, error: Callable[[], Exception], code: str
) -> None:
    trial.hands.deeds["swap"] = failing(1, error)
    with pytest.raises(CoditectError) as caught:
        trial.carry_on()
    assert caught.value.findings[0].code == code
    assert not trial.events(ev.RunFinished)
    assert trial.carry_on() == "succeeded"
    assert not trial.events(ev.AttemptFailed)


def test_a_bug_ends_the_life_loudly(trial: Trial) -> None:
    trial.hands.deeds["inspect"] = failing(1, lambda: ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        trial.carry_on()
    assert trial.carry_on() == "succeeded"


def test_a_heartbeat_that_cannot_be_written_is_tried_again(trial: Trial) -> None:
    trial.folder.heartbeat.mkdir()
    opened = threading.Event()
    trial.hands.deeds["watch"] = blocked(opened)
    thread = trial.begin()
    trial.wait_for(ev.AttemptAttached, 2)
    trial.folder.heartbeat.rmdir()
    first = until(lambda: trial.folder.heartbeat.is_file() and trial.folder.heartbeat.read_bytes())
    until(lambda: trial.folder.heartbeat.read_bytes() != first)
    opened.set()
    thread.join(timeout=20)
    assert trial.outcome == "succeeded"


def test_the_heartbeat_moves_while_agents_are_at_work(trial: Trial) -> None:
    opened = threading.Event()
    trial.hands.deeds["watch"] = blocked(opened)
    thread = trial.begin()
    first = until(lambda: trial.folder.heartbeat.exists() and trial.folder.heartbeat.read_bytes())
    assert json.loads(first)["pid"] == os.getpid()
    until(lambda: trial.folder.heartbeat.read_bytes() != first)
    opened.set()
    thread.join(timeout=20)


def test_hanging_landings_and_checkpoints_keep_no_agent_from_being_stopped(
    tmp_path: Path,
) -> None:
    names = [f"r{n}" for n in range(9)]
    plan = "schema: 1\nname: many\n"
    plan += "repositories: {" + ", ".join(f"{n}: {{}}" for n in names) + "}\n"
    plan += 'agents: {ann: {adapter: command, run: "true"}}\nworkstreams:\n'
    plan += "".join(f'  w{n}: {{agents: ann, owns: "{n}:x/"}}\n' for n in names)
    plan += "tasks:\n"
    plan += "".join(f"  t{n}: {{workstream: w{n}, effort: 1h}}\n" for n in names)
    trial = Trial(Home(tmp_path / "home"), plan)
    hang, gone = threading.Event(), threading.Event()

    def integrate(effect: act.Effect, stop: threading.Event) -> Sequence[ev.Event]:
        assert isinstance(effect, act.Swap)
        who = (effect.attempt.task, effect.attempt.number)
        return (ev.Integrated(*who, who[0][1:], effect.candidate.commit),)

    def watch(effect: act.Effect, stop: threading.Event) -> Sequence[ev.Event]:
        if named(effect) != "tr8":
            return well(effect)
        gone.wait(20)
        return (ev.AttemptExited("tr8", 1, reason="stopped", signal=15),)

    def end(effect: act.Effect, stop: threading.Event) -> Sequence[ev.Event]:
        gone.set()
        return ()

    def push(effect: act.Effect, stop: threading.Event) -> Sequence[ev.Event]:
        hang.wait(20)  # A push cannot be told to stop.
        return well(effect)

    trial.hands.deeds |= {"swap": integrate, "watch": watch, "stop": end, "land": push}
    thread = trial.begin()
    until(lambda: trial.hands.count(act.Land) == 8 and trial.hands.count(act.Watch, "tr8"))
    ask(trial.folder, "cancel", by="ann", task="tr8")
    assert gone.wait(10)
    hang.set()
    thread.join(timeout=20)
    assert trial.outcome == "failed"


# --- requests -------------------------------------------------------------------------------------


def test_requests_made_while_nobody_carries_the_run_on_are_heard_first(trial: Trial) -> None:
    ask(trial.folder, "cancel", by="ann", task=None)
    assert trial.carry_on() == "cancelled"
    assert not trial.hands.done
    assert not list(trial.folder.inbox.iterdir())


def test_a_retry_that_waits_in_the_inbox_of_a_finished_run_is_heard(trial: Trial) -> None:
    fail = failing(2, full_disk)
    trial.hands.deeds["verify"] = lambda effect, stop: (
        fail(effect, stop) if named(effect) == "a" else well(effect)
    )
    assert trial.carry_on() == "failed"
    [parked] = trial.events(ev.TaskParked)
    ask(trial.folder, "retry", by="ann", subject=parked.task)
    assert trial.carry_on() == "succeeded"


def test_a_request_is_recorded_once_though_its_file_cannot_be_removed(trial: Trial) -> None:
    opened = threading.Event()
    trial.hands.deeds["watch"] = blocked(opened)
    ask(trial.folder, "approve", checkpoint="gate", by="ann")
    [file] = trial.folder.inbox.iterdir()
    real = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == file:
            raise PermissionError(13, "Permission denied")
        real(path, missing_ok=missing_ok)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        thread = trial.begin()
        trial.wait_for(ev.AttemptAttached, 2)
        opened.set()
        thread.join(timeout=20)
    assert trial.outcome == "succeeded"
    assert len([event for event in trial.events(ev.ApprovalRecorded) if event.by == "ann"]) == 1


@pytest.mark.parametrize(
    "content",
    ["[]", "{", "{}", '{"what": "explode"}', '{"what": "retry", "subject": 7}', '{"what": []}'],
)
def test_a_request_without_sense_changes_nothing(trial: Trial, content: str) -> None:
    trial.folder.inbox.mkdir()
    (trial.folder.inbox / "bad.json").write_text(content)
    assert trial.carry_on() == "succeeded"
    assert not (trial.folder.inbox / "bad.json").exists()


def test_every_request_becomes_the_fact_that_it_was_made(trial: Trial) -> None:
    def said(**body: object) -> ev.Event | None:
        return request_event(trial.program, {"by": "ann", "request": "r", **body})

    assert said(what="approve", checkpoint="gate", note="good") == ev.ApprovalRecorded(
        "gate", True, "ann", "good", "r"
    )
    assert said(what="reject", checkpoint="gate") == ev.ApprovalRecorded(
        "gate", False, "ann", "", "r"
    )
    assert said(what="retry", subject="a") == ev.RetryRequested("a", "ann", "r")
    assert said(what="retry", subject="gate") == ev.RetryRequested("gate", "ann", "r")
    assert said(what="cancel", task="a") == ev.CancelRequested("ann", "a", "r")
    assert said(what="cancel", task=None) == ev.CancelRequested("ann", None, "r")
    for senseless in (
        {"what": "approve", "checkpoint": "a"},
        {"what": "retry", "subject": "nobody"},
        {"what": "cancel", "task": "gate"},
        {"what": "cancel"},
        {},
    ):
        assert said(**senseless) is None


def test_an_approval_by_a_person_opens_a_checkpoint_that_waits(tmp_path: Path) -> None:
    trial = Trial(Home(tmp_path / "home"), approve_all=False)
    thread = trial.begin()
    trial.wait_for(ev.CheckpointVerified)
    trial.leave()
    thread.join(timeout=20)
    assert trial.outcome is None
    ask(trial.folder, "approve", checkpoint="gate", by="ann")
    assert trial.carry_on() == "succeeded"
    [opened] = trial.events(ev.ApprovalRecorded)
    assert opened.by == "ann"


def test_a_journal_that_cannot_be_written_ends_the_life_in_words(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Counter({"": 5})
    real = Writer.append

    def append(self: Writer, events: Any) -> list[ev.Entry]:
        left[""] -= 1
        if left[""] < 0:
            raise CoditectError.of("journal-not-written", "disk full", "make room")
        return real(self, events)

    monkeypatch.setattr(Writer, "append", append)
    with pytest.raises(CoditectError, match="disk full"):
        trial.carry_on()
    monkeypatch.setattr(Writer, "append", real)
    assert trial.carry_on() == "succeeded"
