from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from coditect.report import run_words as words
from coditect.report.actual import actual
from coditect.report.run_json import as_json
from coditect.report.run_page import run_page
from coditect.report.run_report import RunReport
from coditect.report.run_text import show
from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run.program import Settings
from support.journey import Journey
from support.small import TEXT, small_journey, small_plan

HOSTILE = r"\x1b]0;owned\x07A\x1b[2J [bold]not markup[/bold]"

MIXED = TEXT.replace("ann: {{adapter: {adapter}}}", "ann: {{adapter: command}}")


def printed(report: RunReport, width: int = 80, *, tasks: bool = True) -> str:
    out = io.StringIO()
    show(Console(file=out, width=width, color_system=None), report, tasks=tasks)
    return out.getvalue()


def finished(**options: object) -> RunReport:
    settings = Settings(pace=1000, approve_all=True)
    journey = small_journey(**{"settings": settings, **options})  # type: ignore[arg-type]
    journey.run()
    return actual(journey.plan, journey.journal, changes=journey.changes, run="small-x")


@pytest.mark.parametrize("width", [80, 120])
def test_the_report_fits_the_window_and_names_everything(width: int) -> None:
    report = finished()
    text = printed(report, width)
    assert all(cell_len(line) <= width for line in text.splitlines())
    for name in ("small-x", "succeeded", "REHEARSED", "code", "gate", "ann", "5.2"):
        assert name in text
    assert [line for line in text.splitlines() if line.startswith("  a ")]


def test_planned_and_actual_figures_say_what_they_are() -> None:
    lines = printed(finished()).splitlines()
    makespan = next(line for line in lines if line.startswith("Makespan"))
    assert makespan.split() == ["Makespan", "5.0", "h", "5.2", "h", "rehearsed"]
    speed_up = next(line for line in lines if line.startswith("Speed-up"))
    assert speed_up.endswith("modelled / rehearsed")
    assert "Workstreams  planned: modelled, actual: rehearsed" in lines


def test_columns_that_show_when_something_ended_say_so() -> None:
    text = printed(finished(), 120)
    [head] = [line for line in text.splitlines() if "later" in line]
    assert head.split()[:4] == ["planned", "end", "actual", "end"]
    [gates] = [line for line in text.splitlines() if "gathered" in line]
    assert gates.split()[:3] == ["planned", "end", "open"]


def test_presence_checks_of_a_rehearsal_are_labelled_so() -> None:
    text = printed(finished(skipped=True), 200)
    assert "Tasks: presence checks of a rehearsal: 2 passed (something is there" in text
    assert "Tasks: tool checks of a rehearsal: 1 NOT RUN" in text
    assert "Integrated without any verification: b, c, d." in text
    assert "tool NOT RUN" in text


def test_a_checkpoint_passed_by_yes_says_that_nobody_looked() -> None:
    assert "--yes (nobody looked)" in printed(finished())


def test_the_table_of_tasks_can_be_left_out() -> None:
    report = finished()
    assert "\nTasks  " in printed(report)
    assert "\nTasks  " not in printed(report, tasks=False)


def test_rows_say_what_they_are_when_they_differ() -> None:
    journey = small_journey(small_plan(text=MIXED), settings=Settings(approve_all=True), step=1000)
    journey.run()
    report = actual(journey.plan, journey.journal)
    lines = printed(report).splitlines()
    assert "Agents  each row says what it is" in lines
    assert next(line for line in lines if line.startswith("ann")).endswith("measured ")
    assert next(line for line in lines if line.startswith("bob")).endswith("rehearsed")
    assert "REHEARSED" in lines[0]


def test_trouble_is_told_where_people_look_for_it() -> None:
    def fail(effect: act.Effect, journey: Journey) -> tuple[ev.Event, ...] | None:
        if isinstance(effect, act.Inspect) and effect.attempt.task == "b":
            finding = {"code": "gate-name", "message": "'x' is no name.", "data": {}}
            return (ev.DiffChecked("b", effect.attempt.number, False, (finding,)),)
        if isinstance(effect, act.Land):
            return (ev.LandingHeld("app", "main", effect.commit, "main moved.", "Merge it."),)
        return None

    journey = small_journey(twist=fail)
    journey.at(500, ev.AttemptAttached("a", 1, pid=3, again=True))
    journey.run()
    report = actual(journey.plan, journey.journal, changes=lambda *_: ("same.txt",), run="small-x")
    text = printed(report, 200)
    assert "restarted once" in text
    assert "b is parked: 'x' is no name." in text
    assert "b, attempt 3 by ann: gate: 'x' is no name." in text
    assert "b [gate-name] 'x' is no name." in text
    assert "c: same.txt (came with a)" in text or "a: same.txt (came with c)" in text
    assert "B is slow: b is late, after 3.5 h. Planned answer: Ask Ann" in text
    assert "Held back: main moved. Merge it." in text
    assert "Elapsed" in text
    speed_up = next(line for line in text.splitlines() if line.startswith("Speed-up"))
    assert speed_up.split() == ["Speed-up", "1.40", "x", "-", "modelled"]


def test_how_long_nobody_carried_the_run_on_is_said() -> None:
    def leave(effect: act.Effect, journey: Journey) -> tuple[ev.Event, ...] | None:
        del journey
        return () if isinstance(effect, act.Watch) and effect.attempt.task == "a" else None

    journey = small_journey(twist=leave, settings=Settings(pace=1000, approve_all=True))
    ended = ev.AttemptExited("a", 1, "exit", 0, usage={"wall": 2.0}, again=True)
    journey.at(6000, ended)
    journey.run()
    report = actual(journey.plan, journey.journal)
    text = printed(report, 200)
    said = "restarted once; agents ended while there was none, and nobody carried the run on for "
    assert f"The coordinator was {said}4.0 h or longer." in text
    assert f"The coordinator was {said}4.0 h or longer." in run_page(report)
    [row] = [line for line in text.splitlines() if line.startswith("Nobody carried it on")]
    assert row.split()[-3:] == ["4.0", "h", "rehearsed"]
    assert as_json(report)["totals"]["downtime"]["value"] == 3.99
    assert as_json(report)["restarts"] == 1


def test_long_lists_say_how_much_more_there_is() -> None:
    many = tuple({"code": "c", "message": f"m{i}", "data": {}} for i in range(30))

    def fail(effect: act.Effect, journey: Journey) -> tuple[ev.Event, ...] | None:
        if isinstance(effect, act.Inspect) and (effect.attempt.task, effect.attempt.number) == (
            "a",
            1,
        ):
            return (ev.DiffChecked("a", 1, False, many),)
        return None

    text = printed(finished(twist=fail))
    assert "What was not let through (30)" in text
    assert "and 10 more; the JSON report has them all" in text


def test_hostile_titles_and_messages_cannot_command_the_terminal() -> None:
    def fail(effect: act.Effect, journey: Journey) -> tuple[ev.Event, ...] | None:
        if isinstance(effect, act.Watch) and effect.attempt.task == "b":
            return (ev.AttemptExited("b", effect.attempt.number, "exit", 1),)
        if isinstance(effect, act.Confirm):
            bad = {"ok": False, "message": "\x1b]52;c;eA==\x07clipboard\x9b31m"}
            return (ev.CheckpointVerified("gate", False, (bad,)),)
        if isinstance(effect, act.Save) and effect.attempt.task == "e":
            return (ev.EffectFailed("e", effect.attempt.number, "save", "\x1b[2J\x1b[Hgone"),)
        return None

    plan = small_plan(title='"' + HOSTILE + '"', a=HOSTILE)
    journey = small_journey(plan, twist=fail)
    journey.run()
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    show(console, actual(plan, journey.journal, run="\x1b[31mrun"))
    text = out.getvalue()
    assert "[bold]not markup[/bold]" in text
    assert not [
        character for character in text if not character.isprintable() and character != "\n"
    ]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "-"),
        (0.0, "0 s"),
        (3.25, "3.2 h"),
        (-0.4, "-0.4 h"),
        (0.05, "3.0 min"),
        (0.001, "3.6 s"),
        (1e-6, "0 s"),
    ],
)
def test_a_time_is_said_in_the_unit_that_suits_it(value: float | None, said: str) -> None:
    assert words.hours(value) == said


def test_what_supervisors_saw_is_told_apart_from_what_agents_said() -> None:
    text = printed(finished(usage={"wall": 7.2, "tokens": 10.0}))
    lines = [line.split() for line in text.splitlines()]
    assert ["Agents'", "wall", "time", "36.0", "s", "rehearsed"] in lines
    assert ["Used:", "tokens", "50.00", "as", "agents", "said"] in lines
