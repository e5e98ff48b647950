from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloud_support.audit_lab import change
from coditect_cloud.audit.outbox import Position, take


def kinds(position: Position | None, *changes: object, lossy: bool = True) -> list[str]:
    return [d.kind for d in take(position, changes, lossy=lossy).drafts]  # type: ignore[arg-type]


def test_what_was_taken_is_not_taken_again() -> None:
    taken = take(Position(1, 2), [change(1), change(2), change(3)], lossy=True)
    assert [c.seq for c in taken.changes] == [3]
    assert taken.position == Position(1, 3)
    again = take(taken.position, [change(1), change(2), change(3)], lossy=True)
    assert (again.changes, again.drafts, again.position) == ((), (), Position(1, 3))


def test_denials_stand_beside_the_chain_and_make_no_gap() -> None:
    taken = take(None, [change(1), change(2, kind="denied"), change(3, kind="queued")], lossy=True)
    assert [d.kind for d in taken.drafts] == ["lease.granted"]
    assert [c.kind for c in taken.denials] == ["denied", "queued"]
    assert taken.position == Position(1, 3)


def test_a_gap_is_an_entry() -> None:
    taken = take(Position(1, 2), [change(6)], lossy=False)
    lost, _ = taken.drafts
    assert lost.kind == "lease.tail_lost"
    assert (lost.body["first_seq"], lost.body["last_seq"], lost.body["certain"]) == (3, 5, True)


def test_a_new_epoch_of_a_lossy_store_may_have_lost_the_end_of_the_old_one() -> None:
    lost = take(Position(1, 4), [change(1, epoch=2)], lossy=True).drafts[0]
    assert lost.kind == "lease.tail_lost"
    assert (lost.body["epoch"], lost.body["first_seq"]) == (1, 5)
    assert (lost.body["last_seq"], lost.body["certain"]) == (None, False)
    assert kinds(Position(1, 4), change(1, epoch=2), lossy=False) == ["lease.granted"]


def test_what_the_store_remembers_of_the_old_epoch_makes_a_loss_certain() -> None:
    opened = change(1, epoch=2, kind="settling_opened", last_epoch=1, last_seq=9)
    lost = take(Position(1, 4), [opened], lossy=True).drafts[0]
    assert (lost.body["first_seq"], lost.body["last_seq"], lost.body["certain"]) == (5, 9, True)
    older = change(1, epoch=2, kind="settling_opened", last_epoch=1, last_seq=3)
    assert take(Position(1, 4), [older], lossy=True).drafts[0].body["certain"] is False


def test_a_new_epoch_that_begins_late_lost_its_beginning_too() -> None:
    assert kinds(Position(1, 4), change(3, epoch=2)) == [
        "lease.tail_lost",
        "lease.tail_lost",
        "lease.granted",
    ]


def test_a_license_first_met_late_has_lost_what_came_before() -> None:
    assert kinds(None, change(1)) == ["lease.granted"]
    assert kinds(None, change(3)) == ["lease.tail_lost", "lease.granted"]
    assert kinds(None, change(1, epoch=2)) == ["lease.tail_lost", "lease.granted"]


def test_an_entry_names_who_did_what_to_which_lease() -> None:
    mine = take(None, [change(1, holder="user:a", lease="lea_1")], lossy=True).drafts[0]
    assert (mine.actor, mine.subject) == ("user:a", "lea_1")
    assert mine.body["change"] == {"holder": "user:a", "lease": "lea_1"}
    forced = take(None, [change(1, kind="forced", holder="user:a", by="acc_1")], lossy=True)
    assert forced.drafts[0].actor == "acc_1"
    assert take(None, [change(1, kind="policy_set")], lossy=True).drafts[0].actor == "system"


@given(st.lists(st.integers(1, 30), unique=True, min_size=1).map(sorted), st.integers(0, 30))
def test_every_number_is_an_entry_or_a_known_loss(seqs: list[int], split: int) -> None:
    changes = [change(seq) for seq in seqs]
    first = take(None, changes[:split], lossy=True)
    second = take(first.position, changes, lossy=True)  # the batch before comes again
    told: list[int] = []
    for draft in (*first.drafts, *second.drafts):
        if draft.kind == "lease.tail_lost":
            told.extend(range(draft.body["first_seq"], draft.body["last_seq"] + 1))
        else:
            told.append(draft.body["seq"])
    assert told == list(range(1, seqs[-1] + 1))
