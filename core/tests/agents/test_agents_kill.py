from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from coditect.agents import (
    Exited,
    Lost,
    Reason,
    Running,
    attach,
    launch,
    read_output,
    recover,
    stop,
    wait,
)
from coditect.agents.supervisor import files, processes
from support.workshop import Workshop, running, until

FAMILY = "setsid sh -c 'setsid sleep 1000 & sleep 1001' & sleep 1002 & sleep 1003"


class Instants:
    """Moments around an event whose time varies with the machine, found by trying."""

    def __init__(self) -> None:
        self._rng = random.Random(7)
        self._middle = 0.003

    def wait(self) -> None:
        limit = time.perf_counter() + self._middle * self._rng.uniform(0, 2)
        while time.perf_counter() < limit:
            pass

    def learn(self, *, happened: bool) -> None:
        self._middle *= 1 / 1.5 if happened else 1.5


def test_after_kill_9_of_a_supervisor_at_any_instant_recovery_leaves_nothing(
    workshop: Workshop,
) -> None:
    instants = Instants()
    outcomes = set()
    for _ in range(80):
        held = workshop.launch(FAMILY)
        instants.wait()
        os.kill(held.pid, signal.SIGKILL)
        found = workshop.end_of(held)
        assert isinstance(found, Lost)
        assert not workshop.alive(held.folder)
        again = recover(held.folder)
        assert isinstance(again, Lost)
        assert (again.started, again.killed) == (found.started, 0)
        # The agent is the last to come, so the instants gather around all that is before.
        status = files.read_json(str(held.folder / files.STATUS))
        instants.learn(happened=status is not None)
        outcomes.add((found.started, status is not None))
    assert {(False, False), (True, True)} <= outcomes, "only one side of the claim was seen"


def _has_members(workshop: Workshop, folder: Path) -> bool:
    return len(workshop.alive(folder)) >= 4


def _is_empty(workshop: Workshop, folder: Path) -> bool:
    return not workshop.alive(folder)


def test_in_a_namespace_nothing_outlives_the_supervisor_even_without_a_recovery(
    workshop: Workshop,
) -> None:
    if not workshop.namespace:
        pytest.skip("without a namespace the next recovery ends it")
    for held in map(workshop.launch, [FAMILY] * 20):
        status = until(partial(running, held.folder))
        if status.isolation == "process-group":
            pytest.skip("this machine allows no namespaces")
        until(partial(_has_members, workshop, held.folder))
        os.kill(held.pid, signal.SIGKILL)
        until(partial(_is_empty, workshop, held.folder), seconds=5)
        assert isinstance(workshop.end_of(held), Lost)


def test_a_stopped_namespace_dies_with_its_supervisor_too(workshop: Workshop) -> None:
    held = workshop.launch(FAMILY)
    until(lambda: running(held.folder))
    status = files.read_json(str(held.folder / files.STATUS))
    assert status is not None
    os.kill(status["root"][0], signal.SIGSTOP)
    os.kill(held.pid, signal.SIGKILL)
    assert isinstance(workshop.end_of(held), Lost)
    assert not workshop.alive()


def test_the_init_of_a_namespace_is_told_from_the_agent(workshop: Workshop) -> None:
    held = workshop.launch("sleep 1000")
    until(lambda: running(held.folder))
    status = files.read_json(str(held.folder / files.STATUS))
    assert status is not None
    os.kill(status["root"][0], signal.SIGKILL)
    ended = workshop.end_of(held)
    assert isinstance(ended, Exited)
    assert ended.signal == signal.SIGKILL
    in_namespace = ended.isolation != "process-group"
    assert bool(ended.trouble) is in_namespace
    assert not workshop.alive()


def test_an_agent_cannot_kill_the_guardian_of_its_namespace(workshop: Workshop) -> None:
    if not workshop.namespace:
        pytest.skip("without a namespace nothing keeps it from that")
    ended = workshop.run("kill -9 1; kill -TERM 1; kill -INT 1; echo still here; sleep 0.05")
    assert ended.ok


def test_a_daemon_that_wiped_its_environment_is_found_by_the_last_heartbeat(
    workshop: Workshop,
) -> None:
    held = workshop.launch("env -i setsid sleep 1234.5 & sleep 1000")
    until(lambda: running(held.folder))

    def recorded() -> list[processes.Known]:
        status = files.read_json(str(held.folder / files.STATUS)) or {"members": []}
        return [
            (pid, start)
            for pid, start in status["members"]
            if Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\0001234.5\0"
        ]

    [(pid, start)] = until(recorded)
    os.kill(held.pid, signal.SIGKILL)
    try:
        assert isinstance(workshop.end_of(held), Lost)
        assert processes.start_of(pid) != start
    finally:
        processes.signal_exactly(pid, start, signal.SIGKILL)


def test_an_agent_that_got_the_lock_of_a_dead_supervisor_hides_nothing(
    workshop: Workshop,
) -> None:
    program = (
        "import fcntl, os, time\n"
        "lock = open(os.environ['CODITECT_FOLDER'] + '/lock')\n"
        "print('waiting', flush=True)\n"
        "fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "time.sleep(1000)"
    )
    held = workshop.launch(f'{sys.executable} -I -S -c "{program}" & sleep 1000')
    until(lambda: read_output(held.folder))
    os.kill(held.pid, signal.SIGKILL)
    assert isinstance(workshop.end_of(held), Lost)
    assert not workshop.alive()
    assert not files.is_locked(str(held.folder))


def test_a_supervisor_in_another_container_is_known_by_its_lock(workshop: Workshop) -> None:
    held = workshop.launch("while [ ! -e go ]; do sleep 0.01; done")
    until(lambda: running(held.folder))
    path = str(held.folder / files.OWNER)
    owner = files.read_json(path)
    assert owner is not None
    files.write_json(path, owner | {"world": "pid:[1]"}, sync=False)
    assert isinstance(recover(held.folder), Running)
    other = attach(held.folder)
    assert other is not None
    assert wait(other, timeout=0.01) is None
    (workshop.lane / "go").touch()
    assert workshop.exit_of(other) == workshop.exit_of(held)


def test_a_recycled_number_is_never_killed(
    workshop: Workshop, bystander: subprocess.Popen[bytes]
) -> None:
    pid = bystander.pid
    held = workshop.launch("sleep 1000")
    until(lambda: running(held.folder))
    os.kill(held.pid, signal.SIGKILL)
    assert isinstance(workshop.end_of(held), Lost)
    # As if the dead had been forgotten, and their numbers given to somebody else.
    path = str(held.folder / files.STATUS)
    status = files.read_json(path)
    assert status is not None
    start = processes.start_of(pid)
    assert start is not None
    status |= {"root": [pid, str(int(start) - 1)], "members": [[pid, "1"]], "boot": "another"}
    files.write_json(path, status, sync=False)
    owner = files.read_json(str(held.folder / files.OWNER))
    assert owner is not None
    files.write_json(str(held.folder / files.OWNER), owner | {"pid": pid, "start": "1"}, sync=False)
    assert isinstance(recover(held.folder), Lost)
    status["boot"] = processes.boot_id()
    files.write_json(path, status, sync=False)
    assert isinstance(recover(held.folder), Lost)
    assert isinstance(stop(held.folder, grace=1), Lost)
    assert processes.start_of(pid) == start


def test_other_attempts_live_on_when_one_is_recovered(workshop: Workshop) -> None:
    kept = workshop.launch("while [ ! -e go ]; do sleep 0.01; done")
    lost = workshop.launch("sleep 1000")
    until(lambda: running(kept.folder) and running(lost.folder))
    os.kill(lost.pid, signal.SIGKILL)
    assert isinstance(workshop.end_of(lost), Lost)
    (workshop.lane / "go").touch()
    assert workshop.exit_of(kept).ok


def test_of_a_supervisor_and_a_recovery_exactly_one_gets_the_attempt(workshop: Workshop) -> None:
    instants = Instants()
    ran = 0
    for number in range(150):
        spec = workshop.spec(f"touch ran-{number}")
        folder = workshop.folder(spec)
        held = launch(folder, spec, workshop.launcher)
        instants.wait()
        found = recover(folder)
        instants.learn(happened=not isinstance(found, Lost))
        ended = workshop.end_of(held)
        if isinstance(found, Lost):
            assert not found.started
            assert isinstance(ended, Lost)
            assert not (workshop.lane / f"ran-{number}").exists()
        else:
            ran += 1
            assert isinstance(found, Running | Exited)
            assert isinstance(ended, Exited)
            assert ended.ok
            assert (workshop.lane / f"ran-{number}").exists()
    assert 0 < ran < 150, "the race was always won by the same side"


def test_of_many_supervisors_exactly_one_works(workshop: Workshop) -> None:
    for number in range(15):
        spec = workshop.spec(f"echo x >> count-{number}; sleep 0.05")
        folder = workshop.folder(spec)
        held = launch(folder, spec, workshop.launcher)
        others = [workshop.start(folder) for _ in range(5)]
        ends = {workshop.exit_of(one) for one in (held, *others)}
        assert len(ends) == 1
        assert (workshop.lane / f"count-{number}").read_text() == "x\n"


def test_a_wait_follows_the_supervisor_that_won(workshop: Workshop) -> None:
    held = workshop.launch("while [ ! -e go ]; do sleep 0.01; done; exit 6")
    until(lambda: running(held.folder))
    late = workshop.start(held.folder)
    assert late.pid != held.pid
    assert wait(late, timeout=0.5) is None
    assert late.pid == held.pid
    (workshop.lane / "go").touch()
    ended = workshop.exit_of(late)
    assert ended.code == 6
    assert workshop.exit_of(held) == ended


def test_an_agent_that_deletes_its_attempt_folder_leaves_nothing_alive(workshop: Workshop) -> None:
    held = workshop.launch('rm -rf "$CODITECT_FOLDER"; sleep 1000 & sleep 0.2')
    ended = workshop.end_of(held)
    assert isinstance(ended, Lost)
    assert ended.started
    assert not workshop.alive()


def test_a_supervisor_that_fails_itself_ends_the_agent_first(workshop: Workshop) -> None:
    spec = workshop.spec("sleep 1000 & sleep 1000", timeout=0.2)
    folder = workshop.folder(spec)
    folder.mkdir(parents=True)
    spec.write(folder)
    path = str(folder / files.SPEC)
    body = files.read_json(path)
    assert body is not None
    files.write_json(path, body | {"grace": "a while"}, sync=False)
    ended = workshop.exit_of(workshop.start(folder))
    assert ended.reason is Reason.FAILED
    assert "TypeError" in ended.trouble[0]
    assert not workshop.alive()
