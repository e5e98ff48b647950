"""`kill -9` of the coordinator at every journal event, and once for each kind of event."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaos.scene import Scene

Set = Callable[..., Scene]

KINDS = (
    "attempt_started",
    "attempt_attached",
    "attempt_exited",
    "work_saved",
    "diff_checked",
    "candidate_built",
    "candidate_verified",
    "integration_prepared",
    "integrated",
    "landed",
    "timer_fired",
    "checkpoint_held",
    "checkpoint_verified",
    "approval_recorded",
    "checkpoint_opened",
)
KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    scene = Scene.set(tmp_path_factory.mktemp("undisturbed"))
    scene.finish()
    scene.assert_whole()
    return scene.trees()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene.set(tmp_path)
    yield scene
    scene.end()


@pytest.mark.timeout(600)
def test_a_run_killed_after_every_journal_event_ends_in_the_undisturbed_tree(
    scene: Scene, undisturbed: dict[str, str]
) -> None:
    lives = 0
    while (code := scene.live("after", "1")) == KILLED:
        lives += 1
        assert lives < 1000, "the run does not come to an end"
    assert code == 0
    assert lives > 60
    scene.assert_whole()
    scene.assert_nobody_started_twice()
    assert scene.trees() == undisturbed


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_killed_at_a_kind_of_event_ends_in_the_undisturbed_tree(
    kind: str, scene: Scene, undisturbed: dict[str, str]
) -> None:
    number = "2" if kind.startswith(("attempt", "candidate", "integrat")) else "1"
    assert scene.live("kind", kind, number) == KILLED
    scene.finish()
    scene.assert_whole()
    scene.assert_nobody_started_twice()
    assert scene.trees() == undisturbed


def test_garbage_collected_between_two_lives_costs_nothing(
    scene: Scene, undisturbed: dict[str, str]
) -> None:
    assert scene.live("kind", "integration_prepared", "2") == KILLED
    for place in scene.places.values():
        subprocess.run(["git", "-C", str(place), "gc", "-q", "--prune=now"], check=True)
    scene.finish()
    scene.assert_whole()
    assert scene.trees() == undisturbed
