"""A state machine that asks a store at random, and holds every answer against the plain model.

    class Mine(SeatMachine):
        lab = staticmethod(my_lab)     # () -> async context manager that gives a Lab
    TestMine = Mine.TestCase

It holds S1 (never more live leases than seats), S2 (nothing ended is revived, a stale fence changes
nothing), S4 (the same key, the same lease), the order of the queue, and that fences strictly rise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cloud_support.seat_lab import Lab
from cloud_support.seat_model import Model, Place, Seat
from coditect_cloud.database import new_id
from coditect_cloud.leases.types import (
    Acquire,
    Ended,
    Granted,
    Heartbeat,
    Kind,
    Lease,
    LicenseState,
    Queued,
    Refused,
    Release,
    Reserve,
    Reserved,
)
from coditect_cloud.refusals import Code

T = TypeVar("T")

HOLDERS = st.sampled_from(["user:a", "user:b", "user:c", "user:d", "user:e"])
DEVICES = st.sampled_from(["", "d1", "d2"])
LIVES = st.sampled_from([1_000, 60_000])
INDEX = st.integers(min_value=0, max_value=1_000)


class SeatMachine(RuleBasedStateMachine):
    """One license, five holders, every verb."""

    lab: ClassVar[Callable[[], AbstractAsyncContextManager[Lab]]]
    steps: ClassVar[tuple[int, ...]] = (1, 500, 1_000, 8_000, 60_000)
    """How far time jumps; a store whose time nobody moves takes short ones."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.context = type(self).lab()
        self.at: Lab = self.runner.run(self.context.__aenter__())
        self.do(self.at.know(limit=2, queue_limit=3))
        self.model = Model(self.at.policy)
        self.seen: list[Lease] = []
        """Every lease as it was ever granted."""
        self.tickets: list[tuple[str, str]] = []
        self.reservations: list[str] = []

    def teardown(self) -> None:
        self.runner.run(self.context.__aexit__(None, None, None))
        self.runner.close()

    def do(self, awaitable: Any) -> Any:
        return self.runner.run(awaitable)

    # --- asking ---

    @rule(
        holder=HOLDERS,
        device=DEVICES,
        take_over=st.booleans(),
        borrow=st.booleans(),
        ttl_ms=LIVES,
        key=st.sampled_from(["", "", "k1", "k2"]),
        fingerprint=st.sampled_from(["f1", "f1", "f2"]),
        reservation=st.none() | INDEX,
    )
    def acquire(
        self,
        holder: str,
        device: str,
        take_over: bool,
        borrow: bool,
        ttl_ms: int,
        key: str,
        fingerprint: str,
        reservation: int | None,
    ) -> None:
        kept = ""
        if reservation is not None and self.reservations:
            kept = self.reservations[reservation % len(self.reservations)]
        self.ask(
            Acquire(
                license=self.at.license,
                lease=new_id("lea"),
                holder=holder,
                device=device,
                take_over=take_over,
                kind=Kind.BORROWED if borrow else Kind.FLOATING,
                ttl_ms=ttl_ms,
                key=key,
                fingerprint=fingerprint,
                reservation=kept,
            )
        )

    @rule(holder=HOLDERS, again=st.none() | INDEX)
    def wait(self, holder: str, again: int | None) -> None:
        ticket = new_id("tkt")
        if again is not None and self.tickets:
            ticket, owner = self.tickets[again % len(self.tickets)]
            holder = owner if again % 5 else holder
        else:
            self.tickets.append((ticket, holder))
        self.ask(
            Acquire(
                license=self.at.license,
                lease=new_id("lea"),
                holder=holder,
                ticket=ticket,
                wait=True,
                ttl_ms=60_000,
            )
        )

    def ask(self, ask: Acquire) -> None:
        answer: Granted | Queued | Refused = self.do(self.at.store.acquire(ask))
        model = self.model
        model.at(answer.seats.now_ms if isinstance(answer, Queued) else answer.now_ms)
        if ask.key in model.keys:
            return self.repeated(ask, answer)
        code = model.not_usable()
        if code is not None:
            return refused(answer, code)
        own = model.own(ask.holder)
        if own is not None:
            return self.continued(ask, own, answer)
        if model.settling:
            return refused(answer, Code.SETTLING)
        if ask.reservation:
            kept = model.kept(ask.reservation)
            if not kept:
                return refused(answer, Code.RESERVATION_NOT_FOUND)
            assert isinstance(answer, Granted), answer
            gone = min(kept, key=lambda seat: seat.fence)
            model.seats.remove(gone)
            return self.granted(ask, answer)
        position = model.position(ask.ticket)
        if position is not None and model.queue[position - 1].holder != ask.holder:
            return refused(answer, Code.TICKET_NOT_FOUND)
        ahead = len(model.queue) if position is None else position - 1
        if model.free > ahead:
            assert isinstance(answer, Granted), answer
            if position is not None:
                del model.queue[position - 1]
            return self.granted(ask, answer)
        if not ask.wait:
            return refused(answer, Code.SEATS_EXHAUSTED)
        if position is None and len(model.queue) >= model.policy.queue_limit:
            return refused(answer, Code.QUEUE_FULL)
        assert isinstance(answer, Queued), answer
        if position is None:
            model.queue.append(Place(ask.ticket, ask.holder, model.now_ms))
            position = len(model.queue)
        else:
            model.queue[position - 1].polled_ms = model.now_ms
        assert answer.position == position
        return None

    def repeated(self, ask: Acquire, answer: Granted | Queued | Refused) -> None:
        """S4."""
        fingerprint, lease, fence = self.model.keys[ask.key]
        if fingerprint != ask.fingerprint:
            return refused(answer, Code.IDEMPOTENCY_KEY_REUSED)
        assert isinstance(answer, Granted), answer
        assert answer.replayed
        assert (answer.lease.id, answer.lease.fence) == (lease, fence)
        seat = self.model.seat(lease)
        lives = seat is not None and seat.fence == fence
        assert answer.ended is not lives
        assert (answer.remaining_ms > 0) is lives
        if seat is not None and lives:
            assert answer.lease.expires_ms == seat.expires_ms
        return None

    def continued(self, ask: Acquire, own: Seat, answer: Granted | Queued | Refused) -> None:
        model = self.model
        moves = own.device != ask.device
        if moves and (own.kind is Kind.BORROWED or not ask.take_over):
            return refused(answer, Code.HOLDER_HAS_SEAT)
        assert isinstance(answer, Granted), answer
        assert answer.replayed is not moves
        if own.kind is Kind.BORROWED:
            assert answer.lease.fence == own.fence
            return None
        assert (answer.lease.id == own.lease) is not moves
        model.seats.remove(own)
        position = model.position(ask.ticket)
        if position is not None and model.queue[position - 1].holder == ask.holder:
            del model.queue[position - 1]
        return self.granted(ask, answer, moved=True)

    def granted(self, ask: Acquire, answer: Granted, *, moved: bool = False) -> None:
        lease = answer.lease
        model = self.model
        model.rise(lease.fence)
        assert model.seat(lease.id) is None, "an id is used twice"
        assert lease.expires_ms == model.now_ms + ask.ttl_ms
        assert (lease.holder, lease.device, lease.kind) == (ask.holder, ask.device, ask.kind)
        model.seats.append(
            Seat(
                lease.id,
                lease.holder,
                lease.device,
                lease.kind,
                lease.fence,
                lease.expires_ms,
                lease.ttl_ms,
            )
        )
        # S1, where terms that shrank have not left more than there are.
        assert moved or model.free >= 0 or ask.reservation, "oversold"
        if ask.key:
            model.keys[ask.key] = (ask.fingerprint, lease.id, lease.fence)
        self.seen.append(lease)

    # --- holding ---

    @precondition(lambda self: self.seen)
    @rule(which=INDEX, many=st.integers(1, 3))
    def heartbeat(self, which: int, many: int) -> None:
        """Old incarnations beat as well as new ones, alone and in batches."""
        leases = [self.seen[(which + n) % len(self.seen)] for n in range(many)]
        beats = [Heartbeat(self.at.license, lease.id, lease.fence) for lease in leases]
        answers: list[Granted | Refused] = (
            [self.do(self.at.store.heartbeat(beats[0]))]
            if many == 1
            else self.do(self.at.store.heartbeat_many(beats))
        )
        for lease, answer in zip(leases, answers, strict=True):
            self.beaten(lease, answer)

    def beaten(self, lease: Lease, answer: Granted | Refused) -> None:
        model = self.model
        model.at(answer.now_ms)
        seat = model.seat(lease.id)
        if seat is None:
            ended = {Code.LEASE_NOT_FOUND, Code.LEASE_EXPIRED, Code.LEASE_RELEASED}
            assert isinstance(answer, Refused), "S2: revived"
            assert answer.code in ended
        elif seat.fence != lease.fence:
            refused(answer, Code.STALE_FENCE)
        elif (code := model.not_usable()) is not None:
            refused(answer, code)
        elif seat.burned:
            refused(answer, Code.SEAT_BURNED)
        else:
            assert isinstance(answer, Granted), answer
            if seat.kind is Kind.FLOATING:
                seat.expires_ms = model.now_ms + seat.ttl_ms
            assert answer.lease.expires_ms == seat.expires_ms
            assert answer.lease.fence == seat.fence

    @precondition(lambda self: self.seen)
    @rule(which=INDEX, force=st.booleans())
    def release(self, which: int, force: bool) -> None:
        lease = self.seen[which % len(self.seen)]
        ask = Release(self.at.license, lease.id, None if force else lease.fence, by="boss")
        answer: Ended | Refused = self.do(self.at.store.release(ask))
        model = self.model
        model.at(answer.now_ms)
        seat = model.seat(lease.id)
        if seat is None:
            assert isinstance(answer, Ended), answer
            assert answer.already
        elif not force and seat.fence != lease.fence:
            refused(answer, Code.STALE_FENCE)
        elif seat.burned:
            refused(answer, Code.SEAT_BURNED)
        elif force and seat.kind is Kind.BORROWED:
            refused(answer, Code.CONFLICT)
        else:
            assert isinstance(answer, Ended), answer
            assert not answer.already
            model.seats.remove(seat)

    @precondition(lambda self: self.seen)
    @rule(which=INDEX)
    def burn(self, which: int) -> None:
        lease = self.seen[which % len(self.seen)]
        answer: Lease | Refused = self.do(self.at.store.burn(lease.license, lease.id, by="boss"))
        self.look()
        seat = self.model.seat(lease.id)
        if isinstance(answer, Lease):
            assert answer.burned
            if seat is not None:  # else it ended between the two looks
                assert seat.kind is Kind.BORROWED
                seat.burned = True
        else:
            assert seat is None or seat.kind is not Kind.BORROWED

    # --- keeping, and the queue ---

    @rule(seats=st.integers(1, 3), again=st.none() | INDEX, ttl_ms=LIVES)
    def reserve(self, seats: int, again: int | None, ttl_ms: int) -> None:
        name = new_id("rsv")
        if again is not None and self.reservations:
            name = self.reservations[again % len(self.reservations)]
        ask = Reserve(self.at.license, name, seats, ttl_ms)
        answer: Reserved | Refused = self.do(self.at.store.reserve(ask))
        model = self.model
        model.at(answer.now_ms)
        kept = model.kept(name)
        if kept or name in self.reservations:
            if not kept and isinstance(answer, Refused):
                return  # a store may have forgotten a reservation of which nothing is left
            assert isinstance(answer, Reserved), answer
            if kept:
                assert answer.seats == len(kept)
                return
            if answer.seats == 0:
                return
        elif isinstance(answer, Refused):
            expected = model.not_usable() or (Code.SETTLING if model.settling else None)
            if expected is None:
                assert model.free - len(model.queue) < seats
                expected = Code.SEATS_EXHAUSTED
            assert answer.code is expected
            return
        assert isinstance(answer, Reserved)
        assert not model.settling
        assert answer.seats == seats <= model.free - len(model.queue), "oversold"
        assert answer.expires_ms == model.now_ms + ttl_ms
        if name not in self.reservations:
            self.reservations.append(name)
        made = [
            lease
            for lease in self.do(self.at.store.leases(self.at.license))
            if lease.id.startswith(f"{name}#")
        ]
        for lease in sorted(made, key=lambda one: one.fence):
            model.rise(lease.fence)
            model.seats.append(
                Seat(
                    lease.id,
                    "",
                    "",
                    Kind.RESERVED,
                    lease.fence,
                    answer.expires_ms,
                    ttl_ms,
                    reservation=name,
                )
            )
            # Nobody shows that it is his, so it has no holder that could own two.
            model.seats[-1].holder = f"nobody:{lease.id}"

    @precondition(lambda self: self.reservations)
    @rule(which=INDEX)
    def unreserve(self, which: int) -> None:
        name = self.reservations[which % len(self.reservations)]
        self.look()
        kept = self.model.kept(name)
        given: int = self.do(self.at.store.unreserve(self.at.license, name, by="boss"))
        assert given <= len(kept)  # fewer, if some ended between the two looks
        if self.at.can_jump:
            assert given == len(kept)
        for seat in kept:
            self.model.seats.remove(seat)

    @precondition(lambda self: self.tickets)
    @rule(which=INDEX)
    def leave(self, which: int) -> None:
        ticket, _ = self.tickets[which % len(self.tickets)]
        self.look()
        place = self.model.position(ticket)
        there: bool = self.do(self.at.store.leave(self.at.license, ticket))
        if self.at.can_jump:
            assert there is (place is not None)
        if place is not None:
            del self.model.queue[place - 1]

    # --- terms, time, loss ---

    @rule(limit=st.integers(0, 4), overage=st.integers(0, 1))
    def change_limit(self, limit: int, overage: int) -> None:
        self.do(self.at.terms(limit=limit, overage=overage))
        self.model.policy = self.at.policy

    @rule(state=st.sampled_from([LicenseState.ACTIVE, LicenseState.ACTIVE, *LicenseState]))
    def change_state(self, state: LicenseState) -> None:
        self.do(self.at.terms(state=state))
        self.model.policy = self.at.policy

    @rule(which=INDEX)
    def pass_time(self, which: int) -> None:
        self.do(self.at.advance(self.steps[which % len(self.steps)]))

    @rule(settle=st.sampled_from([False, False, False, True]))
    def next_epoch(self, settle: bool) -> None:
        """The store is told that it may have lost something (here it has not)."""
        self.model.epoch += 1
        borrowed = [
            lease
            for lease in self.seen
            if (seat := self.model.seat(lease.id)) is not None
            and seat.kind is Kind.BORROWED
            and seat.fence == lease.fence
        ]
        borrowed = [replace(one, burned=self.model.seat(one.id).burned) for one in borrowed]  # type: ignore[union-attr]
        self.do(
            self.at.store.restore(
                self.at.policy, epoch=self.model.epoch, borrowed=borrowed, settle=settle
            )
        )
        self.model.keys.clear()
        seats = self.do(self.at.store.seats(self.at.license))
        assert (seats.settling_until_ms > 0) is settle
        self.model.settling_until_ms = seats.settling_until_ms

    @precondition(lambda self: self.seen)
    @rule(which=INDEX)
    def register(self, which: int) -> None:
        """An old token is shown: it gets back what is its own, and nothing that has ended."""
        lease = self.seen[which % len(self.seen)]
        before = self.model.seat(lease.id)
        answer: Granted | Refused = self.do(self.at.store.register(lease))
        self.model.at(answer.now_ms)
        seat = self.model.seat(lease.id)
        if isinstance(answer, Refused):
            return
        assert self.model.settling
        assert before is not None or self.model.free > 0, "oversold"
        if seat is None:  # released by its holder, whose token still lives: see S2 in the docs
            raise AssertionError("an ended lease was revived")
        if answer.lease.fence != seat.fence:
            assert lease.fence == seat.fence, "a stale token took the seat"
            self.model.rise(answer.lease.fence)
            seat.fence = answer.lease.fence
        assert answer.lease.expires_ms == max(lease.expires_ms, seat.expires_ms)
        seat.expires_ms = answer.lease.expires_ms
        self.seen.append(answer.lease)

    # --- always ---

    def look(self) -> None:
        self.model.at(self.do(self.at.store.seats(self.at.license)).now_ms)

    @invariant()
    def the_store_counts_what_the_model_counts(self) -> None:
        seats = self.do(self.at.store.seats(self.at.license))
        self.model.at(seats.now_ms)
        assert seats.in_use == len(self.model.seats)
        assert seats.queued == len(self.model.queue)
        assert seats.reserved == sum(s.kind is Kind.RESERVED for s in self.model.seats)
        first = min((seat.expires_ms for seat in self.model.seats), default=None)
        assert seats.earliest_release_ms == first
        # The model's own seats are what the store shows, one by one.
        shown = self.do(self.at.store.leases(self.at.license))
        if self.at.can_jump:
            assert [lease.id for lease in shown] == sorted(s.lease for s in self.model.seats)
            for lease in shown:
                seat = self.model.seat(lease.id)
                assert seat is not None
                assert (lease.fence, lease.expires_ms) == (seat.fence, seat.expires_ms)


def refused(answer: object, code: Code) -> None:
    """The answer is this refusal."""
    assert isinstance(answer, Refused), answer
    assert answer.code is code
