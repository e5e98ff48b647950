"""A process namespace of its own for an agent, so that nothing it starts can outlive its guardian.

The first process of a namespace is its init: when it dies the kernel kills every other process in
there and lets none be started. So it is tied to the supervisor (parent-death signal, and a pipe
whose other end the supervisor holds), and the whole tree is as mortal as the supervisor.

Linux only; see pid_namespaces(7), user_namespaces(7), prctl(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_SLAVE = 2, 4, 8, 1 << 14, 1 << 19

LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None

GO = b"g"
SETTLED = b"s"
TERMINATE = b"t"


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _prctl(option: int, value: int) -> None:
    if _libc is not None:
        zero = ctypes.c_ulong(0)
        _check(_libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero), "prctl")


def adopt_orphans() -> None:
    """Have descendants that lose their parent come to this process; nothing outside Linux."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Be killed when the parent dies; the caller then makes sure that it has not died already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def hide_environment() -> None:
    """Keep other processes of this user from reading this one's memory and environment.

    A guardian carries the user's environment, from which the agent's was scrubbed.
    """
    with contextlib.suppress(OSError):
        _prctl(_PR_SET_DUMPABLE, 0)


def hung_up(fd: int) -> bool:
    """Say whether the other end of a pipe is closed."""
    watch = select.poll()
    watch.register(fd, select.POLLIN)
    return any(event & select.POLLHUP for _, event in watch.poll(0))


def wait_for(word: bytes, fd: int) -> None:
    """Wait for a word from the supervisor; end the process if the supervisor is gone."""
    if os.read(fd, 1) != word:
        os._exit(1)


def _enter() -> None:
    """Make the namespaces for the next child; raise OSError where that is not allowed."""
    if _libc is None:
        raise OSError("no process namespaces on this system")
    flags = _CLONE_NEWPID | _CLONE_NEWNS
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0 and _libc.unshare(flags) == 0:
        return
    # As a user, and as root without the capability: within a user namespace, as the same user.
    _check(_libc.unshare(flags | _CLONE_NEWUSER), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        fd = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)


def _mount_proc() -> bool:
    """Show the namespace its own processes; containers with a covered /proc do not allow it."""
    if _libc is None:
        return False
    none = ctypes.c_char_p(b"none")
    if _libc.mount(none, ctypes.c_char_p(b"/"), None, ctypes.c_ulong(_MS_REC | _MS_SLAVE), None):
        return False
    proc = ctypes.c_char_p(b"proc")
    flags = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    return bool(_libc.mount(proc, ctypes.c_char_p(b"/proc"), proc, flags, None) == 0)


def isolate(down: int, up: int, agent: Callable[[], NoReturn]) -> NoReturn:
    """Make the namespaces and their init; to be called in a child of the supervisor.

    To be called with all signals blocked: the agent unblocks them once it is itself, so that a
    request to end is never swallowed. `down` brings words from the supervisor, `up` takes lines to
    it: first `init <pid>` or `refused <why>`, then `ready <0|1>` (whether /proc is private), then
    what `_reap` says.
    The caller ends; the init is adopted by the supervisor.
    """
    try:
        _enter()
        pid = os.fork()
    except OSError as why:
        os.write(up, f"refused {why.strerror or why}\n".encode())
        os._exit(0)
    if pid:
        os.write(up, b"init %d\n" % pid)
        os._exit(0)
    try:
        _be_init(down, up, agent)
    finally:
        os._exit(1)


def _be_init(down: int, up: int, agent: Callable[[], NoReturn]) -> NoReturn:
    # Only now is the supervisor our parent: before, the signal would come for the one in between.
    wait_for(SETTLED, down)
    die_with_parent()
    if hung_up(down):
        os._exit(1)
    hide_environment()
    private = _mount_proc()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake)
    # The agent's process is there before it may begin, so that the first heartbeat can name it.
    gate, let = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(let)
        wait_for(GO, gate)
        agent()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.write(up, b"ready %d\n" % private)
    wait_for(GO, down)
    os.write(let, GO)
    for fd in (gate, let):
        os.close(fd)
    for fd in (0, 1, 2):
        os.close(fd)
    watch = select.poll()
    watch.register(down, select.POLLIN)
    watch.register(woken, select.POLLIN)
    while True:
        _reap(up, pid)
        for fd, event in watch.poll():
            if fd == woken:
                os.read(woken, 512)
            elif not event & select.POLLIN or os.read(down, 1) != TERMINATE:
                os._exit(1)
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGTERM)  # All in this namespace but its init.
                    os.kill(-1, signal.SIGCONT)


def _reap(up: int, main: int) -> None:
    """Bury the dead; say `exit <status>` of the agent, and `empty` when nobody is left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            os.write(up, b"empty\n")
            return
        if pid == 0:
            return
        if pid == main:
            os.write(up, b"exit %d\n" % status)
