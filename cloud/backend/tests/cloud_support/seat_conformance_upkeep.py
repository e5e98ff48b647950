"""What every store of seats has to do with a seat that is held, and with what it remembers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloud_support.seat_lab import LONG_MS, SHORT_MS, Lab
from coditect_cloud.leases.store import NeedsRestore
from coditect_cloud.leases.types import (
    Ended,
    Fence,
    Granted,
    Heartbeat,
    Kind,
    Lease,
    LicenseState,
    Refused,
    Release,
)
from coditect_cloud.refusals import Code

ENDED = {Code.LEASE_NOT_FOUND, Code.LEASE_EXPIRED, Code.LEASE_RELEASED}


class SeatUpkeep:
    """Heartbeats, releases, loss of memory, the outbox."""

    pytestmark = pytest.mark.anyio

    # --- heartbeats ---

    async def test_a_heartbeat_prolongs(self, lab: Lab) -> None:
        await lab.know()
        lease = await lab.grant("a")
        await lab.advance(20)
        beaten = await lab.beat(lease)
        assert isinstance(beaten, Granted)
        assert beaten.lease.fence == lease.fence
        assert beaten.lease.expires_ms >= lease.expires_ms + 20
        assert 0 < beaten.remaining_ms <= LONG_MS

    async def test_a_late_heartbeat_never_takes_back_a_seat_that_was_given_away(
        self, lab: Lab
    ) -> None:
        await lab.know(limit=1)
        lease = await lab.grant("a", ttl_ms=SHORT_MS)
        await lab.advance(SHORT_MS)
        late = await lab.beat(lease)
        assert isinstance(late, Refused)
        assert late.code is Code.LEASE_EXPIRED
        other = await lab.grant("b")
        late = await lab.beat(lease)
        assert isinstance(late, Refused)
        assert late.code in ENDED
        assert isinstance(await lab.beat(other), Granted)
        assert await lab.in_use() == 1

    async def test_who_is_not_known_does_not_beat(self, lab: Lab) -> None:
        await lab.know()
        lease = await lab.grant("a")
        unknown = await lab.beat(replace(lease, id="lea_unknown"))
        assert isinstance(unknown, Refused)
        assert unknown.code is Code.LEASE_NOT_FOUND
        await lab.release(lease)
        released = await lab.beat(lease)
        assert isinstance(released, Refused)
        assert released.code in ENDED

    async def test_many_beat_at_once_in_their_order(self, lab: Lab) -> None:
        await lab.know(limit=5)
        leases = [await lab.grant(name) for name in "abcd"]
        await lab.release(leases[1])
        beats = [Heartbeat(lab.license, lease.id, lease.fence) for lease in leases]
        beats.append(Heartbeat(lab.license, leases[0].id, Fence(1, 999)))
        beats.append(beats[0])
        answers = await lab.store.heartbeat_many(beats)
        assert [isinstance(answer, Granted) for answer in answers] == [
            True,
            False,
            True,
            True,
            False,
            True,
        ]
        stale = answers[4]
        assert isinstance(stale, Refused)
        assert stale.code is Code.STALE_FENCE
        assert await lab.store.heartbeat_many([]) == []

    async def test_the_end_of_the_license_ends_the_life(self, lab: Lab) -> None:
        await lab.know()
        lease = await lab.grant("a")
        end = lease.expires_ms - 1_000
        await lab.terms(expires_ms=end)
        beaten = await lab.beat(lease)
        assert isinstance(beaten, Granted)
        assert beaten.lease.expires_ms == end

    # --- the rotating secret ---

    async def test_the_secret_rotates_and_a_lost_answer_is_forgiven(self, lab: Lab) -> None:
        await lab.know()
        lease = await lab.grant("a", secret="s0")
        assert isinstance(await lab.beat(lease, shown="s0", secret="s1"), Granted)
        assert isinstance(await lab.beat(lease, shown="s1", secret="s2"), Granted)
        # The answer with s2 was lost: s1 is shown once more.
        assert isinstance(await lab.beat(lease, shown="s1", secret="s3"), Granted)
        assert isinstance(await lab.beat(lease, shown="s3", secret="s4"), Granted)

    async def test_another_copy_of_the_client_is_noticed(self, lab: Lab) -> None:
        await lab.know()
        lease = await lab.grant("a", secret="s0")
        for number in range(3):
            await lab.beat(lease, shown=f"s{number}", secret=f"s{number + 1}")
        clone = await lab.beat(lease, shown="s0", secret="x")
        assert isinstance(clone, Refused)
        assert clone.code is Code.CLONE_SUSPECTED
        assert "clone_suspected" in await lab.kinds()
        assert isinstance(await lab.beat(lease, shown="s3", secret="s4"), Granted)

    async def test_a_repeated_acquire_hands_out_a_secret_that_counts(self, lab: Lab) -> None:
        await lab.know()
        await lab.grant("a", key="k", fingerprint="f", secret="s0")
        lease = await lab.grant("a", key="k", fingerprint="f", secret="t0")
        assert isinstance(await lab.beat(lease, shown="t0", secret="t1"), Granted)

    # --- releases ---

    async def test_a_stale_fence_does_not_release(self, lab: Lab) -> None:
        await lab.know(limit=1)
        before = await lab.grant("a")
        after = await lab.grant("a")
        stale = await lab.release(before)
        assert isinstance(stale, Refused)
        assert stale.code is Code.STALE_FENCE
        assert await lab.in_use() == 1
        assert isinstance(await lab.release(after), Ended)

    async def test_a_release_of_what_has_ended_is_no_fault(self, lab: Lab) -> None:
        await lab.know(limit=1)
        lease = await lab.grant("a", ttl_ms=SHORT_MS)
        await lab.advance(SHORT_MS)
        other = await lab.grant("b")
        ended = await lab.release(lease)
        assert isinstance(ended, Ended)
        assert ended.already
        assert await lab.in_use() == 1
        assert isinstance(await lab.beat(other), Granted)
        never = await lab.store.release(Release(lab.license, "lea_never", None, by="x"))
        assert isinstance(never, Ended)
        assert never.already

    async def test_by_force(self, lab: Lab) -> None:
        await lab.know(limit=1)
        lease = await lab.grant("a")
        ended = await lab.store.release(Release(lab.license, lease.id, None, by="acc_boss"))
        assert isinstance(ended, Ended)
        assert not ended.already
        change = (await lab.store.outbox(lab.license))[-1]
        assert change.kind == "forced"
        assert change.body["by"] == "acc_boss"
        assert change.body["lease"] == lease.id

    # --- borrowed seats ---

    async def test_a_borrowed_seat_does_not_beat_and_is_returned(self, lab: Lab) -> None:
        await lab.know(limit=1)
        lease = await lab.grant("a", kind=Kind.BORROWED, ttl_ms=LONG_MS)
        beaten = await lab.beat(lease)
        assert isinstance(beaten, Granted)
        assert beaten.lease.expires_ms == lease.expires_ms
        forced = await lab.store.release(Release(lab.license, lease.id, None, by="x"))
        assert isinstance(forced, Refused)
        assert forced.code is Code.CONFLICT
        assert isinstance(await lab.release(lease), Ended)
        assert (await lab.kinds())[-1] == "returned"
        assert await lab.in_use() == 0

    async def test_a_burned_seat_counts_until_its_token_ends(self, lab: Lab) -> None:
        await lab.know(limit=2)
        lease = await lab.grant("a", device="d1", kind=Kind.BORROWED, ttl_ms=LONG_MS)
        burned = await lab.store.burn(lab.license, lease.id, by="acc_boss")
        assert isinstance(burned, Lease)
        assert burned.burned
        beaten = await lab.beat(lease)
        assert isinstance(beaten, Refused)
        assert beaten.code is Code.SEAT_BURNED
        returned = await lab.release(lease)
        assert isinstance(returned, Refused)
        assert returned.code is Code.SEAT_BURNED
        # Who lost the laptop gets another seat, if there is one.
        await lab.grant("a", device="d2")
        assert await lab.in_use() == 2
        assert "burned" in await lab.kinds()

    async def test_only_a_borrowed_seat_burns(self, lab: Lab) -> None:
        await lab.know()
        lease = await lab.grant("a")
        refused = await lab.store.burn(lab.license, lease.id, by="x")
        assert isinstance(refused, Refused)
        assert refused.code is Code.CONFLICT
        missing = await lab.store.burn(lab.license, "lea_none", by="x")
        assert isinstance(missing, Refused)
        assert missing.code is Code.LEASE_NOT_FOUND

    # --- loss of memory ---

    async def test_a_second_epoch_settles_and_survivors_register(self, lab: Lab) -> None:
        await lab.know(limit=2)
        kept = await lab.grant("a", device="d1")
        await lab.store.restore(lab.policy, epoch=2, settle=True)
        refused = await lab.refuse("b")
        assert refused.code is Code.SETTLING
        seats = await lab.store.seats(lab.license)
        assert seats.epoch == 2
        assert seats.settling_until_ms >= seats.now_ms + LONG_MS - 10_000
        assert "settling_opened" in await lab.kinds()
        # A restart of a seat that is counted already needs no settling.
        again = await lab.grant("a", device="d1")
        assert again.fence > kept.fence
        assert again.fence.epoch == 2
        lost = replace(
            kept, id="lea_lost", holder="user:lost", device="d9", fence=Fence(1, kept.fence.counter)
        )
        back = await lab.store.register(lost)
        assert isinstance(back, Granted)
        assert back.lease.fence.epoch == 2
        assert back.lease.fence > again.fence
        assert back.lease.expires_ms == lost.expires_ms
        once_more = await lab.store.register(lost)
        assert isinstance(once_more, Granted)
        assert once_more.lease.id == lost.id
        assert await lab.in_use() == 2
        assert isinstance(await lab.beat(once_more.lease), Granted)
        third = await lab.store.register(replace(lost, id="lea_third", holder="user:third"))
        assert isinstance(third, Refused)
        assert third.code is Code.SEATS_EXHAUSTED
        ended = await lab.store.register(
            replace(lost, id="lea_old", holder="user:old", expires_ms=seats.now_ms)
        )
        assert isinstance(ended, Refused)
        assert ended.code is Code.LEASE_EXPIRED

    async def test_nothing_registers_when_nothing_settles(self, lab: Lab) -> None:
        await lab.know()
        lease = await lab.grant("a")
        refused = await lab.store.register(replace(lease, id="lea_other", holder="user:other"))
        assert isinstance(refused, Refused)
        assert refused.code is Code.LEASE_NOT_FOUND

    async def test_an_epoch_that_is_not_higher_changes_only_the_terms(self, lab: Lab) -> None:
        await lab.know(limit=1)
        lease = await lab.grant("a")
        lab.policy = replace(lab.policy, version=2, limit=2)
        await lab.store.restore(lab.policy, epoch=1, settle=True)
        seats = await lab.store.seats(lab.license)
        assert (seats.limit, seats.epoch, seats.settling_until_ms) == (2, 1, 0)
        assert (await lab.grant("b")).fence > lease.fence

    async def test_borrowed_seats_are_counted_again(self, lab: Lab) -> None:
        now = await lab.store.now_ms()
        lease = Lease(
            id="lea_away",
            license=lab.license,
            holder="user:away",
            device="d1",
            kind=Kind.BORROWED,
            fence=Fence(1, 7),
            granted_ms=now,
            expires_ms=now + LONG_MS,
            ttl_ms=LONG_MS,
        )
        gone = replace(lease, id="lea_gone", holder="user:gone", expires_ms=now)
        await lab.store.restore(lab.policy, epoch=2, borrowed=[lease, gone], settle=False)
        assert await lab.in_use() == 1
        assert (await lab.store.lease(lab.license, "lea_away")) == lease
        await lab.store.restore(lab.policy, epoch=3, borrowed=[lease], settle=False)
        assert await lab.in_use() == 1
        assert isinstance(await lab.release(lease), Ended)

    # --- looking ---

    async def test_who_holds_seats(self, lab: Lab) -> None:
        await lab.know(limit=5)
        made = sorted([(await lab.grant(name, label=f"L{name}")).id for name in "abcd"])
        first = await lab.store.leases(lab.license, most=3)
        assert [lease.id for lease in first] == made[:3]
        rest = await lab.store.leases(lab.license, after=first[-1].id, most=3)
        assert [lease.id for lease in rest] == made[3:]
        one = await lab.store.lease(lab.license, made[0])
        assert one is not None
        assert one.label == f"L{one.holder[-1]}"
        assert await lab.store.lease(lab.license, "lea_none") is None

    async def test_expired_leases_are_not_shown(self, lab: Lab) -> None:
        await lab.know()
        lease = await lab.grant("a", ttl_ms=SHORT_MS)
        await lab.advance(SHORT_MS)
        assert await lab.store.lease(lab.license, lease.id) is None
        assert await lab.store.leases(lab.license) == []

    async def test_licenses_do_not_see_each_other(self, lab: Lab) -> None:
        await lab.know(limit=1)
        lease = await lab.grant("a")
        other = Lab(lab.store, lab.advance)
        await other.know(limit=1)
        assert await other.in_use() == 0
        assert await lab.store.lease(other.license, lease.id) is None
        foreign = await lab.beat(replace(lease, license=other.license))
        assert isinstance(foreign, Refused)
        assert foreign.code is Code.LEASE_NOT_FOUND
        await other.grant("a")

    # --- the outbox ---

    async def test_every_change_is_in_the_outbox_without_gaps(self, lab: Lab) -> None:
        await lab.know(limit=1)
        lease = await lab.grant("a")
        await lab.beat(lease)
        await lab.refuse("b")
        await lab.release(lease)
        await lab.grant("c", ttl_ms=SHORT_MS)
        await lab.advance(SHORT_MS)
        await lab.grant("d")
        changes = await lab.store.outbox(lab.license)
        assert [change.kind for change in changes] == [
            "policy_set",
            "granted",
            "denied",
            "released",
            "granted",
            "expired",
            "granted",
        ]
        assert [change.seq for change in changes] == list(range(1, 8))
        assert {(change.org, change.epoch) for change in changes} == {("org_lab", 1)}
        assert changes[1].body["lease"] == lease.id
        assert changes[1].body["holder"] == "user:a"
        assert changes[1].body["fence"] == str(lease.fence)
        assert changes[1].body["expires_ms"] == lease.expires_ms
        assert changes[1].at_ms == lease.granted_ms
        assert changes[2].body["code"] == Code.SEATS_EXHAUSTED

    async def test_what_is_discarded_is_gone_and_the_rest_stays(self, lab: Lab) -> None:
        await lab.know(limit=1)
        lease = await lab.grant("a")
        await lab.release(lease)
        first = await lab.store.outbox(lab.license, most=2)
        assert len(first) == 2
        await lab.store.discard(lab.license, first[-1].cursor)
        assert await lab.kinds() == ["released"]
        await lab.store.discard(lab.license, first[-1].cursor)
        await lab.grant("b")
        assert [change.seq for change in await lab.store.outbox(lab.license)] == [3, 4]

    async def test_suspension_is_a_change(self, lab: Lab) -> None:
        await lab.know()
        await lab.terms(state=LicenseState.SUSPENDED)
        change = (await lab.store.outbox(lab.license))[-1]
        assert change.kind == "policy_set"
        assert change.body["state"] == "suspended"
        assert change.body["limit"] == 2

    # --- fences ---

    async def test_fences_only_rise(self, lab: Lab) -> None:
        await lab.know(limit=1)
        fences = []
        for _ in range(3):
            lease = await lab.grant("a")
            fences.append(lease.fence)
            await lab.release(lease)
        await lab.store.restore(lab.policy, epoch=2, settle=False)
        fences.append((await lab.grant("a")).fence)
        assert fences == sorted(set(fences))
        assert await lab.store.highest_fence(lab.license) == fences[-1]
        assert await lab.store.highest_fence("lic_unknown") is None

    async def test_the_store_has_a_time(self, lab: Lab) -> None:
        before = await lab.store.now_ms()
        await lab.advance(5)
        assert await lab.store.now_ms() >= before + 5

    async def test_what_is_not_known_cannot_beat(self, lab: Lab) -> None:
        with pytest.raises(NeedsRestore):
            await lab.store.heartbeat(Heartbeat(lab.license, "lea_x", Fence(1, 1)))
