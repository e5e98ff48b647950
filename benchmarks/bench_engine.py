"""Engine time per no-op task, against a plain script that does the same git work.

Both take the same tasks (each writes one file with `sh`) in as many lanes, in equal repositories:
check the head out in a lane, run the command, save its work as a commit, look at the diff, merge,
move the integration ref, move the target branch. The script does no more than that; the engine
also journals every step, supervises every agent, checks ownership and presence, and survives being
killed. The ratio is what that costs. Aim: at most 1.5 at 1, 8 and 32 lanes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from coditect.plan import load_plan
from coditect.run.book import Book
from coditect.run.coordinator import carry_on
from coditect.run.events import Entry
from coditect.run.home import Home
from coditect.run.program import Settings
from coditect.run.shell import Listener
from coditect.run.start import Workspace, begin
from coditect.run.state import State

ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_AUTHOR_NAME": "b",
    "GIT_AUTHOR_EMAIL": "b@localhost",
    "GIT_COMMITTER_NAME": "b",
    "GIT_COMMITTER_EMAIL": "b@localhost",
}


def git(folder: Path, *args: str, stdin: str | None = None) -> str:
    """Run git and give what it prints."""
    done = subprocess.run(
        ["git", "-C", str(folder), *args],
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
        env=ENVIRONMENT,
    )
    return done.stdout.strip()


def repository(folder: Path) -> str:
    """Make a bare-branch repository with a hundred files; give its head."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    for number in range(100):
        (folder / f"file-{number}.txt").write_text(f"{number}\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "start")
    git(folder, "checkout", "-q", "--detach")
    return git(folder, "rev-parse", "HEAD")


def script(folder: Path, lanes: int, tasks: int) -> float:
    """Do the tasks with git alone; give seconds."""
    home = folder / "repository"
    base = repository(home)
    git(home, "update-ref", "refs/bench/integration", base)
    places = [folder / f"lane-{number}" for number in range(lanes)]
    turn = threading.Lock()

    def one(lane: Path, number: int) -> None:
        head = git(home, "rev-parse", "refs/bench/integration")
        git(lane, "checkout", "-q", "--detach", head)
        git(lane, "clean", "-q", "-ffdx")
        subprocess.run(["/bin/sh", "-c", f"echo x > task-{number}.txt"], cwd=lane, check=True)
        git(lane, "add", "-A")
        git(lane, "commit", "-q", "-m", f"task {number}")
        work = git(lane, "rev-parse", "HEAD")
        git(home, "fetch", "-q", str(lane), f"HEAD:refs/bench/saved/{number}")
        git(home, "diff-tree", "-r", "--raw", head, work)
        with turn:
            onto = git(home, "rev-parse", "refs/bench/integration")
            tree = git(home, "merge-tree", "--write-tree", onto, work)
            message = f"task {number}"
            merge = git(home, "commit-tree", tree, "-p", onto, "-p", work, stdin=message)
            git(home, "ls-tree", tree, "--", f"task-{number}.txt")
            git(home, "update-ref", "refs/bench/integration", merge, onto)
            git(home, "update-ref", "refs/heads/main", merge, onto)

    def line(lane: Path) -> None:
        git(folder, "clone", "-q", "--shared", "--no-checkout", str(home), str(lane))
        while True:
            with turn:
                if not numbers:
                    return
                number = numbers.pop()
            one(lane, number)

    numbers = list(range(tasks))
    began = time.perf_counter()
    with ThreadPoolExecutor(lanes) as pool:
        list(pool.map(line, places))
    return time.perf_counter() - began


def engine(folder: Path, lanes: int, tasks: int) -> float:
    """Do the tasks with the engine; give seconds from the first decision to the end."""
    repository(folder / "repository")
    plan = {
        "schema": 1,
        "name": "bench",
        "repositories": {"repository": {}},
        "agents": {f"a{i}": {"adapter": "command"} for i in range(lanes)},
        "workstreams": {
            "all": {
                "agents": [f"a{i}" for i in range(lanes)],
                "slots": lanes,
                "owns": "repository:task-*.txt",
            }
        },
        "tasks": {
            f"task-{i}": {
                "workstream": "all",
                "effort": "1h",
                "owns": f"repository:task-{i}.txt",
                "deliverable": f"repository:task-{i}.txt",
                "run": f"echo x > task-{i}.txt",
            }
            for i in range(tasks)
        },
    }
    file = folder / "plan.yaml"
    file.write_text(json.dumps(plan))
    home = Home(folder / "home")
    loaded = load_plan(file)
    run = begin(home, loaded, file, file.read_text(), Settings(), Workspace(folder, {}))
    began = time.perf_counter()
    outcome = carry_on(home, run, _silent)
    assert outcome == "succeeded", outcome
    return time.perf_counter() - began


def _silent(book: Book) -> Listener:
    del book

    def listen(entry: Entry, state: State) -> None:
        del entry, state

    return listen


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true")
    options.add_argument("--quick", action="store_true", help="fewer tasks and rounds")
    options.add_argument("--lanes", type=int, nargs="*", default=[1, 8, 32])
    chosen = options.parse_args()
    rounds, factor = (1, 1) if chosen.quick else (3, 2)
    rows = []
    for lanes in chosen.lanes:
        tasks = factor * max(20, 2 * lanes)
        ratios, ours, floors = [], [], []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as top:
                floor = script(Path(top, "script"), lanes, tasks)
                own = engine(Path(top, "engine"), lanes, tasks)
            ratios.append(own / floor)
            ours.append(own / tasks * 1000)
            floors.append(floor / tasks * 1000)
        rows.append(
            {
                "lanes": lanes,
                "tasks": tasks,
                "engine_ms_per_task": round(statistics.median(ours), 1),
                "script_ms_per_task": round(statistics.median(floors), 1),
                "ratio": round(statistics.median(ratios), 2),
                "aim": 1.5,
            }
        )
        if not chosen.json:
            row = rows[-1]
            print(
                f"engine, {lanes:>2} lanes: {row['engine_ms_per_task']:>6} ms a task; "
                f"plain script {row['script_ms_per_task']:>6} ms; ratio {row['ratio']} (aim 1.5)"
            )
    if chosen.json:
        print(json.dumps({"benchmark": "engine", "rows": rows}))


if __name__ == "__main__":
    main()
