"""Whether what a person asks of a run would change anything. Pure."""

from __future__ import annotations

from coditect.findings import Finding
from coditect.run.state import Door, GateState, Phase, State, TaskState

_DONE_WITH = (Phase.INTEGRATED, Phase.SKIPPED, Phase.PARKED)


def idle(run: str, state: State, what: str, name: str | None) -> Finding | None:
    """Say why a request would change nothing, or None if it would.

    `what` is `approve`, `reject`, `retry` or `cancel`; `name` is a checkpoint or task of the run,
    or None for the whole of it. A checkpoint may be decided on before it is due.
    """
    if state.cancelled:
        return _nothing(f"{run} was cancelled; it does not go on.", "Begin anew: coditect run PLAN")
    if name is None:
        return _nothing(f"{run} has ended already: {state.finished}.") if state.finished else None
    if name in state.gates:
        return _gate(run, name, state.gates[name], what)
    return _task(name, state.tasks[name], what)


def _gate(run: str, name: str, gate: GateState, what: str) -> Finding | None:
    again = f"Once that is mended: coditect retry {run} {name}"
    match what, gate.door:
        case _, Door.OPEN:
            return _nothing(f"{name} is open already; what is behind it may have started.")
        case "retry", Door.PARKED | Door.REJECTED:
            return None
        case "retry", door:
            return _nothing(f"{name} is {door}; only a parked or rejected checkpoint is retried.")
        case _, Door.PARKED:
            return _nothing(f"{name} is parked: {gate.why}", again)
        case _ if gate.approved is (what == "approve"):
            return _nothing(f"{name} is {'approved' if gate.approved else 'rejected'} already.")
        case _:
            return None


def _task(name: str, task: TaskState, what: str) -> Finding | None:
    match what, task.phase:
        case "retry", Phase.PARKED:
            return None
        case "retry", Phase.SKIPPED:
            return _nothing(f"{name} is skipped because {task.why}.", "That is to be mended first.")
        case "retry", phase:
            return _nothing(f"{name} is {phase}; only a parked task is retried by hand.")
        case _, phase if phase in _DONE_WITH:
            return _nothing(f"{name} is {phase}; there is nothing to stop.")
        case _ if task.cancelled:
            return _nothing(f"{name} is being stopped already.")
        case _:
            return None


def _nothing(message: str, hint: str = "") -> Finding:
    return Finding("nothing-to-do", message, hint)
