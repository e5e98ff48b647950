"""The plainest agent: a shell command of the plan."""

from __future__ import annotations

from pathlib import Path

from coditect.agents.adapter import AgentUsage, Assignment, Command
from coditect.agents.briefing import write_brief
from coditect.agents.environment import agent_environment, passed_on
from coditect.findings import CoditectError


class CommandAdapter:
    """Runs `/bin/sh -c` in the lane with the command of the task, or else of its agent."""

    def prepare(self, assignment: Assignment) -> Command:
        """Say how the command is started; raises CoditectError if the plan gives none."""
        if not assignment.command:
            raise CoditectError.of(
                "no-command",
                f"Task {assignment.task} goes to agent {assignment.agent}, and neither has a"
                " command to run.",
                f"Give `run:` to the task, or to agents.{assignment.agent}.",
            )
        write_brief(assignment)
        return Command(
            argv=("/bin/sh", "-c", assignment.command),
            env=agent_environment(assignment),
            inherit=passed_on(assignment.settings),
        )

    def usage(self, folder: Path) -> AgentUsage:  # noqa: ARG002 - the seam's
        """Know nothing: a command does not say what it used."""
        return AgentUsage()
