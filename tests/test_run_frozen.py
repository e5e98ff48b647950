"""A coordinator that is frozen (SIGSTOP, a suspended laptop) and wakes up: it is fenced."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos.scene import Scene

from coditect.findings import CoditectError
from coditect.run import events as ev
from coditect.run.home import RunLock


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene.set(tmp_path, pace=1500, orphan_after=1.0)
    yield scene
    scene.end()


def wait_until_nobody_works(scene: Scene) -> None:
    end = time.monotonic() + 60
    while scene.supervisors() or scene.agents():
        assert time.monotonic() < end, "the supervisors do not give up"
        time.sleep(0.05)


@pytest.mark.timeout(300)
def test_a_coordinator_that_wakes_after_its_agents_gave_up_makes_their_work_again(
    scene: Scene,
) -> None:
    life = scene.start("never")
    scene.wait_for("attempt_attached", 3)
    life.send_signal(signal.SIGSTOP)
    wait_until_nobody_works(scene)
    # Nobody else may carry the run on meanwhile, however long it takes.
    with pytest.raises(CoditectError) as caught:
        RunLock(scene.home.folder(scene.run)).acquire()
    assert f"process {life.pid}" in str(caught.value)
    life.send_signal(signal.SIGCONT)
    assert life.wait(timeout=240) == 0
    scene.assert_whole()
    orphaned = [
        entry.event
        for entry in scene.book.entries
        if isinstance(entry.event, ev.AttemptExited) and entry.event.reason == "orphaned"
    ]
    lost = [entry.event for entry in scene.book.entries if isinstance(entry.event, ev.AttemptLost)]
    assert len(orphaned) >= 1
    assert len(lost) >= len(orphaned)
    assert not [e for e in scene.book.entries if isinstance(e.event, ev.AttemptFailed)]


@pytest.mark.timeout(300)
def test_a_short_freeze_costs_nothing(tmp_path: Path) -> None:
    scene = Scene.set(tmp_path, pace=300)
    try:
        life = scene.start("never")
        for number in range(1, 5):
            scene.wait_for("attempt_attached", 2 * number)
            life.send_signal(signal.SIGSTOP)
            time.sleep(0.2)
            life.send_signal(signal.SIGCONT)
        assert life.wait(timeout=240) == 0
        scene.assert_whole()
        kinds = {entry.event.kind for entry in scene.book.entries}
        assert not kinds & {"attempt_lost", "attempt_failed", "effect_failed"}
    finally:
        scene.end()


@pytest.mark.timeout(300)
def test_of_two_coordinators_one_carries_the_run_on_and_the_other_is_told(tmp_path: Path) -> None:
    scene = Scene.set(tmp_path, pace=60)
    try:
        lives = [scene.start("never") for _ in range(2)]
        codes = sorted(life.wait(timeout=240) for life in lives)
        assert codes == [0, 1]
        scene.assert_whole()
    finally:
        scene.end()


@pytest.mark.timeout(300)
def test_killed_and_frozen_by_turns_a_run_ends_whole(tmp_path: Path) -> None:
    scene = Scene.set(tmp_path, pace=200, orphan_after=2.0)
    try:
        frozen: list[subprocess.Popen[bytes]] = []
        for number in range(1, 4):
            life = scene.start("never")
            scene.wait_for("attempt_started", 2 * number)
            life.send_signal(signal.SIGSTOP)
            frozen.append(life)
            time.sleep(0.3)
            life.kill()  # While it is stopped: the next takes over what it left in the middle.
            life.wait()
        scene.finish()
        scene.assert_whole()
    finally:
        scene.end()
