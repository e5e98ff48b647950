"""The long ones, for `make chaos`; CODITECT_CHAOS=short takes fewer lives."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chaos.scene import Scene

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]

SHORT = os.environ.get("CODITECT_CHAOS") == "short"
FOUNDING = Path(__file__).parents[2] / "plans" / "coditect-cloud.yaml"
KILLED = -signal.SIGKILL


@pytest.fixture
def scenes(tmp_path: Path) -> Iterator[list[Scene]]:
    made: list[Scene] = []
    yield made
    for scene in made:
        scene.end()


def test_the_founding_plan_killed_after_every_event_ends_in_the_undisturbed_tree(
    tmp_path: Path, scenes: list[Scene]
) -> None:
    calm = Scene.set(tmp_path / "calm", plan=FOUNDING, pace=20)
    scenes.append(calm)
    calm.finish()
    calm.assert_whole()
    scene = Scene.set(tmp_path / "killed", plan=FOUNDING, pace=20)
    scenes.append(scene)
    when = ("after", "15") if SHORT else ("after", "1")
    lives = 0
    while (code := scene.live(*when)) == KILLED:
        lives += 1
        assert lives < 5000, "the run does not come to an end"
    assert code == 0
    assert lives > (20 if SHORT else 300)
    scene.assert_whole()
    scene.assert_nobody_started_twice()
    assert scene.trees() == calm.trees()


@pytest.mark.parametrize("seed", range(3 if SHORT else 25))
def test_anything_killed_at_random_moments_loses_nothing(
    seed: int, tmp_path: Path, scenes: list[Scene]
) -> None:
    calm = Scene.set(tmp_path / "calm")
    scene = Scene.set(tmp_path / "killed", pace=200)
    scenes += [calm, scene]
    calm.finish()
    rng = random.Random(seed)
    for _ in range(12):
        life = scene.start("never")
        with contextlib.suppress(subprocess.TimeoutExpired):
            life.wait(timeout=rng.uniform(0.3, 1.5))
        for process in (*scene.supervisors(), *scene.agents()):
            if rng.random() < 0.3:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        life.kill()
        life.wait()
    for name in scene.book.state.tasks:
        # A stand-in that was killed often enough has used up its tries: a person tries again.
        if scene.book.state.tasks[name].phase == "parked":
            scene.retry(name)
    scene.finish()
    scene.assert_whole()
    assert scene.trees() == calm.trees()
