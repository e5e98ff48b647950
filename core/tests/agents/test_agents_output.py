from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coditect.agents import read_output
from coditect.agents.supervisor import files
from coditect.agents.supervisor.output import Output, dropped_note
from support.workshop import Workshop, names, running, until


def _expected(data: bytes, limit: int) -> bytes:
    if len(data) <= limit:
        return data
    half = limit // 2
    tail = data[len(data) - half :] if half else b""
    return data[: limit - half] + dropped_note(len(data) - limit) + tail


@given(
    limit=st.integers(0, 40),
    pieces=st.lists(st.binary(max_size=60), max_size=12),
)
def test_the_first_half_and_the_last_are_kept_whatever_the_pieces(
    limit: int, pieces: list[bytes]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        output = Output(folder, limit)
        for piece in pieces:
            output.write(piece)
        output.close()
        output.close()
        data = b"".join(pieces)
        assert (Path(folder) / files.OUTPUT).read_bytes() == _expected(data, limit)
        assert output.total == len(data)
        assert output.dropped == max(0, len(data) - limit)
        assert names(folder) == [files.OUTPUT]


def test_a_flood_neither_fills_the_disk_nor_stops_the_agent(workshop: Workshop) -> None:
    limit = 1 << 20
    ended = workshop.run(
        "echo begin; head -c 200000000 /dev/zero; echo; echo end", output_limit=limit
    )
    assert ended.ok
    assert ended.output == 200_000_000 + len("begin\n\nend\n")
    assert ended.dropped == ended.output - limit
    kept = read_output(ended.folder, last=1 << 30)
    assert len(kept) == limit + len(dropped_note(ended.dropped))
    assert kept.startswith(b"begin\n\0")
    assert kept.endswith(b"\0\nend\n")
    assert dropped_note(ended.dropped) in kept
    assert not (ended.folder / files.TAIL).exists()


def test_who_watches_a_flood_sees_its_end(plain_workshop: Workshop) -> None:
    held = plain_workshop.launch(
        "i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo line $i; done; touch flooded;"
        "while [ ! -e go ]; do sleep 0.01; done",
        output_limit=1000,
    )
    until(lambda: read_output(held.folder).endswith(b"line 400\n"))
    live = read_output(held.folder)
    assert live.startswith(b"line 1\n")
    assert read_output(held.folder, last=9) == b"line 400\n"
    status = running(held.folder)
    assert status is not None
    assert status.dropped == status.output - 1000
    (plain_workshop.lane / "go").touch()
    assert plain_workshop.exit_of(held).ok
    assert read_output(held.folder) == live


def test_while_the_tail_is_not_full_it_is_read_in_order(plain_workshop: Workshop) -> None:
    held = plain_workshop.launch(
        "echo 0123456789; while [ ! -e go ]; do sleep 0.01; done", output_limit=16
    )
    until(lambda: read_output(held.folder) == b"0123456789\n")
    assert read_output(held.folder, last=0) == b""
    (plain_workshop.lane / "go").touch()
    assert plain_workshop.exit_of(held).ok
    assert read_output(held.folder) == b"0123456789\n"


def test_nothing_was_printed_where_there_is_no_log(tmp_path: Path) -> None:
    assert read_output(tmp_path) == b""


def test_a_tail_without_a_status_is_left_out(tmp_path: Path) -> None:
    (tmp_path / files.OUTPUT).write_bytes(b"head")
    (tmp_path / files.TAIL).write_bytes(b"who knows")
    assert read_output(tmp_path) == b"head"


def test_what_cannot_be_kept_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = Output(str(tmp_path), 20)
    output.write(b"0123456789ab")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(os, "pwrite", full)
        output.write(b"more")
    output.write(b"and more")
    output.close()
    assert output.trouble == "output could not be kept: No space left on device"
    assert output.total == 24
    assert output.dropped == 14
    kept = (tmp_path / files.OUTPUT).read_bytes()
    assert kept == b"0123456789" + dropped_note(14)
    assert names(tmp_path) == [files.OUTPUT]


def test_without_a_folder_everything_is_dropped_and_nothing_raised(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "missing"), 20)
    output.write(b"some")
    output.close()
    assert output.dropped == output.total == 4
    assert "No such file" in output.trouble


def test_a_disk_that_fills_up_at_the_very_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Output(str(tmp_path), 8)
    output.write(b"0123456789")
    written = os.write

    def full(fd: int, data: bytes) -> int:
        if fd == output._log:
            raise OSError(errno.ENOSPC, "No space left on device")
        return written(fd, data)

    monkeypatch.setattr(os, "write", full)
    output.close()
    assert output.trouble
    assert output.dropped == 6
    assert names(tmp_path) == [files.OUTPUT]
