"""One connection to one server, which knows whom it talks to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.maint_notifications import MaintNotificationsConfig

from coditect_cloud.leases.redis.errors import NotSent, WrongServer, unknown_script, wrong_place
from coditect_cloud.leases.redis.options import Address, RedisOptions
from coditect_cloud.leases.redis.scripts import Script

Command = tuple[str | bytes | int, ...]


@dataclass(slots=True, eq=False)
class Call:
    """One command of one caller."""

    script: Script | None
    """None: `args` are a plain command."""
    keys: tuple[bytes, ...]
    args: tuple[str | int, ...]
    answer: asyncio.Future[Any]
    asking: bool = False
    """Sent to where a slot moves to, which answers only if told so."""

    def command(self, run_id: str) -> Command:
        """What is sent: a script hears first which server its connection talks to."""
        if self.script is None:
            return self.args
        return ("EVALSHA", self.script.sha, len(self.keys), *self.keys, run_id, *self.args)


@dataclass(slots=True)
class Link:
    """A connection that is made again when it broke, and sends many commands at once.

    Never used by two tasks at a time. After an error it is closed: what was on its way is unknown.
    """

    address: Address
    options: RedisOptions = field(repr=False)
    run_id: str = ""
    """Of the server's process: it changes with a restart, and differs on a promoted replica."""
    _connection: Connection | None = None

    async def run(self, calls: Sequence[Call]) -> list[Any]:
        """Send all in one pipeline; an answer or an exception for each.

        Raises NotSent if nothing was, and whatever broke the connection else.
        """
        try:
            async with asyncio.timeout(self.options.timeout_ms / 1000):
                connection = await self._ready()
                answers = await self._exchange(connection, calls)
                missing = [at for at, answer in enumerate(answers) if unknown_script(answer)]
                if missing:
                    await self._load({calls[at].script for at in missing}, connection)
                    again = await self._exchange(connection, [calls[at] for at in missing])
                    for at, answer in zip(missing, again, strict=True):
                        answers[at] = answer
                if any(wrong_place(answer) for answer in answers):
                    await self.close()  # what it was when we connected, it is no more
                return answers
        except BaseException:
            await self.close()
            raise

    async def _ready(self) -> Connection:
        try:
            held = self._connection
            # A server that went away has left an end of file, or a word of farewell.
            if held is not None and (not held.is_connected or await held.can_read()):
                await self.close()
            if self._connection is None:
                self._connection = await self._connect()
            return self._connection
        except WrongServer:
            raise
        except Exception as error:
            raise NotSent(f"the store cannot be reached ({type(error).__name__})") from error

    async def _connect(self) -> Connection:
        connection = connect(self.address, self.options)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            self.run_id = _examine(
                await _pipeline(
                    connection, [("INFO", "server"), ("INFO", "memory"), ("INFO", "replication")]
                )
            )
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def _exchange(self, connection: Connection, calls: Sequence[Call]) -> list[Any]:
        commands: list[Command] = []
        for call in calls:
            if call.asking:
                commands.append(("ASKING",))
            commands.append(call.command(self.run_id))
        answers = await _pipeline(connection, commands)
        if len(commands) == len(calls):
            return answers
        own = iter(answers)
        return [(next(own), next(own))[1] if call.asking else next(own) for call in calls]

    async def _load(self, scripts: set[Script | None], connection: Connection) -> None:
        await _pipeline(connection, [("SCRIPT", "LOAD", one.text) for one in scripts if one])

    async def close(self) -> None:
        """Let go of the connection; the next use makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)


def connect(address: Address, options: RedisOptions) -> Connection:
    """Prepare a connection that never tries again by itself: retries would outlast any client."""
    seconds = options.timeout_ms / 1000
    settings: dict[str, Any] = {
        "host": address.host,
        "port": address.port,
        "db": options.database,
        "username": options.username or None,
        "password": options.password.get_secret_value() or None,
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    if options.tls:
        return SSLConnection(**settings, ssl_ca_certs=options.tls_ca_file or None)
    return Connection(**settings)


async def _pipeline(connection: Connection, commands: Sequence[Command]) -> list[Any]:
    await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
    answers: list[Any] = []
    for _ in commands:
        try:
            answers.append(await connection.read_response())
        except ResponseError as error:
            answers.append(error)
    return answers


def _examine(answers: Sequence[Any]) -> str:
    """Give the run_id; WrongServer if seats must not be entrusted to this one."""
    info: dict[str, str] = {}
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
        for line in answer.decode().splitlines():
            name, _, value = line.partition(":")
            info[name] = value
    policy = info.get("maxmemory_policy", "")
    if policy != "noeviction":
        raise WrongServer(
            f"its maxmemory-policy is {policy or 'unknown'}: it would forget seats that are held; "
            "it has to be noeviction"
        )
    if info.get("role") != "master":
        raise NotSent("the server is a replica")
    return info["run_id"]
