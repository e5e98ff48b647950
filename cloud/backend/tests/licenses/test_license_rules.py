from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coditect_cloud.leases.types import LicenseState
from coditect_cloud.licenses.rules import check_overlap, check_terms, next_state
from coditect_cloud.licenses.types import Issued, License, Overage, OverageStrategy, Terms
from coditect_cloud.licenses.validation import validate
from coditect_cloud.refusals import Code, Refusal

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TERMS = Terms("Studio", 10, entitlements={"render": None, "export": 3, "beta": 0})


def license_with(state: LicenseState = LicenseState.ACTIVE, **terms: Any) -> License:
    return License(
        "lic_1",
        "org_1",
        "prd_1",
        "render",
        replace(TERMS, **terms),
        state,
        "",
        3,
        "ABCDE",
        NOW,
        NOW,
    )


def seats(n: int) -> Overage:
    return Overage(OverageStrategy.SEATS, n)


def percent(n: int) -> Overage:
    return Overage(OverageStrategy.PERCENT, n)


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"seats": -1}, "seats"),
        ({"ttl_ms": 1_000}, "hiccup"),
        ({"ttl_ms": 3_600_001}, "seats of the dead"),
        ({"queue_limit": -1}, "queue"),
        ({"borrow_max_ms": -1}, "borrowed"),
        ({"overage": Overage(OverageStrategy.NONE, 3)}, "no number"),
        ({"overage": seats(0)}, "choose `none`"),
        ({"overage": percent(0)}, "choose `none`"),
        ({"overage": percent(5)}, "not one whole seat"),
        ({"overage": percent(100), "seats": 0}, "not one whole seat"),
        ({"trial": True}, "has to end"),
        ({"trial": True, "expires_at": NOW, "overage": seats(1)}, "no overage"),
        ({"starts_at": NOW, "expires_at": NOW}, "never be used"),
        ({"starts_at": NOW, "expires_at": NOW + DAY, "borrow_max_ms": 86_400_001}, "longer than"),
        ({"starts_at": datetime(2026, 1, 1)}, "time zone"),
        ({"expires_at": datetime(9999, 1, 1, tzinfo=UTC)}, "outside"),
        ({"entitlements": {"Render": None}}, "no name"),
        ({"entitlements": {"render": -1}}, "limit of"),
        ({"entitlements": {f"e{n}": None for n in range(201)}}, "at most"),
    ],
)
def test_terms_that_contradict_each_other_are_refused_with_the_reason(
    terms: dict[str, Any], why: str
) -> None:
    with pytest.raises(Refusal) as caught:
        check_terms(replace(TERMS, **terms))
    assert caught.value.code is Code.IMPOSSIBLE_POLICY
    assert why in caught.value.detail
    assert caught.value.data["faults"]


def test_several_faults_are_said_at_once() -> None:
    with pytest.raises(Refusal) as caught:
        check_terms(replace(TERMS, seats=-1, ttl_ms=0, trial=True))
    assert len(caught.value.data["faults"]) == 3


def test_good_terms_come_out_in_order() -> None:
    terms = check_terms(replace(TERMS, name=" Studio ", overage=percent(25)))
    assert terms.name == "Studio"
    assert list(terms.entitlements) == ["beta", "export", "render"]


@given(st.integers(0, 10_000), st.integers(1, 1_000))
def test_overage_is_whole_seats_and_never_more_than_its_percent(limit: int, value: int) -> None:
    found = percent(value).seats(limit)
    assert found * 100 <= limit * value < (found + 1) * 100
    assert Overage().seats(limit) == 0
    assert seats(value).seats(limit) == value


@pytest.mark.parametrize(
    ("license", "code"),
    [
        (license_with(), None),
        (license_with(expires_at=NOW + DAY, trial=True), None),
        (license_with(LicenseState.REVOKED, expires_at=NOW - DAY), Code.LICENSE_REVOKED),
        (license_with(LicenseState.SUSPENDED, expires_at=NOW - DAY), Code.LICENSE_SUSPENDED),
        (license_with(starts_at=NOW + DAY), Code.LICENSE_NOT_STARTED),
        (license_with(expires_at=NOW), Code.LICENSE_EXPIRED),
    ],
)
def test_what_is_worse_is_said_first(license: License, code: Code | None) -> None:
    verdict = validate(license, NOW)
    assert verdict.code is code
    assert verdict.valid is (code is None)
    assert validate(license, NOW, ["nothing"]).code is (code or Code.ENTITLEMENT_MISSING)


def test_an_entitlement_with_a_limit_of_zero_is_missing() -> None:
    assert validate(license_with(), NOW, ["render", "export"]).valid
    verdict = validate(license_with(), NOW, ["render", "beta", "gamma"])
    assert verdict.missing == ("beta", "gamma")
    with pytest.raises(Refusal) as caught:
        verdict.demand()
    assert caught.value.data == {"missing": ["beta", "gamma"]}


def test_revoked_is_final_and_suspended_is_not() -> None:
    suspended, revoked = (license_with(s) for s in (LicenseState.SUSPENDED, LicenseState.REVOKED))
    assert next_state(suspended, LicenseState.ACTIVE) is LicenseState.ACTIVE
    assert next_state(revoked, LicenseState.REVOKED) is None
    with pytest.raises(Refusal) as caught:
        next_state(revoked, LicenseState.ACTIVE)
    assert caught.value.code is Code.CONFLICT


def test_policy_is_what_the_store_counts_by() -> None:
    found = license_with(overage=percent(25), starts_at=NOW, expires_at=NOW + DAY).policy()
    assert (found.limit, found.overage, found.capacity, found.version) == (10, 2, 12, 3)
    assert found.expires_ms - found.starts_ms == 86_400_000


def test_an_overlap_is_at_most_thirty_days() -> None:
    assert check_overlap(0) == 0
    with pytest.raises(Refusal):
        check_overlap(31 * 86_400_000)


def test_a_key_is_in_no_repr() -> None:
    assert "CCL-" not in repr(Issued(license_with(), "CCL-SECRET"))
