"""Why something waits: the question an engineering lead asks most. Pure."""

from __future__ import annotations

from dataclasses import dataclass

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
    node = program.tasks[name]
    if node.checkpoint:
        streams = program.gates[node.checkpoint].participants
        return Reason(f"checkpoint {node.checkpoint} gathers {', '.join(streams)}", streams)
    stream = program.streams[node.workstream]
    holders = tuple(
        task for task in state.live if program.tasks[task].workstream == node.workstream
    )
    if len(holders) >= stream.slots:
        return Reason(f"{node.workstream} is busy with {', '.join(holders)}", holders)
    busy = {
        agent: task
        for task, attempt in state.live.items()
        for agent in (attempt.agent, *attempt.attending.values())
    }
    if stream.agents and all(agent in busy for agent in stream.agents):
        held = tuple(busy[agent] for agent in stream.agents)
        return Reason(f"its agents are busy with {', '.join(dict.fromkeys(held))}", held)
    for gate, node_ in program.gates.items():
        if state.gates[gate].door in (Door.DUE, Door.HELD) and (
            node.workstream in node_.participants
        ):
            return Reason(f"checkpoint {gate} gathers {node.workstream}", (gate,))
    return Reason("starts next")


def _why_gate(program: Program, state: State, name: str) -> tuple[Reason, ...]:
    gate, node = state.gates[name], program.gates[name]
    match gate.door:
        case Door.PENDING:
            return tuple(
                Reason(f"needs {_named(state, before)}", (before,))
                for before in _unmet(program, state, name)
            )
        case Door.DUE:
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
