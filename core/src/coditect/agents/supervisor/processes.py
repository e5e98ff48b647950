"""Which processes there are, told apart for certain: a recycled number is never taken for another.

Linux reads /proc. Elsewhere (macOS) the table comes from `ps`, there are no process descriptors,
and processes are not found by their environment: only by descent and process group.
"""

# ruff: noqa: PTH115, PTH208

from __future__ import annotations

import contextlib
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

LINUX = sys.platform == "linux"

Known = tuple[int, str]
"""A process number and the moment it started, which together mean one process per boot."""


def boot_id() -> str:
    """Name this boot of the machine; empty where the system has no name for it."""
    return _read("/proc/sys/kernel/random/boot_id").decode().strip()


def _read(path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        data = b""
        while chunk := os.read(fd, 1 << 16):
            data += chunk
    except OSError:
        return b""
    finally:
        os.close(fd)
    return data


def start_of(pid: int) -> str | None:
    """Say when a process started (an opaque word); None if it is gone or a zombie."""
    entry = _entry(pid) if LINUX else _ps_table().get(pid)
    return entry[1] if entry else None


def _entry(pid: int) -> tuple[int, str] | None:
    """Give the parent and start of a living process."""
    # The name in parentheses may itself hold spaces and parentheses.
    _, _, rest = _read(f"/proc/{pid}/stat").rpartition(b") ")
    fields = rest.split()
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return int(fields[1]), fields[19].decode()


def _ps_table() -> dict[int, tuple[int, str]]:
    """Give parent and start of all processes where there is no /proc."""
    import subprocess  # noqa: PLC0415 - slow to import, and never needed on Linux

    listing = subprocess.run(
        ["ps", "-axo", "pid=,ppid=,stat=,lstart="],
        capture_output=True,
        check=False,
        env={"LC_ALL": "C", "PATH": os.defpath},
    ).stdout.decode(errors="replace")
    table = {}
    for line in listing.splitlines():
        fields = line.split()
        if len(fields) >= 4 and not fields[2].startswith("Z"):
            table[int(fields[0])] = (int(fields[1]), " ".join(fields[3:]))
    return table


def _table() -> dict[int, tuple[int, str]]:
    if not LINUX:
        return _ps_table()
    return {
        int(name): entry
        for name in os.listdir("/proc")
        if name.isdigit() and (entry := _entry(int(name))) is not None
    }


def _world(pid: int | str) -> str:
    """Name the process namespace in which numbers mean what they mean here."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def identity(pid: int) -> dict[str, Any]:
    """Describe a living process so that it is recognised later, also by another process."""
    return {"pid": pid, "start": start_of(pid), "boot": boot_id(), "world": _world("self")}


def is_visible(known: dict[str, Any]) -> bool:
    """Say whether `is_alive` can know: on the same boot, in the same namespace."""
    return known.get("boot") == boot_id() and known.get("world") == _world("self")


def is_alive(known: dict[str, Any]) -> bool:
    """Say whether the very process that was described still lives, as far as it can be seen."""
    start = known.get("start")
    return bool(start) and is_visible(known) and start_of(known["pid"]) == start


def open_exactly(pid: int, start: str) -> int | None:
    """Open a descriptor on one certain process; None if it is gone, or there are no descriptors.

    The number is looked at again once the descriptor pins it, so nobody else can have taken it.
    """
    if not LINUX:
        return None
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return None
    if start_of(pid) == start:
        return fd
    os.close(fd)
    return None


def signal_exactly(pid: int, start: str, number: int) -> bool:
    """Send a signal to one certain process and nobody else; False if it is gone."""
    if not LINUX:
        if start_of(pid) != start:
            return False
        with contextlib.suppress(OSError):
            os.kill(pid, number)
            return True
        return False
    fd = open_exactly(pid, start)
    if fd is None:
        return False
    try:
        signal.pidfd_send_signal(fd, number)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def descendants(root: int) -> list[Known]:
    """List the living descendants of a process, without itself.

    While processes come and go some may be missed: whoever wants none left asks again.
    """
    if LINUX and os.access(f"/proc/{root}/task/{root}/children", os.R_OK):
        return _by_children(root)
    table = _table()
    below: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        below.setdefault(parent, []).append(pid)
    found: list[Known] = []
    open_ = [root]
    while open_:
        for pid in below.get(open_.pop(), ()):
            found.append((pid, table[pid][1]))
            open_.append(pid)
    return found


def _by_children(root: int) -> list[Known]:
    """Follow the kernel's own lists: the cost is that of the tree, not of the machine."""
    found: list[Known] = []
    open_ = [root]
    while open_:
        pid = open_.pop()
        try:
            threads = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        for thread in threads:
            for child in _read(f"/proc/{pid}/task/{thread}/children").split():
                number = int(child)
                # A zombie leads nowhere: its children have been given away.
                if (start := start_of(number)) is not None:
                    found.append((number, start))
                    open_.append(number)
    return found


def marked(marker: str) -> list[Known]:
    """List the living processes that have `NAME=value` in the environment they started with.

    Another user's processes cannot be read and are not ours. Empty where there is no /proc.
    """
    if not LINUX:
        return []
    entry = marker.encode(errors="surrogateescape")
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and entry in _read(f"/proc/{name}/environ").split(b"\0"):
            pid = int(name)
            start = start_of(pid)
            if start is not None and pid != os.getpid():
                found.append((pid, start))
    return found


def kill_all(targets: Iterable[Known]) -> int:
    """Kill processes, freezing all of them first so that none can start another meanwhile."""
    known = list(targets)
    for pid, start in known:
        signal_exactly(pid, start, signal.SIGSTOP)
    return sum(signal_exactly(pid, start, signal.SIGKILL) for pid, start in known)
