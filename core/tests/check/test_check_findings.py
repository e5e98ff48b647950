"""Plans that are well-formed and cannot be carried out, or should not: code, place and hint."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from coditect.findings import Finding, Place, Severity

Checked = Callable[[str], tuple[tuple[Finding, ...], Place | None]]
Task = Callable[..., str]

# What is wrong -> the tasks and what follows them (the mark is where the finding points), the code,
# words of the message, words of the hint. Tasks are written `name stream: extra lines`.
TROUBLES: dict[str, tuple[str, str, str, str]] = {
    "unknown workstream": (
        "  a: {workstream: §lefd, effort: 1h}\n",
        "unknown-workstream",
        "no workstream `lefd`",
        "`left`",
    ),
    "unknown task": (
        "  a: {workstream: left, effort: 1h}\n"
        "  b: {workstream: left, effort: 1h, needs: [a, §aa-b]}\n",
        "unknown-task",
        "no task `aa-b`",
        "`a`, `b`",
    ),
    "a checkpoint where a task is needed": (
        "  a: {workstream: left, effort: 1h}\n"
        "  b: {workstream: left, effort: 1h, needs: §gate}\n"
        "checkpoints:\n  gate: {participants: left, after: a}\n",
        "unknown-task",
        "is a checkpoint",
        "`before`",
    ),
    "a checkpoint after a checkpoint's work": (
        "  a: {workstream: left, effort: 1h}\n"
        "checkpoints:\n"
        "  gate: {participants: left, after: a, before: §next}\n"
        "  next: {participants: left, after: a}\n",
        "unknown-task",
        "is a checkpoint",
        "`after`",
    ),
    "unknown task held during": (
        "  deploy: {workstream: left, effort: 1h}\n"
        "checkpoints:\n  gate: {participants: left, during: §deplou}\n",
        "unknown-task",
        "`deplou`",
        "`deploy`",
    ),
    "unknown participant": (
        "  a: {workstream: left, effort: 1h}\n"
        "checkpoints:\n  gate: {participants: [left, §rigth], after: a}\n",
        "unknown-participant",
        "no workstream `rigth`",
        "`right`",
    ),
    "unknown agent as a fallback": (
        "  a: {workstream: left, effort: 1h, fallback: {agent: §annn}}\n",
        "unknown-agent",
        "no agent `annn`",
        "`ann`",
    ),
    "unknown repository in owns": (
        "  a: {workstream: left, effort: 1h, owns: [app:left/x, §apq:x]}\n",
        "unknown-repository",
        "no repository `apq`",
        "`app`",
    ),
    "unknown repository that is read": (
        "  a: {workstream: left, effort: 1h, reads: §lib}\n",
        "unknown-repository",
        "no repository `lib`",
        "`app`",
    ),
    "unknown repository of a deliverable": (
        "  a: {workstream: left, effort: 1h, deliverable: §lib:x}\n",
        "unknown-repository",
        "no repository `lib`",
        "`app`",
    ),
    "unknown repository of a verification": (
        "  a: {workstream: left, effort: 1h, verify: {kind: tool, run: x, repository: §lib}}\n",
        "unknown-repository",
        "no repository `lib`",
        "`app`",
    ),
    "unknown repository of a judge": (
        "  a: {workstream: left, effort: 1h, verify: {kind: tool, run: x, judges: §lib:x}}\n",
        "unknown-repository",
        "no repository `lib`",
        "`app`",
    ),
    "checkpoint's deliverable in no repository": (
        "  a: {workstream: left, effort: 1h}\n"
        "checkpoints:\n  gate: {participants: left, after: a, deliverable: §left/x}\n",
        "unknown-repository",
        "which repository is `left/x`",
        "`app:left/x`",
    ),
    "unknown task of a risk": (
        "  a: {workstream: left, effort: 1h}\nrisks: {late: {trigger: {task: §b}}}\n",
        "unknown-task",
        "no task `b`",
        "`a`",
    ),
    "unknown secret": (
        "  a: {workstream: left, effort: 1h, secrets: §password}\n",
        "unknown-secret",
        "`password`",
        "{secret: password}",
    ),
    "misspelt secret": (
        "  a: {workstream: left, effort: 1h, deliverable: {secret: password}}\n"
        "  b: {workstream: left, effort: 1h, needs: a, secrets: §pasword}\n",
        "unknown-secret",
        "`pasword`",
        "`password`",
    ),
    "secret that may come too late": (
        "  a: {workstream: left, effort: 1h, deliverable: {secret: password}}\n"
        "  b: {workstream: left, effort: 1h, secrets: §password}\n",
        "secret-too-late",
        "`a`, which hands it over",
        "Let `b` need `a`",
    ),
    "task and checkpoint of one name": (
        "  a: {workstream: left, effort: 1h}\ncheckpoints:\n  §a: {participants: left}\n",
        "id-used-twice",
        "a task and a checkpoint",
        "Rename",
    ),
    "a task that needs itself": (
        "  a: {workstream: left, effort: 1h, needs: §a}\n",
        "dependency-cycle",
        "needs itself",
        "Remove `a`",
    ),
    "a cycle of tasks": (
        "  a: {workstream: left, effort: 1h, needs: §c}\n"
        "  b: {workstream: left, effort: 1h, needs: a}\n"
        "  c: {workstream: left, effort: 1h, needs: b}\n",
        "dependency-cycle",
        "a → b → c → a",
        "Remove one",
    ),
    "a checkpoint after what it lets start": (
        "  a: {workstream: left, effort: 1h}\n"
        "  b: {workstream: left, effort: 1h, needs: a}\n"
        "checkpoints:\n  §gate: {participants: left, after: b, before: a}\n",
        "checkpoint-never-opens",
        "gate → a → b → gate",
        "`after` or `before`",
    ),
    "a checkpoint before its own work": (
        "  a: {workstream: left, effort: 1h}\n"
        "checkpoints:\n  §gate: {participants: left, during: a, before: a}\n",
        "checkpoint-never-opens",
        "gate → a → gate",
        "`before`",
    ),
    "a checkpoint after its own work": (
        "  a: {workstream: left, effort: 1h}\n"
        "checkpoints:\n  gate: {participants: left, during: a, after: §a}\n",
        "checkpoint-never-opens",
        "held during `a` and waits for it",
        "Remove `a` from `after`",
    ),
    "a checkpoint after what needs its work": (
        "  a: {workstream: left, effort: 1h}\n"
        "  b: {workstream: left, effort: 1h, needs: a}\n"
        "checkpoints:\n  gate: {participants: left, during: a, after: b}\n".replace(
            "gate", "§gate"
        ),
        "checkpoint-never-opens",
        "gate → b → a → gate",
        "`after` or `before`",
    ),
    "a checkpoint whose file nobody before it writes": (
        "  a: {workstream: left, effort: 1h}\n"
        "  b: {workstream: right, effort: 1h}\n"
        "checkpoints:\n  gate: {participants: left, after: a, deliverable: §app:right/x}\n",
        "checkpoint-never-opens",
        "only `b` could make it",
        "Add `b` to `after`",
    ),
    "a checkpoint whose file nobody writes": (
        "  a: {workstream: left, effort: 1h}\n"
        "checkpoints:\n  gate: {participants: left, after: a, deliverable: §app:x/}\n",
        "checkpoint-never-opens",
        "no task may write it",
        "own it",
    ),
    "a checkpoint whose secret nobody hands over": (
        "  a: {workstream: left, effort: 1h}\n"
        "checkpoints:\n  gate: {participants: left, after: a, §deliverable: {secret: key}}\n",
        "checkpoint-never-opens",
        "no task hands it over",
        "{secret: key}",
    ),
    "a checkpoint whose secret comes later": (
        "  a: {workstream: left, effort: 1h}\n"
        "  b: {workstream: left, effort: 1h, deliverable: {secret: key}}\n"
        "checkpoints:\n  gate: {participants: left, after: a, before: b,"
        " §deliverable: {secret: key}}\n",
        "checkpoint-never-opens",
        "only `b` could make it",
        "`after`",
    ),
    "two checkpoints during one task": (
        "  a: {workstream: left, effort: 1h}\n"
        "checkpoints:\n"
        "  one: {participants: left, during: a}\n"
        "  two: {participants: left, during: §a}\n",
        "checkpoint-shares-task",
        "`one` and `two`",
        "one checkpoint",
    ),
    "a deliverable nobody owns": (
        "  a: {workstream: left, effort: 1h, deliverable: §app:other/x}\n",
        "deliverable-outside-ownership",
        "nobody owns that path",
        "what `left` owns",
    ),
    "a deliverable of another workstream": (
        "  a: {workstream: left, effort: 1h, deliverable: §app:right/x}\n",
        "deliverable-outside-ownership",
        "belongs to workstream `right`",
        "Move the task to `right`",
    ),
    "a deliverable that the task narrows away": (
        "  a: {workstream: left, effort: 1h, owns: app:left/y, deliverable: §app:left/x}\n",
        "deliverable-outside-ownership",
        "narrows it away",
        "task's `owns`",
    ),
    "a deliverable that is taken away": (
        "  a: {workstream: left, effort: 1h, except: app:left/x, deliverable: §app:left/x}\n",
        "deliverable-outside-ownership",
        "narrows it away",
        "task's `owns`",
    ),
    "a folder that is taken away": (
        "  a: {workstream: left, effort: 1h, except: app:left/x/, deliverable: [§app:left/x/]}\n",
        "deliverable-outside-ownership",
        "narrows it away",
        "task's `owns`",
    ),
    "a deliverable in another case": (
        "  a: {workstream: left, effort: 1h, deliverable: §app:Left/x}\n",
        "deliverable-outside-ownership",
        "nobody owns that path",
        "what `left` owns",
    ),
    "paths outside the workstream": (
        "  a: {workstream: left, effort: 1h, owns: [app:left/x, §app:left*/y]}\n",
        "owns-outside-workstream",
        "`app:left",
        "`app:left*/y`",
    ),
    "a repository outside the workstream": (
        "  a: {workstream: left, effort: 1h, owns: [§lib:x]}\n",
        "owns-outside-workstream",
        "`lib:x`",
        "Narrow `lib:x`",
    ),
    "a deliverable promised twice": (
        "  a: {workstream: left, effort: 1h, deliverable: app:left/x}\n"
        "  b: {workstream: left, effort: 1h, deliverable: §app:left/x}\n",
        "deliverable-twice",
        "by `a` and again by `b`",
        "what it adds",
    ),
    "a tag promised twice": (
        "  a: {workstream: left, effort: 1h, deliverable: {tag: v1}}\n"
        "  b: {workstream: left, effort: 1h, §deliverable: {tag: v1}}\n",
        "tag-twice",
        "`app:v1`",
        "what it adds",
    ),
    "deliverables that differ in case": (
        "  a: {workstream: left, effort: 1h, deliverable: app:left/Readme}\n"
        "  b: {workstream: left, effort: 1h, deliverable: §app:left/README}\n",
        "case-collision",
        "one file on macOS",
        "another name",
    ),
    "an odd estimate": (
        "  a: {workstream: left, effort: §1m..1h..2h}\n",
        "estimate-odd",
        "1m, 1h or 2h",
        "units",
    ),
    "a checkpoint that nobody attends": (
        "  a: {workstream: left, effort: 1h}\ncheckpoints:\n  §gate: {after: a}\n",
        "checkpoint-without-participants",
        "Nobody takes part",
        "participants",
    ),
    "a checkpoint before everything": (
        "  a: {workstream: left, effort: 1h}\ncheckpoints:\n  §gate: {participants: left}\n",
        "checkpoint-at-start",
        "before any work",
        "after",
    ),
    "a duration that does not count": (
        "  a: {workstream: left, effort: 1h}\n"
        "checkpoints:\n  gate: {participants: left, during: a, duration: §1h}\n",
        "duration-ignored",
        "does not count",
        "Remove",
    ),
    "work that nothing verifies": (
        "  §a: {workstream: left, effort: 1h}\n",
        "task-without-verification",
        "`a`",
        "Add `verify`",
    ),
    "a task that may change its test": (
        "  a: {workstream: left, effort: 1h, §verify: {kind: tool, run: sh left/test.sh}}\n",
        "agent-owns-its-judge",
        "`app:left/test.sh`",
        "judges",
    ),
    "a task that may change its judges": (
        "  a: {workstream: left, effort: 1h,"
        " verify: [§{kind: tool, run: x, judges: app:left/tests/}]}\n",
        "agent-owns-its-judge",
        "`app:left/tests/",
        "another task",
    ),
}

WARNINGS = {
    "checkpoint-without-participants",
    "checkpoint-at-start",
    "duration-ignored",
    "estimate-odd",
    "agent-owns-its-judge",
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_trouble_is_told_with_code_place_and_hint(
    trouble: str, head: str, checked: Checked
) -> None:
    tasks, code, message, hint = TROUBLES[trouble]
    findings, place = checked(head + tasks)
    told = [finding for finding in findings if finding.code == code]
    assert [finding.place for finding in told] == [place], findings
    assert message in told[0].message
    assert hint in told[0].hint
    expected = Severity.WARNING if code in WARNINGS else Severity.ERROR
    if code == "task-without-verification":
        expected = Severity.NOTE
    assert told[0].severity is expected


# The same for what stands before the tasks: text, its replacement, code, message, hint.
HEADS: dict[str, tuple[str, str, str, str, str]] = {
    "unknown agent": ("agents: bob", "agents: [§bab]", "unknown-agent", "`bab`", "`bob`"),
    "unknown repository": ("owns: app:r", "owns: §ap:r", "unknown-repository", "`ap`", "`app`"),
    "unknown repository taken away": (
        "owns: app:right/",
        "owns: app:right/, except: §ap:right/x",
        "unknown-repository",
        "`ap`",
        "`app`",
    ),
    "nobody to work": (
        "left: {agents: ann,",
        "§left: {",
        "missing-capacity",
        "a task and no agent",
        "agents: ann",
    ),
    "nobody to take part": (
        "right: {agents: bob,",
        "§right: {",
        "missing-capacity",
        "a seat at checkpoint `gate` and no agent",
        "agents: ann",
    ),
    "no slot": (
        "right: {agents: bob,",
        "right: {agents: bob, slots: §0,",
        "missing-capacity",
        "0 slots",
        "slots: 1",
    ),
    "negative slots": (
        "right: {agents: bob,",
        "right: {agents: bob, slots: §-2,",
        "missing-capacity",
        "-2 slots",
        "slots: 1",
    ),
    "never there": (
        "bob: {adapter: rehearsal}",
        "bob: {adapter: rehearsal, §availability: []}",
        "missing-capacity",
        "on no day",
        "availability",
    ),
    "more slots than agents": (
        "right: {agents: bob,",
        "right: {agents: bob, slots: §2,",
        "slots-exceed-agents",
        "2 slots and 1 agent",
        "slots: 1",
    ),
    "command without a command": (
        "ann: {adapter: rehearsal}",
        "ann: {adapter: command}",
        "nothing-to-run",
        "neither it nor its task `a`",
        "Add `run`",
    ),
    "unused repository": (
        "app: {}",
        "app: {}\n  §lib: {}",
        "unused-repository",
        "`lib`",
        "Remove",
    ),
    "unused agent": (
        "agents:\n",
        "agents:\n  §cyd: {adapter: rehearsal}\n",
        "unused-agent",
        "`cyd`",
        "Remove",
    ),
    "unused workstream": (
        "workstreams:\n",
        "workstreams:\n  §spare: {agents: ann}\n",
        "unused-workstream",
        "`spare`",
        "Remove",
    ),
}


@pytest.mark.parametrize("trouble", HEADS)
def test_a_trouble_before_the_tasks_is_told_too(
    trouble: str, head: str, task: Task, checked: Checked
) -> None:
    old, new, code, message, hint = HEADS[trouble]
    assert old in head
    tasks = task("a", "left")
    gate = "checkpoints:\n  gate: {participants: [left, right], after: a}\n"
    findings, place = checked(head.replace(old, new, 1) + tasks + gate)
    told = [finding for finding in findings if finding.code == code]
    assert len(told) == 1, findings
    assert message in told[0].message
    assert hint in told[0].hint
    if place is not None:
        assert told[0].place == place


def test_a_checkpoint_among_several_repositories_says_where_it_verifies(
    head: str, task: Task, checked: Checked
) -> None:
    gate = "checkpoints:\n  gate: {participants: left, after: a, §verify: {kind: tool, run: x}}\n"
    findings, place = checked(head.replace("app: {}", "app: {}\n  lib: {}") + task("a") + gate)
    told = [finding for finding in findings if finding.code == "unknown-repository"]
    assert [finding.place for finding in told] == [place]
    assert checked(head + task("a") + task("b", "right") + gate)[0] == ()


def test_a_plan_without_troubles_has_no_findings(head: str, task: Task, checked: Checked) -> None:
    text = head + task("a") + task("b", "right") + task("c", "left", "needs: [a, b]")
    assert checked(text)[0] == ()


def test_a_task_that_owns_nothing_cannot_deliver(head: str, task: Task, checked: Checked) -> None:
    text = head.replace(", owns: app:left/", "") + task("a", "left", "deliverable: §app:x")
    findings, place = checked(text + task("b", "right"))
    assert [(finding.code, finding.place) for finding in findings] == [("owns-nothing", place)]
    assert "owns: app:x" in findings[0].hint


def test_a_task_that_owns_nothing_need_not_deliver(head: str, task: Task, checked: Checked) -> None:
    assert checked(head.replace(", owns: app:left/", "") + task("a") + task("b", "right"))[0] == ()


def test_a_task_that_writes_two_repositories_is_told(
    head: str, task: Task, checked: Checked
) -> None:
    two = head.replace("app: {}", "app: {}\n  lib: {}").replace(
        "app:left/", "[app:left/, lib:left/]"
    )
    findings, place = checked(two + task("a", "left", "§owns: [app:left/x, lib:left/y]"))
    told = [f for f in findings if f.code == "task-writes-several-repositories"]
    assert [finding.place for finding in told] == [place]
    assert "`app`, `lib`" in told[0].message
    assert "reads" in told[0].hint


def test_tasks_that_take_two_repositories_over_are_told_once(
    head: str, task: Task, checked: Checked
) -> None:
    two = head.replace("app: {}", "app: {}\n  lib: {}").replace(
        "owns: app:left/", "§owns: [app:left/, lib:left/]"
    )
    tasks = "".join(task(f"a{number}") for number in range(5))
    findings, place = checked(two + tasks + task("b", "left", "owns: lib:left/z"))
    told = [f for f in findings if f.code == "task-writes-several-repositories"]
    assert [finding.place for finding in told] == [place]
    assert "`a0`, `a1`, `a2` and 2 more" in told[0].message
    assert dict(told[0].data)["tasks"] == ("a0", "a1", "a2", "a3", "a4")


def test_what_lies_behind_a_dead_end_is_told_once_with_all_its_tasks(
    head: str, task: Task, checked: Checked
) -> None:
    text = (
        head
        + task("a", "left", "needs: b")
        + task("b", "left", "needs: a")
        + task("c", "left", "needs: b").replace("  c:", "  §c:")
        + task("d", "right", "needs: c")
    )
    findings, place = checked(text)
    told = [finding for finding in findings if finding.code == "unreachable-task"]
    assert [finding.place for finding in told] == [place]
    assert dict(told[0].data)["tasks"] == ("c", "d")
    assert "waits for itself" in told[0].message


def test_what_lies_behind_a_workstream_without_agents_never_starts(
    head: str, task: Task, checked: Checked
) -> None:
    text = head.replace("agents: ann, ", "") + task("a") + task("b", "right", "needs: a")
    findings, _ = checked(text)
    told = next(finding for finding in findings if finding.code == "unreachable-task")
    assert "Task `b` can never start" in told.message
    assert "can do no work" in told.message


def test_what_lies_behind_a_checkpoint_that_never_opens_never_starts(
    head: str, task: Task, checked: Checked
) -> None:
    gate = "checkpoints:\n  gate: {participants: left, after: a, before: b, deliverable: app:no}\n"
    findings, _ = checked(head + task("a") + task("b") + gate)
    told = next(finding for finding in findings if finding.code == "unreachable-task")
    assert dict(told.data) == {"tasks": ("b",), "behind": "gate"}


def test_a_checkpoints_secret_handed_over_in_time_is_fine(
    head: str, task: Task, checked: Checked
) -> None:
    gate = "checkpoints:\n  gate: {participants: left, during: a, deliverable: {secret: key}}\n"
    text = head + task("a", "left", "deliverable: {secret: key}") + gate
    text = text.replace(
        "checkpoints:", task("b", "right", "needs: a", "secrets: key") + "checkpoints:"
    )
    assert checked(text)[0] == ()


def test_findings_come_in_the_order_of_the_text(head: str, checked: Checked) -> None:
    findings, _ = checked(
        head.replace("agents: ann", "agents: anne")
        + "  a: {workstream: lefd, effort: 1h}\n  b: {workstream: left, effort: 1h, needs: x}\n"
    )
    places = [finding.place for finding in findings if finding.place is not None]
    assert places == sorted(places)
    assert len(places) == len(findings) >= 5


def test_every_finding_can_be_given_as_json(head: str, checked: Checked) -> None:
    for tasks, *_ in TROUBLES.values():
        for finding in checked(head + tasks)[0]:
            assert json.loads(json.dumps(finding.as_json()))["code"] == finding.code
