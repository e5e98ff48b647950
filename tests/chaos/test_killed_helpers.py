"""`kill -9` of what works for the coordinator: supervisors, agents, and git between its steps."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chaos.scene import Scene
from coditect.run import events as ev

KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    scene = Scene.set(tmp_path_factory.mktemp("undisturbed"))
    scene.finish()
    return scene.trees()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene.set(tmp_path, pace=400)
    yield scene
    scene.end()


def kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


@pytest.mark.timeout(300)
def test_killed_supervisors_cost_no_retry_and_leave_nothing(
    scene: Scene, undisturbed: dict[str, str]
) -> None:
    rng = random.Random(1)
    life = scene.start("never")
    for number in range(1, 4):
        scene.wait_for("attempt_attached", 2 * number)
        for supervisor in scene.supervisors():
            if rng.random() < 0.7:
                kill(supervisor)
    assert life.wait(timeout=120) == 0
    scene.assert_whole()
    kinds = {entry.event.kind for entry in scene.book.entries}
    assert "attempt_lost" in kinds
    assert "attempt_failed" not in kinds
    assert scene.trees() == undisturbed


@pytest.mark.timeout(300)
def test_killed_agents_are_tried_again(scene: Scene, undisturbed: dict[str, str]) -> None:
    life = scene.start("never")
    scene.wait_for("attempt_attached", 3)
    victims = scene.agents()
    for agent in victims:
        kill(agent)
    assert life.wait(timeout=120) == 0
    failed = [e.event for e in scene.book.entries if isinstance(e.event, ev.AttemptFailed)]
    assert victims
    assert failed
    scene.assert_whole()
    assert scene.trees() == undisturbed


@pytest.mark.timeout(300)
def test_coordinator_supervisors_and_agents_killed_together_lose_nothing(
    scene: Scene, undisturbed: dict[str, str]
) -> None:
    rng = random.Random(2)
    for number in range(1, 6):
        life = scene.start("never")
        scene.wait_for("attempt_started", number)
        for process in (*scene.supervisors(), *scene.agents()):
            if rng.random() < 0.5:
                kill(process)
        life.kill()
        life.wait()
    scene.finish()
    scene.assert_whole()
    assert scene.trees() == undisturbed


@pytest.mark.timeout(300)
def test_work_that_nobody_comes_back_to_is_saved_and_ended(tmp_path: Path) -> None:
    scene = Scene.set(tmp_path, pace=60_000, orphan_after=1.0)
    try:
        life = scene.start("never")
        scene.wait_for("attempt_attached", 3)
        life.kill()
        life.wait()
        scene.assert_no_process()
        refs = [
            subprocess.run(
                ["git", "-C", str(path), "for-each-ref", f"refs/coditect/{scene.run}/saved"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for path in scene.places.values()
        ]
        # The stand-ins had begun to write, or not yet; what there was is under a ref.
        lanes = list(scene.home.folder(scene.run).path.glob("lanes/*/*/tree/*/*.md"))
        assert bool(lanes) <= any(refs)
    finally:
        scene.end()


GIT_SHIM = """\
#!/bin/sh
# Stands in for git on PATH: the {number}-th move of an integration ref is killed {when}.
real={real}
case "$*" in *update-ref*integration*)
  echo x >> {count}
  if [ "$(wc -l < {count})" -eq {number} ]; then
    coordinator=$PPID
    {deed}
    kill -9 "$coordinator"
    kill -9 $$
  fi;;
esac
exec "$real" "$@"
"""

BEFORE = """\
for word in "$@"; do
      case "$word" in refs/coditect/*/integration) ref=$word;; --git-dir=*) dir=${word#*=};; esac
    done
    [ -n "$dir" ] || dir=$GIT_DIR
    mkdir -p "$(dirname "$dir/$ref")"
    : > "$dir/$ref.lock\""""
AFTER = '"$real" "$@"'
STRACE = (
    'strace -f -o /dev/null -e inject=rename,renameat,renameat2:signal=KILL:when=1 "$real" "$@"'
)


def shim(folder: Path, when: str, deed: str, number: int) -> str:
    """Put a git on PATH that kills itself, and its coordinator, at a chosen move of the ref."""
    folder.mkdir()
    real = shutil.which("git")
    file = folder / "git"
    file.write_text(
        GIT_SHIM.format(real=real, when=when, deed=deed, number=number, count=folder / "count")
    )
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def killed_in_git(scene: Scene, folder: Path, when: str, deed: str) -> None:
    for number in (1, 4):
        path = shim(folder / f"{when}-{number}", when, deed, number)
        assert scene.live("never", path=path) == KILLED
    scene.finish()
    scene.assert_whole()


def test_git_killed_before_the_ref_moved_integrates_once(
    scene: Scene, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    killed_in_git(scene, tmp_path, "before", BEFORE)
    assert scene.trees() == undisturbed


def test_git_killed_after_the_ref_moved_integrates_once(
    scene: Scene, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    killed_in_git(scene, tmp_path, "after", AFTER)
    assert scene.trees() == undisturbed


@pytest.mark.system
def test_real_git_killed_between_lock_and_rename_integrates_once(
    scene: Scene, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    if shutil.which("strace") is None:
        pytest.fail("strace is missing (on Debian: apt install strace)")
    killed_in_git(scene, tmp_path, "between", STRACE)
    assert scene.trees() == undisturbed
