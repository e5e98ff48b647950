"""The journal: whole batches or nothing, one truth for every reader, trouble told in words."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.findings import CoditectError
from coditect.run import events as ev
from coditect.run import journal as journals
from coditect.run.bodies import from_body, to_body
from coditect.run.events import Event
from coditect.run.journal import Journal, Writer
from support.workshop import until


def timers(*keys: str) -> list[Event]:
    return [ev.TimerFired(key) for key in keys]


@contextmanager
def writing(path: Path, run: str = "r") -> Iterator[Writer]:
    writer = Writer(path, run)
    try:
        yield writer
    finally:
        writer.close()


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection:
        yield connection
        connection.commit()


def code(caught: pytest.ExceptionInfo[CoditectError]) -> str:
    [finding] = caught.value.findings
    assert finding.message
    assert finding.hint
    return finding.code


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "journal.db"


# --- reading what was written ---------------------------------------------------------------------


def test_events_come_back_as_they_were_in_order_and_by_run(path: Path) -> None:
    with writing(path) as one, writing(path, "other") as other:
        first = one.append(timers("a", "b"))
        other.append(timers("x"))
        second = one.append([ev.AttemptExited("t", 1, "exit", code=0, usage={"wall": 1.5})])
    journal = Journal(path)
    assert list(journal.entries("r")) == [*first, *second]
    assert [entry.seq for entry in journal.entries("r")] == [1, 2, 3]
    assert list(journal.entries("r", after=2)) == second
    assert sorted(name for name, _, _ in journal.runs()) == ["other", "r"]
    assert journal.entries("nobody") == ()


def test_a_journal_that_does_not_exist_is_an_empty_one(path: Path) -> None:
    assert Journal(path).entries("r") == ()
    assert Journal(path).runs() == ()
    assert not path.exists()


def test_a_file_without_anything_in_it_is_an_empty_journal(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    assert Journal(path).entries("r") == ()
    assert Journal(path).runs() == ()
    with writing(path) as writer:
        writer.append(timers("a"))
    assert len(Journal(path).entries("r")) == 1


@pytest.mark.parametrize("folder", ["a#b", "what?mode=memory", "100%41", "with space", "ü"])
def test_a_home_may_have_any_name(tmp_path: Path, folder: str) -> None:
    path = tmp_path / folder / "journal.db"
    with writing(path) as writer:
        writer.append(timers("a"))
    assert path.exists()
    assert len(Journal(path).entries("r")) == 1


def test_a_writer_goes_on_where_the_last_one_stopped(path: Path) -> None:
    with writing(path) as writer:
        writer.append(timers("a"))
    with writing(path) as writer:
        assert [entry.seq for entry in writer.entries] == [1]
        assert [entry.seq for entry in writer.append(timers("b"))] == [2]


def test_an_empty_batch_is_nothing(path: Path) -> None:
    with writing(path) as writer:
        assert writer.append([]) == []
    assert Journal(path).entries("r") == ()


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_whatever_text_an_event_has_it_is_read_back(text: str) -> None:
    # Surrogates stand for bytes of file names that are no UTF-8.
    path = Path(os.environ["PYTEST_JOURNAL_TEXTS"])
    with writing(path) as writer:
        [entry] = writer.append(timers(text))
        [*_, last] = Journal(path).entries("r")
    assert last == entry


@pytest.fixture(autouse=True, scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    os.environ["PYTEST_JOURNAL_TEXTS"] = str(tmp_path_factory.mktemp("texts") / "journal.db")
    yield
    del os.environ["PYTEST_JOURNAL_TEXTS"]


# --- time -----------------------------------------------------------------------------------------


class Clock:
    """Stands in for the two clocks of the host."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.steady = 1_000_000, 50_000
        clocks = "coditect.run.journal.time"
        monkeypatch.setattr(f"{clocks}.time_ns", lambda: self.wall * 1_000_000)
        monkeypatch.setattr(f"{clocks}.monotonic_ns", lambda: self.steady * 1_000_000)

    def pass_(self, ms: int) -> None:
        self.wall += ms
        self.steady += ms


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_time_follows_the_hosts_clock(path: Path, clock: Clock) -> None:
    with writing(path) as writer:
        assert writer.now() == 1_000_000
        clock.pass_(500)
        [entry] = writer.append(timers("a"))
        assert entry.at == writer.now() == 1_000_500


def test_a_clock_that_is_set_back_neither_turns_nor_stops_the_journals_time(
    path: Path, clock: Clock
) -> None:
    with writing(path) as writer:
        [before] = writer.append(timers("a"))
        clock.wall -= 3_600_000
        clock.pass_(700)
        [after] = writer.append(timers("b"))
        assert after.at == before.at + 700
    clock.pass_(300)
    with writing(path) as writer:
        clock.pass_(200)
        [later] = writer.append(timers("c"))
        assert later.at == after.at + 200


def test_a_clock_that_is_set_forward_is_believed(path: Path, clock: Clock) -> None:
    with writing(path) as writer:
        writer.append(timers("a"))
        clock.wall += 10_000
        [entry] = writer.append(timers("b"))
        assert entry.at == 1_010_000


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-(10**6), 10**6), st.integers(0, 1000)), max_size=12))
def test_time_never_goes_back_however_the_clock_jumps(jumps: list[tuple[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock(patch)
        clock.wall = 10**8
        path = Path(os.environ["PYTEST_JOURNAL_TEXTS"])
        run = f"jumps-{random.Random(str(jumps)).random()}"
        seen = [0]
        with writing(path, run) as writer:
            for jump, passed in jumps:
                clock.wall += jump
                clock.pass_(passed)
                seen.append(writer.append(timers("a"))[0].at)
                assert seen[-1] >= seen[-2]
                assert writer.now() >= seen[-1]


# --- refusing -------------------------------------------------------------------------------------


def test_a_journal_of_a_newer_version_is_refused_in_words(path: Path) -> None:
    with writing(path) as writer:
        writer.append(timers("a"))
    with raw(path) as connection:
        connection.execute("PRAGMA user_version=2")
    for look in (
        lambda: Journal(path).entries("r"),
        lambda: Journal(path).runs(),
        lambda: Writer(path, "r"),
    ):
        with pytest.raises(CoditectError) as caught:
            look()
        assert code(caught) == "journal-too-new"


@pytest.mark.parametrize(
    ("kind", "version", "body"),
    [
        ("timer_fired", 2, '{"key":"a"}'),
        ("thunder_struck", 1, "{}"),
        ("timer_fired", 1, '{"key":"a","louder":true}'),
    ],
)
def test_an_event_of_a_newer_version_is_refused_in_words(
    path: Path, kind: str, version: int, body: str
) -> None:
    with writing(path) as writer:
        writer.append(timers("a"))
    with raw(path) as connection:
        row = ("r", 2, 5, kind, version, body)
        connection.execute("INSERT INTO event VALUES (?,?,?,?,?,?)", row)
    with pytest.raises(CoditectError) as caught:
        Journal(path).entries("r")
    assert code(caught) == "journal-too-new"
    with pytest.raises(CoditectError) as caught:
        Writer(path, "r")
    assert code(caught) == "journal-too-new"
    assert Journal(path).runs()[0][0] == "r"


@pytest.mark.parametrize("body", ["{", "[]", '"text"', "{}", '{"key": 1', "null"])
def test_a_broken_event_is_told_in_words(path: Path, body: str) -> None:
    with writing(path) as writer:
        writer.append(timers("a"))
    with raw(path) as connection:
        connection.execute("UPDATE event SET body = ?", (body,))
    with pytest.raises(CoditectError) as caught:
        Journal(path).entries("r")
    assert code(caught) in {"journal-broken", "journal-too-new"}


@pytest.mark.parametrize("content", [b"hello, this is no database at all\n" * 40, b"\0" * 4096])
def test_a_file_that_is_no_journal_is_told_in_words(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    for look in (
        lambda: Journal(path).entries("r"),
        lambda: Journal(path).runs(),
        lambda: Writer(path, "r"),
    ):
        with pytest.raises(CoditectError) as caught:
            look()
        assert code(caught) == "journal-unreadable"
    assert path.read_bytes() == content


def test_a_journal_with_a_damaged_middle_is_told_in_words(path: Path) -> None:
    with writing(path) as writer:
        writer.append(timers(*(str(n) * 50 for n in range(2000))))
    content = bytearray(path.read_bytes())
    assert len(content) > 40_000
    content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    for look in (lambda: Journal(path).entries("r"), lambda: Writer(path, "r")):
        with pytest.raises(CoditectError) as caught:
            look()
        assert code(caught) == "journal-unreadable"


def test_a_journal_in_the_place_of_a_folder_is_told_in_words(path: Path) -> None:
    path.mkdir(parents=True)
    for look in (lambda: Journal(path).entries("r"), lambda: Writer(path, "r")):
        with pytest.raises(CoditectError) as caught:
            look()
        assert code(caught) == "journal-unreadable"


def test_a_home_that_cannot_be_made_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(CoditectError) as caught:
        Writer(tmp_path / "home" / "journal.db", "r")
    assert code(caught) == "journal-unreadable"


# --- atomic appends -------------------------------------------------------------------------------


def test_a_batch_that_cannot_be_written_leaves_nothing_and_the_next_one_can(path: Path) -> None:
    with writing(path) as writer:
        writer.append(timers("a"))
        taken = (*writer.append(timers("b")),)
        with raw(path) as connection:
            row = ("r", 4, 5, "timer_fired", 1, '{"key":"x"}')
            connection.execute("INSERT INTO event VALUES (?,?,?,?,?,?)", row)
        with pytest.raises(CoditectError) as caught:
            writer.append(timers("c", "d"))
        assert code(caught) == "journal-not-written"
        with raw(path) as connection:
            connection.execute("DELETE FROM event WHERE seq = 4")
        assert [entry.seq for entry in writer.append(timers("e"))] == [3]
    assert [entry.seq for entry in Journal(path).entries("r")] == [1, taken[0].seq, 3]


def test_a_full_disk_is_told_in_words_and_loses_nothing_that_was_written(path: Path) -> None:
    with writing(path) as writer:
        writer.append(timers("a" * 100))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        try:
            with pytest.raises(CoditectError) as caught:
                writer.append(timers(*("b" * 1000 for _ in range(1000))))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        assert code(caught) == "journal-not-written"
        assert len(Journal(path).entries("r")) == 1
        writer.append(timers("c"))
    assert [entry.seq for entry in Journal(path).entries("r")] == [1, 2]


KILLED = """
import sys
from pathlib import Path
from coditect.run import events as ev
from coditect.run.bodies import from_body, to_body
from coditect.run.journal import Writer

writer = Writer(Path(sys.argv[1]), "r")
print("ready", flush=True)
number = len(writer.entries) // 7
while number < int(sys.argv[2]):
    number += 1
    writer.append([ev.TimerFired(f"{number}.{part}") for part in range(7)])
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_whole_batches_and_all_that_it_said_it_had_written(
    path: Path,
) -> None:
    rng = random.Random(7)
    said = 0
    for _ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path), "1000000"],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            for _ in range(rng.randint(0, 20)):
                said = int(process.stdout.readline())
            process.kill()
            for line in process.stdout:
                said = int(line) if line.endswith("\n") else said
        entries = Journal(path).entries("r")
        assert len(entries) % 7 == 0
        assert len(entries) >= 7 * said
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert said > 0


def test_many_who_make_the_journal_at_once_all_succeed(path: Path) -> None:
    program = """
import sys
from pathlib import Path
from coditect.run import events as ev
from coditect.run.bodies import from_body, to_body
from coditect.run.journal import Writer
sys.stdin.readline()
writer = Writer(Path(sys.argv[1]), sys.argv[2])
for n in range(5):
    writer.append([ev.TimerFired(str(n))])
writer.close()
"""
    for attempt in range(3):
        there = path.with_name(f"journal-{attempt}.db")
        crowd = [
            subprocess.Popen(
                [sys.executable, "-c", program, str(there), f"r{n}"],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for n in range(6)
        ]
        for process in crowd:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in crowd:
            _, said = process.communicate()
            assert process.returncode == 0, said
        assert sorted(run for run, _, _ in Journal(there).runs()) == [f"r{n}" for n in range(6)]
        assert all(len(Journal(there).entries(f"r{n}")) == 5 for n in range(6))


# --- readers and writers --------------------------------------------------------------------------


def test_a_reader_never_waits_for_a_writer_in_the_middle_of_a_transaction(path: Path) -> None:
    with writing(path) as writer:
        writer.append(timers("a"))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("DELETE FROM event")
            found: list[int] = []
            reader = threading.Thread(target=lambda: found.append(len(Journal(path).entries("r"))))
            reader.start()
            reader.join(timeout=5)
            assert found == [1]
            other.execute("ROLLBACK")


def test_readers_under_a_busy_writer_always_see_whole_batches(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path), "150"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seen: list[int] = []
        failures: list[BaseException] = []

        def read() -> None:
            try:
                while not seen or seen[-1] < 150 * 7:
                    seen.append(len(Journal(path).entries("r")))
                    assert seen[-1] % 7 == 0
            except BaseException as error:  # noqa: BLE001 - told by the test
                failures.append(error)

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        process.stdout.read()
        for reader in readers:
            reader.join()
    assert not failures
    assert len(set(seen)) > 3


def test_a_reader_that_never_ends_its_look_does_not_stop_the_writer(path: Path) -> None:
    with writing(path) as writer:
        writer.append(timers("a"))
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM event").fetchone() == (1,)
            writer.append(timers("b"))
            assert reader.execute("SELECT count(*) FROM event").fetchone() == (1,)
    assert len(Journal(path).entries("r")) == 2


def test_a_reader_cannot_write(path: Path) -> None:
    with writing(path) as writer:
        writer.append(timers("a"))
    reader = journals._connect(path, write=False)
    with closing(reader), pytest.raises(sqlite3.OperationalError):
        reader.execute("DELETE FROM event")


def test_two_runs_may_write_to_one_journal_at_once(path: Path) -> None:
    def write(run: str) -> None:
        with writing(path, run) as writer:
            for n in range(50):
                writer.append(timers(str(n)))

    threads = [threading.Thread(target=write, args=(f"r{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: all(len(Journal(path).entries(f"r{n}")) == 50 for n in range(3)))


# --- bodies ---------------------------------------------------------------------------------------


def test_a_body_without_a_younger_field_takes_its_default() -> None:
    event = from_body("attempt_exited", {"task": "t", "number": 1, "reason": "exit"})
    assert event == ev.AttemptExited("t", 1, "exit")


def test_every_kind_survives_json() -> None:
    for kind, cls in ev.KINDS.items():
        event = from_body(kind, json.loads(json.dumps(sample(cls))))
        again = from_body(kind, json.loads(json.dumps(to_body(event))))
        assert again == event
        hash_free = {type(value) for value in to_body(event).values()}
        assert list not in hash_free


def sample(cls: type[Event]) -> dict[str, object]:
    values: dict[str, object] = {
        "str": "text",
        "int": 3,
        "bool": True,
        "str | None": "text",
        "int | None": 4,
        "Mapping[str, str]": {"a": "b"},
        "Mapping[str, float]": {"a": 1.5},
        "Mapping[str, Any]": {"a": 1},
        "Mapping[str, tuple[int, int]]": {"a": [1, 2]},
        "tuple[str, ...]": ["a", "b"],
        "tuple[Told, ...]": [{"ok": True}],
    }
    return {
        name: values[str(hint)]
        for name, hint in cls.__annotations__.items()
        if not str(hint).startswith("ClassVar")
    }
