"""`coditect doctor`: what this machine offers to a run."""

from __future__ import annotations

import importlib.util
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
from rich.text import Text

from coditect import __version__
from coditect.agents import GROUP, AttemptSpec, Exited, launch, wait
from coditect.cli.options import Json
from coditect.cli.output import NO, counted, print_json
from coditect.cli.runs import all_runs
from coditect.findings import CoditectError
from coditect.git.plumbing import executable, version
from coditect.report.plain import plain
from coditect.run.home import Home

_LEAST_DISK = 1 << 30


@dataclass(frozen=True, slots=True)
class _Look:
    what: str
    ok: bool
    found: str
    mend: str = ""
    """What to do if it is not as it should be."""
    needed: bool = True
    """Whether a run cannot do without."""


def doctor(json: Json = False) -> None:
    """Look at what runs need: git, the home, disk, isolation, the solver.

    Exit code 1: something that is needed is missing.

    Examples:

    - `coditect doctor`
    - `coditect doctor --json | jq '.looks[] | select(.ok | not)'`
    """
    looks = list(_looks())
    good = all(look.ok or not look.needed for look in looks)
    if json:
        print_json({"ok": good, "looks": [asdict(look) for look in looks]})
    else:
        console = Console(highlight=False)
        for look in looks:
            mark, style = (
                ("✓", "green") if look.ok else ("✗", "red") if look.needed else ("–", "yellow")
            )
            console.print(Text.assemble((mark, style), plain(f" {look.what}: {look.found}")))
            if not look.ok and look.mend:
                console.print(Text(plain(f"    {look.mend}"), style="green"))
    if not good:
        raise typer.Exit(NO)


def _looks() -> Iterator[_Look]:
    yield _Look("coditect", True, f"{__version__} on Python {platform.python_version()}")
    yield _git()
    home = Home()
    yield _home(home)
    yield _isolation()
    there = importlib.util.find_spec("ortools") is not None
    yield _Look(
        "solver",
        there,
        "OR-Tools" if there else "not installed",
        f"{sys.executable} -m pip install 'coditect[solver]' (schedules are good without, too)",
        needed=False,
    )
    yield _journal(home)


def _git() -> _Look:
    try:
        return _Look("git", True, f"{'.'.join(map(str, version()))} ({executable()})")
    except CoditectError as error:
        return _Look("git", False, str(error), error.findings[0].hint)


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
        said = " ".join(found.trouble) if isinstance(found, Exited) else ""
        return _Look(what, False, "an attempt could not be run", said)
    hint = f"{found.note} Agents are ended by group and marker instead.".strip()
    return _Look(what, found.isolation != GROUP, found.isolation, hint, needed=False)


def _home(home: Home) -> _Look:
    mend = "Set CODITECT_HOME to a folder of yours."
    try:
        home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=home.path):
            free = shutil.disk_usage(home.path).free
    except OSError as error:
        return _Look("home", False, f"{home.path}: {error.strerror}", mend)
    found = f"{home.path}, {free >> 30} GiB free"
    return _Look("home", free > _LEAST_DISK, found, "Make room, or set CODITECT_HOME.")


def _journal(home: Home) -> _Look:
    """Read every run: what is left to go on with, and whether the journal can be read at all."""
    try:
        rows = list(all_runs(home))
    except CoditectError as error:
        return _Look("journal", False, str(error), error.findings[0].hint)
    left = [row.run for row in rows if row.state == "left"]
    unreadable = [row.run for row in rows if row.state == "unreadable"]
    found = [counted(len(rows), "run")]
    found += [f"unfinished: {', '.join(left)}"] if left else []
    found += [f"unreadable: {', '.join(unreadable)}"] if unreadable else []
    mend = "Go on with: coditect resume RUN. Unreadable ones need the version that wrote them."
    return _Look("journal", not left and not unreadable, "; ".join(found), mend, needed=False)
