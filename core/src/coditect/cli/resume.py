"""`coditect resume`: go on with a run."""

from __future__ import annotations

from coditect.cli import carry
from coditect.cli.options import JsonLines, Run
from coditect.run.book import Book


def resume(run: Run = None, json: JsonLines = False) -> None:
    """Go on with a run that was left, killed, or got a retry or an approval.

    Agents that are still at work are attached again, not started again. Of a run that has ended,
    it only says how.

    Exit code 0: everything is integrated; 1: the run ended otherwise; 130: left by Ctrl-C.

    Examples:

    - `coditect resume`
    - `coditect resume hello-k3f9x`
    """
    home = carry.home_to_write()
    book = Book.open(home, run)
    outcome = carry.carry(home, book.run, json=json)
    carry.conclude(home, book.run, outcome, json=json)
