"""The files of an attempt folder: written whole or not at all, taken into possession once."""

# ruff: noqa: PTH104, PTH108, PTH118

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

VERSION = 1
"""Of every file in an attempt folder."""

SPEC = "spec.json"
OWNER = "owner"
LOCK = "lock"
STATUS = "status.json"
OUTPUT = "output.log"
TAIL = "output.tail"

CLAIMED = "claimed"
"""A supervisor has the attempt."""
REVOKED = "revoked"
"""A recovering coordinator decided that the attempt never starts."""

_RESERVE = ".reserve"


def write_bytes(path: str, data: bytes, *, sync: bool) -> None:
    """Replace a file as a whole; a reader sees the old content or the new one.

    `sync` waits until it would survive a power failure. Only this user can read it.
    """
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        _fill(temporary, data, os.O_CREAT | os.O_TRUNC, sync=sync)
        os.rename(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _fill(path: str, data: bytes, flags: int, *, sync: bool) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.ftruncate(fd, len(data))
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)


def write_json(path: str, value: Mapping[str, Any], *, sync: bool) -> None:
    """Write a JSON object as `write_bytes` does."""
    write_bytes(path, json.dumps(value).encode() + b"\n", sync=sync)


def read_json(path: str) -> dict[str, Any] | None:
    """Give the JSON object in a file; None if there is none, or none that can be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = b""
        while chunk := os.read(fd, 1 << 16):
            data += chunk
    except OSError:
        return None
    finally:
        os.close(fd)
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def reserve(folder: str) -> None:
    """Put space aside so that a last word can be written when the disk is full."""
    with contextlib.suppress(OSError):
        _fill(os.path.join(folder, _RESERVE), b" " * 4096, os.O_CREAT, sync=False)


def write_last_word(folder: str, value: Mapping[str, Any]) -> None:
    """Write the final status, in the reserved space if there is no other."""
    path = os.path.join(folder, STATUS)
    kept = os.path.join(folder, _RESERVE)
    try:
        write_json(path, value, sync=True)
    except OSError:
        # Blocks that are overwritten in place need no new ones.
        _fill(kept, json.dumps(value).encode()[:4096], 0, sync=True)
        os.rename(kept, path)
        return
    with contextlib.suppress(OSError):
        os.unlink(kept)


def take_owner(folder: str, word: str, identity: Mapping[str, Any]) -> bool:
    """Decide who has the attempt; exactly one caller ever gets True, whatever the word.

    The file appears with its content (a hard link is exclusive as O_EXCL is, and never half
    written); where the file system has no hard links, O_EXCL itself decides.
    """
    path = os.path.join(folder, OWNER)
    data = json.dumps({"v": VERSION, "owner": word, **identity}).encode() + b"\n"
    temporary = f"{path}.{os.getpid()}.{id(identity)}.tmp"
    _fill(temporary, data, os.O_CREAT | os.O_TRUNC, sync=False)
    try:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as trouble:
            if trouble.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            try:
                _fill(path, data, os.O_CREAT | os.O_EXCL, sync=False)
            except FileExistsError:
                return False
        return True
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def hold_lock(folder: str) -> int:
    """Take the lock of an attempt and keep it while the returned descriptor lives.

    It is waited for: a reader probes it for an instant, and only a second supervisor of the same
    attempt would hold it longer, which then finds the owner and leaves.
    """
    fd = os.open(os.path.join(folder, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def is_locked(folder: str) -> bool:
    """Say whether a supervisor holds the lock now; probes do not see each other."""
    try:
        fd = os.open(os.path.join(folder, LOCK), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
