"""Checks an export without the service: says the first line that does not hold, and why."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from coditect_cloud.audit.canonical import NotCanonical, canonical
from coditect_cloud.audit.chain import VERSION, Entry, Head, digest, genesis

MOST_BYTES = 4 * 1024 * 1024
"""A line may have so many; a longer one does not hold."""

CheckSignature = Callable[[str], Mapping[str, Any]]
"""Gives the claims of a signed checkpoint, verified from the pinned root; ValueError if not."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that does not hold; nothing behind it was looked at."""

    line: int
    """From 1."""
    seq: int | None
    """Of the entry, as far as it can be told."""
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an export proves."""

    entries: int
    """How many hold, up to the fault."""
    head: Head | None
    """The last entry that holds."""
    anchored: bool
    """Begins at the organisation's genesis or at the checkpoint given; else what came before is
    not known."""
    closed: bool
    """A checkpoint of exactly the last entry stands at the end; else later ones may be missing."""
    signed: bool
    """That checkpoint's signature was verified."""
    fault: Fault | None

    @property
    def holds(self) -> bool:
        """Whether every line holds."""
        return self.fault is None


def verify(
    lines: Iterable[bytes | str],
    *,
    after: Head | None = None,
    org: str | None = None,
    check_signature: CheckSignature | None = None,
) -> Verdict:
    """Check an export line by line; holds one line in memory.

    `after` is a checkpoint kept from before: the export has to go on exactly there. `org`: whose
    chain it has to be. Without a signed checkpoint somebody who can write the whole database may
    have made the whole chain anew: only checkpoints kept elsewhere prove that he did not.
    """
    so_far = Verdict(0, None, False, False, False, None)
    number = 0
    for number, line in enumerate(lines, 1):
        raw = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
        try:
            so_far = _next(so_far, raw, after=after, org=org, check=check_signature)
        except _Broken as fault:
            return replace(so_far, fault=Fault(number, fault.seq, str(fault)))
    if number == 0:
        return replace(so_far, fault=Fault(0, None, "there are no lines"))
    return so_far


class _Broken(Exception):
    def __init__(self, why: str, seq: int | None = None) -> None:
        super().__init__(why)
        self.seq = seq


def _next(
    so_far: Verdict,
    raw: bytes,
    *,
    after: Head | None,
    org: str | None,
    check: CheckSignature | None,
) -> Verdict:
    if so_far.closed:
        raise _Broken("something stands behind the checkpoint")
    told = _read(raw)
    if "checkpoint" in told:
        return _close(so_far, told, after=after, org=org, check=check)
    entry = _entry(told)
    expected = so_far.head or after
    if expected is None:
        if org is not None and entry.org != org:
            raise _Broken(f"it is the chain of {entry.org}, not of {org}", entry.seq)
        if entry.seq == 1:
            expected = genesis(entry.org)
        else:  # an extract: what the first one says of its predecessor cannot be checked
            expected = Head(entry.org, entry.seq - 1, entry.prev)
    anchored = so_far.anchored or (so_far.head is None and (after is not None or entry.seq == 1))
    _follows(entry, expected)
    head = Head(entry.org, entry.seq, entry.hash)
    return replace(so_far, entries=so_far.entries + 1, head=head, anchored=anchored)


def _follows(entry: Entry, expected: Head) -> None:
    if entry.org != expected.org:
        raise _Broken(f"it belongs to {entry.org}, not to {expected.org}", entry.seq)
    if entry.seq != expected.seq + 1:
        raise _Broken(f"entry {expected.seq + 1} has to stand here, not {entry.seq}", entry.seq)
    if not hmac.compare_digest(entry.prev.encode(), expected.hash.encode()):
        raise _Broken("`prev` is not the hash of the entry before", entry.seq)
    if not hmac.compare_digest(entry.hash.encode(), digest(entry).encode()):
        raise _Broken("`hash` does not fit what the entry says", entry.seq)


def _close(
    so_far: Verdict,
    told: dict[str, Any],
    *,
    after: Head | None,
    org: str | None,
    check: CheckSignature | None,
) -> Verdict:
    point = told["checkpoint"]
    if (
        set(told) != {"checkpoint", "signature"}
        or not isinstance(point, dict)
        or set(point) != {"v", "org", "seq", "hash", "at_ms"}
        or point["v"] != VERSION
        or not _is_number(point["seq"])
    ):
        raise _Broken("it is no checkpoint of this version")
    head = so_far.head or after
    if head is None:
        if not isinstance(point["org"], str) or (org is not None and point["org"] != org):
            raise _Broken("the checkpoint is of another organisation")
        head = genesis(point["org"])
    if (point["org"], point["seq"], point["hash"]) != (head.org, head.seq, head.hash):
        raise _Broken(
            f"the checkpoint is of entry {point['seq']}, and the chain here ends at {head.seq} or "
            "is another one",
            point["seq"],
        )
    signed = False
    if check is not None:
        signed = _signed(told["signature"], point, check)
    anchored = so_far.anchored or so_far.head is None
    return replace(so_far, head=head, anchored=anchored, closed=True, signed=signed)


def _signed(signature: Any, point: dict[str, Any], check: CheckSignature) -> bool:
    if not isinstance(signature, str):
        raise _Broken("the checkpoint is not signed", point["seq"])
    try:
        claims = check(signature)
    except ValueError as fault:
        raise _Broken(f"the checkpoint's signature does not hold: {fault}", point["seq"]) from None
    if any(claims.get(name) != point[name] for name in ("org", "seq", "hash")):
        raise _Broken("the signature is of another checkpoint", point["seq"])
    return True


def _read(raw: bytes) -> dict[str, Any]:
    raw = raw.removesuffix(b"\n")
    if len(raw) > MOST_BYTES:
        raise _Broken(f"the line has more than {MOST_BYTES} bytes")
    try:
        told = json.loads(raw)
        same = isinstance(told, dict) and canonical(told) == raw
    except (ValueError, RecursionError, NotCanonical):
        raise _Broken("the line is no canonical JSON") from None
    if not same:  # another spelling of the same facts is a change, too
        raise _Broken("the line is no JSON object in canonical form")
    assert isinstance(told, dict)
    return told


_FIELDS: dict[str, type] = {
    "v": int,
    "org": str,
    "seq": int,
    "at_ms": int,
    "kind": str,
    "actor": str,
    "subject": str,
    "body": dict,
    "prev": str,
    "hash": str,
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _entry(told: dict[str, Any]) -> Entry:
    seq = told.get("seq")
    seq = seq if _is_number(seq) else None
    if set(told) != set(_FIELDS):
        raise _Broken("it has not the fields of an entry", seq)
    for name, kind in _FIELDS.items():
        value = told[name]
        if not (_is_number(value) if kind is int else isinstance(value, kind)):
            raise _Broken(f"`{name}` is of another type", seq)
    if told["v"] != VERSION:
        raise _Broken(f"version {told['v']} is not known here", seq)
    del told["v"]
    return Entry(**told)
