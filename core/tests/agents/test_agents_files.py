from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from coditect.agents import Heartbeat, revoke
from coditect.agents.attempts import kill_leftovers
from coditect.agents.spec import check_version
from coditect.agents.supervisor import files
from coditect.findings import CoditectError
from support.workshop import names


def test_of_hundreds_of_simultaneous_claims_exactly_one_wins(tmp_path: Path) -> None:
    for trial in range(200):
        folder = tmp_path / str(trial)
        folder.mkdir()
        together = threading.Barrier(6)
        won: list[str] = []

        def take(
            word: str,
            folder: str = str(folder),
            together: threading.Barrier = together,
            won: list[str] = won,
        ) -> None:
            together.wait()
            if files.take_owner(folder, word, {"pid": threading.get_ident()}):
                won.append(word)

        words = (files.CLAIMED, files.REVOKED) * 3
        threads = [threading.Thread(target=take, args=(word,)) for word in words]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        owner = files.read_json(str(folder / files.OWNER))
        assert owner is not None
        assert owner["owner"] == won[0]
        assert names(folder) == [files.OWNER]


def test_claims_of_processes_exclude_each_other(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from coditect.agents.supervisor import files\n"
        "sys.stdin.readline()\n"
        "print(sum(files.take_owner(f'{sys.argv[1]}/{n}', 'claimed', {}) for n in range(300)))"
    )
    for number in range(300):
        (tmp_path / str(number)).mkdir()
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, tmp_path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    wins = []
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        out, _ = racer.communicate(timeout=60)
        wins.append(int(out))
    assert sum(wins) == 300


@pytest.mark.parametrize("error", [errno.EPERM, errno.EOPNOTSUPP])
def test_without_hard_links_a_claim_is_exclusive_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "link", refuse)
    assert files.take_owner(str(tmp_path), files.CLAIMED, {})
    assert not files.take_owner(str(tmp_path), files.REVOKED, {})
    owner = files.read_json(str(tmp_path / files.OWNER))
    assert owner == {"v": 1, "owner": files.CLAIMED}


def test_a_claim_that_cannot_be_written_is_no_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match="broken"):
        files.take_owner(str(tmp_path), files.CLAIMED, {})
    assert names(tmp_path) == []


def test_an_attempt_whose_folder_is_gone_counts_as_revoked(tmp_path: Path) -> None:
    assert revoke(tmp_path / "missing")


def test_readers_see_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = str(tmp_path / "f")
    files.write_json(path, {"n": 0, "fill": "x" * 9000}, sync=True)
    stop = threading.Event()
    seen: set[int] = set()

    def read() -> None:
        while not stop.is_set():
            value = files.read_json(path)
            assert value is not None
            seen.add(value["n"])

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(500):
        files.write_json(path, {"n": number, "fill": "x" * 9000}, sync=False)
    stop.set()
    thread.join()
    assert seen
    assert names(tmp_path) == ["f"]
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", None])
def test_a_file_that_is_no_json_object_reads_as_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "f").write_bytes(content)
    assert files.read_json(str(tmp_path / "f")) is None
    assert files.read_json(str(tmp_path)) is None


def test_a_write_that_fails_leaves_the_old_content_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        files.write_json(str(path), {}, sync=False)
    assert names(tmp_path) == ["f"]


def test_the_lock_is_seen_while_it_is_held(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert not files.is_locked(folder)
    fd = files.hold_lock(folder)
    assert not os.get_inheritable(fd)
    assert files.is_locked(folder)
    os.close(fd)
    assert not files.is_locked(folder)


def test_probes_of_the_lock_do_not_see_each_other(tmp_path: Path) -> None:
    os.close(files.hold_lock(str(tmp_path)))
    seen: list[bool] = []

    def probe() -> None:
        seen.extend(files.is_locked(str(tmp_path)) for _ in range(500))

    threads = [threading.Thread(target=probe) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 2000
    assert not any(seen)


def test_the_last_word_fits_into_what_was_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.reserve(str(tmp_path))
    word = {"v": 1, "state": "exited"}

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(files, "write_json", full)
    files.write_last_word(str(tmp_path), word)
    assert json.loads((tmp_path / files.STATUS).read_text()) == word
    assert names(tmp_path) == [files.STATUS]


def test_each_beat_differs_also_from_those_of_another_coordinator(tmp_path: Path) -> None:
    pulse = tmp_path / "pulse"
    seen = set()
    heart = Heartbeat(pulse)
    for _ in range(5):
        heart.beat()
        seen.add(pulse.read_bytes())
    program = (
        "import sys; from pathlib import Path; from coditect.agents import Heartbeat\n"
        "Heartbeat(Path(sys.argv[1])).beat()"
    )
    subprocess.run([sys.executable, "-c", program, pulse], check=True)
    seen.add(pulse.read_bytes())
    assert len(seen) == 6


def test_files_of_a_newer_version_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(CoditectError, match="format 2") as caught:
        check_version({"v": 2}, tmp_path)
    assert caught.value.findings[0].hint


def test_there_is_nothing_to_kill_of_an_attempt_that_left_no_trace(tmp_path: Path) -> None:
    assert kill_leftovers(tmp_path) == 0
