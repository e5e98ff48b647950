"""Where the servers are, and how long they may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr


class Mode(StrEnum):
    """How the servers stand together."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """One server."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisOptions:
    """How to reach the store; `from_url` reads the usual forms."""

    mode: Mode = Mode.SINGLE
    addresses: tuple[Address, ...] = (Address("127.0.0.1", 6379),)
    """The server; or the sentinels; or some nodes of the cluster."""
    master: str = ""
    """The name that the sentinels watch."""
    database: int = 0
    username: str = ""
    password: SecretStr = field(default_factory=lambda: SecretStr(""))
    tls: bool = False
    tls_ca_file: str = ""
    """PEM file of the authority that signed the server's certificate; "": those of the system."""
    timeout_ms: int = 1_000
    """After so long an operation is answered with StoreUnavailable, connecting included."""
    slots: int = 2
    """Pipelines in flight to one server."""
    batch: int = 128
    """Commands in one pipeline at most."""
    lag_ms: int = 10_000
    """By how much a promoted replica may have been behind; added to settling."""

    @classmethod
    def from_url(cls, url: str) -> RedisOptions:
        """Read a URL; ValueError if it is none of these.

        `redis://[user:password@]host[:port][/database]`, `rediss://…` with TLS,
        `redis+sentinel://host:port,host:port/master[?database=0]`,
        `redis+cluster://host:port,host:port`; the last two also as `rediss+…`.
        `?timeout_ms=`, `?ca_file=` and `?lag_ms=` set the option of that name.
        """
        parts = urlsplit(url)
        scheme, _, how = parts.scheme.partition("+")
        if scheme not in {"redis", "rediss"} or how not in {"", "sentinel", "cluster"}:
            raise ValueError("not a URL of a Redis store: the scheme is unknown")
        mode = Mode(how) if how else Mode.SINGLE
        credentials, _, hosts = parts.netloc.rpartition("@")
        username, _, password = credentials.partition(":")
        path = parts.path.strip("/")
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if mode is Mode.SENTINEL and not path:
            raise ValueError("not a URL of a Redis store: the name of the master is missing")
        database = path if mode is Mode.SINGLE else query.get("database", "")
        default = 26379 if mode is Mode.SENTINEL else 6379
        try:
            return cls(
                mode=mode,
                addresses=tuple(_address(host, default) for host in hosts.split(",")),
                master=path if mode is Mode.SENTINEL else "",
                database=int(database or 0),
                username=unquote(username),
                password=SecretStr(unquote(password)),
                tls=scheme == "rediss",
                tls_ca_file=query.get("ca_file", ""),
                timeout_ms=int(query.get("timeout_ms", 1_000)),
                lag_ms=int(query.get("lag_ms", 10_000)),
            )
        except ValueError:
            # Not chained: the text of the first error may hold a password.
            raise ValueError("not a URL of a Redis store: a number is not one") from None


def _address(text: str, default: int) -> Address:
    if text.startswith("["):  # IPv6
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = text.partition(":")
    return Address(host or "127.0.0.1", int(port or default))
