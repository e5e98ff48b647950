"""What an agent finds in its environment: little of the user's, and all about its task."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from coditect.agents.adapter import Assignment
from coditect.agents.spec import BRIEF
from coditect.findings import CoditectError

_KEPT = ("PATH", "HOME", "LANG", "TERM", "USER")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = ("GIT_", "CODITECT_")


def agent_environment(
    assignment: Assignment, source: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Make the environment of an agent, of which the user's own (`source`) is the least part.

    Nothing of the user's git variables is kept: they could point an agent at the user's checkout.
    """
    env = {name: source[name] for name in _KEPT if name in source}
    env.setdefault("PATH", os.defpath)
    env |= _identity(assignment.agent)
    env |= {
        "CODITECT_RUN": assignment.run,
        "CODITECT_TASK": assignment.task,
        "CODITECT_ATTEMPT": f"{assignment.run}/{assignment.task}/{assignment.number}",
        "CODITECT_AGENT": assignment.agent,
        "CODITECT_LANE": str(assignment.lane),
        "CODITECT_PROMPT": str(assignment.folder / BRIEF),
        "CODITECT_OWNS": "\n".join(assignment.owns),
    }
    if assignment.secrets is not None:
        env["CODITECT_SECRETS"] = str(assignment.secrets)
    for repository, path in assignment.reads.items():
        env[_read_name(repository, assignment.reads)] = str(path)
    return env


def _identity(agent: str) -> dict[str, str]:
    """Name the agent in commits of its own; they must neither ask nor sign in the user's name."""
    email = f"{re.sub(r'[^A-Za-z0-9.-]', '-', agent)}@agents.coditect.invalid"
    settings = {"commit.gpgSign": "false", "tag.gpgSign": "false"}
    env = {
        "GIT_AUTHOR_NAME": agent,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": agent,
        "GIT_COMMITTER_EMAIL": email,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for at, (key, value) in enumerate(settings.items()):
        env |= {f"GIT_CONFIG_KEY_{at}": key, f"GIT_CONFIG_VALUE_{at}": value}
    return env


def _read_name(repository: str, all_of_them: Mapping[str, object]) -> str:
    def name(of: str) -> str:
        return f"CODITECT_READ_{re.sub(r'[^A-Za-z0-9]', '_', of).upper()}"

    if sum(name(other) == name(repository) for other in all_of_them) > 1:
        raise CoditectError.of(
            "ambiguous-repository",
            f"More than one repository that the task reads would be called {name(repository)}.",
            "Rename one of them in the plan, so that they differ in letters or digits.",
        )
    return name(repository)


def passed_on(
    settings: Mapping[str, str], source: Mapping[str, str] = os.environ
) -> tuple[str, ...]:
    """Read which of the user's variables an agent is given: its setting `env`.

    They are handed on from process to process and never written down. Raises CoditectError for a
    name that is no name, one that is the engine's to set, and one that is not set.
    """
    names = tuple(dict.fromkeys(settings.get("env", "").replace(",", " ").split()))
    for name in names:
        if not _NAME.fullmatch(name) or name.startswith(_OURS):
            raise CoditectError.of(
                "agent-env-name",
                f"The setting `env` of an agent names {name!r}, which cannot be passed on.",
                "Name others, such as ANTHROPIC_API_KEY; GIT_* and CODITECT_* are set by coditect.",
            )
        if name not in source:
            raise CoditectError.of(
                "agent-env-unset",
                f"An agent is to be given the variable {name}, which is not set.",
                f"Set it before you start coditect (export {name}=...), or take it out of `env`.",
            )
    return names
