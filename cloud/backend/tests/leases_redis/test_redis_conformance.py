"""The Redis store does what every store of seats does, and what the plain model does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from cloud_support.redis_lab import redis_lab
from cloud_support.seat_conformance import SeatAdmission
from cloud_support.seat_conformance_upkeep import SeatUpkeep
from cloud_support.seat_lab import Lab
from cloud_support.seat_machine import SeatMachine
from cloud_support.valkey import Valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture
async def lab(server: Valkey) -> AsyncIterator[Lab]:
    async with redis_lab(server) as lab:
        yield lab


class TestRedisAdmission(SeatAdmission):
    """Who gets a seat."""


class TestRedisUpkeep(SeatUpkeep):
    """What becomes of it."""


class RedisMachine(SeatMachine):
    """A later epoch never ends a settling early: the first loss may have been another one."""

    @rule(settle=st.sampled_from([False, False, False, True]))
    def next_epoch(self, settle: bool) -> None:
        self.look()
        super().next_epoch(settle or self.model.settling)


def test_the_scripts_do_as_the_model_does(server: Valkey) -> None:
    def lab() -> AbstractAsyncContextManager[Lab]:
        return redis_lab(server)

    machine = type("Machine", (RedisMachine,), {"lab": staticmethod(lab)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            deadline=None,
            suppress_health_check=list(HealthCheck),
            max_examples=60,
            stateful_step_count=40,
        ),
    )
