"""Journals of every released version are replayed: they lead to the state they led to then.

`journals/v<N>/<name>.jsonl` is a run's journal, one event a line; `<name>.json` beside it is the
state at its end. How to make more is told in docs/reference/journal.md.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run.book import Book
from coditect.run.decide import wanted
from coditect.run.explain import why
from coditect.run.home import Home
from coditect.run.journal import SCHEMA_VERSION, Writer
from coditect.run.kernel import replay
from coditect.run.state import State

STORED = Path(__file__).parent / "journals"
FILES = sorted(STORED.glob("v*/*.jsonl"))


def opened(file: Path, home: Home) -> Book:
    """Put a stored journal into a home, as its version left it, and read it back."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    Writer(home.journal_file, "other").close()
    with closing(sqlite3.connect(home.journal_file)) as connection, connection:
        connection.executemany(
            "INSERT INTO event VALUES ('stored', ?, ?, ?, ?, ?)",
            [(r["seq"], r["at"], r["kind"], r["v"], json.dumps(r["body"])) for r in rows],
        )
    return Book.open(home, "stored")


def summary(state: State) -> dict[str, Any]:
    """Say all of a state that decisions depend on, as plain data."""
    return {
        "outcome": state.finished,
        "cancelled": state.cancelled,
        "tasks": {
            name: {
                "phase": str(task.phase),
                "attempts": task.attempts,
                "failures": task.failures,
                "losses": task.losses,
                "why": task.why,
            }
            for name, task in state.tasks.items()
        },
        "checkpoints": {
            name: {"door": str(gate.door), "approved": gate.approved, "why": gate.why}
            for name, gate in state.gates.items()
        },
        "heads": state.heads,
        "landed": state.landed,
        "held": state.held,
        "risks": sorted(state.risks),
        "timers": sorted(state.timers),
        "alive": sorted(state.live),
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_stored_journal_leads_to_the_state_it_led_to_then(file: Path, tmp_path: Path) -> None:
    found = summary(opened(file, Home(tmp_path)).state)
    told = file.with_suffix(".json")
    if not told.exists():
        pytest.fail(f"look at this, and store it as {told.name}:\n{json.dumps(found, indent=1)}")
    assert found == json.loads(told.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_every_beginning_of_a_stored_journal_can_be_gone_on_with(
    file: Path, tmp_path: Path
) -> None:
    """Killed at any event and resumed by this version, a run wants something, or waits for what
    it can name."""
    book = opened(file, Home(tmp_path))
    program = book.program
    for length in range(1, len(book.entries) + 1):
        state = replay(program, book.entries[:length])
        wants = wanted(program, state)
        assert state.finished or wants or state.timers or state.gates
        assert wants == wanted(program, state)
        for name in (*program.tasks, *program.gates):
            assert all(reason.text for reason in why(program, state, name))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_this_version_decides_as_the_stored_run_did(file: Path, tmp_path: Path) -> None:
    """Each decision in the journal is one that today's kernel makes at that place too."""
    book = opened(file, Home(tmp_path))
    program = book.program
    decided = (
        ev.AttemptStarted,
        ev.IntegrationPrepared,
        ev.AttemptFailed,
        ev.TaskParked,
        ev.TaskSkipped,
        ev.CheckpointHeld,
        ev.CheckpointOpened,
        ev.RiskTriggered,
        ev.RunFinished,
    )
    state = replay(program, [])
    pending: list[ev.Event] = []
    for entry in book.entries:
        if isinstance(entry.event, decided):
            # Decisions of one moment are recorded together.
            wants = wanted(program, state)
            pending += [want.event for want in wants if isinstance(want, act.Record)]
            assert entry.event in pending, entry
        else:
            pending = []
        state = replay(program, [entry], state)


def test_every_kind_of_event_is_in_a_stored_journal() -> None:
    kinds = {
        json.loads(line)["kind"]
        for file in FILES
        for line in file.read_text(encoding="utf-8").splitlines()
    }
    assert kinds == set(ev.KINDS)


def test_every_version_of_events_has_stored_journals() -> None:
    versions = {file.parent.name for file in FILES}
    assert versions == {f"v{number}" for number in range(1, ev.EVENT_VERSION + 1)}
    assert SCHEMA_VERSION == 1


def test_stored_journals_name_nobodys_real_folders() -> None:
    for file in FILES:
        assert "/tmp" not in file.read_text(encoding="utf-8")
