"""`coditect status`: how a run stands, once."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from coditect.cli.look import Look
from coditect.cli.options import Json, Run
from coditect.cli.output import print_json
from coditect.plan.model import HOUR
from coditect.report.live_screen import Screen
from coditect.run.book import Book
from coditect.run.explain import why
from coditect.run.home import Home, is_running


def status(run: Run = None, json: Json = False) -> None:
    """Show how a run stands: lanes, checkpoints, and what waits for what and why.

    Examples:

    - `coditect status`
    - `coditect status hello --json | jq '.tasks[] | select(.phase == "parked")'`
    """
    home = Home()
    book = Book.open(home, run)
    look = Look(home, book)
    if json:
        print_json(standing(book, look))
        return
    console = Console()
    console.print(Screen(look.view()), height=max(console.height, 24))
    if not book.state.finished and not is_running(book.folder):
        console.print(
            f"Nobody carries it on. Go on with: coditect resume {book.run}", soft_wrap=True
        )


def standing(book: Book, look: Look) -> dict[str, Any]:
    """Give how a run stands as plain data; docs/reference/report.md has the keys."""
    state, program = book.state, book.program
    spans = look.forecast()
    return {
        "run": book.run,
        "plan": book.plan.name,
        "finished": state.finished,
        "running": is_running(book.folder),
        "forecast_finish_hours": max((end for _, end in spans.values()), default=0) / HOUR,
        "tasks": [
            {
                "id": name,
                "phase": str(task.phase),
                "attempts": task.attempts,
                "agent": state.live[name].agent if name in state.live else None,
                "stage": str(state.live[name].stage) if name in state.live else None,
                "why": [reason.text for reason in why(program, state, name)],
            }
            for name, task in state.tasks.items()
        ],
        "checkpoints": [
            {
                "id": name,
                "door": str(gate.door),
                "approved": gate.approved,
                "why": [reason.text for reason in why(program, state, name)],
            }
            for name, gate in state.gates.items()
        ],
        "heads": state.heads,
        "landed": state.landed,
        "queue": list(state.queue),
    }
