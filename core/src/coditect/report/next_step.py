"""What a person types to see why something does not go on."""

from __future__ import annotations

from coditect.report.event_words import command
from coditect.run import events as ev
from coditect.run.book import Book

_AGENT_SPOKE = ("exit", "timeout", "lost", "cancelled")
_WORK_TELLS = ("gate", "conflict")


def look_at(book: Book, name: str) -> str:
    """Give the command that shows why a parked task or checkpoint failed.

    What an agent said explains its own end; a refused difference is to be seen; what judged the
    work explains all else.
    """
    reasons = [
        entry.event.reason
        for entry in book.entries
        if isinstance(entry.event, ev.AttemptFailed) and entry.event.task == name
    ]
    last = reasons[-1] if reasons else ""
    if last in _AGENT_SPOKE:
        return command("logs", name, book.run)
    if last in _WORK_TELLS:
        return command("diff", name, book.run)
    if last == "verification" or name in book.state.gates:
        return f"{command('logs', name, book.run)} --verify"
    return command("status", "", book.run)
