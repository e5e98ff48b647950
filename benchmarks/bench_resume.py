"""Resuming a run with 2,000 finished tasks: from the journal to the first decision.

The journal is written by the kernel's own decisions for a plan of 2,001 tasks in eight workstreams
of which one is left to do. Measured: opening the journal, replaying it, reconciling with the
integration ref and naming what is wanted next; beside it the floor, reading the same rows with
SQLite and parsing their JSON. Aim: under 2 s; the ratio says what replaying costs beyond reading.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run.book import Book
from coditect.run.decide import wanted
from coditect.run.home import Home
from coditect.run.journal import Writer
from coditect.run.kernel import replay
from coditect.run.program import Settings, compile_program

STREAMS = 8


def plan_text(tasks: int) -> str:
    """Write a plan of chains, one a workstream."""
    return json.dumps(
        {
            "schema": 1,
            "name": "resume",
            "repositories": {"app": {}},
            "agents": {f"a{i}": {"adapter": "command"} for i in range(STREAMS)},
            "workstreams": {
                f"s{i}": {"agents": f"a{i}", "owns": f"app:s{i}/"} for i in range(STREAMS)
            },
            "tasks": {
                f"t{i}": {
                    "workstream": f"s{i % STREAMS}",
                    "effort": "1h",
                    "run": "true",
                    **({"needs": f"t{i - STREAMS}"} if i >= STREAMS else {}),
                }
                for i in range(tasks)
            },
        }
    )


def write_journal(home: Home, tasks: int) -> str:
    """Let the kernel live through a run up to its last task; give the run's id."""
    run, text = "resume-bench", plan_text(tasks)
    order = tuple(f"t{i}" for i in range(tasks))
    started = ev.RunStarted("plan.yaml", text, {"app": "0" * 40}, {}, order, {"landing": "end"})
    book = Book(run, home.folder(run), (ev.Entry(1, 1, started),))
    program = compile_program(book.plan, Settings(landing="end"), order, {})
    writer = Writer(home.journal_file, run)
    state = replay(program, writer.append([started]))
    left = tasks
    while left > 1:
        events: list[ev.Event] = []
        for action in wanted(program, state):
            if isinstance(action, act.Record):
                events.append(action.event)
            elif not isinstance(action, (act.Land, act.Confirm)):
                events.extend(answer(action))
        left -= sum(isinstance(event, ev.Integrated) for event in events)
        state = replay(program, writer.append(events), state)
    writer.close()
    return run


def answer(effect: act.Effect) -> tuple[ev.Event, ...]:
    """Say that an effect went well."""
    assert not isinstance(effect, (act.Land, act.Confirm))
    who = (effect.attempt.task, effect.attempt.number)
    found: ev.Event
    match effect:
        case act.Launch():
            found = ev.AttemptAttached(*who, pid=1)
        case act.Watch():
            found = ev.AttemptExited(*who, "exit", 0)
        case act.Save():
            found = ev.WorkSaved(*who, "w" * 40, "t" * 40, "refs/saved", 1)
        case act.Inspect():
            found = ev.DiffChecked(*who, ok=True)
        case act.Build(_, onto):
            found = ev.CandidateBuilt(*who, onto, f"{abs(hash(who)):040x}", "t" * 40)
        case act.Verify(_, candidate):
            found = ev.CandidateVerified(*who, candidate.commit, ok=True)
        case act.Swap(_, candidate):
            found = ev.Integrated(*who, "app", candidate.commit)
        case _:
            return ()
    return (found,)


def resume(home: Home, run: str) -> float:
    """Read, replay, decide; give seconds."""
    began = time.perf_counter()
    book = Book.open(home, run)
    assert wanted(book.program, book.state)
    return time.perf_counter() - began


def floor(home: Home) -> float:
    """Read the rows and parse their JSON; give seconds."""
    began = time.perf_counter()
    connection = sqlite3.connect(home.journal_file)
    for (body,) in connection.execute("SELECT body FROM event ORDER BY run, seq"):
        json.loads(body)
    connection.close()
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true")
    options.add_argument("--quick", action="store_true", help="fewer rounds")
    chosen = options.parse_args()
    rounds = 2 if chosen.quick else 5
    rows = []
    for tasks in (501, 1001, 2001):
        with tempfile.TemporaryDirectory() as top:
            home = Home(Path(top))
            run = write_journal(home, tasks)
            events = len(home.journal.entries(run))
            ours = [resume(home, run) for _ in range(rounds)]
            floors = [floor(home) for _ in range(rounds)]
        rows.append(
            {
                "finished_tasks": tasks - 1,
                "events": events,
                "resume_s": round(statistics.median(ours), 3),
                "floor_s": round(statistics.median(floors), 3),
                "ratio": round(statistics.median(ours) / statistics.median(floors), 1),
                "aim_s": 2.0,
            }
        )
        if not chosen.json:
            row = rows[-1]
            print(
                f"resume, {row['finished_tasks']:>5} finished tasks ({row['events']} events): "
                f"{row['resume_s']} s (aim 2 s at 2,000); reading alone {row['floor_s']} s; "
                f"ratio {row['ratio']}"
            )
    if chosen.json:
        print(json.dumps({"benchmark": "resume", "rows": rows}))


if __name__ == "__main__":
    main()
