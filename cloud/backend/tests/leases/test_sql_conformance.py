"""The SQL stores do what every store of seats does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cloud_support.postgres import PostgresServer
from cloud_support.seat_conformance import SeatAdmission
from cloud_support.seat_conformance_upkeep import SeatUpkeep
from cloud_support.seat_lab import Lab
from cloud_support.sql_seats import opened, polling


class TestAdmission(SeatAdmission):
    pass


class TestUpkeep(SeatUpkeep):
    pass


class _OnTheServersClock:
    @pytest.fixture
    async def lab(self, postgres_server: PostgresServer) -> AsyncIterator[Lab]:
        async with opened(postgres_server.url) as store:
            yield Lab(store, polling(store))


class TestAdmissionOnTheServersClock(_OnTheServersClock, SeatAdmission):
    pass


class TestUpkeepOnTheServersClock(_OnTheServersClock, SeatUpkeep):
    pass
