"""`coditect doctor`: what this machine offers to a run."""

from __future__ import annotations

import importlib.util
import json as codec
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

from coditect import __version__
from coditect.agents import AttemptSpec, Exited, launch, wait
from coditect.cli.app import NO
from coditect.cli.options import Json
from coditect.findings import CoditectError
from coditect.git.plumbing import executable, version
from coditect.run.home import Home, is_running

_LEAST_DISK = 1 << 30


@dataclass(frozen=True, slots=True)
class _Look:
    what: str
    ok: bool
    found: str
    mend: str = ""
    needed: bool = True
    """Whether a run cannot do without."""


def doctor(json: Json = False) -> None:
    """Look at what runs need: git, the home, disk, isolation, the solver. Exit code 1: something
    that is needed is missing.

    Examples:

    - `coditect doctor`
    """
    looks = list(_looks())
    good = all(look.ok or not look.needed for look in looks)
    if json:
        typer.echo(codec.dumps({"ok": good, "looks": [asdict(look) for look in looks]}, indent=2))
    else:
        console = Console()
        for look in looks:
            mark = "[green]✓[/]" if look.ok else "[red]✗[/]" if look.needed else "[yellow]–[/]"
            console.print(f"{mark} {look.what}: {escape(look.found)}", highlight=False)
            if not look.ok and look.mend:
                console.print(f"    {escape(look.mend)}", style="green", highlight=False)
    if not good:
        raise typer.Exit(NO)


def _looks() -> Iterator[_Look]:
    yield _Look("coditect", True, f"{__version__} on Python {platform.python_version()}")
    try:
        yield _Look("git", True, f"{'.'.join(map(str, version()))} ({executable()})")
    except CoditectError as error:
        yield _Look("git", False, str(error), error.findings[0].hint)
    home = Home()
    yield _home(home)
    yield _isolation()
    yield _Look(
        "solver",
        importlib.util.find_spec("ortools") is not None,
        "OR-Tools" if importlib.util.find_spec("ortools") else "not installed",
        f"{sys.executable} -m pip install 'coditect[solver]' (schedules are good without, too)",
        needed=False,
    )
    left = [
        run
        for run, _, _ in home.journal.runs()
        if not is_running(home.folder(run)) and not _finished(home, run)
    ]
    yield _Look(
        "unfinished runs",
        not left,
        ", ".join(left) or "none",
        "Go on with: coditect resume RUN",
        needed=False,
    )


def _isolation() -> _Look:
    """Try it: only an attempt that ran tells what this machine allows."""
    with tempfile.TemporaryDirectory() as folder:
        spec = AttemptSpec(
            run="doctor",
            task="doctor",
            number=1,
            argv=("/bin/sh", "-c", "exit 0"),
            cwd=folder,
            env={"PATH": os.defpath},
            timeout=10.0,
            leash=True,
        )
        with launch(Path(folder, "attempt"), spec) as held:
            found = wait(held)
    what = "isolation of agents' processes"
    if not isinstance(found, Exited) or not found.ok:
        return _Look(what, False, "an attempt could not be run", "See: coditect doctor --json")
    hint = f"{found.note} Agents are ended by group and marker instead.".strip()
    return _Look(what, found.isolation != "process-group", found.isolation, hint, needed=False)


def _home(home: Home) -> _Look:
    try:
        home.path.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(home.path).free
    except OSError as error:
        return _Look(
            "home", False, f"{home.path}: {error}", "Set CODITECT_HOME to a folder of yours."
        )
    writable = os.access(home.path, os.W_OK)
    found = f"{home.path}, {free >> 30} GiB free"
    return _Look("home", writable and free > _LEAST_DISK, found, "Make room, or set CODITECT_HOME.")


def _finished(home: Home, run: str) -> bool:
    last = home.journal.entries(run)[-1].event
    return last.kind == "run_finished"
