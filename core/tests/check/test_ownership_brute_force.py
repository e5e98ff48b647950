"""The ownership proof of whole plans against brute force over pairs of tasks and short paths."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.check import Order, Scopes, check
from coditect.findings import Finding, Severity
from coditect.paths import Language, fold, parse_pattern
from coditect.plan import OwnedPath, Plan, load_plan

GLOBS = [
    "a",
    "b",
    "A",
    "a/",
    "A/",
    "a/b",
    "a/*",
    "*/b",
    "**/b",
    "**/a/**",
    "?",
    "[ab]/a",
    "{a,b}/",
    "**",
]
# A file that stands where another's folder does may show only four levels down.
PATHS = [
    "/".join(names)
    for size in (1, 2, 3, 4)
    for names in product(("a", "b", "A", "c", "ab"), repeat=size)
]
TASKS = ["p", "q", "r", "s", "t"]

GLOB_LISTS = st.lists(st.sampled_from(GLOBS), min_size=1, max_size=2, unique=True)


def quoted(globs: list[str], repository: str = "app") -> str:
    return "[" + ", ".join(f'"{repository}:{glob}"' for glob in globs) + "]"


@st.composite
def plans(draw: st.DrawFn) -> str:
    """The text of a plan of five tasks in three workstreams and two repositories."""
    rows = [
        "schema: 1\nname: random\nrepositories: {app: {}, lib: {}}",
        "agents: {x: {adapter: r}, y: {adapter: r}}",
        "workstreams:",
    ]
    for stream in ("one", "two", "three"):
        agents = draw(st.sampled_from(["x", "y", "[x, y]"]))
        slots = draw(st.sampled_from([1, 1, 2]))
        rows.append(f"  {stream}: {{agents: {agents}, slots: {slots}, owns: {quoted(['**'])}}}")
    rows.append("tasks:")
    for index, name in enumerate(TASKS):
        parts = [f"workstream: {draw(st.sampled_from(['one', 'two', 'three']))}"]
        parts.append(f"effort: {draw(st.integers(1, 4))}h")
        needs = draw(st.lists(st.sampled_from(TASKS[:index]), max_size=1)) if index else []
        parts += [f"needs: {needs[0]}"] if needs else []
        owns = draw(st.none() | GLOB_LISTS)
        repository = draw(st.sampled_from(["app", "app", "app", "lib"])) if owns else "app"
        parts += [f"owns: {quoted(owns, repository)}"] if owns else []
        excepts = draw(st.none() | GLOB_LISTS)
        parts += (
            [f"except: {quoted(excepts, repository)}"] if excepts and draw(st.booleans()) else []
        )
        delivers = draw(st.none() | st.sampled_from(["a", "b", "a/b", "b/a/b"]))
        parts += [f"deliverable: {repository}:{delivers}"] if delivers else []
        rows.append(f"  {name}: {{{', '.join(parts)}}}")
    if draw(st.booleans()):
        after, before = draw(st.permutations(TASKS))[:2]
        rows.append(
            f"checkpoints:\n  gate: {{participants: one, after: {after}, before: {before}}}"
        )
    return "\n".join(rows) + "\n"


def clash(one: str, other: str) -> bool:
    left, right = fold(one), fold(other)
    return left == right or left.startswith(right + "/") or right.startswith(left + "/")


def folders(path: str) -> set[str]:
    names = path.split("/")
    return {"/".join(names[:end]) for end in range(1, len(names))}


def collide(one: set[str], other: set[str]) -> bool:
    """Say whether two sets of folded paths have a clash."""
    below = {folder for path in one for folder in folders(path)}
    beside = {folder for path in other for folder in folders(path)}
    return bool(one & other or below & other or one & beside)


def free(plan: Plan, order: Order, one: str, other: str) -> bool:
    a, b = plan.tasks[one], plan.tasks[other]
    if order.ordered(one, other):
        return False
    return not (a.workstream == b.workstream and plan.workstreams[a.workstream].slots == 1)


def one_agent(plan: Plan, one: str, other: str) -> bool:
    agents = {
        agent
        for name in (one, other)
        for agent in plan.workstreams[plan.tasks[name].workstream].agents
    }
    return len(agents) == 1


def owned(plan: Plan, name: str) -> tuple[str, Language]:
    scope = Scopes(plan).of[name]
    ((repository, language),) = scope.items()
    return repository, language


def brute(plan: Plan) -> dict[bool, set[frozenset[str]]]:
    """Colliding pairs that can be alive at once: under True those that one agent keeps apart."""
    order = Order(plan)
    written = {}
    for name in TASKS:
        repository, language = owned(plan, name)
        written[name] = repository, {fold(path) for path in PATHS if language.matches(path)}
    found: dict[bool, set[frozenset[str]]] = {True: set(), False: set()}
    for one, other in combinations(TASKS, 2):
        if written[one][0] != written[other][0] or not free(plan, order, one, other):
            continue
        if collide(written[one][1], written[other][1]):
            found[one_agent(plan, one, other)].add(frozenset((one, other)))
    return found


def told(findings: tuple[Finding, ...], code: str) -> list[dict[str, Any]]:
    return [dict(finding.data) for finding in findings if finding.code == code]


@settings(max_examples=200, deadline=None)
@given(plans())
def test_the_proof_finds_what_brute_force_finds_and_no_more(text: str) -> None:
    plan = load_plan(Path("random.yaml"), text)
    if Order(plan).cyclic:
        return
    findings = check(plan)
    expected = brute(plan)
    for code, agent in (("ownership-overlap", False), ("ownership-overlap-one-agent", True)):
        groups = told(findings, code)
        assert sum(group["pairs"] for group in groups) == len(expected[agent])
        involved = {name for group in groups for name in group["involved"]}
        assert involved == {name for pair in expected[agent] for name in pair}
        for group in groups:
            first, second = group["tasks"]
            assert frozenset((first, second)) in expected[agent]
            left, right = group["witness"]
            assert owned(plan, first)[1].matches(left)
            assert owned(plan, second)[1].matches(right)
            assert clash(left, right)


def mended(plan: Plan, mend: dict[str, Any], pair: tuple[str, str]) -> Plan | None:
    """Apply a mend as its words say; None if it leaves the writing to the author."""
    section, _, name = mend["change"].partition(".")
    paths = tuple(
        OwnedPath(text.partition(":")[0], parse_pattern(text.partition(":")[2]))
        for text in mend["value"]
        if ":" in text
    )
    tasks, streams = dict(plan.tasks), dict(plan.workstreams)
    match mend["kind"]:
        case "order":
            tasks[name] = replace(tasks[name], needs=(*tasks[name].needs, *mend["value"]))
        case "narrow":
            tasks[name] = replace(tasks[name], owns=paths)
        case "narrow-both":
            for task in pair:
                mine = {str(item).removeprefix("path ") for item in tasks[task].deliverables}
                kept = tuple(path for path in paths if str(path) in mine)
                tasks[task] = replace(tasks[task], owns=kept)
        case "except" if section == "tasks":
            tasks[name] = replace(tasks[name], excepts=tasks[name].excepts + paths)
        case "except":
            streams[name] = replace(streams[name], excepts=streams[name].excepts + paths)
        case "one-slot":
            streams[name] = replace(streams[name], slots=1)
        case _:
            return None
    return replace(plan, tasks=tasks, workstreams=streams)


@settings(max_examples=100, deadline=None)
@given(plans())
def test_every_mend_that_is_proposed_works(text: str) -> None:
    plan = load_plan(Path("random.yaml"), text)
    if Order(plan).cyclic:
        return
    before = check(plan)
    for group in told(before, "ownership-overlap") + told(before, "ownership-overlap-one-agent"):
        assert group["mends"]
        costs = [mend["cost_hours"] for mend in group["mends"]]
        assert costs == sorted(costs)
        for mend in group["mends"]:
            after = mended(plan, mend, group["tasks"])
            if after is None:
                continue
            assert not Order(after).cyclic
            still = brute(after)
            assert frozenset(group["tasks"]) not in still[True] | still[False]
            lost = {
                dict(finding.data).get("task")
                for finding in check(after)
                if finding.code in ("deliverable-outside-ownership", "owns-nothing")
                and finding.severity is Severity.ERROR
            }
            assert lost <= {
                dict(finding.data).get("task")
                for finding in before
                if finding.code in ("deliverable-outside-ownership", "owns-nothing")
            }
