"""Runs git: one short process a call, with nothing of the outside in its surroundings.

Every call but discovery and push (see `repository` and `push`) gets a minimal environment, no
global or system configuration, and overrides for whatever could start a program, reach the network
or depend on the machine. A value of `Git` says which git directory, object store, work tree and
index a call works with; it is immutable and safe to share between threads.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from coditect.findings import CoditectError, Finding

OLDEST = (2, 38)
"""`merge-tree --write-tree` and `cat-file -z` came with this version."""

NOWHERE = "/nonexistent"

SAFE: tuple[str, ...] = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "core.filesRefLockTimeout=2000",
    "core.packedRefsTimeout=5000",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "log.showSignature=false",
    "submodule.recurse=false",
    "protocol.allow=never",
)
"""Overrides that every call gets, whatever the configuration of its git directory says."""

OWN: tuple[str, ...] = (
    *SAFE,
    "core.logAllRefUpdates=false",
    "core.autocrlf=false",
    "core.fsync=loose-object,reference",
    "core.fsyncMethod=batch",
)
"""Overrides for git directories of the engine and for its refs: no reflogs, bytes as they are, and
what is recorded survives a loss of power."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the engine's commits are by."""

    name: str = "Coditect"
    email: str = "coditect@localhost"


@dataclass(frozen=True, slots=True)
class Completed:
    """What a git process left."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Its output without the final line end; bytes that are no UTF-8 survive as surrogates."""
        return os.fsdecode(self.out.removesuffix(b"\n"))


class GitError(CoditectError):
    """A git process failed, in a way that no caller expected."""

    def __init__(self, command: str, code: int | None, stderr: str, hint: str = "") -> None:
        self.command = command
        self.code = code
        """The exit code; negative is a signal, None a timeout."""
        self.stderr = stderr
        what = "did not end in time" if code is None else f"failed ({code})"
        self.said = essence = _essence(stderr)
        """What it said of the reason, in a line."""
        super().__init__(
            Finding(
                code="git-failed",
                message=f"`git {command}` {what}" + (f": {essence}" if essence else "."),
                hint=hint,
                data=(("command", command), ("exit", code), ("stderr", stderr[-2000:])),
            )
        )


@dataclass(frozen=True, slots=True)
class Git:
    """How git is called: where its directory, objects, work tree and index are, and as whom."""

    git_dir: Path
    objects: Path | None = None
    """Another object store than the git directory's own."""
    work_tree: Path | None = None
    index: Path | None = None
    identity: Identity = Identity()
    options: tuple[str, ...] = OWN
    """Configuration that overrides every file, each `name=value`."""
    timeout: float = 600.0
    """Real seconds after which a call is ended."""
    hold: tuple[int, ...] = ()
    """Open files that the process inherits: a `flock` on one of them ends only when the last git
    of a killed caller has ended too."""

    def run(
        self,
        *args: str | bytes,
        stdin: bytes | None = None,
        ok: Container[int] = (0,),
        date: int | None = None,
        options: Sequence[str] = (),
    ) -> Completed:
        """Call git and give what it left; any exit code outside `ok` is a `GitError`.

        `date` is seconds since 1970 in UTC, for author and committer.
        """
        argv: list[str | bytes] = [executable()]
        for option in (*self.options, *options):
            argv += ("-c", option)
        argv += args
        done = execute(
            argv,
            env=self._environment(date),
            cwd=self.work_tree,
            stdin=stdin,
            timeout=self.timeout,
            hold=self.hold,
        )
        if done.code not in ok:
            raise GitError(_shown(args), done.code, done.err)
        return done

    def text(self, *args: str | bytes, stdin: bytes | None = None, date: int | None = None) -> str:
        """Call git and give its output without the final line end."""
        return self.run(*args, stdin=stdin, date=date).text

    def _environment(self, date: int | None) -> dict[str, str]:
        env = minimal_environment()
        env["GIT_DIR"] = str(self.git_dir)
        if self.objects is not None:
            env["GIT_OBJECT_DIRECTORY"] = str(self.objects)
        if self.work_tree is not None:
            env["GIT_WORK_TREE"] = str(self.work_tree)
        if self.index is not None:
            env["GIT_INDEX_FILE"] = str(self.index)
        for role in ("AUTHOR", "COMMITTER"):
            env[f"GIT_{role}_NAME"] = self.identity.name
            env[f"GIT_{role}_EMAIL"] = self.identity.email
            if date is not None:
                env[f"GIT_{role}_DATE"] = f"@{date} +0000"
        return env


def minimal_environment() -> dict[str, str]:
    """All that a git process of the engine gets to see of the surroundings."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": NOWHERE,
        "XDG_CONFIG_HOME": NOWHERE,
        "LC_ALL": "C",
        "TZ": "UTC",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }


def users_environment() -> dict[str, str]:
    """The user's own surroundings, without what would point git at another repository."""
    local = re.compile(
        r"GIT_(DIR|WORK_TREE|INDEX_FILE|INDEX_VERSION|OBJECT_DIRECTORY|COMMON_DIR|PREFIX|NAMESPACE"
        r"|ALTERNATE_OBJECT_DIRECTORIES|SHALLOW_FILE|GRAFT_FILE|REPLACE_REF_BASE|CONFIG"
        r"|INTERNAL_.*|QUARANTINE_PATH|CEILING_DIRECTORIES|DISCOVERY_ACROSS_FILESYSTEM)"
    )
    env = {key: value for key, value in os.environ.items() if not local.fullmatch(key)}
    return {**env, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}


def execute(
    argv: Sequence[str | bytes],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: bytes | None = None,
    timeout: float,
    hold: tuple[int, ...] = (),
) -> Completed:
    """Run a process in a session of its own, so that a terminal's Ctrl-C does not tear it apart.

    At the timeout the whole session's process group is killed, and `GitError` raised.
    """
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd=cwd,
        start_new_session=True,
        pass_fds=hold,
    )
    expired = threading.Event()

    def end() -> None:
        if process.returncode is None:
            expired.set()
            _kill_group(process.pid)

    # Not communicate's own timeout: it polls for the exit, which doubles the time of a short call.
    watch = threading.Timer(timeout, end)
    watch.daemon = True
    with process:
        watch.start()
        try:
            out, err = process.communicate(stdin)
        except BaseException:
            _kill_group(process.pid)
            raise
        finally:
            watch.cancel()
    if expired.is_set():
        raise GitError(_shown(argv[1:]), None, err.decode(errors="replace"))
    return Completed(process.returncode, out, err.decode(errors="replace"))


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@lru_cache(maxsize=8)
def _version(program: str) -> tuple[int, ...]:
    done = execute([program, "version"], env=minimal_environment(), timeout=60)
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", done.text)
    return tuple(int(part or 0) for part in found.groups()) if found else (0,)


def executable() -> str:
    """Give the git program to call; an error that says what to do if there is none or it is old."""
    return _checked(os.environ.get("PATH", os.defpath))


@lru_cache(maxsize=8)
def _checked(path: str) -> str:
    program = shutil.which("git", path=path)
    wanted = ".".join(map(str, OLDEST))
    if program is None:
        raise CoditectError.of(
            "git-missing", "There is no git program on PATH.", f"Install git {wanted} or newer."
        )
    found = _version(program)
    if found < OLDEST:
        shown = ".".join(map(str, found))
        raise CoditectError.of(
            "git-too-old",
            f"{program} is git {shown}; Coditect builds merges without a checkout, which needs "
            f"git {wanted}.",
            f"Install git {wanted} or newer.",
        )
    return program


def version() -> tuple[int, ...]:
    """The version of the git program in use."""
    return _version(executable())


def _essence(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
    text = " ".join(re.sub(r"^(fatal|error): ", "", line) for line in telling[-3:])
    return text if len(text) <= 500 else text[:497] + "..."


def _shown(args: Sequence[str | bytes]) -> str:
    words = [os.fsdecode(arg) for arg in args]
    text = " ".join(words)
    return text if len(text) <= 200 else text[:197] + "..."
