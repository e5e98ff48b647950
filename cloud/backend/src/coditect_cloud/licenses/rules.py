"""Which terms make sense together, and which state follows which: pure.

What contradicts itself is refused when it is written, with a sentence that says why, so that
nobody finds out when a seat is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from coditect_cloud.leases.types import MAX_TTL_MS, LicenseState
from coditect_cloud.licenses.types import License, OverageStrategy, Terms
from coditect_cloud.organisations.rules import check_name
from coditect_cloud.refusals import Code, Refusal

MOST_SEATS = 10_000_000
MIN_TTL_MS = 5_000
"""A shorter lease would be lost to any hiccup of a network."""
MAX_BORROW_MS = 30 * 24 * 3_600_000
MAX_QUEUE = 100_000
MOST_ENTITLEMENTS = 200
MAX_OVERLAP_MS = 30 * 24 * 3_600_000
"""A key that was rotated works on for 30 days at most."""
_ENTITLEMENT = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?", re.ASCII)


def check_terms(terms: Terms) -> Terms:
    """Give the terms as they are kept. Refusal IMPOSSIBLE_POLICY with all that is wrong."""
    name = check_name(terms.name)
    faults = [*_numbers(terms), *_overage(terms), *_times(terms), *_entitlements(terms)]
    if faults:
        raise Refusal(
            Code.IMPOSSIBLE_POLICY,
            "; ".join(faults[:5]),
            hint="Change the terms so that they do not contradict each other.",
            data={"faults": faults[:20]},
        )
    return replace(terms, name=name, entitlements=dict(sorted(terms.entitlements.items())))


def _numbers(terms: Terms) -> Iterator[str]:
    if not 0 <= terms.seats <= MOST_SEATS:
        yield f"a license has 0 to {MOST_SEATS} seats, not {terms.seats}"
    if not MIN_TTL_MS <= terms.ttl_ms <= MAX_TTL_MS:
        yield (
            f"a lease lives {MIN_TTL_MS} to {MAX_TTL_MS} ms from its last heartbeat: shorter ones"
            " are lost to any hiccup, longer ones keep the seats of the dead too long"
        )
    if not 0 <= terms.queue_limit <= MAX_QUEUE:
        yield f"0 to {MAX_QUEUE} may wait in the queue, not {terms.queue_limit}"
    if not 0 <= terms.borrow_max_ms <= MAX_BORROW_MS:
        yield f"a seat may be borrowed for 0 to {MAX_BORROW_MS} ms, which is 30 days"


def _overage(terms: Terms) -> Iterator[str]:
    overage = terms.overage
    match overage.strategy:
        case OverageStrategy.NONE:
            if overage.value != 0:
                yield "overage `none` has no number: leave it out, or choose `seats` or `percent`"
            return
        case OverageStrategy.SEATS:
            if not 1 <= overage.value <= MOST_SEATS:
                yield f"an overage of seats is 1 to {MOST_SEATS}; for none at all choose `none`"
        case OverageStrategy.PERCENT:
            if not 1 <= overage.value <= 1_000:
                yield "an overage in percent is 1 to 1000; for none at all choose `none`"
            elif terms.seats >= 0 and overage.seats(terms.seats) == 0:
                yield (
                    f"{overage.value} % of {terms.seats} seats is not one whole seat,"
                    " so this overage would never be granted"
                )
    if terms.trial:
        yield "a trial has no overage: nobody can be billed for it"


def _times(terms: Terms) -> Iterator[str]:
    starts, expires = terms.starts_at, terms.expires_at
    for name, moment in (("start", starts), ("expiry", expires)):
        if moment is not None and moment.tzinfo is None:
            yield f"the {name} needs a time zone"
            return
        if moment is not None and not 2000 <= moment.year <= 9000:
            yield f"the {name} lies outside the years 2000 to 9000"
    if terms.trial and expires is None:
        yield "a trial has to end: give it an expiry"
    if starts is not None and expires is not None:
        if expires <= starts:
            yield "it would expire before it starts, so it could never be used"
        elif terms.borrow_max_ms > (expires - starts).total_seconds() * 1000:
            yield "a seat could be borrowed for longer than the license lives"


def _entitlements(terms: Terms) -> Iterator[str]:
    if len(terms.entitlements) > MOST_ENTITLEMENTS:
        yield f"a license has {MOST_ENTITLEMENTS} entitlements at most"
        return
    for name, limit in terms.entitlements.items():
        if not _ENTITLEMENT.fullmatch(name):
            yield (
                f"{name[:64]!r} is no name of an entitlement: 1 to 64 lower-case letters, digits,"
                " dots, hyphens and underscores, with a letter or digit at both ends"
            )
        elif limit is not None and not 0 <= limit < 2**53:
            yield f"the limit of {name!r} is 0 to 2^53 - 1, or none"


def next_state(license: License, wanted: LicenseState) -> LicenseState | None:
    """Give the state that follows, or None if it is that already. CONFLICT if it never can be.

    Suspended comes back; revoked is final: its copies in the wild must never work again.
    """
    if license.state is wanted:
        return None
    if license.state is LicenseState.REVOKED:
        raise Refusal(
            Code.CONFLICT,
            "this license is revoked, and that is final",
            hint="Make another license. To stop one for a while, suspend it.",
            data={"state": license.state.value},
        )
    return wanted


def check_overlap(overlap_ms: int) -> int:
    """How long a rotated key works on: 0 to `MAX_OVERLAP_MS`."""
    if not 0 <= overlap_ms <= MAX_OVERLAP_MS:
        raise Refusal(
            Code.INVALID_REQUEST, f"an overlap is 0 to {MAX_OVERLAP_MS} ms, which is 30 days"
        )
    return overlap_ms
