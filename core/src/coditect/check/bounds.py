"""Whether tasks stay within their repository and workstream, and can deliver what they promise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from coditect.check.scope import Scopes, holds
from coditect.findings import Finding, Place
from coditect.paths import Language, Undecided, fold, outside
from coditect.plan import Deliverable, DeliverableKind, Plan


def bound_findings(plan: Plan, scopes: Scopes) -> Iterator[Finding]:
    """Tell tasks that write several repositories, leave their workstream, or cannot deliver."""
    inherited: dict[str, list[str]] = {}
    for name, task in plan.tasks.items():
        if len(scopes.of[name]) > 1:
            if task.owns:
                yield _several(plan, name, scopes)
            else:
                inherited.setdefault(task.workstream, []).append(name)
        yield from _leaves_stream(plan, name, scopes)
        yield from _cannot_deliver(plan, name, scopes)
    for stream, names in inherited.items():
        yield _several_inherited(plan, stream, names, scopes)
    yield from _twice(plan)


def _several(plan: Plan, name: str, scopes: Scopes) -> Finding:
    repositories = ", ".join(f"`{repository}`" for repository in scopes.of[name])
    return Finding(
        "task-writes-several-repositories",
        f"Task `{name}` owns paths in {repositories}; a task writes one repository, so that its"
        " work is merged at once or not at all.",
        "Split it into one task a repository, the second needing the first; list a repository that"
        " it only reads under `reads`.",
        place=plan.place("tasks", name, "owns"),
        data=(("tasks", (name,)), ("repositories", tuple(scopes.of[name]))),
    )


def _several_inherited(plan: Plan, stream: str, names: list[str], scopes: Scopes) -> Finding:
    repositories = ", ".join(f"`{repository}`" for repository in scopes.of_stream[stream])
    shown = ", ".join(f"`{name}`" for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    several = len(names) > 1
    return Finding(
        "task-writes-several-repositories",
        f"Workstream `{stream}` owns paths in {repositories}, and {shown}{more}"
        f" {'take' if several else 'takes'} all of them over; a task writes one repository.",
        f"Give {'each of these tasks' if several else 'the task'} `owns` of its own, in one"
        " repository.",
        place=plan.place("workstreams", stream, "owns"),
        related=tuple((f"task {name}", plan.place("tasks", name)) for name in names[:3]),
        data=(("tasks", tuple(names)), ("repositories", tuple(scopes.of_stream[stream]))),
    )


def _leaves_stream(plan: Plan, name: str, scopes: Scopes) -> Iterator[Finding]:
    task = plan.tasks[name]
    stream = scopes.of_stream.get(task.workstream)
    if not task.owns or not stream:
        return
    for repository, language in scopes.of[name].items():
        bound = stream.get(repository, Language(()))
        try:
            path = outside(language, bound)
        except Undecided as trouble:
            yield from _undecided(trouble, plan.place("tasks", name, "owns"))
            continue
        if path is None:
            continue
        index = next(
            (
                index
                for index, owned in enumerate(task.owns)
                if owned.repository == repository
                and _leaves(Language((owned.pattern,), language.excepts), bound)
            ),
            0,
        )
        yield Finding(
            "owns-outside-workstream",
            f"Task `{name}` owns `{repository}:{path}`, which its workstream"
            f" `{task.workstream}` does not.",
            f"Narrow `{task.owns[index]}`, or add it to what `{task.workstream}` owns.",
            place=plan.place("tasks", name, "owns", index),
            related=(("its workstream", plan.place("workstreams", task.workstream, "owns")),),
            data=(("task", name), ("witness", f"{repository}:{path}")),
        )


def _undecided(trouble: Undecided, place: Place | None) -> Iterator[Finding]:
    for finding in trouble.findings:
        yield replace(finding, place=place)


def _leaves(language: Language, bound: Language) -> bool:
    try:
        return outside(language, bound) is not None
    except Undecided:
        return False


def _cannot_deliver(plan: Plan, name: str, scopes: Scopes) -> Iterator[Finding]:
    task = plan.tasks[name]
    if task.workstream not in plan.workstreams:
        return
    promised = [
        (index, deliverable)
        for index, deliverable in enumerate(task.deliverables)
        if deliverable.kind is DeliverableKind.PATH and deliverable.repository is not None
    ]
    if promised and not scopes.of[name]:
        yield Finding(
            "owns-nothing",
            f"Task `{name}` is to deliver `{_text(promised[0][1])}`, and neither it nor its"
            f" workstream `{task.workstream}` owns any path: it could not write a byte.",
            f"Add `owns: {_text(promised[0][1])}` to the task, or `owns` to the workstream.",
            place=plan.place("tasks", name, "deliverable", promised[0][0]),
            related=(("its workstream", plan.place("workstreams", task.workstream)),),
            data=(("task", name), ("path", _text(promised[0][1]))),
        )
        return
    for index, deliverable in promised:
        repository = deliverable.repository or ""
        try:
            held = scopes.holds(name, repository, deliverable.value)
        except Undecided as trouble:
            yield from _undecided(trouble, plan.place("tasks", name, "deliverable", index))
            continue
        if not held and repository in plan.repositories:
            yield _outside(plan, name, index, deliverable, scopes)


def _outside(
    plan: Plan, name: str, index: int, deliverable: Deliverable, scopes: Scopes
) -> Finding:
    task = plan.tasks[name]
    repository = deliverable.repository or ""
    owners = [
        stream
        for stream, languages in scopes.of_stream.items()
        if stream != task.workstream
        and repository in languages
        and _safely_holds(languages[repository], deliverable.value)
    ]
    within = scopes.of_stream[task.workstream].get(repository)
    text = _text(deliverable)
    if within is not None and _safely_holds(within, deliverable.value):
        why = f"its workstream `{task.workstream}` owns that path, but the task narrows it away"
        hint = f"Add `{text}` to the task's `owns`."
    elif owners:
        why = f"that path belongs to workstream `{owners[0]}`"
        hint = (
            f"Move the task to `{owners[0]}`, or take `{text}` from `{owners[0]}` with `except`"
            f" and add it to what `{task.workstream}` owns."
        )
    else:
        why = "nobody owns that path"
        hint = f"Add `{text}` or its folder to what `{task.workstream}` owns."
    return Finding(
        "deliverable-outside-ownership",
        f"Task `{name}` is to deliver `{text}`, but may not write it: {why}.",
        hint,
        place=plan.place("tasks", name, "deliverable", index),
        related=(("its workstream", plan.place("workstreams", task.workstream)),),
        data=(("task", name), ("path", text), ("owner", owners[0] if owners else None)),
    )


def _safely_holds(language: Language, path: str) -> bool:
    try:
        return holds(language, path)
    except Undecided:
        return False


def _twice(plan: Plan) -> Iterator[Finding]:
    """Tell deliverables that two tasks promise, and paths that differ only in their case."""
    first: dict[tuple[DeliverableKind, str | None, str], tuple[str, int, Deliverable]] = {}
    for name, task in plan.tasks.items():
        for index, deliverable in enumerate(task.deliverables):
            if deliverable.kind is DeliverableKind.COMMAND:
                continue
            is_path = deliverable.kind is DeliverableKind.PATH
            value = fold(deliverable.value) if is_path else deliverable.value
            key = (deliverable.kind, deliverable.repository, value)
            earlier = first.setdefault(key, (name, index, deliverable))
            if earlier[:2] != (name, index):
                yield _same(plan, earlier, (name, index, deliverable))


def _same(
    plan: Plan, one: tuple[str, int, Deliverable], other: tuple[str, int, Deliverable]
) -> Finding:
    place = plan.place("tasks", other[0], "deliverable", other[1])
    related = ((f"promised by {one[0]} here", plan.place("tasks", one[0], "deliverable", one[1])),)
    data = (("tasks", (one[0], other[0])), ("deliverable", _text(other[2])))
    if one[2].value != other[2].value:
        return Finding(
            "case-collision",
            f"`{_text(one[2])}` and `{_text(other[2])}` are one file on macOS and Windows.",
            "Spell both the same way, or give one another name.",
            place=place,
            related=related,
            data=data,
        )
    code = "tag-twice" if other[2].kind is DeliverableKind.TAG else "deliverable-twice"
    return Finding(
        code,
        f"`{_text(other[2])}` is promised by `{one[0]}` and again by `{other[0]}`; once the first"
        " is done, nothing shows whether the second is.",
        f"Let `{other[0]}` promise what it adds, or verify it by a command.",
        place=place,
        related=related,
        data=data,
    )


def _text(deliverable: Deliverable) -> str:
    where = f"{deliverable.repository}:" if deliverable.repository else ""
    return f"{where}{deliverable.value}"
