"""Eight processes on one license: never more holders than seats, at no instant of store time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from cloud_support import seat_hammer
from cloud_support.postgres import PostgresServer
from cloud_support.seat_lab import Lab
from cloud_support.sql_seats import opened, polling
from coditect_cloud.leases.types import Change

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

SEATS = 5


async def test_eight_processes_on_sqlite(tmp_path: Path) -> None:
    await hammered(f"sqlite+aiosqlite:///{tmp_path}/seats.db", rounds=3)


async def test_eight_processes_on_postgresql(postgres_server: PostgresServer) -> None:
    await hammered(postgres_server.url, rounds=4)


async def hammered(url: str, *, rounds: int) -> None:
    async with opened(url) as store:
        lab = Lab(store, polling(store))
        await lab.know(limit=SEATS, ttl_ms=400)
        clients = [
            subprocess.Popen(
                [sys.executable, seat_hammer.__file__, url, lab.license, f"p{n}", str(rounds)],
                stdout=subprocess.PIPE,
                text=True,
            )
            for n in range(8)
        ]
        told = []
        for number, client in enumerate(clients):
            if number == 7:
                client.kill()  # what it held ends by its time
            lines, _ = client.communicate(timeout=100)
            assert client.returncode == 0 or number == 7
            told += [json.loads(line) for line in lines.splitlines() if line.endswith("}")]
        await lab.advance(400)
        assert await lab.in_use() == 0
        await lab.terms(limit=1_000)  # tickets of the last round still wait; this purges the rest
        changes: list[Change] = []
        while page := await store.outbox(lab.license):
            changes += page
            await store.discard(lab.license, page[-1].cursor)
    check(changes, told)


def check(changes: Sequence[Change], told: Sequence[dict[str, int | str]]) -> None:
    """Judge by the changes in their order, then by what the clients were told."""
    assert [change.seq for change in changes] == list(range(1, len(changes) + 1))
    begun: dict[str, int] = {}
    lives: dict[str, tuple[int, int]] = {}
    fences = []
    for change in changes:
        lease = change.body.get("lease", "")
        if change.kind == "granted" and "again" not in change.body:
            begun[lease] = change.at_ms
        elif change.kind == "released":
            lives[lease] = (begun[lease], change.at_ms)
        elif change.kind == "expired":
            lives[lease] = (begun[lease], change.body["expires_ms"])
        if change.kind == "granted":
            epoch, counter = change.body["fence"].split(".")
            fences.append((int(epoch), int(counter)))
    assert fences == sorted(set(fences))
    assert len(lives) > SEATS
    # A seat that ends at an instant may be given away at that very instant.
    events = sorted(
        [(start, 1) for start, _ in lives.values()] + [(end, -1) for _, end in lives.values()]
    )
    in_use = most = 0
    for _, step in events:
        in_use += step
        most = max(most, in_use)
    assert most == SEATS
    for line in told:
        # Whoever was told that he has a seat, had it.
        start, end = lives.get(str(line["lease"]), (begun[str(line["lease"])], 1 << 62))
        assert start <= int(line["now_ms"])
        assert int(line["now_ms"]) < end or line["verb"] == "released"
