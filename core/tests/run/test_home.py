"""Homes, the one lock of a run, and its inbox."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from coditect.findings import CoditectError
from coditect.run import events as ev
from coditect.run import home as homes
from coditect.run.home import Home, RunFolder, RunLock, ask, asked, default_home, is_running
from coditect.run.journal import Writer
from support.workshop import until


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def folder(home: Home) -> RunFolder:
    return home.folder("hello-abcde")


def begin(home: Home, *runs: str) -> None:
    for number, run in enumerate(runs):
        writer = Writer(home.journal_file, run)
        writer._at = 10**13 + number  # Runs begin one after the other.
        writer.append([ev.TimerFired("x")])
        writer.close()


# --- where runs are -------------------------------------------------------------------------------


def test_a_home_is_chosen_by_variable_or_is_in_the_users_state_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CODITECT_HOME", "somewhere")
    assert default_home() == Path.cwd() / "somewhere"
    assert Home().path == default_home()
    monkeypatch.delenv("CODITECT_HOME")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_home() == Path("/state/coditect")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/ann")
    assert default_home() == Path("/home/ann/.local/state/coditect")


def test_a_run_is_found_by_its_id_its_beginning_or_as_the_newest(home: Home) -> None:
    begin(home, "hello-aaaaa", "hello-abbbb", "other-ccccc")
    assert home.find(None) == "other-ccccc"
    assert home.find("hello-aaaaa") == "hello-aaaaa"
    assert home.find("hello-ab") == "hello-abbbb"
    assert home.find("o") == "other-ccccc"


def test_an_id_that_is_the_beginning_of_another_means_itself(home: Home) -> None:
    begin(home, "hello", "hello-abbbb")
    assert home.find("hello") == "hello"


@pytest.mark.parametrize(("wanted", "word"), [("hello", "several runs"), ("zzz", "no run")])
def test_an_unclear_name_is_told_with_the_runs_there_are(
    home: Home, wanted: str, word: str
) -> None:
    begin(home, "hello-aaaaa", "hello-abbbb", "other-ccccc")
    with pytest.raises(CoditectError) as caught:
        home.find(wanted)
    [finding] = caught.value.findings
    assert finding.code == "unknown-run"
    assert word in finding.message
    assert "hello-abbbb" in finding.hint


def test_a_home_without_runs_says_how_to_begin(home: Home) -> None:
    with pytest.raises(CoditectError) as caught:
        home.find(None)
    assert caught.value.findings[0].code == "no-run"


def test_a_new_run_is_called_after_its_plan(home: Home) -> None:
    names = {home.new_run("hello") for _ in range(50)}
    assert len(names) == 50
    assert all(name.startswith("hello-") for name in names)


# --- the lock -------------------------------------------------------------------------------------

HOLD = """
import subprocess, sys
from pathlib import Path
from coditect.run.home import Home, RunLock
with RunLock(Home(Path(sys.argv[1])).folder("hello-abcde")) as lock:
    if sys.argv[2:]:
        subprocess.Popen(["sleep", sys.argv[2]], pass_fds=[lock.descriptor])
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(home: Home, *child: str) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the lock, and a child of it if wanted for so many seconds."""
    argv = [sys.executable, "-c", HOLD, str(home.path), *child]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_with_who_has_the_run(home: Home, folder: RunFolder) -> None:
    with another(home) as process:
        assert is_running(folder)
        with pytest.raises(CoditectError) as caught:
            RunLock(folder).acquire()
        [finding] = caught.value.findings
        assert finding.code == "run-locked"
        assert f"process {process.pid} on " in finding.message
        assert "coditect watch hello-abcde" in finding.hint


def test_a_frozen_owner_keeps_its_run(home: Home, folder: RunFolder) -> None:
    with another(home) as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(CoditectError) as caught:
            RunLock(folder).acquire()
        assert f"process {process.pid}" in str(caught.value)
        assert is_running(folder)


def test_a_killed_owner_leaves_the_run_to_the_next(home: Home, folder: RunFolder) -> None:
    with another(home) as process:
        process.kill()
        process.wait()
        with RunLock(folder):
            assert is_running(folder)
            said = json.loads(folder.lock.read_text())
            assert said["pid"] == os.getpid()
    assert not is_running(folder)


def test_the_gits_of_a_killed_owner_are_waited_for(home: Home, folder: RunFolder) -> None:
    with another(home, "1") as process:
        process.kill()
        process.wait()
        assert is_running(folder)
        with RunLock(folder):
            assert json.loads(folder.lock.read_text())["pid"] == os.getpid()


def test_a_git_of_a_killed_owner_that_does_not_end_is_told(
    home: Home, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homes, "_LAST_GITS", 0.1)
    with another(home, "5") as process:
        process.kill()
        process.wait()
        with pytest.raises(CoditectError) as caught:
            RunLock(folder).acquire()
        assert "is dead" in str(caught.value)
        assert caught.value.findings[0].code == "run-locked"


def test_whoever_only_probes_keeps_nobody_out(folder: RunFolder) -> None:
    with RunLock(folder):
        pass
    with folder.lock.open("r") as probe:
        fcntl.flock(probe, fcntl.LOCK_SH)
        ended = threading.Timer(0.1, lambda: fcntl.flock(probe, fcntl.LOCK_UN))
        ended.start()
        with RunLock(folder):
            pass
        ended.join()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_an_owner_that_nobody_can_read_is_another_process(folder: RunFolder, text: str) -> None:
    folder.path.mkdir(parents=True)
    folder.lock.write_text(text)
    with folder.lock.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(CoditectError, match="another process"):
            RunLock(folder).acquire()


def test_a_lock_is_given_back_and_may_be_given_back_again(folder: RunFolder) -> None:
    lock = RunLock(folder)
    lock.acquire()
    lock.release()
    lock.release()
    assert not is_running(folder)
    with RunLock(folder):
        pass


def test_a_run_that_nobody_ever_carried_on_does_not_run(folder: RunFolder) -> None:
    assert not is_running(folder)


def test_a_folder_that_cannot_be_written_is_told_in_words(home: Home, folder: RunFolder) -> None:
    home.path.write_text("a file")
    with pytest.raises(CoditectError) as caught:
        RunLock(folder).acquire()
    assert caught.value.findings[0].code == "run-folder"
    assert not is_running(folder)


# --- the inbox ------------------------------------------------------------------------------------


def waiting(folder: RunFolder) -> list[dict[str, Any]]:
    return [dict(body) for _, body in asked(folder)]


def test_requests_are_found_oldest_first_until_they_are_removed(folder: RunFolder) -> None:
    assert waiting(folder) == []
    ids = [ask(folder, "retry", subject=str(number), by="ann") for number in range(20)]
    assert [body["request"] for body in waiting(folder)] == ids
    assert waiting(folder)[0] == {
        "what": "retry",
        "request": ids[0],
        "subject": "0",
        "by": "ann",
    }
    for file, _ in list(asked(folder)):
        file.unlink()
    assert waiting(folder) == []


def test_half_a_request_is_none_yet(folder: RunFolder) -> None:
    ask(folder, "cancel")
    (folder.inbox / ".draft.tmp").write_text("{")
    assert len(waiting(folder)) == 1
    assert (folder.inbox / ".draft.tmp").exists()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'"cancel"', b"null", b"\xff\xfe", b"[" * 100_000]
)
def test_what_is_no_request_is_put_aside_and_the_others_are_heard(
    folder: RunFolder, content: bytes
) -> None:
    folder.inbox.mkdir(parents=True)
    (folder.inbox / "bad.json").write_bytes(content)
    request = ask(folder, "cancel")
    assert [body["request"] for body in waiting(folder)] == [request]
    assert (folder.inbox / "bad.refused").exists()
    assert not (folder.inbox / "bad.json").exists()


def test_what_cannot_be_read_is_put_aside_and_the_others_are_heard(folder: RunFolder) -> None:
    folder.inbox.mkdir(parents=True)
    (folder.inbox / "folder.json").mkdir()
    (folder.inbox / "nowhere.json").symlink_to("gone")
    request = ask(folder, "cancel")
    assert [body["request"] for body in waiting(folder)] == [request]
    left = sorted(path.name for path in folder.inbox.iterdir())
    assert left == sorted(["folder.refused", "nowhere.refused", f"{request}.json"])


def test_what_can_not_even_be_put_aside_stops_nobody(folder: RunFolder) -> None:
    folder.inbox.mkdir(parents=True)
    (folder.inbox / "bad.json").mkdir()
    (folder.inbox / "bad.refused").mkdir()
    (folder.inbox / "bad.refused" / "full").touch()
    request = ask(folder, "cancel")
    assert [body["request"] for body in waiting(folder)] == [request]


def test_requests_of_many_processes_are_all_heard(home: Home, folder: RunFolder) -> None:
    program = """
import sys
from pathlib import Path
from coditect.run.home import Home, ask
for n in range(20):
    ask(Home(Path(sys.argv[1])).folder("hello-abcde"), "retry", subject=f"{sys.argv[2]}-{n}")
"""
    crowd = [
        subprocess.Popen([sys.executable, "-c", program, str(home.path), str(number)])
        for number in range(3)
    ]
    heard: set[str] = set()

    def hear() -> bool:
        for file, body in list(asked(folder)):
            heard.add(body["subject"])
            file.unlink()
        return len(heard) == 60

    until(hear)
    for process in crowd:
        assert process.wait() == 0


def test_the_folders_of_a_run_are_where_the_reference_says(home: Home, folder: RunFolder) -> None:
    top = home.path / "runs" / "hello-abcde"
    assert folder.path == top
    assert folder.heartbeat == top / "heartbeat"
    assert folder.secrets == top / "secrets"
    assert folder.checks == top / "checks"
    assert folder.attempt("t", 3) == top / "attempts/t/3"
    assert folder.lane("s", 0, "app") == top / "lanes/s-0/app"
