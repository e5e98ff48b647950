"""The chain: each entry's hash covers the entry before it, so that none can be changed alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from coditect_cloud.audit.canonical import canonical

VERSION = 1
_ENTRY = b"coditect audit entry v1\n"
_GENESIS = b"coditect audit genesis v1\n"
"""Domains: what is hashed for one purpose never has the hash of anything else."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is about to become an entry."""

    at_ms: int
    kind: str
    actor: str
    subject: str
    body: dict[str, Any]
    """Canonical values only."""
    license: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry of an organisation's chain; nothing before it can change without it."""

    org: str
    seq: int
    """0: the chain is empty."""
    hash: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One link. Its hash covers every field, the organisation included."""

    org: str
    seq: int
    """From 1, without gaps."""
    at_ms: int
    kind: str
    """What happened: `lease.granted`, `license.suspended`, `lease.tail_lost`, …"""
    actor: str
    """Who did it: the id of a principal, a holder, or `system`."""
    subject: str
    """Id of what it happened to."""
    body: dict[str, Any]
    prev: str
    """Hash of the entry before; of the first: the organisation's genesis."""
    hash: str

    def unhashed(self) -> dict[str, Any]:
        """All fields but the hash: what the hash covers."""
        return {
            "v": VERSION,
            "org": self.org,
            "seq": self.seq,
            "at_ms": self.at_ms,
            "kind": self.kind,
            "actor": self.actor,
            "subject": self.subject,
            "body": self.body,
            "prev": self.prev,
        }

    def line(self) -> bytes:
        """The entry as one line of an export, without its line end."""
        return canonical({**self.unhashed(), "hash": self.hash})


def genesis(org: str) -> Head:
    """The head of an empty chain; another organisation's chain begins elsewhere."""
    return Head(org, 0, hashlib.sha256(_GENESIS + canonical(org)).hexdigest())


def digest(entry: Entry) -> str:
    """The hash that an entry must have; NotCanonical if it has no canonical form."""
    return hashlib.sha256(_ENTRY + canonical(entry.unhashed())).hexdigest()


def link(head: Head, drafts: Iterable[Draft]) -> Iterator[Entry]:
    """Chain drafts behind a head, in order."""
    seq, prev = head.seq, head.hash
    for draft in drafts:
        seq += 1
        bare = Entry(
            head.org,
            seq,
            draft.at_ms,
            draft.kind,
            draft.actor,
            draft.subject,
            draft.body,
            prev,
            "",
        )
        prev = digest(bare)
        yield Entry(
            bare.org,
            bare.seq,
            bare.at_ms,
            bare.kind,
            bare.actor,
            bare.subject,
            bare.body,
            bare.prev,
            prev,
        )
