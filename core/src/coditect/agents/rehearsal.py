"""The stand-in for a real agent: writes what is declared, in the time that the plan expects.

A rehearsal exercises everything but the intelligence: lanes, gate, integration, checkpoints,
recovery. What the stand-in writes follows from the task alone (not from the attempt, the agent or
the clock), so a run that was disturbed ends in the tree of one that was not.

Settings of the agent, each also as `<setting>.<task>` for one task only:
`pace`          seconds of real time for an hour of effort; 0 without one
`trick`         what it does wrong, see `TRICKS`; several with spaces between
`tricks-until`  only in the first so many attempts; without one in all
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from coditect.agents import rehearsal_agent
from coditect.agents.adapter import AgentUsage, Assignment, Command
from coditect.agents.briefing import write_brief
from coditect.agents.environment import agent_environment
from coditect.agents.rehearsal_tricks import TRICKS
from coditect.agents.supervisor import files
from coditect.findings import CoditectError
from coditect.paths import Language
from coditect.plan.model import HOUR, DeliverableKind

JOB = "rehearsal.json"
"""The file in the attempt folder that tells the stand-in what to do."""

_PROGRAM = str(Path(rehearsal_agent.__file__).resolve())
_NAMES = ("README.md", "__init__.py", "main.tf", "index.html", "placeholder.txt", ".gitkeep")
"""What a folder may be given, the first that the task owns."""


class RehearsalAdapter:
    """Starts the stand-in."""

    def prepare(self, assignment: Assignment) -> Command:
        """Write down the stand-in's job; raises CoditectError for settings without sense."""
        until = _number(assignment, "tricks-until")
        pace = _number(assignment, "pace") or 0.0
        tricks = _tricks(assignment)
        if until is not None and assignment.number > until:
            tricks = []
        language = Language.of(*assignment.owns, excepts=assignment.excepts)
        job = {
            "v": files.VERSION,
            "task": assignment.task,
            "title": assignment.title,
            "owner": assignment.workstream,
            "seconds": assignment.effort / HOUR * pace,
            "files": list(_files(assignment, language)),
            "secrets": [
                one.value for one in assignment.deliverables if one.kind is DeliverableKind.SECRET
            ],
            "tricks": tricks,
            "foreign": _foreign(assignment.lane, language) if tricks else None,
        }
        write_brief(assignment)
        path = assignment.folder / JOB
        files.write_bytes(str(path), json.dumps(job).encode(), sync=False)
        return Command(
            argv=(sys.executable, "-I", "-S", _PROGRAM, str(path)),
            env=agent_environment(assignment),
        )

    def usage(self, folder: Path) -> AgentUsage:  # noqa: ARG002 - the seam's
        """Know that it cost nothing."""
        return AgentUsage(input_tokens=0, output_tokens=0, cost=0.0)


def _setting(assignment: Assignment, name: str) -> str | None:
    settings = assignment.settings
    return settings.get(f"{name}.{assignment.task}", settings.get(name))


def _number(assignment: Assignment, name: str) -> float | None:
    text = _setting(assignment, name)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise CoditectError.of(
            "rehearsal-setting",
            f"The setting `{name}` of a rehearsal is {text!r}, which is no number from 0 up.",
            "Write a plain number, such as `pace: 0.5`.",
        )
    return number


def _tricks(assignment: Assignment) -> list[str]:
    tricks = (_setting(assignment, "trick") or "").split()
    for trick in tricks:
        if trick not in TRICKS:
            raise CoditectError.of(
                "rehearsal-trick",
                f"A rehearsal has no trick {trick!r}.",
                f"Use one of: {', '.join(sorted(TRICKS))}.",
            )
    return tricks


def _files(assignment: Assignment, language: Language) -> Iterator[str]:
    """Name the files by which each path that is to be delivered comes into being."""
    for one in assignment.deliverables:
        elsewhere = one.repository not in (None, assignment.repository)
        if one.kind is not DeliverableKind.PATH or elsewhere:
            continue
        path = one.value.rstrip("/")
        if one.value.endswith("/") or (assignment.lane / path).is_dir():
            yield f"{path}/{_name_in(path, language)}"
        else:
            yield path


def _name_in(folder: str, language: Language) -> str:
    """Choose a file for a folder, so that the task owns it."""
    last = (pattern.text.rpartition("/")[2] for pattern in language.patterns)
    made_up = (name.replace("*", "placeholder") for name in last if "*" in name)
    names = (*_NAMES, *made_up)
    return next((name for name in names if language.matches(f"{folder}/{name}")), _NAMES[0])


def _foreign(lane: Path, language: Language) -> str | None:
    """Find a file in the lane that the task does not own, the first by name."""
    for folder, below, names in os.walk(lane):
        below[:] = sorted(name for name in below if name != ".git")
        for name in sorted(names):
            path = (Path(folder) / name).relative_to(lane).as_posix()
            if not language.matches(path) and not (lane / path).is_symlink():
                return path
    return None
