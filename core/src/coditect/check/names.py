"""Names that nothing bears, and names that two things bear."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from coditect.findings import Finding, Severity
from coditect.plan import Deliverable, DeliverableKind, OwnedPath, Plan, Verification, did_you_mean

Keys = tuple[str | int, ...]


def name_findings(plan: Plan) -> Iterator[Finding]:
    """Tell every reference that leads nowhere, and ids that a task and a checkpoint share."""
    yield from _shared_ids(plan)
    for name, stream in plan.workstreams.items():
        keys: Keys = ("workstreams", name)
        for index, agent in enumerate(stream.agents):
            if agent not in plan.agents:
                yield _unknown(plan, "agent", agent, plan.agents, (*keys, "agents", index))
        yield from _paths(plan, stream.owns, (*keys, "owns"))
        yield from _paths(plan, stream.excepts, (*keys, "except"))
    for name in plan.tasks:
        yield from _task(plan, name)
    for name in plan.checkpoints:
        yield from _checkpoint(plan, name)
    for name, risk in plan.risks.items():
        if risk.trigger is not None:
            yield from _tasks(plan, (risk.trigger.task,), ("risks", name, "trigger", "task"))


def _task(plan: Plan, name: str) -> Iterator[Finding]:
    task = plan.tasks[name]
    keys: Keys = ("tasks", name)
    if task.workstream not in plan.workstreams:
        keys_of = (*keys, "workstream")
        yield _unknown(plan, "workstream", task.workstream, plan.workstreams, keys_of)
    yield from _tasks(plan, task.needs, (*keys, "needs"))
    yield from _paths(plan, task.owns, (*keys, "owns"))
    yield from _paths(plan, task.excepts, (*keys, "except"))
    for index, repository in enumerate(task.reads):
        yield from _repository(plan, repository, (*keys, "reads", index))
    for index, deliverable in enumerate(task.deliverables):
        yield from _deliverable(plan, deliverable, (*keys, "deliverable", index))
    yield from _verifications(plan, task.verify, (*keys, "verify"))
    if task.fallback is not None and task.fallback.agent is not None:
        agent = task.fallback.agent
        if agent not in plan.agents:
            yield _unknown(plan, "agent", agent, plan.agents, (*keys, "fallback", "agent"))


def _checkpoint(plan: Plan, name: str) -> Iterator[Finding]:
    checkpoint = plan.checkpoints[name]
    keys: Keys = ("checkpoints", name)
    for index, stream in enumerate(checkpoint.participants):
        if stream not in plan.workstreams:
            where = (*keys, "participants", index)
            yield _unknown(plan, "participant", stream, plan.workstreams, where)
    yield from _tasks(plan, checkpoint.after, (*keys, "after"))
    yield from _tasks(plan, checkpoint.before, (*keys, "before"))
    if checkpoint.during is not None:
        yield from _tasks(plan, (checkpoint.during,), (*keys, "during"))
    if checkpoint.deliverable is not None:
        yield from _deliverable(plan, checkpoint.deliverable, (*keys, "deliverable"))
    yield from _verifications(plan, checkpoint.verify, (*keys, "verify"))
    for index, verification in enumerate(checkpoint.verify):
        if verification.repository is None and len(plan.repositories) != 1:
            yield Finding(
                "unknown-repository",
                f"A verification of checkpoint `{name}` does not say in which repository it runs.",
                did_you_mean("", plan.repositories),
                place=plan.place(*keys, "verify", index),
            )


def _tasks(plan: Plan, names: Collection[str], keys: Keys) -> Iterator[Finding]:
    for index, name in enumerate(names):
        if name in plan.tasks:
            continue
        if name in plan.checkpoints:
            verb = "follows" if keys[-1] != "before" else "precedes"
            yield Finding(
                "unknown-task",
                f"`{name}` is a checkpoint, and a task is wanted here.",
                f"What {verb} a checkpoint stands in the checkpoint's own"
                f" `{'before' if verb == 'follows' else 'after'}`.",
                place=plan.place(*keys, index),
            )
        else:
            yield _unknown(plan, "task", name, plan.tasks, (*keys, index))


def _paths(plan: Plan, paths: Collection[OwnedPath], keys: Keys) -> Iterator[Finding]:
    for index, path in enumerate(paths):
        yield from _repository(plan, path.repository, (*keys, index))


def _deliverable(plan: Plan, deliverable: Deliverable, keys: Keys) -> Iterator[Finding]:
    if deliverable.repository is not None:
        yield from _repository(plan, deliverable.repository, keys)
    elif deliverable.kind in (DeliverableKind.PATH, DeliverableKind.TAG) and plan.repositories:
        yield Finding(
            "unknown-repository",
            f"In which repository is `{deliverable.value}`? Nothing says so, and the paths owned"
            " here do not lie in exactly one.",
            f"Write `{next(iter(plan.repositories))}:{deliverable.value}`, with the repository"
            " that you mean.",
            place=plan.place(*keys),
        )


def _verifications(plan: Plan, items: Collection[Verification], keys: Keys) -> Iterator[Finding]:
    for index, verification in enumerate(items):
        if verification.repository is not None:
            where = (*keys, index, "repository")
            yield from _repository(plan, verification.repository, where)
        yield from _paths(plan, verification.judges, (*keys, index, "judges"))


def _repository(plan: Plan, name: str, keys: Keys) -> Iterator[Finding]:
    if name not in plan.repositories:
        yield _unknown(plan, "repository", name, plan.repositories, keys)


def _unknown(plan: Plan, kind: str, name: str, known: Collection[str], keys: Keys) -> Finding:
    what = "workstream" if kind == "participant" else kind
    otherwise = "" if known else f"The plan has none yet: describe it under `{_section(what)}`."
    return Finding(
        f"unknown-{kind}",
        f"There is no {what} `{name}`.",
        did_you_mean(name, known, otherwise=otherwise),
        place=plan.place(*keys),
        data=(("name", name),),
    )


def _section(what: str) -> str:
    return "repositories" if what == "repository" else f"{what}s"


def _shared_ids(plan: Plan) -> Iterator[Finding]:
    for name in plan.checkpoints:
        if name in plan.tasks:
            yield Finding(
                "id-used-twice",
                f"`{name}` is a task and a checkpoint; nobody can tell which one is meant.",
                f"Rename one of them: `{name}-agreed`, say.",
                Severity.ERROR,
                plan.place("checkpoints", name),
                related=(("the task", plan.place("tasks", name)),),
            )
