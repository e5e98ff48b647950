"""Whether there is somebody to do the work."""

from __future__ import annotations

from collections.abc import Iterator

from coditect.findings import Finding, Severity
from coditect.plan import Agent, Plan, Workstream


def capacity_findings(plan: Plan) -> Iterator[Finding]:
    """Tell workstreams without agents or slots, agents that are never there, commands missing."""
    tasks: dict[str, list[str]] = {}
    for name, task in plan.tasks.items():
        tasks.setdefault(task.workstream, []).append(name)
    for name, agent in plan.agents.items():
        if agent.days is not None and not agent.days:
            yield Finding(
                "missing-capacity",
                f"Agent `{name}` is available on no day.",
                "List the days under `availability`, or remove the agent.",
                place=plan.place("agents", name, "availability"),
            )
    for name, stream in plan.workstreams.items():
        yield from _stream(plan, stream, len(tasks.get(name, ())))
    for name in plan.tasks:
        yield from _command(plan, name)


def stuck_streams(plan: Plan) -> set[str]:
    """Give the workstreams whose tasks can never start, for want of an agent or a slot."""
    return {
        name for name, stream in plan.workstreams.items() if stream.slots < 1 or (not stream.agents)
    }


def _stream(plan: Plan, stream: Workstream, tasks: int) -> Iterator[Finding]:
    name = stream.id
    if stream.slots < 1:
        yield Finding(
            "missing-capacity",
            f"Workstream `{name}` has {stream.slots} slots, so none of its tasks can ever start.",
            "Write `slots: 1`.",
            place=plan.place("workstreams", name, "slots"),
        )
    if not stream.agents:
        gates = [gate for gate, value in plan.checkpoints.items() if name in value.participants]
        if tasks or gates:
            what = f"{tasks} tasks" if tasks != 1 else "a task"
            what = what if tasks else f"a seat at checkpoint `{gates[0]}`"
            yield Finding(
                "missing-capacity",
                f"Workstream `{name}` has {what} and no agent.",
                _agents_hint(plan),
                place=plan.place("workstreams", name),
            )
        return
    distinct = len(set(stream.agents))
    if stream.slots > distinct:
        noun = "agents" if distinct > 1 else "agent"
        yield Finding(
            "slots-exceed-agents",
            f"Workstream `{name}` has {stream.slots} slots and {distinct} {noun}; an agent does one"
            " thing at a time.",
            f"Write `slots: {distinct}`, or add agents.",
            Severity.WARNING,
            plan.place("workstreams", name, "slots"),
        )


def _agents_hint(plan: Plan) -> str:
    if not plan.agents:
        return "Describe an agent under `agents` and name it here under `agents`."
    return f"Add `agents: {next(iter(plan.agents))}`, or another of the plan's agents."


def _command(plan: Plan, name: str) -> Iterator[Finding]:
    task = plan.tasks[name]
    stream = plan.workstreams.get(task.workstream)
    if task.run is not None or stream is None:
        return
    for agent in dict.fromkeys(stream.agents):
        value: Agent | None = plan.agents.get(agent)
        if value is not None and value.adapter == "command" and value.run is None:
            yield Finding(
                "nothing-to-run",
                f"Agent `{agent}` runs commands, but neither it nor its task `{name}` says which.",
                "Add `run` to the task, or to the agent for all of its tasks.",
                place=plan.place("tasks", name),
                related=(("the agent", plan.place("agents", agent)),),
            )
