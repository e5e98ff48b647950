"""Saves the work of an attempt whose coordinator is gone; run by its supervisor."""

from __future__ import annotations

import sys
from pathlib import Path

from coditect.run.book import Book
from coditect.run.home import Home
from coditect.run.local.context import Context
from coditect.run.local.work import save


def main(home: str, run: str, task: str, number: str) -> int:
    """Save the lane of one attempt under its ref; the journal learns of it at the next resume."""
    book = Book.open(Home(Path(home)), run)
    attempt = book.state.live.get(task)
    if attempt is not None and attempt.number == int(number):
        save(Context.open(book, None), attempt)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
