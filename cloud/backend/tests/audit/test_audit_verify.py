"""Any change, removal, swap or insertion in a chain is found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coditect_cloud.audit.canonical import canonical
from coditect_cloud.audit.chain import Draft, Entry, Head, digest, genesis, link
from coditect_cloud.audit.verify import MOST_BYTES, verify

drafts = st.lists(
    st.builds(
        Draft,
        at_ms=st.integers(0, 2**45),
        kind=st.sampled_from(["lease.granted", "lease.released", "license.suspended"]),
        actor=st.text("abc:_", max_size=6),
        subject=st.text("abc:_", max_size=6),
        body=st.dictionaries(st.text("xyz", max_size=3), st.integers(0, 99), max_size=3),
    ),
    min_size=2,
    max_size=8,
)


def chain(of: list[Draft], org: str = "org_1") -> list[Entry]:
    return list(link(genesis(org), of))


def closing(head: Head, signature: str | None = None) -> bytes:
    point = {"v": 1, "org": head.org, "seq": head.seq, "hash": head.hash, "at_ms": 5}
    return canonical({"checkpoint": point, "signature": signature})


def closed(entries: list[Entry]) -> list[bytes]:
    last = entries[-1]
    return [e.line() for e in entries] + [closing(Head(last.org, last.seq, last.hash))]


SOME = [Draft(n, "lease.granted", "user:a", f"lea_{n}", {"n": n}) for n in range(5)]


@given(drafts)
def test_an_untouched_chain_holds(of: list[Draft]) -> None:
    verdict = verify(closed(chain(of)))
    assert verdict.holds
    assert verdict.entries == len(of)
    assert (verdict.anchored, verdict.closed, verdict.signed) == (True, True, False)


@settings(max_examples=300)
@given(drafts, st.data())
def test_any_change_of_any_byte_is_found(of: list[Draft], data: st.DataObject) -> None:
    lines = closed(chain(of))
    at = data.draw(st.integers(0, len(of) - 1))
    line = bytearray(lines[at])
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= data.draw(st.integers(1, 255))
    lines[at] = bytes(line)
    verdict = verify(lines)
    assert verdict.fault is not None
    assert verdict.fault.line == at + 1


@given(drafts, st.data())
def test_a_changed_field_with_a_hash_made_anew_is_found_one_line_later(
    of: list[Draft], data: st.DataObject
) -> None:
    entries = chain(of)
    at = data.draw(st.integers(0, len(of) - 1))
    forged = replace(entries[at], actor=entries[at].actor + "!")
    entries[at] = replace(forged, hash=digest(forged))
    last = chain(of)[-1]
    lines = [e.line() for e in entries] + [closing(Head(last.org, last.seq, last.hash))]
    verdict = verify(lines)
    assert verdict.fault is not None
    assert verdict.fault.line == at + 2


@given(drafts, st.data())
def test_a_removed_entry_is_found(of: list[Draft], data: st.DataObject) -> None:
    lines = closed(chain(of))
    del lines[data.draw(st.integers(0, len(of) - 1))]
    verdict = verify(lines, org="org_1")
    # Without its first entry it may be an honest extract, but it does not claim to be whole.
    assert verdict.fault is not None or not verdict.anchored
    assert not verify(lines, after=genesis("org_1")).holds


@given(drafts, st.data())
def test_two_swapped_entries_are_found(of: list[Draft], data: st.DataObject) -> None:
    lines = closed(chain(of))
    a = data.draw(st.integers(0, len(of) - 2))
    b = data.draw(st.integers(a + 1, len(of) - 1))
    lines[a], lines[b] = lines[b], lines[a]
    assert not verify(lines).holds


@given(drafts, st.data())
def test_an_inserted_entry_is_found(of: list[Draft], data: st.DataObject) -> None:
    entries = chain(of)
    at = data.draw(st.integers(0, len(of)))
    before = entries[at - 1] if at else None
    head = Head(before.org, before.seq, before.hash) if before else genesis("org_1")
    extra = next(link(head, [Draft(1, "lease.granted", "mallory", "lea_x", {})]))
    entries.insert(at, extra)
    last = chain(of)[-1]
    lines = [e.line() for e in entries] + [closing(Head(last.org, last.seq, last.hash))]
    assert not verify(lines).holds


def test_a_cut_tail_is_found_by_the_checkpoint() -> None:
    lines = closed(chain(SOME))
    del lines[-2]
    fault = verify(lines).fault
    assert fault is not None
    assert "ends at 4" in fault.why
    # Without a checkpoint nothing says where the end is, and the verdict admits it.
    open_end = verify(lines[:-1])
    assert open_end.holds
    assert not open_end.closed


def test_another_organisations_chain_is_not_taken_for_this_ones() -> None:
    other = chain(SOME, "org_2")
    assert not verify(closed(other), org="org_1").holds
    moved = [replace(entry, org="org_1") for entry in other]
    moved = [replace(entry, hash=digest(entry)) for entry in moved]
    assert not verify([entry.line() for entry in moved]).holds
    mixed = [*[e.line() for e in chain(SOME)[:2]], *[e.line() for e in other[2:]]]
    fault = verify(mixed).fault
    assert fault is not None
    assert (fault.line, fault.seq) == (3, 3)


def test_an_extract_goes_on_from_a_checkpoint_kept_before() -> None:
    entries = chain(SOME)
    third = entries[2]
    lines = closed(entries)[3:]
    assert verify(lines, after=Head("org_1", 3, third.hash)).anchored
    assert not verify(lines, after=Head("org_1", 3, "0" * 64)).holds
    assert not verify(lines, after=Head("org_1", 2, entries[1].hash)).holds
    loose = verify(lines)
    assert loose.holds
    assert not loose.anchored


def test_an_empty_chain_is_closed_by_its_genesis() -> None:
    verdict = verify([closing(genesis("org_1"))], org="org_1")
    assert verdict.holds
    assert (verdict.anchored, verdict.closed, verdict.entries) == (True, True, 0)
    assert not verify([closing(genesis("org_1"))], org="org_2").holds
    assert not verify([]).holds


def refuse(token: str) -> Mapping[str, Any]:
    raise ValueError("forged")


def test_a_signature_has_to_be_of_this_checkpoint() -> None:
    entries = chain(SOME)
    last = entries[-1]
    head = Head(last.org, last.seq, last.hash)
    lines = [e.line() for e in entries]
    claims = {"org": head.org, "seq": head.seq, "hash": head.hash}
    signed = verify([*lines, closing(head, "jws")], check_signature=lambda _: claims)
    assert signed.signed
    for signature, check in (
        (None, lambda _: claims),
        ("jws", lambda _: {**claims, "seq": 4}),
        ("jws", refuse),
    ):
        assert not verify([*lines, closing(head, signature)], check_signature=check).holds


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b'{"a":1}',
        b'{"checkpoint":1,"signature":null}',
        b'{"checkpoint":{"v":1,"org":2,"seq":0,"hash":"","at_ms":1},"signature":null}',
        b"\xff",
        b"[" * 100_000,
        b" " * (MOST_BYTES + 1),
    ],
)
def test_what_is_no_entry_is_a_fault_and_never_a_crash(line: bytes) -> None:
    verdict = verify([line])
    assert verdict.fault is not None
    assert verdict.fault.line == 1


def test_the_same_facts_in_another_spelling_are_a_change() -> None:
    line = chain(SOME)[0].line()
    spaced = json.dumps(json.loads(line), sort_keys=True)
    assert not verify([spaced]).holds
    assert verify([line.decode() + "\n"]).holds


@pytest.mark.parametrize(
    ("name", "value"),
    [("seq", True), ("seq", "1"), ("body", []), ("v", 2), ("at_ms", None), ("extra", 1)],
)
def test_a_field_of_another_type_or_version_is_refused(name: str, value: Any) -> None:
    told = json.loads(chain(SOME)[0].line())
    told[name] = value
    assert not verify([canonical(told)]).holds


def test_nothing_may_stand_behind_the_checkpoint() -> None:
    lines = closed(chain(SOME))
    assert not verify([*lines, lines[-1]]).holds
