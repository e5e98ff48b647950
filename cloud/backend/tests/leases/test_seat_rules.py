"""The rules, where a whole store would hide what they decide."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coditect_cloud.leases import rules
from coditect_cloud.leases.rules import Drop, Held, Put, Standing
from coditect_cloud.leases.rules.view import Secrets
from coditect_cloud.leases.types import (
    Acquire,
    Fence,
    Granted,
    Kind,
    Lease,
    LicenseState,
    Policy,
    Queued,
    Refused,
    Reserve,
)
from coditect_cloud.refusals import Code

POLICY = Policy("lic_1", "org_1", 1, limit=2, ttl_ms=1_000)
SETTLING = Standing(
    now_ms=10_000,
    policy=POLICY,
    epoch=2,
    counter=0,
    seq=0,
    settling_until_ms=20_000,
    live=1,
    queued=0,
)
TOKEN = Lease(
    id="lea_1",
    license="lic_1",
    holder="user:a",
    device="d1",
    kind=Kind.FLOATING,
    fence=Fence(1, 7),
    granted_ms=9_000,
    expires_ms=10_500,
    ttl_ms=1_000,
)


def register(
    token: Lease, *, held: Held | None = None, own: Held | None = None, buried: Code | None = None
) -> Granted | Refused:
    return rules.register(SETTLING, token, held=held, own=own, buried=buried).answer


# --- what comes back after a loss ---


def test_a_token_that_is_newer_than_what_the_store_kept_wins() -> None:
    kept = Held(replace(TOKEN, id="lea_0", device="d0", fence=Fence(1, 6)))
    decision = rules.register(SETTLING, TOKEN, held=None, own=kept)
    assert isinstance(decision.answer, Granted)
    assert decision.live == SETTLING.live
    assert Drop("lea_0") in decision.effects


def test_a_token_that_is_older_than_what_the_store_kept_is_stale() -> None:
    newer = Held(replace(TOKEN, id="lea_2", fence=Fence(1, 8)))
    for held, own in ((None, newer), (Held(replace(TOKEN, fence=Fence(2, 1))), None)):
        answer = register(TOKEN, held=held, own=own)
        assert isinstance(answer, Refused)
        assert answer.code is Code.STALE_FENCE


def test_a_heartbeat_that_the_store_knows_of_is_not_forgotten() -> None:
    held = Held(replace(TOKEN, expires_ms=10_900), Secrets("s1", ("s2",)))
    decision = rules.register(SETTLING, TOKEN, held=held, own=held)
    assert isinstance(decision.answer, Granted)
    assert decision.answer.lease.expires_ms == 10_900
    put = decision.effects[-1]
    assert isinstance(put, Put)
    assert put.held.secrets == Secrets("s1", ("s2",))


def test_what_was_released_does_not_come_back() -> None:
    answer = register(TOKEN, buried=Code.LEASE_RELEASED)
    assert isinstance(answer, Refused)
    assert answer.code is Code.LEASE_RELEASED


def test_what_a_store_without_the_last_heartbeat_thought_expired_comes_back() -> None:
    assert isinstance(register(TOKEN, buried=Code.LEASE_EXPIRED), Granted)


def test_nobody_registers_with_a_revoked_license() -> None:
    revoked = replace(SETTLING, policy=replace(POLICY, state=LicenseState.REVOKED))
    answer = rules.register(revoked, TOKEN, held=None, own=None).answer
    assert isinstance(answer, Refused)
    assert answer.code is Code.LICENSE_REVOKED


# --- secrets ---


def test_a_doubled_heartbeat_leaves_both_answers_good() -> None:
    start = Secrets().add("s0")
    once = start.show("s0", "s1")
    assert once is not None
    twice = once.show("s0", "s1b")
    assert twice is not None
    assert twice.show("s1", "s2") is not None
    assert twice.show("s1b", "s2") is not None


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=2, max_size=30))
def test_two_copies_part_ways_when_both_have_beaten_twice(turns: list[bool]) -> None:
    secrets = Secrets().add("s")
    shows = {True: "s", False: "s"}
    counts = {True: 0, False: 0}
    found = False
    for number, who in enumerate(turns):
        after = secrets.show(shows[who], f"n{number}")
        counts[who] += 1
        if after is None:
            found = True
            break
        secrets, shows[who] = after, f"n{number}"
    if min(counts.values()) >= 3:
        assert found


def test_a_single_client_is_never_suspected_whatever_answers_are_lost() -> None:
    secrets, shown = Secrets().add("s"), "s"
    for number in range(50):
        after = secrets.show(shown, f"n{number}")
        assert after is not None
        secrets = after
        if number % 3 == 2:  # two answers of three are lost
            shown = f"n{number}"


# --- small things ---


def test_a_seat_that_the_holder_has_can_be_taken_offline() -> None:
    standing = replace(SETTLING, settling_until_ms=0)
    ask = Acquire("lic_1", "lea_9", "user:a", device="d1", kind=Kind.BORROWED, ttl_ms=86_400_000)
    decision = rules.acquire(standing, ask, own=Held(TOKEN))
    assert isinstance(decision.answer, Granted)
    assert decision.answer.lease.kind is Kind.BORROWED
    assert decision.answer.lease.id == TOKEN.id
    assert [note.kind for note in decision.notes] == ["borrowed"]


def test_a_ticket_of_somebody_with_a_seat_is_taken_out() -> None:
    standing = replace(SETTLING, settling_until_ms=0, queued=1)
    ticket = rules.Ticket("tkt_1", "user:a", 1)
    ask = Acquire("lic_1", "lea_9", "user:a", device="d1", ticket="tkt_1", wait=True)
    decision = rules.acquire(standing, ask, own=Held(TOKEN), ticket=ticket)
    assert rules.Leave("tkt_1") in decision.effects


def test_waiting_needs_a_ticket() -> None:
    standing = replace(SETTLING, settling_until_ms=0, live=2)
    answer = rules.acquire(standing, Acquire("lic_1", "lea_9", "user:b", wait=True)).answer
    assert isinstance(answer, Refused)
    answer = rules.acquire(
        standing, Acquire("lic_1", "lea_9", "user:b", ticket="tkt_1", wait=True)
    ).answer
    assert isinstance(answer, Queued)


def test_nothing_is_kept_while_settling_or_suspended() -> None:
    ask = Reserve("lic_1", "rsv_1", 1, 1_000)
    settling = rules.reserve(SETTLING, ask).answer
    assert isinstance(settling, Refused)
    assert settling.code is Code.SETTLING
    policy = replace(POLICY, state=LicenseState.SUSPENDED)
    suspended = rules.reserve(replace(SETTLING, policy=policy), ask).answer
    assert isinstance(suspended, Refused)
    assert suspended.code is Code.LICENSE_SUSPENDED
    with pytest.raises(ValueError, match="one seat"):
        rules.reserve(SETTLING, Reserve("lic_1", "rsv_1", 0, 1_000))


def test_burning_twice_is_burning_once() -> None:
    borrowed = replace(TOKEN, kind=Kind.BORROWED, burned=True)
    decision = rules.burn(SETTLING, Held(borrowed), by="x")
    assert decision.answer == borrowed
    assert not decision.notes
