"""Carries a run on in this process: takes its lock, makes refs and journal agree, goes on."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from coditect.run.book import Book
from coditect.run.home import Home, RunLock
from coditect.run.journal import Writer
from coditect.run.local import LocalHands
from coditect.run.shell import Listener, Shell

Watcher = Callable[[Book], Listener]
"""Makes the listener of a run once its book is read."""


def carry_on(home: Home, run: str, watcher: Watcher) -> str | None:
    """Carry a run on until it is finished; give its outcome, or None if it was left by Ctrl-C.

    Agents at work are re-attached. Being left, or killed, at any instant loses nothing: call again.
    """
    folder = home.folder(run)
    with RunLock(folder) as lock:
        writer = Writer(home.journal_file, run)
        try:
            book = Book(run, folder, writer.entries)
            with LocalHands.open(book, lock) as hands:
                reconciled = writer.append(hands.reconcile(book.state))
                book = Book(run, folder, (*book.entries, *reconciled))
                shell = Shell(
                    folder,
                    book.program,
                    writer,
                    hands,
                    lanes=sum(stream.slots for stream in book.program.streams.values()),
                    listener=watcher(book),
                    entries=book.entries,
                )
                with _leaving(shell.leave):
                    return shell.run()
        finally:
            writer.close()


@contextmanager
def _leaving(leave: Callable[[], None]) -> Iterator[None]:
    """Turn Ctrl-C and a polite kill into leaving the run, with agents left at work."""

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        leave()

    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    for name in before:
        signal.signal(name, handle)
    try:
        yield
    finally:
        for name, old in before.items():
            signal.signal(name, old)
