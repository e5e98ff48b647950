"""The hands of the shell on this machine: one entry for each effect."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from coditect.agents import Launcher
from coditect.git import heal_locks, is_integrated
from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run.book import Book
from coditect.run.home import RunLock
from coditect.run.local import attempts, verify, work
from coditect.run.local.context import Context
from coditect.run.state import Stage, State


class LocalHands:
    """Carries out effects with git and processes of this machine; any thread may call."""

    def __init__(self, context: Context, launcher: Launcher) -> None:
        self._context = context
        self._launcher = launcher
        self._holds = attempts.Holds()
        self._landing = {name: threading.Lock() for name in context.repositories}
        self._verifying = threading.Lock()

    @classmethod
    def open(cls, book: Book, lock: RunLock) -> LocalHands:
        """Open what a run needs on this machine; its gits share the lock."""
        launcher = Launcher()
        try:
            return cls(Context.open(book, launcher, (lock.descriptor,)), launcher)
        except BaseException:
            launcher.close()
            raise

    def reconcile(self, state: State) -> Sequence[ev.Event]:
        """Make the journal agree with the integration refs after a restart (E3).

        Only the holder of the run lock calls this. A prepared commit that is reachable from the
        ref is integrated, whatever the journal knows.
        """
        context = self._context
        found: list[ev.Event] = []
        for repository in context.repositories.values():
            heal_locks(repository, context.run)
        for attempt in state.live.values():
            candidate = attempt.candidate
            if attempt.stage is Stage.PREPARED and candidate:
                repository = context.repository(attempt)
                if is_integrated(repository, context.refs.integration, candidate.commit):
                    found.extend(work.swap(context, attempt, candidate))
        return found

    def do(self, effect: act.Effect, state: State, stop: threading.Event) -> Sequence[ev.Event]:
        """Carry out an effect and give the events that tell of it."""
        context = self._context
        match effect:
            case act.Launch(attempt):
                cancelled = state.cancelled or state.tasks[attempt.task].cancelled
                return attempts.launch(context, attempt, self._holds, cancelled=cancelled)
            case act.Watch(attempt):
                return attempts.watch(context, attempt, self._holds, stop)
            case act.Stop(attempt):
                return attempts.stop(context, attempt)
            case act.Save(attempt):
                return work.save(context, attempt)
            case act.Inspect(attempt):
                return work.inspect(context, attempt)
            case act.Build(attempt, onto):
                return work.build(context, attempt, onto)
            case act.Verify(attempt, candidate):
                # One that is no longer wanted may still be ending in the same scratch checkout.
                with _alone(self._verifying, stop) as wanted:
                    if not wanted:
                        return ()
                    return verify.verify(context, attempt, candidate, state.heads, stop)
            case act.Swap(attempt, candidate):
                return work.swap(context, attempt, candidate)
            case act.Land(repository, commit):
                # While one hangs in a push, the heads that are outdated by then step aside.
                with _alone(self._landing[repository], stop) as wanted:
                    return work.land(context, repository, commit) if wanted else ()
            case act.Confirm(checkpoint):
                date = state.gates[checkpoint].since // 1000
                return verify.confirm(context, checkpoint, state.heads, date, stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for held in self._holds.waiting.values():
            held.close()
        self._launcher.close()


@contextmanager
def _alone(lock: threading.Lock, stop: threading.Event) -> Iterator[bool]:
    """Wait for one's turn and have it; False if one is no longer wanted by then."""
    while not lock.acquire(timeout=0.1):
        if stop.is_set():
            yield False
            return
    try:
        yield not stop.is_set()
    finally:
        lock.release()
