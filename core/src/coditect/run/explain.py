"""Why something waits: the question an engineering lead asks most. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coditect.run.decide import gathered, gathering, who_may
from coditect.run.program import Program
from coditect.run.state import Door, Phase, Stage, State

_DOING = {
    Stage.STARTING: "its lane is being prepared",
    Stage.RUNNING: "{agent} works on it",
    Stage.EXITED: "its work is being saved",
    Stage.COMMITTED: "the gate reads its diff",
    Stage.QUEUED: "it waits for integration",
    Stage.VERIFIED: "it is verified",
    Stage.PREPARED: "it is being integrated",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing a task or checkpoint waits for."""

    text: str
    on: tuple[str, ...] = ()
    """Tasks, checkpoints, workstreams or agents that it waits for."""


def why(program: Program, state: State, name: str) -> tuple[Reason, ...]:
    """Tell what a task or checkpoint waits for, or does; empty when it is done."""
    if name in state.gates:
        return _why_gate(program, state, name)
    task = state.tasks[name]
    match task.phase:
        case Phase.PENDING:
            return tuple(
                Reason(f"needs {_named(state, before)}", (before,))
                for before in _unmet(program, state, name)
            )
        case Phase.READY:
            return (_why_ready(program, state, name),)
        case Phase.ACTIVE:
            attempt = state.live[name]
            if (state.cancelled or task.cancelled) and attempt.stage is not Stage.PREPARED:
                return (Reason("it is being stopped"),)
            text = _DOING[attempt.stage].format(agent=attempt.agent)
            if attempt.stage is Stage.QUEUED and state.queue[0] != name:
                ahead = state.queue[: state.queue.index(name)]
                return (Reason(f"waits for integration behind {len(ahead)}", ahead),)
            if attempt.stage is Stage.QUEUED and attempt.candidate:
                text = "its merge is being verified"
            return (Reason(text),)
        case Phase.FAILED:
            due = state.timers.get(f"retry:{name}", state.now)
            wait = max(0, due - state.now) / 1000
            return (Reason(f"is tried again in {wait:.0f} s after {task.why}"),)
        case Phase.PARKED | Phase.SKIPPED:
            return (Reason(task.why),)
        case _:
            return ()


def _why_ready(program: Program, state: State, name: str) -> Reason:
    if state.cancelled:
        return Reason("the run is being stopped")
    node = program.tasks[name]
    due = gathering(program, state)
    if node.checkpoint:
        if due and due[0] != node.checkpoint:
            return Reason(f"checkpoint {due[0]} goes first", (due[0],))
        streams = gathered(program, node.checkpoint, node)
        return Reason(f"checkpoint {node.checkpoint} gathers {', '.join(streams)}", streams)
    stream = program.streams[node.workstream]
    holders = _holders(program, state, node.workstream)
    if len(holders) >= stream.slots:
        return Reason(f"{node.workstream} is busy with {', '.join(holders)}", holders)
    busy = {agent: holder for holder, chosen in _at_work(state) for agent in chosen}
    agents = who_may(program, state, node)[1]
    if all(agent in busy for agent in agents):
        held = tuple(dict.fromkeys(busy[agent] for agent in agents))
        who = "its agents are" if len(agents) > 1 else f"{agents[0]} is"
        return Reason(f"{who} busy with {', '.join(held)}", held)
    if due:
        streams = gathered(program, *due)
        needed = {agent for each in streams for agent in program.streams[each].agents}
        if node.workstream in streams or needed & set(agents):
            return Reason(f"checkpoint {due[0]} gathers {', '.join(streams)}", (due[0],))
    return Reason("starts next")


def _at_work(state: State) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Name every living task and attended checkpoint with the agents that it holds."""
    for name, attempt in state.live.items():
        yield name, (attempt.agent, *attempt.attending.values())
    for name, gate in state.gates.items():
        yield name, tuple(gate.attending.values())


def _holders(program: Program, state: State, stream: str) -> tuple[str, ...]:
    """Name the tasks and checkpoints that hold a slot of a workstream."""
    tasks = (
        name
        for name, attempt in state.live.items()
        if program.tasks[name].workstream == stream or stream in attempt.attending
    )
    gates = (name for name, gate in state.gates.items() if stream in gate.attending)
    return (*tasks, *gates)


def _why_gate(program: Program, state: State, name: str) -> tuple[Reason, ...]:
    gate, node = state.gates[name], program.gates[name]
    match gate.door:
        case Door.PENDING:
            return tuple(
                Reason(f"needs {_named(state, before)}", (before,))
                for before in _unmet(program, state, name)
            )
        case Door.DUE:
            due = gathering(program, state)
            if state.cancelled:
                return (Reason("the run is being stopped"),)
            if due and due[0] != name:
                return (Reason(f"checkpoint {due[0]} goes first", (due[0],)),)
            busy = tuple(
                task for task in state.live if program.tasks[task].workstream in node.participants
            )
            return (Reason(f"waits until {', '.join(busy) or 'its agents'} are done", busy),)
        case Door.HELD:
            return (Reason(f"{', '.join(sorted(set(gate.attending.values())))} attend"),)
        case Door.CONFIRMING:
            return (Reason("its deliverable is looked at"),)
        case Door.WAITING:
            return (Reason("waits for a person to approve"),)
        case Door.PARKED | Door.REJECTED:
            return (Reason(gate.why),)
        case Door.OPEN:
            return ()


def _unmet(program: Program, state: State, name: str) -> tuple[str, ...]:
    return tuple(sorted(before for before in program.needs[name] if not _is_done(state, before)))


def _is_done(state: State, name: str) -> bool:
    if name in state.gates:
        return state.gates[name].door is Door.OPEN
    return state.tasks[name].phase is Phase.INTEGRATED


def _named(state: State, name: str) -> str:
    if name in state.gates:
        return f"checkpoint {name} ({state.gates[name].door})"
    return f"{name} ({state.tasks[name].phase})"
