"""`coditect resume`: go on with a run."""

from __future__ import annotations

from coditect.cli import carry
from coditect.cli.options import Json, Run
from coditect.run.book import Book
from coditect.run.home import Home


def resume(run: Run = None, json: Json = False) -> None:
    """Go on with a run that was left, killed, or got a retry or an approval.

    Agents that are still at work are attached again, not started again.

    Examples:

    - `coditect resume`
    - `coditect resume hello-k3f9x`
    """
    home = Home()
    book = Book.open(home, run)
    outcome = carry.carry(home, book.run, json=json)
    carry.conclude(home, book.run, outcome, json=json)
