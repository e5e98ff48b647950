from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from cloud_support.licensing import ISSUER, Pen, somebody, tenant
from coditect_cloud.database import Database
from coditect_cloud.identity.principal import Principal, PrincipalKind, Role
from coditect_cloud.leases.service import Ask, Beat, LeaseService, Seat, Waiting
from coditect_cloud.leases.service.asks import fingerprint, scoped_key
from coditect_cloud.leases.sql import SqlSeats
from coditect_cloud.leases.store import NeedsRestore, StoreUnavailable
from coditect_cloud.leases.types import Fence, Heartbeat, Kind, LicenseState, Policy
from coditect_cloud.licenses.service import LicenseService
from coditect_cloud.licenses.types import License, Overage, OverageStrategy, Terms
from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.signing.artefacts import Typ

pytestmark = pytest.mark.anyio

DAY = 86_400_000


class Forgetful(SqlSeats):
    """A store that loses its memory when a test says so, and can be away."""

    lossy = True
    away = False
    refuses = False

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.database = database
        self.restores: list[tuple[int, bool]] = []

    async def forget(self) -> None:
        async with self.database.write() as session:
            for table in ("license", "lease", "ticket", "memory", "tomb", "outbox"):
                await session.execute(text(f"DELETE FROM seat_{table}"))

    async def restore(self, policy: Policy, **how: Any) -> None:
        self.restores.append((how["epoch"], how["settle"]))
        if not self.refuses:
            await super().restore(policy, **how)

    async def acquire(self, ask: Any) -> Any:
        if self.away:
            raise StoreUnavailable
        return await super().acquire(ask)

    async def put_policy(self, policy: Policy) -> None:
        if self.away:
            raise StoreUnavailable
        await super().put_policy(policy)


@dataclass
class Shop:
    owner: Principal
    license: License
    service: LeaseService
    licenses: LicenseService
    store: Forgetful
    pen: Pen

    @property
    def id(self) -> str:
        return self.license.id

    async def take(self, holder: str, *, key: str = "", **ask: Any) -> Seat:
        found = await self.service.acquire(self.owner, self.id, Ask(holder, **ask), key=key)
        assert isinstance(found, Seat)
        return found


async def opened(database: Database, **terms: Any) -> Shop:
    owner, _ = await tenant(database)
    store, pen = Forgetful(database), Pen()
    service = LeaseService(database, store, pen, issuer=ISSUER)
    licenses = LicenseService(database, on_change=service.push)
    wanted = replace(
        Terms("Studio", 2, entitlements={"render": None, "export": 3}, borrow_max_ms=7 * DAY),
        **terms,
    )
    made = await licenses.create(owner, product="render", terms=wanted)
    return Shop(owner, made.license, service, licenses, store, pen)


async def refusal(attempt: Awaitable[Any], code: Code) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await attempt
    assert caught.value.code is code, caught.value
    return caught.value


async def test_a_seat_is_taken_prolonged_and_given_back(database: Database) -> None:
    shop = await opened(database)
    seat = await shop.take("machine:a", device="thumb", label="desk")
    claims = shop.pen.read(seat.token)
    assert claims["iss"] == ISSUER
    assert (claims["aud"], claims["sub"], claims["jti"]) == ("render", "machine:a", seat.lease.id)
    assert (claims["lic"], claims["org"]) == (shop.id, shop.owner.org)
    assert (claims["product"], claims["kind"]) == (shop.license.product, "floating")
    assert (claims["fence"], claims["cnf"]) == (str(seat.lease.fence), {"jkt": "thumb"})
    assert claims["entitlements"] == {"render": None, "export": 3}
    assert 58 <= claims["exp"] - claims["iat"] <= 60
    assert 0 < seat.remaining_ms <= 60_000
    assert seat.token not in repr(seat)
    assert seat.secret not in repr(seat)
    beaten = await shop.service.heartbeat(
        shop.owner, shop.id, Beat(seat.lease.id, seat.lease.fence, seat.secret)
    )
    assert beaten.lease.fence == seat.lease.fence
    assert beaten.secret not in ("", seat.secret)
    assert (await shop.service.seats(shop.owner, shop.id)).in_use == 1
    ended = await shop.service.release(shop.owner, shop.id, seat.lease.id, fence=seat.lease.fence)
    assert not ended.already
    again = await shop.service.release(shop.owner, shop.id, seat.lease.id, fence=seat.lease.fence)
    assert again.already
    assert (await shop.service.seats(shop.owner, shop.id)).in_use == 0


async def test_a_refusal_says_limit_in_use_and_when_to_ask_again(database: Database) -> None:
    shop = await opened(database, overage=Overage(OverageStrategy.SEATS, 1))
    seats = [await shop.take(f"machine:{n}") for n in range(3)]
    assert [seat.lease.overage for seat in seats] == [False, False, True]
    assert shop.pen.read(seats[2].token)["overage"] is True
    no = await refusal(shop.take("machine:x"), Code.SEATS_EXHAUSTED)
    assert (no.data["limit"], no.data["overage"], no.data["in_use"]) == (2, 1, 3)
    assert 0 < no.data["earliest_release_ms"] <= 60_000
    assert no.retry_after_ms is not None
    assert 1_000 <= no.retry_after_ms <= 30_000
    found = await shop.service.acquire(shop.owner, shop.id, Ask("machine:x", wait=True))
    assert isinstance(found, Waiting)
    assert (found.position, found.seats.queued) == (1, 1)
    looked = await shop.service.position(shop.owner, shop.id, found.ticket)
    assert looked.position == 1
    await shop.service.release(shop.owner, shop.id, seats[0].lease.id, fence=seats[0].lease.fence)
    await refusal(shop.take("machine:late"), Code.SEATS_EXHAUSTED)
    await shop.take("machine:x", wait=True, ticket=found.ticket)
    await refusal(shop.service.position(shop.owner, shop.id, found.ticket), Code.TICKET_NOT_FOUND)
    await refusal(shop.service.leave(shop.owner, shop.id, found.ticket), Code.TICKET_NOT_FOUND)
    found = await shop.service.acquire(shop.owner, shop.id, Ask("machine:y", wait=True))
    assert isinstance(found, Waiting)
    await shop.service.leave(shop.owner, shop.id, found.ticket)


async def test_the_same_key_gives_the_same_lease_and_another_body_is_refused(
    database: Database,
) -> None:
    shop = await opened(database)
    first = await shop.take("machine:a", key="k")
    again = await shop.take("machine:a", key="k")
    assert again.lease.id == first.lease.id
    assert again.replayed
    await refusal(shop.take("machine:b", key="k"), Code.IDEMPOTENCY_KEY_REUSED)
    admin = somebody(shop.owner.org, Role.ADMIN)
    other = await shop.service.acquire(admin, shop.id, Ask("machine:b"), key="k")
    assert isinstance(other, Seat)
    assert other.lease.id != first.lease.id
    # the secret of the repetition is as good as the lost one's
    await shop.service.heartbeat(
        shop.owner, shop.id, Beat(again.lease.id, again.lease.fence, again.secret)
    )
    await shop.service.release(shop.owner, shop.id, first.lease.id, fence=first.lease.fence)
    ended = await shop.take("machine:a", key="k")
    assert (ended.ended, ended.remaining_ms, ended.token) == (True, 0, "")
    await refusal(shop.take("machine:a", key="x" * 257), Code.INVALID_REQUEST)


async def test_a_seat_that_cannot_be_signed_is_free_again(database: Database) -> None:
    shop = await opened(database)
    kept = await shop.take("machine:a", device="d")
    shop.pen.out = True
    await refusal(shop.take("machine:b"), Code.SIGNER_UNAVAILABLE)
    await refusal(shop.take("machine:a", device="d"), Code.SIGNER_UNAVAILABLE)
    await refusal(
        shop.service.borrow(shop.owner, shop.id, Ask("machine:c"), for_ms=DAY),
        Code.SIGNER_UNAVAILABLE,
    )
    assert (await shop.service.seats(shop.owner, shop.id)).in_use == 1
    assert await shop.service.ledger.seats(shop.id) == []
    assert await shop.service.lease(shop.id, kept.lease.id) is not None
    [beaten] = await shop.service.heartbeat_many(
        shop.owner, shop.id, [Beat(kept.lease.id, kept.lease.fence)]
    )
    assert isinstance(beaten, Refusal)
    shop.pen.out = False
    await shop.take("machine:b")


async def test_many_heartbeats_have_one_answer_each_in_order(database: Database) -> None:
    shop = await opened(database, seats=60)
    seats = [await shop.take(f"machine:{n}", rotate=False) for n in range(55)]
    beats = [Beat(seat.lease.id, seat.lease.fence) for seat in seats]
    beats.insert(1, Beat("lea_none", Fence(1, 1)))
    beats.insert(3, Beat(seats[5].lease.id, Fence(1, 999)))
    answers = await shop.service.heartbeat_many(shop.owner, shop.id, beats)
    codes = [answer.code if isinstance(answer, Refusal) else None for answer in answers]
    assert codes[1] is Code.LEASE_NOT_FOUND
    assert codes[3] is Code.STALE_FENCE
    assert codes.count(None) == 55
    for bad in ([], [beats[0]] * 1_001):
        await refusal(shop.service.heartbeat_many(shop.owner, shop.id, bad), Code.INVALID_REQUEST)


async def test_a_copy_that_shows_a_used_secret_is_suspected(database: Database) -> None:
    shop = await opened(database)
    seat = await shop.take("machine:a")
    one = await shop.service.heartbeat(
        shop.owner, shop.id, Beat(seat.lease.id, seat.lease.fence, seat.secret)
    )
    await shop.service.heartbeat(
        shop.owner, shop.id, Beat(seat.lease.id, seat.lease.fence, one.secret)
    )
    await refusal(
        shop.service.heartbeat(
            shop.owner, shop.id, Beat(seat.lease.id, seat.lease.fence, seat.secret)
        ),
        Code.CLONE_SUSPECTED,
    )


async def test_a_restarted_pod_keeps_its_seat_though_its_device_is_new(database: Database) -> None:
    shop = await opened(database, seats=1)
    pod = replace(
        somebody(shop.owner.org, Role.HOLDER, holder="workload:render/worker-0"),
        kind=PrincipalKind.WORKLOAD,
    )
    first = await shop.service.acquire(pod, shop.id, Ask(device="a" * 43))
    again = await shop.service.acquire(pod, shop.id, Ask(device="b" * 43))
    assert isinstance(first, Seat)
    assert isinstance(again, Seat)
    assert again.lease.fence > first.lease.fence
    late = Beat(first.lease.id, first.lease.fence, first.secret)
    with pytest.raises(Refusal):
        await shop.service.heartbeat(pod, shop.id, late)
    assert (await shop.service.seats(shop.owner, shop.id)).in_use == 1


async def test_a_holder_acts_only_as_itself_and_only_on_its_own_leases(database: Database) -> None:
    shop = await opened(database, seats=9)
    ada = somebody(shop.owner.org, Role.HOLDER, holder="user:ada")
    bob = somebody(shop.owner.org, Role.HOLDER, holder="user:bob")
    mine = await shop.service.acquire(ada, shop.id, Ask())
    slot = await shop.service.acquire(ada, shop.id, Ask("user:ada/2"))
    assert isinstance(mine, Seat)
    assert isinstance(slot, Seat)
    assert (mine.lease.holder, slot.lease.holder) == ("user:ada", "user:ada/2")
    await refusal(shop.service.acquire(bob, shop.id, Ask("user:ada")), Code.FORBIDDEN)
    await refusal(shop.service.acquire(bob, shop.id, Ask("user:bobby")), Code.FORBIDDEN)
    beat = Beat(mine.lease.id, mine.lease.fence, mine.secret)
    fresh = LeaseService(database, shop.store, shop.pen, issuer=ISSUER)
    for service in (shop.service, fresh):
        for attempt in (
            service.heartbeat(bob, shop.id, beat),
            service.release(bob, shop.id, mine.lease.id, fence=mine.lease.fence),
            service.get_lease(bob, shop.id, mine.lease.id),
            service.burn(bob, shop.id, mine.lease.id),
            service.register(bob, shop.id, mine.token),
        ):
            await refusal(attempt, Code.LEASE_NOT_FOUND)
    await refusal(shop.service.release(bob, shop.id, mine.lease.id, force=True), Code.FORBIDDEN)
    await refusal(shop.service.reserve(bob, shop.id, seats=1, ttl_ms=60_000), Code.FORBIDDEN)
    await shop.take("machine:x")
    page = await shop.service.holders(ada, shop.id)
    assert [lease.holder for lease in page.leases] == ["user:ada", "user:ada/2"]
    assert (await shop.service.holders(bob, shop.id)).leases == ()
    assert (await shop.service.get_lease(ada, shop.id, mine.lease.id))[0].holder == "user:ada"
    await shop.service.heartbeat(ada, shop.id, beat)
    ended = await shop.service.release(bob, shop.id, "lea_gone", fence=Fence(1, 1))
    assert ended.already


async def test_who_holds_seats_comes_in_pages(database: Database) -> None:
    shop = await opened(database, seats=5)
    made = {(await shop.take(f"machine:{n}")).lease.id for n in range(5)}
    seen: list[str] = []
    cursor = None
    while True:
        page = await shop.service.holders(shop.owner, shop.id, cursor_=cursor, most=2)
        seen += [lease.id for lease in page.leases]
        cursor = page.next
        if cursor is None:
            break
    assert seen == sorted(made)


async def test_another_tenants_license_is_not_there(database: Database) -> None:
    shop = await opened(database)
    seat = await shop.take("machine:a")
    other = (await tenant(database, "Another"))[0]
    elsewhere = somebody(shop.owner.org, license="lic_other")
    for who in (other, elsewhere):
        service = shop.service
        for attempt in (
            service.acquire(who, shop.id, Ask("machine:z")),
            service.heartbeat(who, shop.id, Beat(seat.lease.id, seat.lease.fence)),
            service.release(who, shop.id, seat.lease.id, force=True),
            service.register(who, shop.id, seat.token),
            service.borrow(who, shop.id, Ask("machine:z"), for_ms=DAY),
            service.burn(who, shop.id, seat.lease.id),
            service.reserve(who, shop.id, seats=1, ttl_ms=60_000),
            service.unreserve(who, shop.id, "rsv_x"),
            service.seats(who, shop.id),
            service.holders(who, shop.id),
            service.position(who, shop.id, "tkt_x"),
            service.leave(who, shop.id, "tkt_x"),
            service.license_file(who, shop.id),
            service.acquire(who, "lic_none", Ask("machine:z")),
        ):
            await refusal(attempt, Code.LICENSE_NOT_FOUND)


async def test_a_change_of_the_license_acts_on_seats_at_once(database: Database) -> None:
    shop = await opened(database)
    seat = await shop.take("machine:a")
    beat = Beat(seat.lease.id, seat.lease.fence, seat.secret)
    await shop.licenses.suspend(shop.owner, shop.id)
    await refusal(shop.service.heartbeat(shop.owner, shop.id, beat), Code.LICENSE_SUSPENDED)
    await refusal(shop.take("machine:b"), Code.LICENSE_SUSPENDED)
    no = await refusal(
        shop.service.acquire(shop.owner, shop.id, Ask("machine:b", entitlements=("none",))),
        Code.LICENSE_SUSPENDED,
    )
    assert no.hint
    await refusal(shop.service.license_file(shop.owner, shop.id), Code.LICENSE_SUSPENDED)
    await shop.licenses.reinstate(shop.owner, shop.id)
    await shop.service.heartbeat(shop.owner, shop.id, beat)
    fewer = replace(shop.license.terms, seats=1, entitlements={"render": None})
    await shop.licenses.update(shop.owner, shop.id, fewer, version=None)
    await refusal(shop.take("machine:b"), Code.SEATS_EXHAUSTED)
    no = await refusal(
        shop.service.acquire(shop.owner, shop.id, Ask("machine:b", entitlements=("export",))),
        Code.ENTITLEMENT_MISSING,
    )
    assert no.data == {"missing": ["export"]}


async def test_terms_that_the_store_could_not_take_follow_when_it_is_back(
    database: Database,
) -> None:
    shop = await opened(database)
    assert await shop.service.push_pending() == 0
    shop.store.away = True
    changed = await shop.licenses.suspend(shop.owner, shop.id)
    assert changed.state is LicenseState.SUSPENDED
    no = await refusal(shop.take("machine:a"), Code.STORE_UNAVAILABLE)
    assert no.retry_after_ms == 1_000
    await refusal(shop.service.push_pending(), Code.STORE_UNAVAILABLE)
    shop.store.away = False
    assert await shop.service.push_pending() == 1
    await refusal(shop.take("machine:a"), Code.LICENSE_SUSPENDED)
    assert await shop.service.push_pending() == 0


async def test_after_a_loss_of_memory_only_signed_leases_come_back(database: Database) -> None:
    shop = await opened(database)
    seat = await shop.take("machine:a")
    assert shop.store.restores == [(1, False)]  # known for the first time: nothing to settle
    await shop.store.forget()
    await refusal(shop.take("machine:b"), Code.SETTLING)
    assert shop.store.restores[1:] == [(2, True)]
    await refusal(
        shop.service.heartbeat(
            shop.owner, shop.id, Beat(seat.lease.id, seat.lease.fence, seat.secret)
        ),
        Code.LEASE_NOT_FOUND,
    )
    back = await shop.service.register(shop.owner, shop.id, seat.token)
    assert back.lease.id == seat.lease.id
    assert back.lease.fence > seat.lease.fence
    assert back.lease.fence.epoch == 2
    assert 0 < back.remaining_ms <= seat.remaining_ms
    assert shop.pen.read(back.token)["fence"] == str(back.lease.fence)
    renewed = await shop.service.heartbeat(
        shop.owner, shop.id, Beat(back.lease.id, back.lease.fence)
    )
    assert renewed.remaining_ms > 50_000
    await refusal(
        shop.service.register(shop.owner, shop.id, Pen().sign_lease({"exp": 1})),
        Code.INVALID_REQUEST,
    )
    await refusal(
        shop.service.register(
            shop.owner,
            shop.id,
            shop.pen.sign_lease({"exp": 9_999_999_999, "lic": shop.id}),
        ),
        Code.INVALID_REQUEST,
    )
    stranger = shop.pen.sign_lease({**shop.pen.read(seat.token), "org": "org_other"})
    await refusal(shop.service.register(shop.owner, shop.id, stranger), Code.LEASE_NOT_FOUND)


async def test_where_nothing_settles_a_token_brings_back_nothing(database: Database) -> None:
    shop = await opened(database)
    seat = await shop.take("machine:a")
    await shop.service.release(shop.owner, shop.id, seat.lease.id, fence=seat.lease.fence)
    with pytest.raises(Refusal):
        await shop.service.register(shop.owner, shop.id, seat.token)
    assert (await shop.service.seats(shop.owner, shop.id)).in_use == 0


async def test_many_who_find_the_loss_at_once_restore_once(database: Database) -> None:
    shop = await opened(database)
    await shop.store.forget()
    tried = await asyncio.gather(
        *(shop.take(f"machine:{n}") for n in range(8)), return_exceptions=True
    )
    assert {no.code for no in tried if isinstance(no, Refusal)} == {Code.SETTLING}
    assert shop.store.restores == [(1, False), (2, True)]
    assert await shop.service.ledger.epoch(shop.id) == 2


async def test_a_store_that_forgets_again_and_again_is_away(database: Database) -> None:
    shop = await opened(database)
    await shop.store.forget()
    shop.store.refuses = True
    await refusal(shop.take("machine:a"), Code.STORE_UNAVAILABLE)
    with pytest.raises(NeedsRestore):
        await shop.store.heartbeat(Heartbeat(shop.id, "lea_x", Fence(1, 1)))


async def test_epochs_are_never_given_twice(database: Database) -> None:
    shop = await opened(database)
    given = await asyncio.gather(*(shop.service.ledger.raise_epoch(shop.id) for _ in range(6)))
    assert sorted(given) == [2, 3, 4, 5, 6, 7]
    assert await shop.service.ledger.epoch("lic_none") == 0


async def test_a_borrowed_seat_survives_the_store_and_comes_back_by_its_holder(
    database: Database,
) -> None:
    shop = await opened(database)
    seat = await shop.service.borrow(
        shop.owner, shop.id, Ask("machine:a", device="d"), for_ms=3 * DAY, key="k"
    )
    assert seat.lease.kind is Kind.BORROWED
    assert seat.secret == ""
    [(typ, claims)] = shop.pen.roots
    assert typ is Typ.BORROW
    assert claims["kind"] == "borrowed"
    assert claims["cnf"] == {"jkt": "d"}
    assert 3 * DAY - 5_000 <= (claims["exp"] - claims["iat"]) * 1000 <= 3 * DAY
    again = await shop.service.borrow(
        shop.owner, shop.id, Ask("machine:a", device="d"), for_ms=3 * DAY, key="k"
    )
    assert (again.lease.id, again.replayed) == (seat.lease.id, True)
    await shop.store.forget()
    seats = await shop.service.seats(shop.owner, shop.id)
    assert (seats.in_use, seats.epoch) == (1, 2)
    held = await shop.service.lease(shop.id, seat.lease.id)
    assert held is not None
    assert held.expires_ms == seat.lease.expires_ms
    beaten = await shop.service.heartbeat(shop.owner, shop.id, Beat(held.id, held.fence))
    assert (beaten.token, beaten.lease.expires_ms) == ("", held.expires_ms)
    await refusal(shop.service.release(shop.owner, shop.id, held.id, force=True), Code.CONFLICT)
    await shop.service.release(shop.owner, shop.id, held.id, fence=held.fence)
    assert await shop.service.ledger.seats(shop.id) == []
    await shop.store.forget()
    assert (await shop.service.seats(shop.owner, shop.id)).in_use == 0


async def test_a_floating_seat_becomes_the_borrowed_one(database: Database) -> None:
    shop = await opened(database, seats=1)
    floating = await shop.take("machine:a", device="d")
    lent = await shop.service.borrow(shop.owner, shop.id, Ask("machine:a", device="d"), for_ms=DAY)
    assert (lent.lease.id, lent.lease.kind) == (floating.lease.id, Kind.BORROWED)
    assert [lease.id for lease in await shop.service.ledger.seats(shop.id)] == [lent.lease.id]
    own = await shop.take("machine:a", device="d")
    assert (own.lease.kind, own.token) == (Kind.BORROWED, "")
    no = await refusal(shop.take("machine:a", device="other"), Code.HOLDER_HAS_SEAT)
    assert "borrowed" in no.detail


async def test_a_seat_that_the_store_forgot_while_it_was_lent_is_not_lent(
    database: Database,
) -> None:
    shop = await opened(database)
    ledger = shop.service.ledger
    seat = await shop.take("machine:a")
    assert await ledger.borrowed(replace(seat.lease, kind=Kind.BORROWED), shop.owner.org)
    await ledger.raise_epoch(shop.id)  # another instance restores now
    lost = replace(seat.lease, id="lea_lost", kind=Kind.BORROWED)
    assert not await ledger.borrowed(lost, shop.owner.org)
    assert [lease.id for lease in await ledger.seats(shop.id)] == [seat.lease.id]
    await refusal(
        shop.service.borrow(shop.owner, shop.id, Ask("machine:b"), for_ms=DAY),
        Code.STORE_UNAVAILABLE,
    )
    assert [lease.id for lease in await ledger.seats(shop.id)] == [seat.lease.id]


async def test_no_seat_is_freed_whose_token_somebody_has(database: Database) -> None:
    shop = await opened(database)
    ask = Ask("machine:a", device="d")
    lent = await shop.service.borrow(shop.owner, shop.id, ask, for_ms=DAY, key="k")
    shop.pen.out = True  # the repetition fails, after the first token went out
    await refusal(
        shop.service.borrow(shop.owner, shop.id, ask, for_ms=DAY, key="k"),
        Code.SIGNER_UNAVAILABLE,
    )
    assert await shop.service.lease(shop.id, lent.lease.id) is not None
    assert [lease.id for lease in await shop.service.ledger.seats(shop.id)] == [lent.lease.id]
    assert not await shop.service.ledger.take_back(lent.lease.id)


async def test_a_seat_that_was_taken_back_is_not_handed_over(database: Database) -> None:
    shop = await opened(database)

    class Slow(Pen):
        async def sign_root(self, typ: Typ, claims: Any) -> str:
            assert await shop.service.ledger.take_back(claims["jti"])
            return await super().sign_root(typ, claims)

    service = LeaseService(database, shop.store, Slow(), issuer=ISSUER)
    await refusal(
        service.borrow(shop.owner, shop.id, Ask("machine:a"), for_ms=DAY), Code.STORE_UNAVAILABLE
    )


async def test_a_seat_whose_lender_died_is_free_again_after_a_while(database: Database) -> None:
    shop = await opened(database)
    seat = await shop.take("machine:a")
    old = replace(seat.lease, kind=Kind.BORROWED, granted_ms=seat.now_ms - 700_000)
    assert await shop.service.ledger.borrowed(old, shop.owner.org)
    assert await shop.service.sweep() == 1
    assert not await shop.service.ledger.borrowed(old, shop.owner.org)  # a late repetition
    assert await shop.service.sweep() == 0
    assert await shop.service.ledger.seats(shop.id) == []
    assert (await shop.service.seats(shop.owner, shop.id)).in_use == 0


async def test_a_lost_borrowed_seat_is_burned_and_counts_until_its_end(database: Database) -> None:
    shop = await opened(database)
    lent = await shop.service.borrow(shop.owner, shop.id, Ask("machine:a"), for_ms=DAY)
    burned = await shop.service.burn(shop.owner, shop.id, lent.lease.id)
    assert burned.burned
    await shop.store.forget()
    await refusal(
        shop.service.release(shop.owner, shop.id, burned.id, fence=burned.fence), Code.SEAT_BURNED
    )
    assert (await shop.service.seats(shop.owner, shop.id)).in_use == 1
    await refusal(shop.service.burn(shop.owner, shop.id, "lea_none"), Code.LEASE_NOT_FOUND)
    assert await shop.service.sweep() == 0
    assert await shop.service.ledger.forget_ended(burned.expires_ms) == 1


async def test_only_borrowed_seats_are_burned(database: Database) -> None:
    shop = await opened(database)
    seat = await shop.take("machine:a")
    no = await refusal(shop.service.burn(shop.owner, shop.id, seat.lease.id), Code.CONFLICT)
    assert "not borrowed" in no.detail


async def test_nobody_borrows_longer_than_the_license_says(database: Database) -> None:
    shop = await opened(database)
    no = await refusal(
        shop.service.borrow(shop.owner, shop.id, Ask("machine:a"), for_ms=7 * DAY + 1),
        Code.BORROW_NOT_ALLOWED,
    )
    assert no.data == {"borrow_max_ms": 7 * DAY}
    await refusal(
        shop.service.borrow(shop.owner, shop.id, Ask("machine:a"), for_ms=59_999),
        Code.INVALID_REQUEST,
    )
    await shop.take("machine:a")
    await shop.take("machine:b")
    await refusal(
        shop.service.borrow(shop.owner, shop.id, Ask("machine:c"), for_ms=DAY),
        Code.SEATS_EXHAUSTED,
    )
    assert await shop.service.ledger.seats(shop.id) == []


async def test_reserved_seats_are_taken_one_by_one(database: Database) -> None:
    shop = await opened(database)
    kept = await shop.service.reserve(shop.owner, shop.id, seats=2, ttl_ms=60_000, key="job")
    same = await shop.service.reserve(shop.owner, shop.id, seats=2, ttl_ms=60_000, key="job")
    assert same.reservation == kept.reservation
    assert (await shop.service.seats(shop.owner, shop.id)).reserved == 2
    await refusal(shop.take("machine:x"), Code.SEATS_EXHAUSTED)
    await refusal(
        shop.service.reserve(shop.owner, shop.id, seats=1, ttl_ms=60_000), Code.SEATS_EXHAUSTED
    )
    await shop.take("machine:a", reservation=kept.reservation)
    assert await shop.service.unreserve(shop.owner, shop.id, kept.reservation) == 1
    await refusal(
        shop.service.unreserve(shop.owner, shop.id, kept.reservation), Code.RESERVATION_NOT_FOUND
    )
    for seats, ttl_ms in ((0, 60_000), (10_001, 60_000), (1, 0), (1, DAY + 1)):
        await refusal(
            shop.service.reserve(shop.owner, shop.id, seats=seats, ttl_ms=ttl_ms),
            Code.INVALID_REQUEST,
        )


async def test_an_admin_frees_somebody_elses_seat_by_force(database: Database) -> None:
    shop = await opened(database)
    seat = await shop.take("machine:a")
    await refusal(shop.service.release(shop.owner, shop.id, seat.lease.id), Code.INVALID_REQUEST)
    await refusal(
        shop.service.release(shop.owner, shop.id, seat.lease.id, fence=Fence(1, 999)),
        Code.STALE_FENCE,
    )
    auditor = somebody(shop.owner.org, Role.AUDITOR)
    await refusal(shop.service.release(auditor, shop.id, seat.lease.id, force=True), Code.FORBIDDEN)
    await shop.service.release(shop.owner, shop.id, seat.lease.id, force=True)
    await refusal(
        shop.service.heartbeat(
            shop.owner, shop.id, Beat(seat.lease.id, seat.lease.fence, seat.secret)
        ),
        Code.LEASE_RELEASED,
    )


async def test_a_license_file_is_signed_by_the_root(database: Database) -> None:
    shop = await opened(database)
    await shop.service.license_file(shop.owner, shop.id)
    [(typ, claims)] = shop.pen.roots
    assert typ is Typ.LICENSE
    assert (claims["sub"], claims["aud"], claims["seats"]) == (shop.id, "render", 2)
    assert claims["expires"] is None
    assert claims["exp"] > claims["iat"]
    keyed = somebody(shop.owner.org, Role.HOLDER, kind=PrincipalKind.LICENSE, license=shop.id)
    assert await shop.service.license_file(keyed, shop.id)
    holder = somebody(shop.owner.org, Role.HOLDER)
    await refusal(shop.service.license_file(holder, shop.id), Code.FORBIDDEN)
    await shop.licenses.revoke(shop.owner, shop.id)
    await refusal(shop.service.license_file(shop.owner, shop.id), Code.LICENSE_REVOKED)


async def test_what_no_store_should_see_is_refused(database: Database) -> None:
    shop = await opened(database)
    for ask in (
        Ask(),
        Ask("no-kind"),
        Ask("user:"),
        Ask("user:a b"),
        Ask("User:a"),
        Ask("machine:" + "x" * 300),
        Ask("machine:a", label="two\nlines"),
        Ask("machine:a", ttl_ms=-1),
        Ask("machine:a", entitlements=("x",) * 201),
    ):
        await refusal(shop.service.acquire(shop.owner, shop.id, ask), Code.INVALID_REQUEST)


def test_waiting_longer_is_no_other_request() -> None:
    who = somebody("org_1")
    ask = Ask("machine:a", entitlements=("b", "a"))
    patient = replace(ask, wait=True, ticket="tkt_1", entitlements=("a", "b"))
    assert fingerprint(who, "acquire", ask) == fingerprint(who, "acquire", patient)
    assert fingerprint(who, "acquire", ask) != fingerprint(who, "borrow", ask)
    assert fingerprint(who, "acquire", ask) != fingerprint(who, "acquire", replace(ask, label="x"))
    assert scoped_key(who, "k") != scoped_key(somebody("org_1"), "k")
    assert scoped_key(who, "") == ""


async def test_the_file_of_a_license_that_starts_late_ends_after_it_starts(
    database: Database,
) -> None:
    start = datetime(2091, 1, 1, tzinfo=UTC)
    shop = await opened(database, starts_at=start, expires_at=start + timedelta(days=10))
    await shop.service.license_file(shop.owner, shop.id)
    [(_, claims)] = shop.pen.roots
    assert claims["nbf"] == start.timestamp() < claims["exp"]
    assert claims["expires"] == start.timestamp() + 10 * 86_400


async def test_a_store_that_breaks_does_not_keep_a_new_license_from_its_owner(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await opened(database)

    async def broken(policy: Policy) -> None:
        raise RuntimeError(policy.license)

    monkeypatch.setattr(shop.store, "put_policy", broken)
    made = await shop.licenses.create(shop.owner, product="render", terms=Terms("Second", 1))
    assert made.key
    monkeypatch.undo()
    assert await shop.service.push_pending() == 1
