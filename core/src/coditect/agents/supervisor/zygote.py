"""A process that has imported all a supervisor needs, and forks one on request.

Starting an interpreter costs many times what a fork does. The zygote listens on its standard input
(a socket of the coordinator) for folders, each ended by a zero byte, and answers with the number of
the new supervisor and a descriptor on it. It ends when the coordinator's end of the socket closes;
its supervisors go on.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys

from coditect.agents.supervisor.duty import STOPPING, Bell, main

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def serve() -> NoReturn:
    """Fork a supervisor for each folder that comes, until no more can come."""
    requests = socket.socket(fileno=0)
    bell = Bell()
    # Control-C at the terminal is for the coordinator, and the zygote ends with that. A supervisor
    # begins with these signals blocked too, so a request to stop waits until it can listen.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    gc.freeze()  # What is never collected is not written to, and stays shared.
    watch = select.poll()
    watch.register(0, select.POLLIN)
    watch.register(bell.fd, select.POLLIN)
    heard = b""
    while True:
        ready = dict(watch.poll())
        if bell.fd in ready:
            bell.requests()
            _bury()
        if 0 not in ready:
            continue
        data = requests.recv(1 << 16)
        if not data:
            os._exit(0)
        *folders, heard = (heard + data).split(b"\0")
        for folder in folders:
            _launch(requests, os.fsdecode(folder))


def _launch(requests: socket.socket, folder: str) -> None:
    try:
        pid = os.fork()
    except OSError:
        requests.sendall(b"0\n")
        return
    if pid == 0:
        _become_supervisor(folder)
    # It is not buried before it is opened, so the descriptor is on nobody else.
    fds = [os.pidfd_open(pid)] if sys.platform == "linux" else []
    socket.send_fds(requests, [b"%d\n" % pid], fds)
    for fd in fds:
        os.close(fd)


def _become_supervisor(folder: str) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        # Whatever else is open is the zygote's: its alarm pipe, and no more.
        os.closerange(3, 1024)
        main(folder)
    finally:
        os._exit(0)


def _bury() -> None:
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return
