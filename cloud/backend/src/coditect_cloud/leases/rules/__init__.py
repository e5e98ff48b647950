"""What is decided about seats: pure functions from a view of the store to a decision. No I/O.

A store loads a `Standing` and the few records a question is about, calls the rule, and carries
out the `Decision` in the same atomic step. Who cannot call Python (a script inside a server)
decides alike; the conformance suite holds it to that.
"""

from coditect_cloud.leases.rules.admission import acquire, license_refusal, seats_of
from coditect_cloud.leases.rules.keeping import reserve, unreserve
from coditect_cloud.leases.rules.memory import expired, policy_set, register
from coditect_cloud.leases.rules.upkeep import burn, heartbeat, release
from coditect_cloud.leases.rules.view import (
    Bury,
    Decision,
    Drop,
    Effect,
    Enqueue,
    Held,
    Leave,
    Note,
    Poll,
    Put,
    Recalled,
    Remember,
    Standing,
    Ticket,
    facts,
    unchanged,
)

__all__ = [
    "Bury",
    "Decision",
    "Drop",
    "Effect",
    "Enqueue",
    "Held",
    "Leave",
    "Note",
    "Poll",
    "Put",
    "Recalled",
    "Remember",
    "Standing",
    "Ticket",
    "acquire",
    "burn",
    "expired",
    "facts",
    "heartbeat",
    "license_refusal",
    "policy_set",
    "register",
    "release",
    "reserve",
    "seats_of",
    "unchanged",
    "unreserve",
]
