"""What a state calls for: facts to record and effects to have in hand. Pure.

Capacity: a task takes a free slot of its workstream and a free agent of it, most critical first. A
checkpoint needs one of each from every participant at the same moment; the most critical one that
is due drains its participants (nothing new starts in the slot kept for it), one checkpoint at a
time, so that two cannot wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run.program import Program, StreamNode, TaskNode
from coditect.run.state import Attempt, Door, Phase, Stage, State

_GONE = ("lost", "orphaned", "stopped")


def wanted(program: Program, state: State) -> tuple[act.Action, ...]:
    """Name all that this state calls for, in a fixed order; empty when there is nothing to do."""
    if state.started is None or state.finished:
        return ()
    out: list[act.Action] = []
    for attempt in state.live.values():
        out.extend(_for_attempt(program, state, attempt))
    if state.queue:
        out.extend(_for_head_of_queue(program, state, state.live[state.queue[0]]))
    if not state.cancelled:
        for gate in state.gates:
            out.extend(_for_gate(program, state, gate))
        out.extend(_risks(program, state))
        out.extend(_starts(program, state))
        if program.settings.landing == "continuous" or state.land_due:
            out.extend(_landings(state))
    if not out:
        out.extend(_finish(program, state))
    return tuple(out)


# --- attempts -------------------------------------------------------------------------------------


def _cancelled(state: State, task: str) -> bool:
    return state.cancelled or state.tasks[task].cancelled


def _for_attempt(program: Program, state: State, attempt: Attempt) -> Iterator[act.Action]:
    cancelled = _cancelled(state, attempt.task)
    match attempt.stage:
        case Stage.STARTING if not attempt.fault:
            yield act.Launch(attempt)
        case Stage.RUNNING:
            yield act.Watch(attempt)
            if cancelled:
                yield act.Stop(attempt)
        case Stage.EXITED if not attempt.fault:
            yield act.Save(attempt)
        case Stage.PREPARED:
            pass  # the head of the queue; nothing can be taken back any more
        case _ if cancelled:
            yield from _failure(program, state, attempt, "cancelled", "stopped by request")
        case _ if attempt.fault:
            yield from _failure(program, state, attempt, attempt.fault, attempt.fault_text)
        case Stage.COMMITTED if attempt.reason in _GONE:
            yield from _loss(program, state, attempt)
        case Stage.COMMITTED if not attempt.done_well:
            said = attempt.reason if attempt.reason != "exit" else f"exit status {attempt.code}"
            reason = "timeout" if attempt.reason == "timeout" else "exit"
            yield from _failure(program, state, attempt, reason, f"the agent ended with {said}")
        case Stage.COMMITTED:
            yield act.Inspect(attempt)


def _loss(program: Program, state: State, attempt: Attempt) -> Iterator[act.Action]:
    if state.tasks[attempt.task].losses >= program.settings.lost_limit:
        message = "its supervisor was lost too often"
        yield from _failure(program, state, attempt, "lost", message)
        return
    alive = attempt.reason != "stopped" and not attempt.inherited
    yield act.Record(ev.AttemptLost(attempt.task, attempt.number, why=attempt.reason, alive=alive))


def _failure(
    program: Program, state: State, attempt: Attempt, reason: str, message: str
) -> Iterator[act.Action]:
    """Record a failure with what follows: a retry, the fallback, or a parked task."""
    task, node = state.tasks[attempt.task], program.tasks[attempt.task]
    again = task.failures < node.retries or (node.has_fallback and not task.rescued)
    retry_at = None
    if again and reason != "cancelled":
        settings = program.settings
        pause = min(settings.backoff * 2 ** min(task.failures, 30), settings.backoff_limit)
        retry_at = state.now + pause
    yield act.Record(
        ev.AttemptFailed(attempt.task, attempt.number, reason, message, retry_at=retry_at)
    )
    if retry_at is None:
        yield act.Record(ev.TaskParked(attempt.task, reason, message))


def _for_head_of_queue(program: Program, state: State, attempt: Attempt) -> Iterator[act.Action]:
    node = program.tasks[attempt.task]
    head, candidate = state.heads[node.repository], attempt.candidate
    if attempt.stage is Stage.PREPARED and candidate:
        yield act.Swap(attempt, candidate)
    elif attempt.fault or _cancelled(state, attempt.task):
        return  # its failure is on its way
    elif candidate is None or candidate.onto != head:
        yield act.Build(attempt, head)
    elif attempt.stage is Stage.QUEUED:
        yield act.Verify(attempt, candidate)
    else:
        yield act.Record(
            ev.IntegrationPrepared(
                task=attempt.task,
                number=attempt.number,
                repository=node.repository,
                new=candidate.commit,
                old=candidate.onto,
                tree=candidate.tree,
                heads=candidate.heads,
            )
        )


# --- starting -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Capacity:
    """Free slots and agents, as they dwindle while starts are handed out."""

    program: Program
    taken: dict[str, set[int]]
    reserved: dict[str, int]
    busy: set[str]

    def free(self, name: str) -> bool:
        used = len(self.taken.get(name, ())) + self.reserved.get(name, 0)
        return used < self.program.streams[name].slots

    def slot(self, name: str) -> int:
        taken = self.taken.setdefault(name, set())
        slot = next(i for i in range(len(taken) + 1) if i not in taken)
        taken.add(slot)
        return slot

    def agent(self, stream: StreamNode, chosen: Mapping[str, str]) -> str | None:
        """A free agent of a workstream; one that attends already attends for it too."""
        for agent in stream.agents:
            if agent in chosen.values():
                return agent
        return next((agent for agent in stream.agents if agent not in self.busy), None)

    def attend(self, participants: tuple[str, ...]) -> tuple[dict[str, str], bool]:
        """Who of these workstreams could attend now, and whether that is one of each."""
        chosen: dict[str, str] = {}
        for name in participants:
            if self.free(name) and (agent := self.agent(self.program.streams[name], chosen)):
                chosen[name] = agent
        return chosen, len(chosen) == len(participants)


def _capacity(program: Program, state: State) -> _Capacity:
    taken: dict[str, set[int]] = {}
    reserved: dict[str, int] = {}
    busy: set[str] = set()
    for attempt in state.live.values():
        taken.setdefault(program.tasks[attempt.task].workstream, set()).add(attempt.slot)
        busy.add(attempt.agent)
    attending = [attempt.attending for attempt in state.live.values()]
    attending += [gate.attending for gate in state.gates.values() if gate.attending]
    for chosen in attending:
        for name, agent in chosen.items():
            reserved[name] = reserved.get(name, 0) + 1
            busy.add(agent)
    return _Capacity(program, taken, reserved, busy)


def gathering(program: Program, state: State) -> tuple[str, TaskNode | None] | None:
    """Name the checkpoint that drains its participants now, and the task that is its work."""
    due: list[tuple[int, str, TaskNode | None]] = [
        (program.gates[name].rank, name, None)
        for name, gate in state.gates.items()
        if gate.door is Door.DUE
    ]
    due += [
        (node.rank, node.checkpoint or "", node)
        for node in (program.tasks[name] for name in state.ready)
        if node.checkpoint
    ]
    _, name, work = min(due, key=lambda item: item[:2], default=(0, "", None))
    return (name, work) if name else None


def gathered(program: Program, name: str, work: TaskNode | None) -> tuple[str, ...]:
    """Name the workstreams of which a checkpoint needs one agent each; that of its work first."""
    own = (work.workstream,) if work else ()
    return tuple(dict.fromkeys((*own, *program.gates[name].participants)))


def _starts(program: Program, state: State) -> Iterator[act.Action]:
    capacity = _capacity(program, state)
    due = gathering(program, state)
    if due:
        action = _drain(program, state, capacity, *due)
        if action:
            yield action
            return
    if not any(capacity.free(name) for name in program.streams):
        return
    for name in sorted(state.ready, key=lambda task: (program.tasks[task].rank, task)):
        node = program.tasks[name]
        if node.checkpoint or not capacity.free(node.workstream):
            continue
        rescue, agents = who_may(program, state, node)
        agent = next((agent for agent in agents if agent not in capacity.busy), None)
        if agent is not None:
            yield _start(state, capacity, node, agent, {}, rescue=rescue)


def _drain(
    program: Program, state: State, capacity: _Capacity, name: str, work: TaskNode | None
) -> act.Action | None:
    """Hold the checkpoint if all can attend; else keep their places free for it."""
    gate = program.gates[name]
    participants = gathered(program, name, work)
    chosen, complete = capacity.attend(participants)
    rescue, agents = who_may(program, state, work) if work else (False, ())
    if work and complete and chosen[work.workstream] not in agents:
        # The fallback has an agent of its own.
        complete = agents[0] not in capacity.busy
        chosen[work.workstream] = agents[0]
    if not complete:
        for stream in participants:
            capacity.reserved[stream] = capacity.reserved.get(stream, 0) + 1
        capacity.busy.update(chosen.values())
        return None
    if work is None:
        until = state.now + gate.hold if gate.hold else None
        return act.Record(ev.CheckpointHeld(name, chosen, until=until))
    agent = chosen.pop(work.workstream)
    return _start(state, capacity, work, agent, chosen, rescue=rescue)


def who_may(program: Program, state: State, node: TaskNode) -> tuple[bool, tuple[str, ...]]:
    """Whether the next attempt is the fallback, and which agents may make it."""
    task = state.tasks[node.id]
    rescue = node.has_fallback and not task.rescued and task.failures > node.retries
    if rescue and node.fallback_agent:
        return True, (node.fallback_agent,)
    return rescue, program.streams[node.workstream].agents


def _start(
    state: State,
    capacity: _Capacity,
    node: TaskNode,
    agent: str,
    attending: Mapping[str, str],
    *,
    rescue: bool,
) -> act.Action:
    capacity.busy.update((agent, *attending.values()))
    return act.Record(
        ev.AttemptStarted(
            task=node.id,
            number=state.tasks[node.id].attempts + 1,
            slot=capacity.slot(node.workstream),
            agent=agent,
            base=state.heads[node.repository],
            heads=dict(state.heads),
            attending=attending,
            rescue=rescue,
        )
    )


# --- checkpoints, risks, landing, the end ---------------------------------------------------------


def _for_gate(program: Program, state: State, name: str) -> Iterator[act.Action]:
    gate = state.gates[name]
    if gate.door is Door.CONFIRMING:
        yield act.Confirm(name)
    elif gate.door is Door.WAITING:
        if gate.approved or not program.gates[name].approval:
            yield act.Record(ev.CheckpointOpened(name))
        elif program.settings.approve_all:
            yield act.Record(ev.ApprovalRecorded(name, True, by="--yes"))


def _risks(program: Program, state: State) -> Iterator[act.Action]:
    for risk in program.risks.values():
        if risk.id in state.risks:
            continue
        phase = state.tasks[risk.task].phase
        if risk.due is None:
            if phase is Phase.PARKED:
                yield act.Record(ev.RiskTriggered(risk.id, f"{risk.task} is parked"))
        elif risk.id in state.late and phase is not Phase.INTEGRATED:
            yield act.Record(ev.RiskTriggered(risk.id, f"{risk.task} is late"))


def _landings(state: State) -> Iterator[act.Action]:
    for repository, head in state.heads.items():
        if head not in (state.landed[repository], state.held.get(repository)):
            yield act.Land(repository, head)


def _finish(program: Program, state: State) -> Iterator[act.Action]:
    """Nothing is in hand: say so, unless a timer or a person may still bring something."""
    if state.cancelled:
        yield act.Record(ev.RunFinished("cancelled"))
        return
    if any(gate.door in (Door.DUE, Door.HELD, Door.WAITING) for gate in state.gates.values()):
        return
    if state.ready or any(key.startswith("retry:") for key in state.timers):
        return
    landings = list(_landings(state))
    if landings:
        yield from landings
        return
    for name, task in state.tasks.items():
        if task.phase is Phase.PENDING:
            yield act.Record(ev.TaskSkipped(name, _blocker(program, state, name)))
    good = all(task.phase is Phase.INTEGRATED for task in state.tasks.values()) and all(
        gate.door is Door.OPEN for gate in state.gates.values()
    )
    yield act.Record(ev.RunFinished("succeeded" if good else "failed"))


def _blocker(program: Program, state: State, name: str) -> str:
    """The first thing, going back from a task, that is not merely waiting itself."""
    seen = {name}
    frontier = [name]
    while frontier:
        current = frontier.pop(0)
        for before in sorted(program.needs[current]):
            gate, task = state.gates.get(before), state.tasks.get(before)
            if task and task.phase in (Phase.PARKED, Phase.SKIPPED):
                return f"{before} is {task.phase}"
            if gate and gate.door in (Door.PARKED, Door.REJECTED):
                return f"checkpoint {before} is {gate.door}"
            if before not in seen:
                seen.add(before)
                frontier.append(before)
    return "what it needs was not done"
