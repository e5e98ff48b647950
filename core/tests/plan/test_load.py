"""What a plan's text becomes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from coditect.findings import Place
from coditect.plan import DeliverableKind, Effort, Plan, VerificationKind, load_plan

HOUR = 3600
Load = Callable[[str], Plan]


def test_what_is_not_said_has_its_default(base: str, load: Load) -> None:
    plan = load(base)
    task = plan.tasks["first"]
    assert plan.title == "small"
    assert plan.repositories["app"].path == "app"
    assert plan.repositories["app"].branch == "main"
    assert plan.agents["ann"].days is None
    assert plan.workstreams["work"].slots == 1
    assert (task.title, task.retries, task.timeout, task.owns) == ("first", 2, None, ())
    assert plan.calendar.hours_per_day == 8
    assert plan.baseline is None


def test_words_that_yaml_would_turn_into_something_else_stay_words(base: str, load: Load) -> None:
    text = base.replace("app: {}", "app: {branch: no}").replace(
        "effort: 1h", "effort: 1h\n    title: 1:30\n    phase: 2026-01-31\n    brief: 0o17"
    )
    plan = load(text)
    task = plan.tasks["first"]
    assert plan.repositories["app"].branch == "no"
    assert (task.title, task.phase, task.brief) == ("1:30", "2026-01-31", "0o17")


def test_single_values_stand_for_lists_of_one(base: str, load: Load) -> None:
    plan = load(base)
    assert plan.workstreams["work"].agents == ("ann",)
    assert [str(path) for path in plan.workstreams["work"].owns] == ["app:src/"]


def test_all_a_task_can_say_is_kept(base: str, load: Load) -> None:
    text = base.replace("app: {}", "app: {}\n  lib: {path: ./libs//lib/, branch: dev}").replace(
        "    effort: 1h\n",
        """\
    effort: 1h..1d..2d
    title: The first
    phase: One
    day: 3
    needs: [zero]
    owns: [app:src/a/, "app:src/*.py"]
    except: app:src/a/b.py
    reads: lib
    deliverable:
      - src/a/x.py
      - app:src/a/
      - {tag: v1}
      - {tag: "lib:v2"}
      - {secret: password}
      - {command: make ready, repository: lib}
    verify:
      - {kind: e2e, run: make e2e, repository: lib, timeout: 2m, judges: [lib:e2e/]}
    fallback: {agent: bob, run: make, brief: again}
    brief: >
      Do
      this.
    run: make it
    retries: 0
    timeout: 1h30m
    secrets: password
""",
    )
    plan = load(text)
    task = plan.tasks["first"]
    assert task.effort == Effort(HOUR, 8 * HOUR, 16 * HOUR)
    assert (task.title, task.phase, task.day, task.needs) == ("The first", "One", 3, ("zero",))
    assert [str(path) for path in task.owns] == ["app:src/a/", "app:src/*.py"]
    assert [str(path) for path in task.excepts] == ["app:src/a/b.py"]
    assert [(item.kind, item.value, item.repository) for item in task.deliverables] == [
        (DeliverableKind.PATH, "src/a/x.py", "app"),
        (DeliverableKind.PATH, "src/a/", "app"),
        (DeliverableKind.TAG, "v1", "app"),
        (DeliverableKind.TAG, "v2", "lib"),
        (DeliverableKind.SECRET, "password", None),
        (DeliverableKind.COMMAND, "make ready", "lib"),
    ]
    (verification,) = task.verify
    assert (verification.kind, verification.timeout) == (VerificationKind.E2E, 120)
    assert [str(path) for path in verification.judges] == ["lib:e2e/"]
    assert task.fallback is not None
    assert (task.fallback.agent, task.fallback.run, task.fallback.brief) == ("bob", "make", "again")
    assert (task.brief, task.run, task.retries) == ("Do this.\n", "make it", 0)
    assert (task.timeout, task.secrets, task.reads) == (5400, ("password",), ("lib",))
    assert plan.repositories["lib"].path == "libs/lib"


def test_all_that_stands_beside_the_tasks_is_kept(base: str, load: Load) -> None:
    plan = load(
        base.replace(
            "{adapter: rehearsal}",
            "{adapter: command, run: make, availability: [1-3, 7], cost: '$1,200.50/day',"
            " settings: {speed: 2}}",
        )
        + """\
checkpoints:
  gate:
    title: The gate
    participants: [work]
    after: first
    before: [second]
    during: third
    duration: 1h
    deliverable: app:src/x
    verify: {kind: tool, run: make}
    approval: true
    day: 2-3
    why: Because.
risks:
  late: {title: Late, mitigation: m, validation: v, fallback: f,
         trigger: {task: first, late_by: 1d}}
  bare: {}
calendar: {hours_per_day: 6, start: 2026-01-31, currency: EUR, cost: 1000}
targets: {done: {title: Done, value: 5 days}}
baseline:
  title: Before
  days: 18-23
  phases: [{title: One, days: 2}]
  claims: {path: {title: Critical path, value: ~40 h}}
"""
    )
    agent = plan.agents["ann"]
    assert (agent.adapter, agent.run, agent.days) == ("command", "make", frozenset({1, 2, 3, 7}))
    assert (agent.cost_per_day, agent.settings) == (1200.5, {"speed": "2"})
    gate = plan.checkpoints["gate"]
    assert (gate.title, gate.participants, gate.after) == ("The gate", ("work",), ("first",))
    assert (gate.before, gate.during, gate.duration) == (("second",), "third", HOUR)
    assert (str(gate.deliverable), gate.approval, gate.days) == ("path app:src/x", True, (2, 3))
    risk = plan.risks["late"]
    assert risk.trigger is not None
    assert (risk.trigger.task, risk.trigger.late_by) == ("first", 6 * HOUR)
    assert plan.risks["bare"].title == "bare"
    assert (plan.calendar.start, plan.calendar.currency) == ("2026-01-31", "EUR")
    assert plan.calendar.cost_per_day == 1000
    assert [(target.id, target.value) for target in plan.targets] == [("done", "5 days")]
    assert plan.baseline is not None
    assert (plan.baseline.days_low, plan.baseline.days_high) == (18, 23)
    assert plan.baseline.phases[0].days_high == 2
    assert plan.baseline.claims[0].value == "~40 h"


def test_a_plan_with_unknown_names_is_still_a_plan(base: str, load: Load) -> None:
    plan = load(base.replace("workstream: work", "workstream: wrok\n    needs: [nothing]"))
    assert plan.tasks["first"].workstream == "wrok"


def test_a_deliverable_without_a_repository_has_none_if_it_could_be_several(
    base: str, load: Load
) -> None:
    text = base.replace("owns: app:src/", "owns: [app:src/, lib:src/]").replace(
        "effort: 1h", "effort: 1h\n    deliverable: src/x"
    )
    assert load(text).tasks["first"].deliverables[0].repository is None


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_endings_move_no_place(base: str, load: Load, ending: str) -> None:
    plan = load(base.replace("\n", ending))
    place = plan.place("tasks", "first", "effort")
    assert place is not None
    assert (place.line, place.column) == (14, 13)


def test_places_are_those_of_keys_values_and_items(base: str, load: Load, tmp_path: Path) -> None:
    plan = load(base.replace("agents: ann", "agents: [ann, bob]"))
    name = str(tmp_path / "plan.yaml")
    assert plan.place("tasks", "first") == Place(name, 12, 3)
    assert plan.place("tasks", "first", "workstream") == Place(name, 13, 17)
    assert plan.place("workstreams", "work", "agents", 1) == Place(name, 9, 19)
    assert plan.place("workstreams", "work", "owns", 0) == Place(name, 10, 11)
    assert plan.place("tasks", "first", "nothing") == Place(name, 12, 3)
    assert plan.place() == Place(name, 1, 1)
    assert plan.places["tasks", "first"] == Place(name, 12, 3)
    assert len(plan.places) == len(list(plan.places)) > 10
    assert all(plan.places[keys] for keys in plan.places)
    assert ("no", "such") not in plan.places
    assert name in repr(plan.places)


def test_the_digest_is_of_the_text(base: str, load: Load) -> None:
    assert load(base).digest == hashlib.sha256(base.encode()).hexdigest()
    assert load(base) == load(base)


def test_text_can_be_given_in_place_of_the_file(base: str) -> None:
    plan = load_plan(Path("given.yaml"), base)
    assert plan.place("name") == Place("given.yaml", 2, 7)


def test_an_alias_repeats_a_value(base: str, load: Load) -> None:
    text = base.replace(
        "effort: 1h", "effort: &e 3h\n  second:\n    workstream: work\n    effort: *e"
    )
    assert load(text).tasks["second"].effort.hours == 3
