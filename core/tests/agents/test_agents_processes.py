from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coditect.agents.supervisor import processes
from support.workshop import until


@pytest.fixture
def family() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a child, in a group of their own."""
    with subprocess.Popen(
        ["/bin/sh", "-c", "sleep 1000 & wait"],
        env={"PATH": os.environ["PATH"], "CODITECT_TEST": "family"},
        start_new_session=True,
    ) as process:
        yield process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_a_process_is_itself_and_not_who_had_its_number_before() -> None:
    own = processes.identity(os.getpid())
    assert processes.is_alive(own)
    assert not processes.is_alive(own | {"start": "1"})
    assert not processes.is_alive(own | {"boot": "another"})
    assert processes.is_visible(own)
    assert not processes.is_visible(own | {"world": "another container"})
    assert not processes.is_alive(own | {"world": "another container"})
    assert not processes.is_alive({"pid": 0, "owner": "nobody we know"})


def test_a_signal_reaches_the_very_process_or_nobody(family: subprocess.Popen[bytes]) -> None:
    start = processes.start_of(family.pid)
    assert start is not None
    assert not processes.signal_exactly(family.pid, "1", signal.SIGKILL)
    assert processes.start_of(family.pid) == start
    assert processes.signal_exactly(family.pid, start, signal.SIGKILL)
    family.wait()
    assert processes.start_of(family.pid) is None
    assert not processes.signal_exactly(family.pid, start, signal.SIGKILL)


def test_a_zombie_counts_as_dead() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert processes.start_of(pid) is None
    os.waitpid(pid, 0)


def test_a_name_with_parentheses_and_spaces_does_not_confuse(tmp_path: Path) -> None:
    odd = tmp_path / "a) Z (b"
    odd.symlink_to(sys.executable)
    with subprocess.Popen(
        [odd, "-I", "-S", "-c", "import time; print(flush=True); time.sleep(1000)"],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        start = processes.start_of(process.pid)
        assert start is not None
        assert start.isdigit()
        process.kill()


def _names(known: list[processes.Known]) -> set[str]:
    return {Path(f"/proc/{pid}/comm").read_text().strip() for pid, _ in known}


@pytest.mark.parametrize("by_lists", [True, False])
def test_descendants_are_found_with_and_without_the_kernels_lists(
    family: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, by_lists: bool
) -> None:
    if not by_lists:
        monkeypatch.setattr(os, "access", lambda *_: False)
    until(lambda: _names(processes.descendants(family.pid)) == {"sleep"})
    assert (family.pid, processes.start_of(family.pid)) in processes.descendants(os.getpid())
    assert processes.descendants(2**22 + 1) == []


def test_marked_processes_are_found_by_their_whole_entry(family: subprocess.Popen[bytes]) -> None:
    until(lambda: len(processes.marked("CODITECT_TEST=family")) == 2)
    assert processes.marked("CODITECT_TEST=fam") == []
    assert processes.marked("TEST=family") == []


def test_kill_all_counts_the_killed(family: subprocess.Popen[bytes]) -> None:
    until(lambda: len(processes.marked("CODITECT_TEST=family")) == 2)
    both = processes.marked("CODITECT_TEST=family")
    assert processes.kill_all([*both, (both[0][0], "1")]) == 2
    until(lambda: not processes.marked("CODITECT_TEST=family"))


def test_where_there_is_no_proc_the_table_comes_from_ps(
    family: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("ps") is None:
        pytest.skip("this machine has no ps")
    until(lambda: _names(processes.descendants(family.pid)) == {"sleep"})
    monkeypatch.setattr(processes, "LINUX", False)
    [(child, start)] = processes.descendants(family.pid)
    assert processes.start_of(child) == start
    assert processes.marked("CODITECT_TEST=family") == []
    assert processes.open_exactly(child, start) is None
    assert not processes.signal_exactly(child, "Mon Jan 1 00:00:00 1990", signal.SIGKILL)
    assert processes.start_of(child) == start
    assert processes.signal_exactly(child, start, signal.SIGKILL)
    until(lambda: processes.start_of(child) is None)
    own = processes.identity(os.getpid())
    assert processes.is_alive(own)
