"""The ownership proof: who can be alive with whom, by which path they collide, how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from coditect.check import Collision, check
from coditect.check.ownership import overlap_finding
from coditect.findings import Finding, Place, Severity
from coditect.paths import Witness
from coditect.plan import load_plan

Checked = Callable[[str], tuple[tuple[Finding, ...], Place | None]]
Task = Callable[..., str]


def overlaps(findings: tuple[Finding, ...]) -> list[Finding]:
    return [finding for finding in findings if finding.code.startswith("ownership-overlap")]


def mends(finding: Finding) -> dict[str, Any]:
    return {mend["kind"]: mend for mend in dict(finding.data)["mends"]}


def shared(head: str) -> str:
    """Both workstreams own the same folder."""
    return head.replace("app:left/", "app:src/").replace("app:right/", "app:src/")


def test_tasks_of_two_workstreams_that_own_one_folder_collide(
    head: str, task: Task, checked: Checked
) -> None:
    findings, place = checked(
        shared(head)
        + task("a", "left", "owns: app:src/x.py")
        + task("b", "right", "owns: §app:src/*.py")
    )
    (found,) = overlaps(findings)
    assert (found.code, found.severity) == ("ownership-overlap", Severity.ERROR)
    assert found.place == place
    assert dict(found.data)["witness"] == ("src/x.py", "src/x.py")
    assert "`a` and `b` can be alive at the same time" in found.message
    assert "`app:src/x.py`" in found.message
    ((what, where),) = found.related
    assert what == "what a owns"
    assert where is not None


def test_an_order_between_them_is_enough(head: str, task: Task, checked: Checked) -> None:
    text = shared(head) + task("a", "left") + task("b", "right", "needs: a")
    assert checked(text)[0] == ()


def test_an_order_through_a_checkpoint_is_enough(head: str, task: Task, checked: Checked) -> None:
    gate = "checkpoints:\n  gate: {participants: left, after: a, before: b}\n"
    assert checked(shared(head) + task("a", "left") + task("b", "right") + gate)[0] == ()


def test_one_slot_orders_the_tasks_of_a_workstream(head: str, task: Task, checked: Checked) -> None:
    assert checked(head + task("a") + task("b") + task("c", "right"))[0] == ()


def test_two_slots_order_nothing(head: str, task: Task, checked: Checked) -> None:
    two = head.replace("left: {agents: ann,", "left: {agents: [ann, bob], slots: 2,")
    (found,) = overlaps(checked(two + task("a") + task("b") + task("c", "right"))[0])
    assert found.code == "ownership-overlap"
    assert dict(found.data)["tasks"] == ("a", "b")
    assert mends(found)["one-slot"]["change"] == "workstreams.left"


def test_two_slots_and_one_agent_are_a_warning(head: str, task: Task, checked: Checked) -> None:
    two = head.replace("left: {agents: ann,", "left: {agents: ann, slots: 2,")
    (found,) = overlaps(checked(two + task("a") + task("b") + task("c", "right"))[0])
    assert (found.code, found.severity) == ("ownership-overlap-one-agent", Severity.WARNING)
    assert "one agent" in found.message


def test_a_fallback_agent_makes_it_an_error(head: str, task: Task, checked: Checked) -> None:
    two = head.replace("left: {agents: ann,", "left: {agents: ann, slots: 2,")
    text = two + task("a", "left", "fallback: {agent: bob}") + task("b") + task("c", "right")
    (found,) = overlaps(checked(text)[0])
    assert found.code == "ownership-overlap"


def test_one_agent_of_two_workstreams_is_a_warning(head: str, task: Task, checked: Checked) -> None:
    text = shared(head).replace("agents: bob", "agents: ann") + task("a") + task("b", "right")
    (found,) = overlaps(checked(text)[0])
    assert found.code == "ownership-overlap-one-agent"


def test_the_same_path_in_two_repositories_is_no_collision(
    head: str, task: Task, checked: Checked
) -> None:
    text = head.replace("app: {}", "app: {}\n  lib: {}").replace("app:right/", "lib:left/")
    assert checked(text + task("a") + task("b", "right"))[0] == ()


def test_paths_that_differ_in_case_collide(head: str, task: Task, checked: Checked) -> None:
    text = head.replace("app:right/", "app:LEFT/") + task("a") + task("b", "right")
    (found,) = overlaps(checked(text)[0])
    left, right = dict(found.data)["witness"]
    assert left.startswith("left/")
    assert right.startswith("LEFT/")
    assert "cannot both stand" in found.message


def test_paths_that_unicode_writes_in_two_ways_collide(
    head: str, task: Task, checked: Checked
) -> None:
    text = head.replace("app:left/", "app:caf\u00e9/").replace("app:right/", "app:cafe\u0301/")
    (found,) = overlaps(checked(text + task("a") + task("b", "right"))[0])
    assert found.code == "ownership-overlap"


def test_a_file_and_a_folder_of_its_name_collide(head: str, task: Task, checked: Checked) -> None:
    text = head.replace("app:left/", "app:doc").replace("app:right/", "app:doc/")
    (found,) = overlaps(checked(text + task("a") + task("b", "right"))[0])
    left, right = dict(found.data)["witness"]
    assert left == "doc"
    assert right.startswith("doc/")


def test_an_exception_keeps_them_apart(head: str, task: Task, checked: Checked) -> None:
    text = head.replace("app:left/", "app:src/, except: 'app:src/r{,/}'")
    text = text.replace("app:right/", "app:src/r/")
    assert checked(text + task("a") + task("b", "right"))[0] == ()


def test_tasks_that_take_all_over_are_told_once_with_their_number(
    head: str, task: Task, checked: Checked
) -> None:
    text = shared(head) + "".join(task(f"a{n}") + task(f"b{n}", "right") for n in range(4))
    (found,) = overlaps(checked(text)[0])
    data = dict(found.data)
    assert data["pairs"] == 16
    assert "15 more pairs" in found.message
    assert set(data["involved"]) == {f"{side}{n}" for side in "ab" for n in range(4)}
    assert "order" not in mends(found)


def test_only_pairs_without_an_order_are_counted(head: str, task: Task, checked: Checked) -> None:
    text = shared(head) + task("a0") + task("a1", "left", "needs: b0") + task("b0", "right")
    (found,) = overlaps(checked(text)[0])
    assert dict(found.data)["pairs"] == 1
    assert dict(found.data)["involved"] == ("a0", "b0")


def test_more_overlaps_than_are_told_are_counted_in(head: str, task: Task) -> None:
    rows = "".join(
        task(f"{side}{n}", stream, f"owns: ['app:src/x', 'app:src/{side}{n}']")
        for n in range(6)
        for side, stream in (("a", "left"), ("b", "right"))
    )
    plan = load_plan(Path("plan.yaml"), shared(head) + rows)
    assert len(overlaps(check(plan))) == 36
    found = check(plan, max_witnesses=5)
    assert len(overlaps(found)) == 5
    assert [f.severity for f in found if f.code == "more-findings"] == [Severity.ERROR]
    assert not any(f.code == "more-findings" for f in check(plan, max_witnesses=36))


def test_the_cheaper_order_is_proposed_with_its_price(
    head: str, task: Task, checked: Checked
) -> None:
    text = (
        shared(head)
        + task("a", "left", "owns: app:src/", effort="2h")
        + task("long", "left", "needs: a", "owns: app:src/other/", effort="10h")
        + task("b", "right", "owns: app:src/x", effort="3h")
    )
    found = next(f for f in overlaps(checked(text)[0]) if dict(f.data)["tasks"] == ("a", "b"))
    order = mends(found)["order"]
    assert (order["change"], order["value"], order["cost_hours"]) == ("tasks.b", ["a"], 0)
    assert (
        "Let `b` need `a`; the longest chain of tasks stays as long as it is"
        in found.hint.replace("let `b`", "Let `b`")
    )


def test_an_order_that_costs_says_what(head: str, task: Task, checked: Checked) -> None:
    text = shared(head) + task("a", "left", effort="2h") + task("b", "right", effort="3h")
    (found,) = overlaps(checked(text)[0])
    assert mends(found)["order"]["cost_hours"] == 2
    assert "lengthens the longest chain of tasks by 2h" in found.hint


def test_narrowing_to_what_is_delivered_is_proposed(
    head: str, task: Task, checked: Checked
) -> None:
    text = (
        shared(head)
        + task("a", "left", "owns: app:src/api/")
        + task("b", "right", "deliverable: app:src/web/page.html")
    )
    (found,) = overlaps(checked(text)[0])
    narrow = mends(found)["narrow"]
    assert (narrow["change"], narrow["value"]) == ("tasks.b", ["app:src/web/page.html"])


def test_narrowing_both_is_proposed_where_one_is_not_enough(
    head: str, task: Task, checked: Checked
) -> None:
    text = (
        shared(head)
        + task("a", "left", "deliverable: app:src/a")
        + task("b", "right", "deliverable: app:src/b")
    )
    (found,) = overlaps(checked(text)[0])
    assert mends(found)["narrow-both"]["value"] == ["app:src/a", "app:src/b"]


def test_an_exception_is_proposed_where_it_leaves_something(
    head: str, task: Task, checked: Checked
) -> None:
    text = (
        shared(head)
        + task("a", "left", "owns: app:src/api/**", "deliverable: app:src/api/x")
        + task("b", "right", "owns: app:src/*/x")
    )
    (found,) = overlaps(checked(text)[0])
    assert mends(found)["except"]["change"] == "tasks.b"
    assert mends(found)["except"]["value"] == ["app:src/api/**"]


def test_one_owner_is_proposed_where_nothing_can_be_narrowed(
    head: str, task: Task, checked: Checked
) -> None:
    text = (
        shared(head)
        + task("a", "left", "owns: app:src/x")
        + task("b", "right", "owns: app:src/x", "deliverable: app:src/x")
    )
    (found,) = overlaps(checked(text)[0])
    mend = mends(found)["one-owner"]
    assert (mend["change"], mend["value"]) == ("tasks.a", ["app:src/x"])
    assert "(it delivers that)" in found.hint


def test_patterns_too_entangled_to_decide_are_told_as_such(
    head: str, task: Task, checked: Checked
) -> None:
    plan = load_plan(Path("plan.yaml"), shared(head) + task("a") + task("b", "right"))
    witness = Witness("src/x", "src/x", certain=False)
    collision = Collision("a", "b", "app", witness, 1, ("a", "b"))
    assert "too entangled" in overlap_finding(plan, collision, Severity.ERROR, ()).message


KNOT = ("app:left/*a" + "?" * 16, "app:left/*b" + "?" * 15)


def test_patterns_too_entangled_to_stay_within_a_workstream_are_an_error(
    head: str, task: Task, checked: Checked
) -> None:
    text = head.replace("app:left/", f"'{KNOT[1]}'") + task("a", "left", f"owns: §'{KNOT[0]}'")
    findings, place = checked(text + task("b", "right"))
    assert [(finding.code, finding.place) for finding in findings] == [("paths-undecided", place)]
    assert "name the folders" in findings[0].hint


def test_patterns_too_entangled_to_deliver_a_folder_are_an_error(
    head: str, task: Task, checked: Checked
) -> None:
    text = head + task(
        "a",
        "left",
        f"owns: '{KNOT[0]}'",
        f"except: '{KNOT[1]}'",
        "deliverable: §app:left/",
    )
    gate = "checkpoints:\n  gate: {participants: left, after: a, deliverable: app:left/}\n"
    findings, place = checked(text + task("b", "right") + gate)
    assert ("paths-undecided", place) in [(finding.code, finding.place) for finding in findings]
    assert not any(finding.code == "checkpoint-never-opens" for finding in findings)


def test_a_collision_of_entangled_patterns_is_mended_by_an_order_at_least(
    head: str, task: Task, checked: Checked
) -> None:
    text = head.replace("app:right/", "app:left/")
    text += task("a", "left", f"owns: '{KNOT[0]}'") + task("b", "right", f"owns: '{KNOT[1]}'")
    (found,) = overlaps(checked(text)[0])
    assert "order" in mends(found)
