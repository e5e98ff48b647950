"""What every store of seats has to do when asked for one. Each store's tests inherit this class.

class TestMine(SeatAdmission): ...   # and a fixture `lab` that gives a `Lab`
"""

from __future__ import annotations

import asyncio

import pytest

from cloud_support.seat_lab import LONG_MS, SHORT_MS, Lab
from coditect_cloud.database import new_id
from coditect_cloud.leases.store import NeedsRestore
from coditect_cloud.leases.types import (
    TICKET_TTL_MS,
    Ended,
    Fence,
    Granted,
    Kind,
    LicenseState,
    Queued,
    Refused,
    Release,
    Reserve,
    Reserved,
)
from coditect_cloud.refusals import Code


class SeatAdmission:
    """Who gets a seat, who waits, who is refused."""

    pytestmark = pytest.mark.anyio

    # --- what the store does not know ---

    async def test_an_unknown_license_has_to_be_restored_first(self, lab: Lab) -> None:
        with pytest.raises(NeedsRestore) as raised:
            await lab.acquire("a")
        assert raised.value.fresh
        with pytest.raises(NeedsRestore):
            await lab.store.put_policy(lab.policy)
        with pytest.raises(NeedsRestore):
            await lab.store.seats(lab.license)
        with pytest.raises(NeedsRestore):
            await lab.store.release(Release(lab.license, "lea_none", Fence(1, 1)))
        with pytest.raises(NeedsRestore):
            await lab.store.reserve(Reserve(lab.license, "rsv_none", 1, LONG_MS))

    # --- counting ---

    async def test_seats_are_granted_up_to_the_limit_and_not_beyond(self, lab: Lab) -> None:
        await lab.know(limit=2)
        first, second = await lab.grant("a"), await lab.grant("b")
        assert first.fence < second.fence
        assert not first.overage
        assert first.expires_ms - first.granted_ms == LONG_MS
        refused = await lab.refuse("c")
        assert refused.code is Code.SEATS_EXHAUSTED
        assert refused.seats is not None
        assert (refused.seats.limit, refused.seats.in_use) == (2, 2)
        assert refused.seats.earliest_release_ms == first.expires_ms

    async def test_overage_is_granted_and_flagged(self, lab: Lab) -> None:
        await lab.know(limit=1, overage=1)
        assert not (await lab.grant("a")).overage
        assert (await lab.grant("b")).overage
        assert (await lab.refuse("c")).code is Code.SEATS_EXHAUSTED

    async def test_no_seats_at_all(self, lab: Lab) -> None:
        await lab.know(limit=0)
        refused = await lab.refuse("a")
        assert refused.code is Code.SEATS_EXHAUSTED
        assert refused.seats is not None
        assert refused.seats.earliest_release_ms is None

    async def test_a_seat_is_free_once_it_has_expired(self, lab: Lab) -> None:
        await lab.know(limit=1)
        await lab.grant("a", ttl_ms=SHORT_MS)
        await lab.advance(SHORT_MS)
        assert await lab.in_use() == 0
        await lab.grant("b")

    async def test_more_seats_than_a_purge_takes_expire_at_once(self, lab: Lab) -> None:
        many = 250
        await lab.know(limit=many, ttl_ms=LONG_MS)
        answer = await lab.store.reserve(Reserve(lab.license, "rsv_many", many, SHORT_MS))
        assert isinstance(answer, Reserved)
        assert answer.seats == many
        await lab.advance(SHORT_MS)
        assert await lab.in_use() == 0
        await lab.grant("a")
        assert await lab.in_use() == 1
        await lab.grant("b")
        assert await lab.in_use() == 2

    async def test_many_at_once_never_get_more_than_there_are(self, lab: Lab) -> None:
        await lab.know(limit=5)
        answers = await asyncio.gather(*(lab.acquire(f"h{n}") for n in range(40)))
        granted = [answer for answer in answers if isinstance(answer, Granted)]
        assert len(granted) == 5
        assert await lab.in_use() == 5
        assert len({answer.lease.fence for answer in granted}) == 5

    # --- the terms ---

    @pytest.mark.parametrize(
        ("state", "code"),
        [
            (LicenseState.SUSPENDED, Code.LICENSE_SUSPENDED),
            (LicenseState.REVOKED, Code.LICENSE_REVOKED),
        ],
    )
    async def test_a_license_that_is_not_active(
        self, lab: Lab, state: LicenseState, code: Code
    ) -> None:
        await lab.know()
        lease = await lab.grant("a")
        await lab.terms(state=state)
        assert (await lab.refuse("b")).code is code
        assert (await lab.refuse("a")).code is code
        beaten = await lab.beat(lease)
        assert isinstance(beaten, Refused)
        assert beaten.code is code
        assert await lab.store.lease(lab.license, lease.id) is not None
        await lab.terms(state=LicenseState.ACTIVE)
        assert isinstance(await lab.beat(lease), Granted)

    async def test_a_license_has_a_beginning_and_an_end(self, lab: Lab) -> None:
        now = await lab.store.now_ms()
        await lab.know(starts_ms=now + LONG_MS)
        assert (await lab.refuse("a")).code is Code.LICENSE_NOT_STARTED
        end = now + LONG_MS // 2
        await lab.terms(starts_ms=0, expires_ms=end)
        assert (await lab.grant("a")).expires_ms == end
        await lab.terms(expires_ms=now)
        assert (await lab.refuse("b")).code is Code.LICENSE_EXPIRED

    async def test_older_terms_change_nothing(self, lab: Lab) -> None:
        await lab.know(limit=1)
        older = lab.policy
        await lab.terms(limit=3)
        await lab.store.put_policy(older)
        assert (await lab.store.seats(lab.license)).limit == 3

    async def test_fewer_seats_throw_nobody_out_and_let_nobody_in(self, lab: Lab) -> None:
        await lab.know(limit=2)
        first, second = await lab.grant("a"), await lab.grant("b")
        await lab.terms(limit=1)
        assert isinstance(await lab.beat(first), Granted)
        await lab.release(second)
        assert (await lab.refuse("c")).code is Code.SEATS_EXHAUSTED
        await lab.release(first)
        await lab.grant("c")

    async def test_a_life_is_at_most_what_the_terms_say(self, lab: Lab) -> None:
        await lab.know(limit=3)
        assert (await lab.grant("a", ttl_ms=10 * LONG_MS)).ttl_ms == LONG_MS
        assert (await lab.grant("b", ttl_ms=1_000)).ttl_ms == 1_000

    async def test_a_borrowed_seat_lives_for_days(self, lab: Lab) -> None:
        await lab.know()
        days = 30 * 24 * 3_600_000
        lease = await lab.grant("a", kind=Kind.BORROWED, ttl_ms=days)
        assert lease.kind is Kind.BORROWED
        assert lease.expires_ms - lease.granted_ms == days
        assert "borrowed" in await lab.kinds()

    # --- the same holder again ---

    async def test_a_restart_gets_its_own_seat_under_a_new_fence(self, lab: Lab) -> None:
        await lab.know(limit=1)
        before = await lab.grant("a", device="d1")
        answer = await lab.acquire("a", device="d1")
        assert isinstance(answer, Granted)
        assert answer.replayed
        assert answer.lease.id == before.id
        assert answer.lease.fence > before.fence
        stale = await lab.beat(before)
        assert isinstance(stale, Refused)
        assert stale.code is Code.STALE_FENCE
        assert await lab.in_use() == 1

    async def test_another_device_is_refused_or_takes_over(self, lab: Lab) -> None:
        await lab.know(limit=1)
        before = await lab.grant("a", device="d1")
        refused = await lab.refuse("a", device="d2")
        assert refused.code is Code.HOLDER_HAS_SEAT
        assert refused.lease is not None
        assert refused.lease.id == before.id
        after = await lab.grant("a", device="d2", take_over=True)
        assert after.id != before.id
        assert after.fence > before.fence
        assert await lab.in_use() == 1
        assert isinstance(await lab.beat(before), Refused)
        assert isinstance(await lab.beat(after), Granted)
        assert "taken_over" in await lab.kinds()

    async def test_a_borrowed_seat_is_not_taken_over(self, lab: Lab) -> None:
        # Its device cannot be told: it goes on working offline.
        await lab.know(limit=2)
        await lab.grant("a", device="d1", kind=Kind.BORROWED, ttl_ms=LONG_MS)
        refused = await lab.refuse("a", device="d2", take_over=True)
        assert refused.code is Code.HOLDER_HAS_SEAT

    # --- idempotency (S4) ---

    async def test_the_same_key_gives_the_same_lease(self, lab: Lab) -> None:
        await lab.know(limit=1)
        ask = lab.ask("a", key="k", fingerprint="f")
        first = await lab.store.acquire(ask)
        again = await lab.acquire("a", key="k", fingerprint="f")
        assert isinstance(first, Granted)
        assert isinstance(again, Granted)
        assert again.replayed
        assert not again.ended
        assert (again.lease.id, again.lease.fence) == (first.lease.id, first.lease.fence)
        assert await lab.in_use() == 1

    async def test_another_body_under_the_same_key_is_refused(self, lab: Lab) -> None:
        await lab.know()
        await lab.grant("a", key="k", fingerprint="f")
        assert (await lab.refuse("b", key="k", fingerprint="g")).code is Code.IDEMPOTENCY_KEY_REUSED

    async def test_a_repetition_never_revives(self, lab: Lab) -> None:
        await lab.know(limit=1)
        lease = await lab.grant("a", key="k", fingerprint="f")
        await lab.release(lease)
        other = await lab.grant("b")
        again = await lab.acquire("a", key="k", fingerprint="f")
        assert isinstance(again, Granted)
        assert again.ended
        assert again.remaining_ms == 0
        assert again.lease.id == lease.id
        assert await lab.in_use() == 1
        assert isinstance(await lab.beat(other), Granted)

    async def test_an_older_incarnation_s_repetition_is_ended(self, lab: Lab) -> None:
        await lab.know(limit=1)
        before = await lab.grant("a", device="d1", key="k", fingerprint="f")
        await lab.grant("a", device="d1")
        again = await lab.acquire("a", device="d1", key="k", fingerprint="f")
        assert isinstance(again, Granted)
        assert again.ended
        assert again.lease.fence == before.fence

    async def test_a_refusal_is_not_remembered(self, lab: Lab) -> None:
        await lab.know(limit=1)
        lease = await lab.grant("a")
        await lab.refuse("b", key="k", fingerprint="f")
        await lab.release(lease)
        await lab.grant("b", key="k", fingerprint="f")

    async def test_a_key_is_forgotten_after_a_day(self, lab: Lab) -> None:
        if not lab.can_jump:
            pytest.skip("a day is too long to wait for")
        await lab.know(limit=1)
        before = await lab.grant("a", key="k", fingerprint="f")
        await lab.advance(24 * 3_600_000)
        assert (await lab.grant("b", key="k", fingerprint="g")).id != before.id

    # --- the queue ---

    async def test_a_freed_seat_is_for_the_head_of_the_queue(self, lab: Lab) -> None:
        await lab.know(limit=1)
        lease = await lab.grant("a")
        first, second = new_id("tkt"), new_id("tkt")
        queued = await lab.wait("b", first)
        assert isinstance(queued, Queued)
        assert (queued.ticket, queued.position, queued.seats.queued) == (first, 1, 1)
        behind = await lab.wait("c", second)
        assert isinstance(behind, Queued)
        assert behind.position == 2
        await lab.release(lease)
        assert (await lab.refuse("d")).code is Code.SEATS_EXHAUSTED
        assert isinstance(await lab.wait("c", second), Queued)
        assert isinstance(await lab.wait("b", first), Granted)
        moved = await lab.wait("c", second)
        assert isinstance(moved, Queued)
        assert moved.position == 1

    async def test_who_comes_along_gets_a_seat_beyond_those_who_wait(self, lab: Lab) -> None:
        await lab.know(limit=2)
        leases = [await lab.grant("a"), await lab.grant("b")]
        ticket = new_id("tkt")
        await lab.wait("c", ticket)
        for lease in leases:
            await lab.release(lease)
        await lab.grant("d")
        assert (await lab.refuse("e")).code is Code.SEATS_EXHAUSTED
        assert isinstance(await lab.wait("c", ticket), Granted)

    async def test_the_queue_is_bounded(self, lab: Lab) -> None:
        await lab.know(limit=0, queue_limit=1)
        assert isinstance(await lab.wait("a", new_id("tkt")), Queued)
        full = await lab.wait("b", new_id("tkt"))
        assert isinstance(full, Refused)
        assert full.code is Code.QUEUE_FULL

    async def test_who_leaves_makes_room(self, lab: Lab) -> None:
        await lab.know(limit=1)
        lease = await lab.grant("a")
        first, second = new_id("tkt"), new_id("tkt")
        await lab.wait("b", first)
        await lab.wait("c", second)
        place = await lab.store.position(lab.license, second)
        assert place is not None
        assert place.position == 2
        assert await lab.store.leave(lab.license, first)
        assert not await lab.store.leave(lab.license, first)
        assert await lab.store.position(lab.license, first) is None
        await lab.release(lease)
        assert isinstance(await lab.wait("c", second), Granted)

    async def test_a_ticket_that_is_not_polled_leaves_the_queue(self, lab: Lab) -> None:
        if not lab.can_jump:
            pytest.skip("a quarter of a minute is too long to wait for")
        await lab.know(limit=0)
        first, second = new_id("tkt"), new_id("tkt")
        await lab.wait("a", first)
        await lab.advance(TICKET_TTL_MS // 2)
        await lab.wait("b", second)
        await lab.advance(TICKET_TTL_MS - TICKET_TTL_MS // 2)
        assert await lab.store.position(lab.license, first) is None
        place = await lab.store.position(lab.license, second)
        assert place is not None
        assert place.position == 1

    async def test_another_holder_s_ticket_is_no_ticket(self, lab: Lab) -> None:
        await lab.know(limit=1)
        lease = await lab.grant("a")
        ticket = new_id("tkt")
        await lab.wait("b", ticket)
        await lab.release(lease)
        stolen = await lab.wait("c", ticket)
        assert isinstance(stolen, Refused)
        assert stolen.code is Code.TICKET_NOT_FOUND
        assert isinstance(await lab.wait("b", ticket), Granted)

    # --- reservations ---

    async def test_reserved_seats_count_and_are_redeemed(self, lab: Lab) -> None:
        await lab.know(limit=3)
        answer = await lab.store.reserve(Reserve(lab.license, "rsv_1", 2, LONG_MS))
        assert isinstance(answer, Reserved)
        assert answer.seats == 2
        seats = await lab.store.seats(lab.license)
        assert (seats.in_use, seats.reserved) == (2, 2)
        await lab.grant("a")
        assert (await lab.refuse("b")).code is Code.SEATS_EXHAUSTED
        taken = await lab.grant("b", reservation="rsv_1")
        assert taken.kind is Kind.FLOATING
        again = await lab.store.reserve(Reserve(lab.license, "rsv_1", 2, LONG_MS))
        assert isinstance(again, Reserved)
        assert again.seats == 1
        assert await lab.in_use() == 3
        assert await lab.store.unreserve(lab.license, "rsv_1", by="x") == 1
        assert await lab.store.unreserve(lab.license, "rsv_1", by="x") == 0
        assert await lab.in_use() == 2
        missing = await lab.refuse("c", reservation="rsv_1")
        assert missing.code is Code.RESERVATION_NOT_FOUND

    async def test_a_reservation_is_whole_or_not_at_all(self, lab: Lab) -> None:
        await lab.know(limit=3)
        await lab.grant("a")
        refused = await lab.store.reserve(Reserve(lab.license, "rsv_1", 3, LONG_MS))
        assert isinstance(refused, Refused)
        assert refused.code is Code.SEATS_EXHAUSTED
        assert await lab.in_use() == 1

    async def test_a_reservation_does_not_jump_the_queue(self, lab: Lab) -> None:
        await lab.know(limit=1)
        lease = await lab.grant("a")
        await lab.wait("b", new_id("tkt"))
        await lab.release(lease)
        refused = await lab.store.reserve(Reserve(lab.license, "rsv_1", 1, LONG_MS))
        assert isinstance(refused, Refused)

    async def test_a_reservation_ends_by_its_time(self, lab: Lab) -> None:
        await lab.know(limit=1)
        await lab.store.reserve(Reserve(lab.license, "rsv_1", 1, SHORT_MS))
        await lab.advance(SHORT_MS)
        missing = await lab.refuse("a", reservation="rsv_1")
        assert missing.code is Code.RESERVATION_NOT_FOUND
        await lab.grant("a")

    async def test_a_released_seat_comes_back_only_once(self, lab: Lab) -> None:
        await lab.know(limit=1)
        lease = await lab.grant("a")
        first, again = await lab.release(lease), await lab.release(lease)
        assert isinstance(first, Ended)
        assert not first.already
        assert isinstance(again, Ended)
        assert again.already
        assert await lab.in_use() == 0
