"""What an agent prints, kept within a limit: the beginning and the end, never the flood between."""

# ruff: noqa: PTH108, PTH118

from __future__ import annotations

import contextlib
import os

from coditect.agents.supervisor.files import OUTPUT, TAIL

_CHUNK = 1 << 18


def dropped_note(dropped: int) -> bytes:
    """Give the line that stands in the file where bytes were left out."""
    return b"\n[coditect: %d bytes of output dropped here]\n" % dropped


class Output:
    """The log of one attempt.

    The first half of the limit goes to `output.log` as it comes. What follows goes round and round
    in `output.tail`, of the size of the other half, and is put behind the first when all is said.
    On a full disk it goes on without writing, and `trouble` says so.
    """

    def __init__(self, folder: str, limit: int) -> None:
        self.total = 0
        """Bytes that came."""
        self.trouble = ""
        self._limit = limit
        self._head = limit - limit // 2
        self._half = limit // 2
        self._kept = 0
        self._tail_path = os.path.join(folder, TAIL)
        self._log: int | None = None
        self._tail: int | None = None
        try:
            self._log = _create(os.path.join(folder, OUTPUT))
        except OSError as why:
            self._give_up(why)

    @property
    def dropped(self) -> int:
        """Bytes that were not kept."""
        if self.trouble:
            return self.total - self._kept
        return max(0, self.total - self._limit)

    def write(self, data: bytes) -> None:
        """Take in what the agent printed; never raises."""
        before = self.total
        self.total += len(data)
        if self.trouble or self._log is None:
            return
        begin = max(0, min(len(data), self._head - before))
        try:
            if begin:
                _write(self._log, data[:begin])
                self._kept += begin
            if begin < len(data) and self._half:
                self._round(memoryview(data)[begin:], max(0, before - self._head))
        except OSError as why:
            self._give_up(why)

    def _round(self, data: memoryview, at: int) -> None:
        """Write into the ring; `at` is how much has gone into it so far."""
        if self._tail is None:
            self._tail = _create(self._tail_path)
        skip = max(0, len(data) - self._half)
        at += skip
        data = data[skip:]
        while data:
            place = at % self._half
            written = os.pwrite(self._tail, data[: self._half - place], place)
            data = data[written:]
            at += written

    def close(self) -> None:
        """Put beginning and end together in `output.log`, and say between them what is missing."""
        if self._log is None:
            return
        try:
            if self.dropped:
                _write(self._log, dropped_note(self.dropped))
            if self._tail is not None:
                self._unroll(self._log, self._tail, self.total - self._head)
        except OSError as why:
            self._give_up(why)
        self._drop_tail()
        os.close(self._log)
        self._log = None

    def _unroll(self, log: int, tail: int, length: int) -> None:
        cut = length % self._half if length > self._half else 0
        for begin, end in ((cut, min(length, self._half)), (0, cut)):
            at = begin
            while at < end:
                data = os.pread(tail, min(_CHUNK, end - at), at)
                if not data:
                    return
                _write(log, data)
                at += len(data)

    def _give_up(self, why: OSError) -> None:
        if not self.trouble:
            self.trouble = f"output could not be kept: {why.strerror}"
        self._drop_tail()

    def _drop_tail(self) -> None:
        if self._tail is not None:
            os.close(self._tail)
            self._tail = None
            with contextlib.suppress(OSError):
                os.unlink(self._tail_path)


def _create(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
