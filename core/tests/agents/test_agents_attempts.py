from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from coditect.agents import (
    Attached,
    AttemptSpec,
    Exited,
    Heartbeat,
    Launcher,
    Lost,
    Reason,
    Running,
    attach,
    launch,
    read_output,
    recover,
    revoke,
    stop,
    wait,
)
from coditect.agents import attempts as attempts_module
from coditect.agents.supervisor import files, processes, start
from coditect.findings import CoditectError
from support.workshop import Workshop, running, until


@pytest.fixture(params=["zygote", "direct"])
def both_ways(request: pytest.FixtureRequest, workshop: Workshop) -> Workshop:
    if request.param == "direct":
        workshop.launcher = None
    return workshop


def test_an_attempt_that_ends_well_says_so(both_ways: Workshop) -> None:
    ended = both_ways.run("echo hello; echo there >&2")
    assert ended.ok
    assert (ended.code, ended.signal, ended.reason) == (0, None, Reason.EXIT)
    assert read_output(ended.folder) == b"hello\nthere\n"
    assert ended.output == len(b"hello\nthere\n")
    assert (ended.dropped, ended.left_processes, ended.trouble) == (0, 0, ())
    assert 0 < ended.usage.wall < 60
    assert ended.usage.max_rss > 1 << 20


@pytest.mark.parametrize(
    ("command", "code", "number"),
    [("exit 3", 3, None), ("kill -SEGV $$", None, signal.SIGSEGV), ("kill -KILL $$", None, 9)],
)
def test_how_an_agent_ended_is_told(
    workshop: Workshop, command: str, code: int | None, number: int | None
) -> None:
    ended = workshop.run(command)
    assert (ended.code, ended.signal, ended.ok) == (code, number, False)


@pytest.mark.parametrize("option", ["argv", "cwd"])
def test_an_agent_that_cannot_be_started_exits_127_and_says_why(
    workshop: Workshop, option: str
) -> None:
    missing = str(workshop.home / "missing")
    ended = workshop.run(":", **{option: (missing,) if option == "argv" else missing})
    assert (ended.reason, ended.code) == (Reason.EXIT, 127)
    assert ended.trouble == (f"cannot start {missing}: No such file or directory",)


def test_an_agent_sees_its_environment_and_nothing_else(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODITECT_TEST_INHERITED", "handed on")
    workshop.launcher = None
    ended = workshop.run(
        "env; pwd",
        env={"PATH": os.environ["PATH"], "ONLY": "this"},
        inherit=("CODITECT_TEST_INHERITED", "CODITECT_TEST_MISSING"),
    )
    lines = read_output(ended.folder).decode().splitlines()
    names = {line.partition("=")[0] for line in lines if "=" in line}
    shell = {"PWD", "OLDPWD", "SHLVL", "_"}
    assert names - shell == {
        "CODITECT_ATTEMPT",
        "CODITECT_FOLDER",
        "CODITECT_TEST_INHERITED",
        "ONLY",
        "PATH",
    }
    assert f"CODITECT_ATTEMPT=run/task/{ended.folder.name}" in lines
    assert "handed on" not in (ended.folder / files.SPEC).read_text()
    assert str(workshop.lane) in lines


def test_an_agent_starts_with_default_signals_and_three_descriptors(workshop: Workshop) -> None:
    program = (
        "import os, signal\n"
        "odd = [n for n in signal.valid_signals() if signal.getsignal(n) == signal.SIG_IGN]\n"
        "print([n for n in odd if n not in (signal.SIGPIPE, signal.SIGXFSZ)],\n"
        "      signal.pthread_sigmask(signal.SIG_BLOCK, ()), sorted(os.listdir('/proc/self/fd')),\n"
        "      os.getsid(0) == os.getpid())"
    )
    ended = workshop.run("", argv=(sys.executable, "-I", "-S", "-c", program))
    # The fourth is the one that lists the others.
    assert read_output(ended.folder) == b"[] set() ['0', '1', '2', '3'] True\n"


def test_sigpipe_ends_a_writer_as_in_any_shell(workshop: Workshop) -> None:
    # Python ignores it, and what is ignored stays ignored through exec.
    ended = workshop.run("(yes; echo $? >&2) | head -c 2 >/dev/null")
    assert read_output(ended.folder).strip() == b"141"


def test_the_same_attempt_is_never_started_twice(workshop: Workshop) -> None:
    spec = workshop.spec(":")
    folder = workshop.folder(spec)
    workshop.end_of(launch(folder, spec, workshop.launcher))
    with pytest.raises(CoditectError) as caught:
        launch(folder, spec, workshop.launcher)
    assert caught.value.findings[0].code == "attempt-exists"


def test_a_supervisor_that_finds_an_owner_leaves_at_once(workshop: Workshop) -> None:
    spec = workshop.spec("touch ran")
    folder = workshop.folder(spec)
    folder.mkdir(parents=True)
    spec.write(folder)
    assert revoke(folder)
    assert not revoke(folder)
    found = recover(folder)
    assert isinstance(found, Lost)
    assert not found.started
    ended = wait(workshop.start(folder), timeout=20)
    assert isinstance(ended, Lost)
    assert not (workshop.lane / "ran").exists()
    assert not (folder / files.STATUS).exists()


def test_a_folder_without_a_spec_is_never_claimed(workshop: Workshop) -> None:
    folder = workshop.home / "empty"
    folder.mkdir()
    ended = wait(workshop.start(folder), timeout=20)
    assert ended == Lost(folder=folder, why="it never started", started=False)


def test_a_spec_of_a_newer_version_is_refused(workshop: Workshop) -> None:
    folder = workshop.home / "newer"
    folder.mkdir()
    files.write_json(str(folder / files.SPEC), {"v": 2}, sync=False)
    ended = wait(workshop.start(folder), timeout=20)
    assert isinstance(ended, Lost)
    with pytest.raises(CoditectError, match="format 2"):
        AttemptSpec.read(folder)


def test_a_spec_is_read_as_it_was_written(workshop: Workshop) -> None:
    spec = workshop.spec("x", inherit=("A",), on_orphan=("true",), timeout=3.5)
    workshop.home.joinpath("s").mkdir()
    spec.write(workshop.home / "s")
    assert AttemptSpec.read(workshop.home / "s") == spec
    assert (workshop.home / "s" / files.SPEC).stat().st_mode & 0o777 == 0o600
    assert AttemptSpec.read(workshop.home) is None


def test_while_it_runs_the_heart_beats_and_then_there_is_a_last_word(workshop: Workshop) -> None:
    held = workshop.launch("echo begun; while [ ! -e go ]; do sleep 0.01; done")
    first = until(lambda: running(held.folder))
    later = until(lambda: (now := running(held.folder)) and now.beat > first.beat + 2 and now)
    assert later.pid == held.pid
    assert later.started is not None
    assert later.agent_pid in [pid for pid, _ in workshop.alive(held.folder)]
    until(lambda: read_output(held.folder) == b"begun\n")
    (workshop.lane / "go").touch()
    assert workshop.exit_of(held).ok
    assert not any(path.suffix == ".tmp" for path in held.folder.iterdir())


def test_isolation_is_what_the_status_says(workshop: Workshop) -> None:
    ended = workshop.run("echo $$; ls /proc | grep -c '^[0-9]'")
    if not workshop.namespace:
        assert ended.isolation == "process-group"
        return
    if ended.isolation != "pid-namespace":
        pytest.skip(f"this machine gives {ended.isolation}: {ended.note}")
    pid, count = map(int, read_output(ended.folder).split())
    assert pid == 2
    assert count <= 4


def test_a_timeout_ends_the_agent_and_what_it_started(workshop: Workshop) -> None:
    held = workshop.launch("sleep 1000 & sleep 1000", timeout=0.3)
    ended = workshop.end_of(held)
    assert isinstance(ended, Exited)
    assert ended.reason is Reason.TIMEOUT
    assert ended.signal == signal.SIGTERM
    assert 0.3 <= ended.usage.wall < 20
    assert not workshop.alive()


def test_who_ignores_the_polite_signal_is_killed_after_the_grace(workshop: Workshop) -> None:
    held = workshop.launch("trap '' TERM; echo ready; while :; do sleep 1000; done", grace=0.5)
    until(lambda: read_output(held.folder))
    begun = time.monotonic()
    os.kill(held.pid, signal.SIGTERM)
    ended = workshop.exit_of(held)
    assert time.monotonic() - begun >= 0.5
    assert (ended.reason, ended.signal) == (Reason.STOPPED, signal.SIGKILL)


def test_a_process_that_is_just_becoming_the_agent_hears_the_request_to_end(
    workshop: Workshop,
) -> None:
    for _ in range(20):
        ended = workshop.run("sleep 1000", timeout=0.0, grace=1000.0)
        assert (ended.reason, ended.signal) == (Reason.TIMEOUT, signal.SIGTERM)


def test_an_agent_may_end_well_within_the_grace_and_it_counts_as_stopped(
    workshop: Workshop,
) -> None:
    held = workshop.launch(
        "trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.01; done"
    )
    until(lambda: read_output(held.folder).startswith(b"ready"))
    ended = stop(held.folder, grace=20)
    assert isinstance(ended, Exited)
    assert (ended.reason, ended.code) == (Reason.STOPPED, 0)
    assert not ended.ok
    assert read_output(held.folder).endswith(b"saved\n")


def test_a_stop_by_force_does_not_wait_for_the_whole_grace(workshop: Workshop) -> None:
    held = workshop.launch("trap '' TERM; echo ready; while :; do sleep 1000; done", grace=1000)
    until(lambda: read_output(held.folder))
    ended = stop(held.folder, grace=0.1)
    assert isinstance(ended, Exited)
    assert (ended.reason, ended.signal) == (Reason.STOPPED, signal.SIGKILL)
    assert not workshop.alive()


def test_a_stopped_tree_can_be_stopped(workshop: Workshop) -> None:
    held = workshop.launch("sleep 1000 & kill -STOP $!; echo ready; kill -STOP $$")
    until(lambda: read_output(held.folder))
    ended = stop(held.folder, grace=20)
    assert isinstance(ended, Exited)
    assert ended.signal == signal.SIGTERM
    assert not workshop.alive()


def test_a_supervisor_that_hangs_is_killed_with_all_of_it(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = workshop.launch("sleep 1000 & sleep 1000")
    until(lambda: running(held.folder))
    os.kill(held.pid, signal.SIGSTOP)
    monkeypatch.setattr(attempts_module, "_DEATH", 0.2)
    ended = stop(held.folder, grace=0.1)
    assert isinstance(ended, Lost)
    assert ended.started
    assert not workshop.alive()


def test_stopping_what_has_just_been_launched_leaves_nothing(both_ways: Workshop) -> None:
    for _ in range(30):
        held = both_ways.launch("sleep 1000")
        ended = stop(held.folder, grace=20)
        if isinstance(ended, Exited):
            assert ended.reason is Reason.STOPPED
        else:
            assert not ended.started
        assert type(wait(held, timeout=20)) is type(ended)
    assert not both_ways.alive()


def test_stopping_what_has_ended_tells_how_it_ended(workshop: Workshop) -> None:
    ended = workshop.run("exit 7")
    assert stop(ended.folder, grace=1) == ended
    assert recover(ended.folder) == ended


def test_a_helper_that_keeps_the_output_open_does_not_keep_the_attempt(workshop: Workshop) -> None:
    ended = workshop.run("sleep 1000 & echo done")
    assert ended.ok
    assert ended.left_processes == 1
    assert read_output(ended.folder) == b"done\n"
    assert ended.usage.wall < 20
    assert not workshop.alive()


def test_a_daemon_that_left_its_session_is_ended_too(workshop: Workshop) -> None:
    ended = workshop.run(
        "(setsid sh -c 'setsid sleep 1000 >/dev/null 2>&1 & setsid sleep 1001 & sleep 1002' &)"
        "; sleep 0.05"
    )
    assert ended.ok
    assert ended.left_processes >= 1
    assert not workshop.alive()


def test_helpers_that_end_by_themselves_are_not_held_against_the_agent(
    workshop: Workshop,
) -> None:
    ended = workshop.run(": & exit 0")
    assert (ended.ok, ended.left_processes) == (True, 0)


def test_an_agent_that_breeds_faster_than_it_is_counted_is_ended(workshop: Workshop) -> None:
    ended = workshop.run(
        "breed() { while :; do (sleep 0.02; :) & n=$((n+1)); [ $n -gt 40 ] && wait && n=0; done; }"
        "; breed & breed & breed & sleep 0.3"
    )
    assert ended.ok
    assert not workshop.alive()


def test_who_takes_hold_from_another_process_sees_the_end(workshop: Workshop) -> None:
    held = workshop.launch("while [ ! -e go ]; do sleep 0.01; done; exit 5")
    until(lambda: running(held.folder))
    program = (
        "import sys; from pathlib import Path; from coditect.agents import attach, wait\n"
        "held = attach(Path(sys.argv[1])); print('attached', flush=True)\n"
        "print(wait(held, timeout=60).code)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, held.folder], stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "attached\n"
        (workshop.lane / "go").touch()
        assert other.stdout.read() == "5\n"
    assert workshop.exit_of(held).code == 5
    assert attach(held.folder) is None


def test_an_attempt_outlives_the_coordinator_that_launched_it(workshop: Workshop) -> None:
    spec = workshop.spec("while [ ! -e go ]; do sleep 0.01; done; echo finished")
    folder = workshop.folder(spec)
    program = (
        "import sys; from pathlib import Path; from coditect.agents import *\n"
        "launcher = Launcher()\n"
        "folder = Path(sys.argv[1])\n"
        "spec = AttemptSpec.read(Path(sys.argv[2]))\n"
        "held = launch(folder, spec, launcher)\n"
        "print(launcher._pid, flush=True); sys.stdin.read()"
    )
    workshop.home.joinpath("s").mkdir()
    spec.write(workshop.home / "s")
    with subprocess.Popen(
        [sys.executable, "-c", program, folder, workshop.home / "s"],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
    ) as coordinator:
        assert coordinator.stdout is not None
        zygote = int(coordinator.stdout.readline())
        start = processes.start_of(zygote)
        until(lambda: running(folder))
        coordinator.kill()
    until(lambda: processes.start_of(zygote) != start)
    held = attach(folder)
    assert held is not None
    (workshop.lane / "go").touch()
    assert workshop.exit_of(held).ok
    assert read_output(folder) == b"finished\n"


def test_waiting_can_be_interrupted_and_has_a_limit(plain_workshop: Workshop) -> None:
    held = plain_workshop.launch("sleep 1000")
    assert wait(held, timeout=0.05) is None
    interrupt = threading.Event()
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(wait(held, interrupt=interrupt)))
    thread.start()
    interrupt.set()
    thread.join(20)
    assert results == [None]
    stop(held.folder, grace=5)
    assert isinstance(wait(held, interrupt=threading.Event()), Exited)


def test_without_process_descriptors_the_lock_is_watched(plain_workshop: Workshop) -> None:
    # As on macOS, and where the supervisor is in another container.
    held = plain_workshop.launch("while [ ! -e go ]; do sleep 0.01; done")
    until(lambda: running(held.folder))
    blind = Attached(held.folder, held.pid, None)
    assert not blind.has_descriptor
    with pytest.raises(ValueError, match="descriptor"):
        blind.fileno()
    assert wait(blind, timeout=0.05) is None
    (plain_workshop.lane / "go").touch()
    assert plain_workshop.end_of(blind) == plain_workshop.end_of(held)


def test_without_process_descriptors_a_supervisor_may_take_its_time_to_come_up(
    plain_workshop: Workshop,
) -> None:
    plain_workshop.launcher = None
    for code in range(5):
        held = plain_workshop.launch(f"exit {code}")
        assert plain_workshop.exit_of(Attached(held.folder, held.pid, None)).code == code
    spec = plain_workshop.spec(":")
    folder = plain_workshop.folder(spec)
    folder.mkdir(parents=True)
    held = plain_workshop.start(folder)  # It will not find a spec.
    ended = plain_workshop.end_of(Attached(folder, held.pid, None))
    assert isinstance(ended, Lost)
    assert not ended.started
    again = plain_workshop.end_of(Attached(folder, held.pid, None))
    assert again == Lost(folder=folder, why="it was revoked before it started", started=False)


def test_one_poll_can_watch_many_attempts(plain_workshop: Workshop) -> None:
    held = [plain_workshop.launch(f"exit {number}") for number in range(8)]
    watch = select.poll()
    for one in held:
        watch.register(one, select.POLLIN)
    codes = []
    by_fd = {one.fileno(): one for one in held}
    while by_fd:
        for fd, _ in watch.poll(20_000):
            watch.unregister(fd)
            codes.append(plain_workshop.exit_of(by_fd.pop(fd)).code)
    assert set(codes) == set(range(8))


def test_the_silence_of_the_coordinator_ends_the_work_and_saves_it(workshop: Workshop) -> None:
    pulse = workshop.home / "pulse"
    Heartbeat(pulse).beat()
    size = f"$(wc -c < {workshop.lane}/work)"
    ended = workshop.run(
        "(while :; do echo x >> work; sleep 0.01; done) & sleep 1000",
        heartbeat=str(pulse),
        orphan_after=1.0,
        on_orphan=(
            "/bin/sh",
            "-c",
            f"pwd; a={size}; sleep 0.1; [ $a = {size} ] && echo nobody works; exit 4",
        ),
    )
    assert ended.reason is Reason.ORPHANED
    assert ended.saved == 4
    assert (workshop.lane / "work").stat().st_size > 0
    # Not in the lane, and only when nothing changes there any more.
    assert read_output(ended.folder) == b"/\nnobody works\n"
    assert not workshop.alive()


def test_a_save_that_cannot_be_started_is_told(plain_workshop: Workshop) -> None:
    missing = str(plain_workshop.home / "missing")
    ended = plain_workshop.run(
        "sleep 1000",
        heartbeat=str(plain_workshop.home / "no pulse"),
        orphan_after=0.1,
        on_orphan=(missing,),
    )
    assert (ended.reason, ended.saved) == (Reason.ORPHANED, 127)
    assert ended.trouble == (f"cannot start {missing}: No such file or directory",)


def test_while_the_coordinator_lives_nothing_is_orphaned(plain_workshop: Workshop) -> None:
    pulse = plain_workshop.home / "pulse"
    heart = Heartbeat(pulse)
    heart.beat()
    held = plain_workshop.launch(
        "while [ ! -e go ]; do sleep 0.01; done", heartbeat=str(pulse), orphan_after=1.5
    )
    begun = time.monotonic()
    while time.monotonic() - begun < 2.0:
        heart.beat()
        assert wait(held, timeout=0.05) is None
    (plain_workshop.lane / "go").touch()
    assert plain_workshop.exit_of(held).ok


def test_a_supervisor_that_was_stopped_has_not_heard_silence(plain_workshop: Workshop) -> None:
    pulse = plain_workshop.home / "pulse"
    heart = Heartbeat(pulse)

    def beats(more: int) -> bool:
        heart.beat()
        now = running(held.folder)
        return now is not None and now.beat > more

    heart.beat()
    held = plain_workshop.launch(
        "while [ ! -e go ]; do sleep 0.01; done", heartbeat=str(pulse), orphan_after=1.5
    )
    until(lambda: beats(2))
    # Everything stands still, as on a suspended machine, for longer than an orphan is given.
    os.kill(held.pid, signal.SIGSTOP)
    assert wait(held, timeout=2.0) is None
    stood = running(held.folder)
    assert stood is not None
    os.kill(held.pid, signal.SIGCONT)
    until(lambda: (now := running(held.folder)) and now.beat > stood.beat)
    until(lambda: beats(stood.beat + 2))
    (plain_workshop.lane / "go").touch()
    assert plain_workshop.exit_of(held).ok


def test_leashed_work_ends_at_once_with_its_coordinator(
    workshop: Workshop, bystander: subprocess.Popen[bytes]
) -> None:
    held = workshop.launch(
        "sleep 1000 & sleep 1000",
        leash=True,
        coordinator=processes.identity(bystander.pid),
        beat=30.0,
    )
    until(lambda: running(held.folder) and len(workshop.alive(held.folder)) == 3)
    bystander.kill()
    ended = workshop.end_of(held)
    assert isinstance(ended, Exited)
    assert ended.reason is Reason.ORPHANED
    assert ended.usage.wall < 20
    assert not workshop.alive()


def test_leashed_work_never_starts_without_its_coordinator(
    workshop: Workshop, bystander: subprocess.Popen[bytes]
) -> None:
    gone = processes.identity(bystander.pid)
    bystander.kill()
    bystander.wait()
    ended = workshop.run("touch ran", leash=True, coordinator=gone)
    assert (ended.reason, ended.code) == (Reason.ORPHANED, None)
    assert not (workshop.lane / "ran").exists()


def test_a_supervisor_on_the_leash_of_this_process_works(workshop: Workshop) -> None:
    assert workshop.run("exit 0", leash=True).ok


def test_an_agent_cannot_get_the_lock_and_does_not_inherit_it(workshop: Workshop) -> None:
    held = workshop.launch("sleep 1000")
    until(lambda: running(held.folder))
    lock = (held.folder / files.LOCK).stat()
    for pid, _ in workshop.alive(held.folder):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            assert not fd.exists() or not os.path.samestat(fd.stat(), lock)
    assert files.is_locked(str(held.folder))
    os.kill(held.pid, signal.SIGKILL)
    lost = workshop.end_of(held)
    assert isinstance(lost, Lost)
    assert not files.is_locked(str(held.folder))


def test_a_lock_that_an_agent_replaced_does_not_hide_its_supervisor(workshop: Workshop) -> None:
    held = workshop.launch('cd "$CODITECT_FOLDER"; rm lock; touch lock; echo done; sleep 1000')
    until(lambda: read_output(held.folder))
    assert isinstance(recover(held.folder), Running)
    assert isinstance(stop(held.folder, grace=5), Exited)


def test_a_launcher_whose_zygote_died_starts_supervisors_itself(tmp_path: Path) -> None:
    with Launcher() as launcher:
        os.kill(launcher._pid, signal.SIGKILL)
        spec = AttemptSpec(
            run="r", task="t", number=1, argv=("true",), cwd=str(tmp_path), env={}, beat=0.05
        )
        for number in range(2):
            held = launch(tmp_path / str(number), spec, launcher)
            ended = wait(held, timeout=20)
            assert isinstance(ended, Exited)
            assert ended.ok
    launcher.close()


def test_many_threads_may_share_a_launcher(plain_workshop: Workshop) -> None:
    codes: list[int | None] = []

    def carry_out(number: int) -> None:
        spec = AttemptSpec(
            run="r",
            task=f"t{number}",
            number=1,
            argv=("/bin/sh", "-c", f"exit {number}"),
            cwd=str(plain_workshop.lane),
            env={},
        )
        held = launch(plain_workshop.home / spec.marker, spec, plain_workshop.launcher)
        codes.append(plain_workshop.exit_of(held).code)

    threads = [threading.Thread(target=carry_out, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(code for code in codes if code is not None) == list(range(32))


def test_a_supervisor_imports_nothing_of_ours_but_its_own_folder(tmp_path: Path) -> None:
    program = (
        "import runpy, sys\n"
        f"names = runpy.run_path({start.__file__!r})\n"
        "names['_name_packages']()\n"
        "import coditect.agents.supervisor.zygote\n"
        "print(*sorted(sys.modules))"
    )
    listed = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    ours = {name for name in listed if name.startswith("coditect")}
    bare = {"coditect", "coditect.agents", "coditect.agents.supervisor"}
    assert all(name in bare or name.startswith("coditect.agents.supervisor.") for name in ours)
    assert {"coditect.agents.supervisor.duty", "coditect.agents.supervisor.zygote"} <= ours
    slow = {"pathlib", "subprocess", "dataclasses", "asyncio", "inspect", "logging"}
    assert not slow & set(listed) - {"pathlib"}
