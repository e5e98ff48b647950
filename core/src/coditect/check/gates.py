"""Checkpoints that can never open, and secrets that nobody hands over in time."""

from __future__ import annotations

from collections.abc import Iterator

from coditect.check.order import Order
from coditect.check.scope import Scopes
from coditect.findings import Finding, Severity
from coditect.paths import Undecided
from coditect.plan import Checkpoint, DeliverableKind, Plan, did_you_mean


def gate_findings(plan: Plan, order: Order, scopes: Scopes) -> Iterator[Finding]:
    """Tell checkpoints whose deliverable nobody makes, and what is odd about the others."""
    held: dict[str, str] = {}
    for name, checkpoint in plan.checkpoints.items():
        yield from _deliverable(plan, order, scopes, checkpoint)
        if checkpoint.during is not None:
            yield from _during(plan, checkpoint, held)
        if not checkpoint.participants:
            yield Finding(
                "checkpoint-without-participants",
                f"Nobody takes part in checkpoint `{name}`.",
                "List the workstreams that meet under `participants`.",
                Severity.WARNING,
                plan.place("checkpoints", name),
            )
        if not checkpoint.after and checkpoint.during is None:
            yield Finding(
                "checkpoint-at-start",
                f"Checkpoint `{name}` comes after nothing, so it is held before any work.",
                "List the tasks it waits for under `after`, if that is not meant.",
                Severity.WARNING,
                plan.place("checkpoints", name),
            )
    yield from _secrets(plan, order)


def _during(plan: Plan, checkpoint: Checkpoint, held: dict[str, str]) -> Iterator[Finding]:
    name, during = checkpoint.id, checkpoint.during or ""
    earlier = held.setdefault(during, name)
    if earlier != name:
        yield Finding(
            "checkpoint-shares-task",
            f"Checkpoints `{earlier}` and `{name}` are both held during `{during}`.",
            "Make them one checkpoint, or split the task.",
            place=plan.place("checkpoints", name, "during"),
            related=(("the other", plan.place("checkpoints", earlier, "during")),),
        )
    if during in checkpoint.after and during in plan.tasks:
        yield Finding(
            "checkpoint-never-opens",
            f"Checkpoint `{name}` is held during `{during}` and waits for it to be over first.",
            f"Remove `{during}` from `after`.",
            place=plan.place("checkpoints", name, "after", checkpoint.after.index(during)),
            related=(("held during", plan.place("checkpoints", name, "during")),),
            data=(("checkpoint", name), ("cycle", (during,))),
        )
    if checkpoint.duration:
        yield Finding(
            "duration-ignored",
            f"Checkpoint `{name}` is held during `{during}`, so its own duration does not count.",
            "Remove `duration`; the task's effort is what it takes.",
            Severity.WARNING,
            plan.place("checkpoints", name, "duration"),
        )


def _deliverable(
    plan: Plan, order: Order, scopes: Scopes, checkpoint: Checkpoint
) -> Iterator[Finding]:
    deliverable = checkpoint.deliverable
    if deliverable is None:
        return
    before = list(_over_before(order, checkpoint))
    if deliverable.kind is DeliverableKind.SECRET:
        makers = [task for task in plan.tasks if _hands_over(plan, task, deliverable.value)]
        what = f"the secret `{deliverable.value}`"
        hint = f"Add `{{secret: {deliverable.value}}}` to the `deliverable` of a task in `after`."
    elif deliverable.kind is DeliverableKind.PATH:
        repository = deliverable.repository
        if repository is None or repository not in plan.repositories:
            return
        makers = [
            task for task in plan.tasks if _writes(scopes, task, repository, deliverable.value)
        ]
        what = f"`{repository}:{deliverable.value}`"
        hint = "Add the task that writes it to `after`, or let a task there own it."
    else:
        return
    if any(task in before for task in makers):
        return
    if makers:
        why = f"only `{makers[0]}` could make it, which does not come before the checkpoint"
        hint = f"Add `{makers[0]}` to `after`."
    elif deliverable.kind is DeliverableKind.SECRET:
        why = "no task hands it over"
    else:
        why = "no task may write it"
    yield Finding(
        "checkpoint-never-opens",
        f"Checkpoint `{checkpoint.id}` waits for {what}, and {why}.",
        hint,
        place=plan.place("checkpoints", checkpoint.id, "deliverable"),
        related=tuple((f"task {task}", plan.place("tasks", task)) for task in makers[:3]),
        data=(("checkpoint", checkpoint.id), ("deliverable", str(deliverable))),
    )


def _over_before(order: Order, checkpoint: Checkpoint) -> Iterator[str]:
    """Give the tasks that are integrated before the checkpoint opens."""
    number = order.checkpoint_number(checkpoint.id)
    for other in order.members(order.ahead[number]):
        if not order.is_checkpoint(other):
            yield order.name(other)


def _writes(scopes: Scopes, task: str, repository: str, path: str) -> bool:
    try:
        return scopes.holds(task, repository, path)
    except Undecided:
        return True  # told where the task is checked


def _hands_over(plan: Plan, task: str, secret: str) -> bool:
    return any(
        deliverable.kind is DeliverableKind.SECRET and deliverable.value == secret
        for deliverable in plan.tasks[task].deliverables
    )


def _secrets(plan: Plan, order: Order) -> Iterator[Finding]:
    givers: dict[str, str] = {}
    for name, task in plan.tasks.items():
        for deliverable in task.deliverables:
            if deliverable.kind is DeliverableKind.SECRET:
                givers.setdefault(deliverable.value, name)
    for name, task in plan.tasks.items():
        for index, secret in enumerate(task.secrets):
            place = plan.place("tasks", name, "secrets", index)
            giver = givers.get(secret)
            if giver is None:
                yield Finding(
                    "unknown-secret",
                    f"Task `{name}` is to get the secret `{secret}`, which no task hands over.",
                    did_you_mean(
                        secret,
                        givers,
                        otherwise=f"Add `{{secret: {secret}}}` to the `deliverable` of a task"
                        " before it.",
                    ),
                    place=place,
                    data=(("name", secret),),
                )
            elif not order.before(giver, name):
                yield Finding(
                    "secret-too-late",
                    f"Task `{name}` is to get the secret `{secret}`, but `{giver}`, which hands it"
                    " over, need not be done by then.",
                    f"Let `{name}` need `{giver}`.",
                    place=place,
                    related=(("handed over by", plan.place("tasks", giver)),),
                    data=(("name", secret),),
                )
