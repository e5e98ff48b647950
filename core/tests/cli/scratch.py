"""The program as people start it: a process of its own, in folders of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coditect.cli.look import Look
from coditect.cli.status import standing
from coditect.run.book import Book
from coditect.run.home import Home

ROOT = Path(__file__).parents[3]
HELLO = ROOT / "plans" / "hello.yaml"
PROGRAM = (sys.executable, "-m", "coditect")
PATIENCE = 60.0


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its one JSON document; anything else on stdout fails here."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Its JSON documents, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def words(self) -> str:
        """All it said, without the breaks that a narrow terminal makes."""
        return " ".join((self.out + self.err).split())


@dataclass
class Scratch:
    """A home for runs, a folder to work in, and the program."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def work(self) -> Path:
        return self.root / "work"

    def env(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return {
            **kept,
            "HOME": str(self.root),
            "CODITECT_HOME": str(self.home),
            "COLUMNS": "80",
            "LINES": "24",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Nina",
            "GIT_AUTHOR_EMAIL": "nina@example.com",
            "GIT_COMMITTER_NAME": "Nina",
            "GIT_COMMITTER_EMAIL": "nina@example.com",
            **self.environment,
            **(more or {}),
        }

    def __call__(
        self,
        *arguments: str,
        code: int | None = 0,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Done:
        """Run a command to its end; `code` is the exit code that it has to end with."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        done = subprocess.run(
            [*PROGRAM, *arguments],
            cwd=cwd or self.work,
            env=self.env(env),
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
            **options,
        )
        out, err = ((text or b"").decode() for text in (done.stdout, done.stderr))
        assert code is None or done.returncode == code, (arguments, done.returncode, out, err)
        assert "Traceback" not in out + err, out + err
        assert "internal-error" not in out + err, out + err
        return Done(done.returncode, out, err)

    def start(self, *arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start a command that is to be met while it goes on."""
        process = subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=cwd or self.work,
            env=self.env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def end(self, process: subprocess.Popen[str], code: int) -> Done:
        """Wait until a started command ends."""
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, (process.returncode, out, err)
        return Done(process.returncode, out, err)

    def close(self) -> None:
        """Leave no process behind: neither commands nor agents."""
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)
        if not (self.home / "journal.db").exists():
            return
        listed = self("runs", "--json", code=None)
        for row in listed.json["runs"] if listed.code == 0 else ():
            if row["state"] == "left":
                self("cancel", row["run"])
                self("resume", row["run"], code=None)

    # --- what there is to see ---

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.work,
            env=self.env(),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def repository(self, path: Path | None = None) -> Path:
        """Make a repository with one commit and a file."""
        path = path or self.work
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main", cwd=path)
        (path / "readme.md").write_text("Words.\n", encoding="utf-8")
        self.git("add", "readme.md", cwd=path)
        self.git("commit", "-q", "-m", "Start", cwd=path)
        return path

    def status(self) -> Any:
        """What `status --json` says of the newest run, without a process for it."""
        home = Home(self.home)
        book = Book.open(home, None)
        return standing(book, Look(home, book))

    def wait_for(self, what: Callable[[Any], bool]) -> Any:
        """Wait until the newest run stands as it should."""
        end = time.monotonic() + PATIENCE
        seen: Any = None
        while time.monotonic() < end:
            if Home(self.home).journal.runs():
                seen = self.status()
                if what(seen):
                    return seen
            time.sleep(0.05)
        raise AssertionError(seen)

    def wait_for_door(self, door: str) -> Any:
        """Wait until the one checkpoint of the newest run is in a state and all else at rest."""
        return self.wait_for(
            lambda status: (
                status["checkpoints"][0]["door"] == door
                and not any(task["phase"] in ("active", "ready") for task in status["tasks"])
            )
        )


def plan(*tasks: Sequence[str], retries: int = 0, checkpoint: bool = False) -> str:
    """Write a plan of tasks in one workstream; each `(id, command)`, perhaps `(…, verify)`."""
    lines = [
        "schema: 1",
        "name: small",
        "repositories: {app: {path: .}}",
        "agents: {a: {adapter: command}}",
        'workstreams: {w: {agents: a, owns: "app:out/"}}',
        "tasks:",
    ]
    for name, command, *verify in tasks:
        lines += [
            f"  {name}:",
            "    workstream: w",
            "    effort: 1h",
            f"    retries: {retries}",
            f"    deliverable: app:out/{name}.txt",
            f"    run: {json.dumps('mkdir -p out; ' + command)}",
        ]
        lines += [f"    verify: {{kind: tool, run: {json.dumps(each)}}}" for each in verify]
    if checkpoint:
        first, last = tasks[0][0], tasks[-1][0]
        lines += [
            "checkpoints:",
            "  door:",
            "    participants: w",
            f"    after: {first}",
            f"    before: {last}",
            "    approval: true",
        ]
    return "\n".join(lines) + "\n"
