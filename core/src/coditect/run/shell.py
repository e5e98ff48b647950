"""The shell around the kernel: appends facts, asks the kernel, has its wishes carried out.

One thread owns journal and state. Effects run on a pool and answer with events through a queue.
An effect is started once while it is wanted; if it is no longer wanted it is told to stop, and what
it still answers is judged by the kernel like any other late fact. Nothing but the journal is kept
between two lives of the shell, so a restart is: replay, and carry out what is wanted.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeAlias

from coditect.agents import Heartbeat
from coditect.findings import CoditectError
from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run.decide import wanted
from coditect.run.home import RunFolder, asked
from coditect.run.journal import Writer
from coditect.run.kernel import replay
from coditect.run.program import Program
from coditect.run.state import State

_LOOK = 0.25
"""Seconds between two looks at the inbox while nothing else happens."""
_LONGEST = 60.0
"""Seconds that an effect which came to nothing rests at most before it is tried again."""


class Halt(CoditectError):
    """A trouble after which going on could lose something: this life of the run ends with it."""


class Hands(Protocol):
    """Carries out effects: on this machine now, on many machines in another implementation."""

    def do(self, effect: act.Effect, state: State, stop: threading.Event) -> Sequence[ev.Event]:
        """Carry out an effect and give its answer; called on a thread of its own.

        `stop` is set when the effect is no longer wanted. Raises CoditectError or OSError when the
        engine itself is in trouble, and Halt when nothing may go on.
        """
        ...


Listener = Callable[[ev.Entry, State], None]
"""Is told every event right after it is in the journal, with the state it led to."""


def _unheard(entry: ev.Entry, state: State) -> None:
    """Listen to nothing."""


class _Answer(NamedTuple):
    """What an effect came to; no key: somebody only wants the shell to look up."""

    key: act.Key | None
    events: Sequence[ev.Event] = ()
    trouble: bool = False
    """Whether the engine could not carry it out."""


class _Rest(NamedTuple):
    """When an effect that came to nothing may be tried again."""

    times: int
    until: float
    """On the monotonic clock, seconds."""


class Shell:
    """Carries on one run until it is finished, or until it is asked to leave it."""

    def __init__(
        self,
        folder: RunFolder,
        program: Program,
        writer: Writer,
        hands: Hands,
        *,
        lanes: int,
        entries: Iterable[ev.Entry],
        listener: Listener = _unheard,
    ) -> None:
        """`lanes` is how many attempts may be alive at once; the caller holds the run's lock."""
        self._folder = folder
        self._program = program
        self._writer = writer
        self._hands = hands
        self._listener = listener
        self._answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._flights: dict[act.Key, threading.Event] = {}
        self._rests: dict[act.Key, _Rest] = {}
        self._leave = threading.Event()
        self._trouble: BaseException | None = None
        self.state = replay(program, entries)
        # Whatever hangs (a push, a verification), there is a thread to stop an agent with.
        most = 2 * lanes + 2 * len(self.state.heads) + len(program.gates) + 2
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="effect")

    def leave(self) -> None:
        """Stop carrying on, leaving agents at work; safe from a signal handler."""
        self._leave.set()
        self._answers.put(_Answer(None))

    def run(self) -> str | None:
        """Carry on; give the outcome, or None if it was left before the end."""
        beat = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        beat.start()
        try:
            self._take_in(())  # What was asked while nobody carried the run on.
            while not self.state.finished and not self._leave.is_set():
                self._carry_out(self._decide())
                if not self.state.finished:
                    self._wait()
            return self.state.finished
        finally:
            self._leave.set()
            for flight in self._flights.values():
                flight.set()
            self._pool.shutdown(wait=True, cancel_futures=True)
            beat.join()

    # --- facts ---

    def _append(self, events: Iterable[ev.Event]) -> None:
        for entry in self._writer.append(events):
            self.state = replay(self._program, (entry,), self.state)
            self._listener(entry, self.state)

    def _decide(self) -> tuple[act.Effect, ...]:
        """Record decisions until only effects are wanted."""
        while True:
            actions = wanted(self._program, self.state)
            records = [action.event for action in actions if isinstance(action, act.Record)]
            if not records:
                return tuple(action for action in actions if not isinstance(action, act.Record))
            self._append(records)

    # --- effects ---

    def _carry_out(self, effects: tuple[act.Effect, ...]) -> None:
        wants = {act.key(effect): effect for effect in effects}
        for key, stop in self._flights.items():
            if key not in wants:
                stop.set()
        now = time.monotonic()
        for key, effect in wants.items():
            rest = self._rests.get(key)
            if key not in self._flights and (rest is None or rest.until <= now):
                stop = self._flights[key] = threading.Event()
                self._pool.submit(self._fly, key, effect, self.state, stop)

    def _fly(self, key: act.Key, effect: act.Effect, state: State, stop: threading.Event) -> None:
        answer = _Answer(key)
        try:
            answer = _Answer(key, self._hands.do(effect, state, stop))
        except (CoditectError, OSError) as error:
            if isinstance(error, Halt):
                self._trouble = error
            elif isinstance(effect, act.Swap):
                # The integration ref is the record: when it cannot be moved, nothing can go on.
                self._trouble = _as_told(effect, error)
            else:
                answer = _Answer(key, _trouble(effect, error), trouble=True)
        except BaseException as error:  # noqa: BLE001 - a bug must end the run loudly, not hang it
            self._trouble = error
        self._answers.put(answer)

    # --- waiting ---

    def _wait(self) -> None:
        """Wait for an answer, a timer or a request, and record what came."""
        pause = _LOOK
        if self.state.timers:
            due = (min(self.state.timers.values()) - self._writer.now()) / 1000
            pause = min(pause, max(due, 0.0))
        answers: list[_Answer] = []
        try:
            answers.append(self._answers.get(timeout=pause))
            while True:
                answers.append(self._answers.get_nowait())
        except queue.Empty:
            pass
        if self._trouble is not None:
            raise self._trouble
        self._take_in(answers)

    def _take_in(self, answers: Iterable[_Answer]) -> None:
        """Record answers, timers that are due, and requests."""
        events: list[ev.Event] = []
        for answer in answers:
            if answer.key is not None:
                del self._flights[answer.key]
                self._let_rest(answer.key, answer)
            events.extend(answer.events)
        if not self.state.finished:
            now = self._writer.now()
            due = sorted(key for key, at in self.state.timers.items() if at <= now)
            events.extend(map(ev.TimerFired, due))
        requests = list(asked(self._folder))
        for _, body in requests:
            event = request_event(self._program, body)
            if event and event.request not in self.state.requests:
                events.append(event)
        if events:
            self._append(events)
        for file, _ in requests:
            with contextlib.suppress(OSError):
                file.unlink()

    def _let_rest(self, key: act.Key, answer: _Answer) -> None:
        """See that an effect which came to nothing, but is still wanted, is not tried at once."""
        last = self._rests.pop(key, _Rest(0, 0.0))
        if answer.trouble or not answer.events:
            pause = min(_LOOK * 2.0 ** min(last.times, 20), _LONGEST)
            self._rests[key] = _Rest(last.times + 1, time.monotonic() + pause)

    def _beat(self) -> None:
        """Move the counter that supervisors watch; it stands still when this process does."""
        heartbeat = Heartbeat(self._folder.heartbeat)
        while True:
            with contextlib.suppress(OSError):  # A full disk may have room again in a second.
                heartbeat.beat()
            if self._leave.wait(1.0):
                return


def _as_told(effect: act.Swap, error: CoditectError | OSError) -> CoditectError:
    if isinstance(error, CoditectError):
        return error
    return CoditectError.of(
        "integration-failed",
        f"Task {effect.attempt.task} cannot be integrated: {error}.",
        "See to the disk's free space and the repository's permissions, then: coditect resume",
    )


def _trouble(effect: act.Effect, error: Exception) -> Sequence[ev.Event]:
    """Turn the engine's own trouble into a fact, so that the kernel can decide on it."""
    message = str(error) or type(error).__name__
    match effect:
        case act.Land(repository, commit):
            return (ev.LandingHeld(repository, "", commit, message),)
        case act.Confirm(checkpoint):
            return (ev.CheckpointVerified(checkpoint, False, ({"ok": False, "message": message},)),)
        case _:
            attempt = effect.attempt
            name = type(effect).__name__.lower()
            return (ev.EffectFailed(attempt.task, attempt.number, name, message),)


Request: TypeAlias = ev.ApprovalRecorded | ev.RetryRequested | ev.CancelRequested
"""What people ask of a run."""


def request_event(program: Program, body: Mapping[str, Any]) -> Request | None:
    """Turn a request from the inbox into the fact that it was made; None if it makes no sense."""
    by, request = str(body.get("by", "somebody")), str(body.get("request", ""))
    match body:
        case {"what": "approve" | "reject" as what, "checkpoint": str(name)} if (
            name in program.gates
        ):
            note = str(body.get("note", ""))
            return ev.ApprovalRecorded(name, what == "approve", by, note, request)
        case {"what": "retry", "subject": str(name)} if (
            name in program.tasks or name in program.gates
        ):
            return ev.RetryRequested(name, by, request)
        case {"what": "cancel", "task": str(name)} if name in program.tasks:
            return ev.CancelRequested(by, name, request)
        case {"what": "cancel", "task": None}:
            return ev.CancelRequested(by, None, request)
        case _:
            return None
