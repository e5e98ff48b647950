from __future__ import annotations

import io
import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from coditect.report.event_words import Said
from coditect.report.evidence import Evidence
from coditect.report.live import Follower, GateView, LaneView, LiveView, WaitView, snapshot
from coditect.report.live_screen import Screen, compose, show_live
from coditect.report.plain import plain
from coditect.run.program import Settings
from coditect.run.state import Door, Phase
from support.small import small_journey, small_plan


def busy(**changes: object) -> LiveView:
    """A large run in the middle of everything."""
    view = LiveView(
        run="coditect-cloud-x7k2p",
        title="Coditect Cloud, from nothing to MVP",
        outcome="",
        evidence=Evidence.REHEARSED,
        elapsed=125_000,
        done=12,
        tasks=54,
        done_hours=30,
        hours=130,
        planned=600_000,
        forecast=660_000,
        lanes=(
            *(
                LaneView(
                    f"stream-{i}", 0, f"task-{i}", i, "agent", "working", 40_000, 60_000, f"o{i}"
                )
                for i in range(4)
            ),
            LaneView("stream-4", 0, waits="task-9 needs checkpoint ready (due)"),
        ),
        queue=("task-1 (its merge is being verified)", "task-2"),
        checkpoints=(
            GateView("contract", Door.WAITING, "waits for a person", "coditect approve contract"),
            GateView("ready", Door.DUE, "waits until task-3 are done"),
            GateView("later", Door.PENDING, "needs task-8 (pending)"),
        ),
        waiting=(
            WaitView("task-5", Phase.PARKED, "exit status 3", None, "coditect retry task-5"),
            WaitView("task-6", Phase.READY, "stream-1 is busy with task-1", 9_000),
            *(WaitView(f"task-{i}", Phase.PENDING, "needs task-6 (ready)") for i in range(7, 50)),
        ),
        events=tuple((i * 1000, Said(f"task-{i}", "integrated", "green")) for i in range(30)),
    )
    return replace(view, **changes)  # type: ignore[arg-type]


def drawn(
    view: LiveView, width: int = 80, height: int = 24, *, encoding: str = "utf-8"
) -> list[str]:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None)
    console.print(Screen(view), end="")
    out.flush()
    written = out.buffer
    assert isinstance(written, io.BytesIO)
    return written.getvalue().decode(encoding).splitlines()


def test_a_window_of_80_by_24_shows_all_that_matters() -> None:
    text = "\n".join(drawn(busy()))
    for word in (
        *("coditect-cloud-x7k2p", "REHEARSED", "12/54 tasks", "23%", "2:05  ends 11:00"),
        *("plan 10:00", "+1:00", "task-0", "0:40/1:00", "task-9 needs checkpoint ready (due)"),
        *("coditect approve contract", "coditect retry task-5", "its merge is being verified"),
        *("waits until task-3", "stream-1 is busy with task-1", "0:09", "task-29 integrated"),
    ):
        assert word in text
    assert "later" not in text


def test_what_a_person_has_to_do_stays_on_the_smallest_screen() -> None:
    text = "\n".join(drawn(busy(), 60, 12))
    assert "coditect approve contract" in text
    assert "coditect retry task-5" in text


def test_a_command_is_whole_even_where_its_label_does_not_fit() -> None:
    long = "coditect approve coditect-cloud-x7k2p a-checkpoint-with-a-rather-long-name"
    gate = GateView("a-checkpoint-with-a-rather-long-name", Door.WAITING, "waits", long)
    assert any(line.startswith(long) for line in drawn(busy(checkpoints=(gate,))))


def test_more_room_shows_the_last_words_of_each_agent() -> None:
    assert not any(" o1" in line for line in drawn(busy(), 80, 16))
    assert any(line.rstrip().endswith("agent o1") for line in drawn(busy(), 80, 30))


def test_lanes_that_do_not_fit_are_counted() -> None:
    lanes = tuple(LaneView(f"s{i}", 0, waits="nothing left to do") for i in range(60))
    text = "\n".join(drawn(busy(lanes=lanes)))
    assert "... and 5" in text or "... and 4" in text


@settings(max_examples=100, deadline=None)
@given(st.integers(20, 200), st.integers(1, 70))
def test_no_line_is_too_wide_and_the_screen_never_scrolls(width: int, height: int) -> None:
    lines = drawn(busy(), width, height)
    assert len(lines) <= max(height - 1, 2)
    assert all(cell_len(line) < width for line in lines)


wild = st.text(max_size=40)


@settings(max_examples=100, deadline=None)
@given(wild, wild)
def test_wide_and_odd_characters_do_not_break_the_lines(name: str, said: str) -> None:
    name, said = plain(name), plain(said)
    lane = LaneView(name, 0, name, 2, name, "working", 1, None, said)
    lines = compose(busy(lanes=(lane,), run=name, title=said), 79, 23)
    assert len(lines) <= 23


def test_a_late_task_and_a_late_forecast_stand_out() -> None:
    late = LaneView("s", 0, "slow", 1, "agent", "working", 200, 100)
    line = compose(busy(lanes=(late,)), 79, 23)[2]
    assert "▶" in line.plain
    assert any("yellow" in str(span.style) for span in line.spans)
    early = compose(busy(forecast=540_000), 100, 23)[1]
    assert "-1:00" in early.plain


def test_without_a_forecast_the_plan_is_shown_and_without_a_plan_nothing() -> None:
    assert "2:05  planned to end 10:00" in compose(busy(forecast=None), 79, 23)[1].plain
    assert compose(busy(forecast=None, planned=None), 79, 23)[1].plain.endswith("2:05")


def test_a_terminal_that_knows_no_unicode_gets_ascii() -> None:
    lines = drawn(busy(), encoding="ascii")
    assert any("#" in line for line in lines)


def test_an_agent_cannot_write_escape_codes_to_the_terminal() -> None:
    hostile = (
        b"\x1b]0;owned\x07\x1b[2J\x1b[H\x9b31m\x1b]52;c;eA==\x1b\\"
        b"\x1bP+q544e\x1b\\\x00\x08\xff\xfe visible \xe2\x80\xae txt [red]x[/red]\r\n"
    )
    journey = small_journey(small_plan(title=r'"T\x1b[2J"'))
    journey.run(until=1500)
    follower = Follower(journey.program)
    follower.take(journey.journal)
    view = snapshot(
        journey.plan,
        journey.program,
        follower.state,
        follower.facts,
        now=journey.now,
        run="\x1b[31mrun",
        output=lambda task, number: hostile,
    )
    text = "\n".join(drawn(view, 120, 40))
    assert "visible" in text
    assert "[red]x[/red]" in text
    assert all(character.isprintable() or character == "\n" for character in text)


@pytest.mark.parametrize("whole", [False, True])
def test_the_screen_follows_a_run_to_its_end_and_gives_the_last_view(whole: bool) -> None:
    journey = small_journey(settings=Settings(pace=1000, approve_all=True))
    journey.run()
    follower = Follower(journey.program)
    entries = iter(journey.journal)

    def look() -> LiveView:
        if entry := next(entries, None):
            follower.take((entry,))
        return snapshot(
            journey.plan, journey.program, follower.state, follower.facts, now=follower.state.now
        )

    out = io.StringIO()
    console = Console(file=out, width=80, height=24, force_terminal=True)
    last = show_live(console, look, threading.Event(), every=0, whole=whole)
    assert last.outcome == "succeeded"
    assert next(entries, None) is None
    text = out.getvalue()
    assert ("\x1b[?1049h" in text) == whole
    assert "5/5 tasks" in text
    assert text.endswith("\x1b[?25h") or "\x1b[?25h" in text[-20:]


def test_the_screen_ends_when_it_is_told_to() -> None:
    stop = threading.Event()
    stop.set()
    out = io.StringIO()
    console = Console(file=out, width=80, height=24, force_terminal=True)
    assert show_live(console, busy, stop).outcome == ""
    assert "12/54 tasks" in out.getvalue()
