"""Agents at work: each under a supervisor that outlives the coordinator and ends what it starts."""

from coditect.agents.adapter import Adapter, AgentUsage, Assignment, Command
from coditect.agents.attempts import (
    Attached,
    attach,
    kill_leftovers,
    launch,
    look,
    recover,
    revoke,
    stop,
    wait,
)
from coditect.agents.environment import agent_environment, passed_on
from coditect.agents.heartbeat import Heartbeat
from coditect.agents.launcher import Launcher
from coditect.agents.registry import ADAPTERS, adapter_for
from coditect.agents.spec import AttemptSpec
from coditect.agents.status import Exited, Lost, Reason, Running, Usage, read_output
from coditect.agents.supervisor.tree import GROUP

__all__ = [
    "ADAPTERS",
    "GROUP",
    "Adapter",
    "AgentUsage",
    "Assignment",
    "Attached",
    "AttemptSpec",
    "Command",
    "Exited",
    "Heartbeat",
    "Launcher",
    "Lost",
    "Reason",
    "Running",
    "Usage",
    "adapter_for",
    "agent_environment",
    "attach",
    "kill_leftovers",
    "launch",
    "look",
    "passed_on",
    "read_output",
    "recover",
    "revoke",
    "stop",
    "wait",
]
