"""What a batch of a license's outbox means for the audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coditect_cloud.audit.canonical import plain
from coditect_cloud.audit.chain import Draft
from coditect_cloud.leases.types import Change

UNCHAINED = frozenset({"denied", "queued", "unqueued"})
"""Kinds that tell of demand, not of seats: kept beside the chain."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """The newest change of a license that stands in the audit."""

    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What is new in a batch."""

    changes: tuple[Change, ...]
    """Each change that was not taken before, in order."""
    drafts: tuple[Draft, ...]
    """For the chain, losses among them."""
    denials: tuple[Change, ...]
    position: Position | None
    """Afterwards; None: still nothing was taken."""


def take(position: Position | None, changes: Sequence[Change], *, lossy: bool) -> Taken:
    """Take what is behind a position, once, and say what is missing before it.

    A gap in `seq` is a certain loss. An epoch that began after a store lost memory is a possible
    one: how many changes the old epoch had at its end nobody knows any more, so the audit says so
    rather than look whole. A store that is not lossy begins an epoch without losing anything.
    """
    fresh: list[Change] = []
    drafts: list[Draft] = []
    denials: list[Change] = []
    for change in changes:
        here = Position(change.epoch, change.seq)
        if position is not None and here <= position:
            continue
        drafts.extend(_losses(position, change, lossy=lossy))
        position = here
        fresh.append(change)
        if change.kind in UNCHAINED:
            denials.append(change)
        else:
            drafts.append(_draft(change))
    return Taken(tuple(fresh), tuple(drafts), tuple(denials), position)


def _draft(change: Change) -> Draft:
    body = plain(change.body)
    actor = body.get("by") or body.get("holder") or "system"
    subject = body.get("lease") or body.get("reservation") or change.license
    return Draft(
        change.at_ms,
        f"lease.{change.kind}",
        str(actor),
        str(subject),
        {
            "license": change.license,
            "epoch": change.epoch,
            "seq": change.seq,
            "change": body,
        },
        change.license,
    )


def _losses(position: Position | None, change: Change, *, lossy: bool) -> list[Draft]:
    known = position or Position(1, 0)
    losses = []
    if change.epoch > known.epoch:
        if lossy:
            losses.append(_end_of(known, change))
        known = Position(change.epoch, 0)
    if change.seq > known.seq + 1:
        losses.append(
            _lost(
                change,
                epoch=change.epoch,
                first=known.seq + 1,
                last=change.seq - 1,
                certain=True,
            )
        )
    return losses


def _end_of(known: Position, change: Change) -> Draft:
    """The end of the old epoch: certain as far as the store itself remembers more of it."""
    told = change.body
    same = told.get("last_epoch") == known.epoch
    last = told.get("last_seq") if same else None
    certain = isinstance(last, (int, float)) and last > known.seq
    return _lost(
        change,
        epoch=known.epoch,
        first=known.seq + 1,
        last=int(last) if certain and last is not None else None,
        certain=certain,
    )


def _lost(change: Change, *, epoch: int, first: int, last: int | None, certain: bool) -> Draft:
    return Draft(
        change.at_ms,
        "lease.tail_lost",
        "system",
        change.license,
        {
            "license": change.license,
            "epoch": epoch,
            "first_seq": first,
            "last_seq": last,  # None: nobody knows
            "certain": certain,
            "found_epoch": change.epoch,
            "found_seq": change.seq,
        },
        change.license,
    )
