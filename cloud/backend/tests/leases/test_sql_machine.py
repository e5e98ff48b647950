"""Random histories against the plain model, on both SQL stores and on stores with a bug."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from cloud_support.planted import PLANTED
from cloud_support.postgres import PostgresServer
from cloud_support.seat_lab import Lab
from cloud_support.seat_machine import SeatMachine
from cloud_support.sql_seats import SettableClock, opened
from coditect_cloud.leases.sql import SqlSeats


@pytest.mark.timeout(300)
def test_the_embedded_store_does_as_the_model_does(tmp_path: Path) -> None:
    run(f"sqlite+aiosqlite:///{tmp_path}/seats.db", examples=25)


@pytest.mark.timeout(300)
def test_the_strict_store_does_as_the_model_does(postgres_server: PostgresServer) -> None:
    run(postgres_server.url, examples=8)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bug", sorted(PLANTED))
def test_a_planted_bug_is_found(tmp_path: Path, bug: str) -> None:
    with pytest.raises(AssertionError):
        run(f"sqlite+aiosqlite:///{tmp_path}/seats.db", examples=500, kind=PLANTED[bug])


def run(url: str, *, examples: int, kind: type[SqlSeats] = SqlSeats) -> None:
    """Run so many histories of thirty steps, each on a license of its own."""

    @asynccontextmanager
    async def lab() -> AsyncIterator[Lab]:
        clock = SettableClock()
        async with opened(url, clock=clock, kind=kind) as store:
            yield Lab(store, clock.advance, can_jump=True)

    machine = type("Machine", (SeatMachine,), {"lab": staticmethod(lab)})
    # A planted bug need only be found, not made small.
    phases = (Phase.explicit, Phase.generate, *((Phase.shrink,) if kind is SqlSeats else ()))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            phases=phases,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
