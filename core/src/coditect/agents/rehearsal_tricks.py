"""What the stand-in can do wrong, one function each: what the gate, the limits and the killing of
processes are tried with.

Each trick runs in the lane, either instead of the work or before it (`before`), or on top of the
finished work (`after`). Standard library only.
"""

# ruff: noqa: ARG001, PTH100, PTH101, PTH103, PTH104, PTH108, PTH110, PTH112, PTH118, PTH119, PTH120
# ruff: noqa: PTH123, PTH211, S103, S606

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Job = dict[str, Any]
    Trick = Callable[[Job], bool | None]


def play(job: Job, when: str) -> bool:
    """Play the tricks of a job that belong before or after the work; False: leave at once."""
    go_on = True
    for name in job["tricks"]:
        moment, trick = TRICKS[name]
        if moment == when and trick(job) is False:
            go_on = False
    return go_on


def _write(path: str, text: str) -> None:
    if folder := os.path.dirname(path):
        os.makedirs(folder, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _own(job: Job) -> str:
    """Give a path that the task owns, as far as it delivers any."""
    return str(job["files"][0]) if job["files"] else f"{job['task']}.txt"


def _beside(job: Job, name: str) -> str:
    """Give a path in the same folder as something that the task owns."""
    return os.path.join(os.path.dirname(_own(job)), name)


def stray(job: Job) -> None:
    """Write a new file where nobody let it."""
    _write(f"stray-by-{job['task']}.txt", "This file is outside the paths of its task.\n")


def overwrite_foreign(job: Job) -> None:
    """Write over somebody else's file."""
    if job["foreign"]:
        _write(job["foreign"], "Somebody else's file, improved.\n")


def delete_foreign(job: Job) -> None:
    """Tidy somebody else's file away."""
    if job["foreign"]:
        os.unlink(job["foreign"])


def rename_foreign(job: Job) -> None:
    """Move somebody else's file into one's own paths: a deletion that looks like a creation."""
    if job["foreign"]:
        target = _beside(job, "moved-" + os.path.basename(job["foreign"]))
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        os.rename(job["foreign"], target)


def lie(job: Job) -> bool:
    """Say that all is done, and do nothing."""
    sys.stdout.write(f"{job['task']} is complete, and all tests pass.\n")
    sys.stdout.flush()
    return False


def hang(job: Job) -> None:
    """Do nothing for ever, and not even end when asked to."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(3600)


def crash(job: Job) -> None:
    """Die half-way through a file by a bad memory access."""
    _write(_own(job), "half a fi")
    os.kill(os.getpid(), signal.SIGSEGV)


def fail(job: Job) -> None:
    """Give up half-way through a file."""
    _write(_own(job), "half a fi")
    sys.stdout.flush()
    os._exit(3)


def fork(job: Job) -> None:
    """Leave a daemon behind, as far from its family as it gets, which goes on writing."""
    said, say = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            path = _beside(job, "daemon.txt")
            count = 0
            while True:
                count += 1
                _write(path, f"still here: {count}\n")
                os.write(say, b"1" if count == 1 else b"")
                time.sleep(0.05)
        os._exit(0)
    os.wait()
    os.read(said, 1)  # It has written once: whoever looks will find it.


def hold_pipe(job: Job) -> None:
    """Leave a helper behind that keeps the output open."""
    if os.fork() == 0:
        while True:
            time.sleep(3600)


def flood(job: Job) -> None:
    """Print 300 MB as fast as it gets."""
    line = b"the same line again, and again, and again, and again, and again\n" * 16384
    for _ in range(300):
        view = memoryview(line)
        while view:
            view = view[os.write(1, view) :]


def symlink(job: Job) -> None:
    """Make links that lead out of the checkout, and replace a deliverable by one."""
    for path, target in (
        (_beside(job, "escape-by-name"), "/etc/passwd"),
        (_beside(job, "escape-by-climbing"), "../" * 12 + "tmp"),
        (_own(job), "/etc/hostname"),
    ):
        if os.path.lexists(path):
            os.unlink(path)
        if folder := os.path.dirname(path):
            os.makedirs(folder, exist_ok=True)
        os.symlink(target, path)


def gitlink(job: Job) -> None:
    """Put a repository into the repository."""
    path = _beside(job, "nested")
    os.makedirs(path, exist_ok=True)
    pid = os.fork()
    if pid == 0:
        os.chdir(path)
        line = "git init -q . && git commit -q --allow-empty -m nested"
        os.execvp("sh", ["sh", "-c", line])
    os.waitpid(pid, 0)


def chmod(job: Job) -> None:
    """Change the mode of files: one's own and somebody else's."""
    for path in (_own(job), job["foreign"]):
        if path and os.path.exists(path):
            os.chmod(path, 0o755)


def unreadable(job: Job) -> None:
    """Leave a file that even its owner may not read."""
    path = _beside(job, "unreadable.txt")
    _write(path, "nobody reads this\n")
    os.chmod(path, 0)


def dot_git(job: Job) -> None:
    """Plant commands in the lane's own git that would run as whoever uses it next."""
    git = ".git"
    if not os.path.isdir(git):
        return
    mark = os.path.abspath("poisoned-by-" + job["task"])
    script = f"#!/bin/sh\necho {job['task']} >> '{mark}'\n"
    for hook in ("pre-commit", "post-checkout", "post-commit", "post-index-change"):
        path = os.path.join(git, "hooks", hook)
        _write(path, script)
        os.chmod(path, 0o755)
    with open(os.path.join(git, "config"), "a", encoding="utf-8") as config:
        config.write(f'[core]\n\tfsmonitor = "echo >> {mark}; true"\n')
        config.write(f'[filter "poison"]\n\tclean = "tee -a {mark}"\n\trequired = true\n')
    _write(os.path.join(git, "info", "attributes"), "* filter=poison\n")


def steal_lock(job: Job) -> None:
    """Take locks: of the lane's index, and of the attempt itself."""
    if os.path.isdir(".git"):
        _write(".git/index.lock", "")
    import fcntl  # noqa: PLC0415 - only here

    path = os.path.join(os.environ["CODITECT_FOLDER"], "lock")
    with open(path, "a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stdout.write("the lock of the attempt is held\n")
        else:
            sys.stdout.write("the lock of the attempt was free\n")
    sys.stdout.flush()


def case(job: Job) -> None:
    """Write a file whose name differs from one's own in case only."""
    path = _own(job)
    folder, name = os.path.split(path)
    _write(os.path.join(folder, name.swapcase()), "The same name, said louder.\n")


TRICKS: dict[str, tuple[str, Trick]] = {
    "stray": ("after", stray),
    "overwrite-foreign": ("after", overwrite_foreign),
    "delete-foreign": ("after", delete_foreign),
    "rename-foreign": ("after", rename_foreign),
    "lie": ("before", lie),
    "hang": ("before", hang),
    "crash": ("before", crash),
    "fail": ("before", fail),
    "fork": ("before", fork),
    "hold-pipe": ("before", hold_pipe),
    "flood": ("before", flood),
    "symlink": ("after", symlink),
    "gitlink": ("after", gitlink),
    "chmod": ("after", chmod),
    "unreadable": ("after", unreadable),
    "dot-git": ("after", dot_git),
    "steal-lock": ("after", steal_lock),
    "case": ("after", case),
}
"""By name: when it is played, and what it does."""
