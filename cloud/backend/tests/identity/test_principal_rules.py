"""Roles, scopes and tenants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coditect_cloud.identity.principal import (
    ALLOWED,
    ROOT_ORG,
    Permission,
    Principal,
    PrincipalKind,
    Role,
    check_scopes,
    narrowed,
)
from coditect_cloud.refusals import Code, Refusal

scopes = st.frozensets(st.sampled_from([*(p.value for p in Permission), "nonsense", "leases:*"]))
principals = st.builds(
    Principal,
    kind=st.sampled_from(PrincipalKind),
    id=st.just("key_1"),
    org=st.sampled_from(["org_a", "org_b", ROOT_ORG]),
    role=st.sampled_from(Role),
    scopes=scopes,
    license=st.sampled_from([None, "lic_1"]),
    holder=st.sampled_from([None, "user:acc_1", "workload:a"]),
)


@given(principals, scopes)
def test_nobody_gains_by_narrowing(principal: Principal, more: frozenset[str]) -> None:
    assert principal.permissions <= ALLOWED[principal.role]
    once = narrowed(principal.role, principal.scopes)
    both = principal.scopes & more
    if both:  # narrowed to nothing at all is not the same as not narrowed
        assert narrowed(principal.role, both) <= once
    for permission in Permission:
        assert principal.may(permission) == (permission in principal.permissions)


@given(principals, st.sampled_from(Role), scopes)
def test_nobody_hands_out_more_than_they_have(
    principal: Principal, role: Role, asked: frozenset[str]
) -> None:
    if principal.grantable(role, asked):
        assert narrowed(role, asked) <= principal.permissions
        assert principal.may(Permission.KEYS_WRITE)
        assert role is not Role.OWNER or principal.role is Role.OWNER


@given(principals, st.text(min_size=1, max_size=20))
def test_a_principal_sees_its_own_organisation_only(principal: Principal, other: str) -> None:
    assert principal.sees(principal.org)
    assert principal.sees(other) == (other == principal.org)


@given(principals, st.sampled_from(["", "user:acc_1", "user:acc_1/x", "user:acc_12", "machine:m"]))
def test_a_principal_with_a_holder_holds_for_nobody_else(principal: Principal, asked: str) -> None:
    own = principal.holder
    if own is None:
        wrong = Code.INVALID_REQUEST if not asked else None
    else:
        wrong = None if asked in ("", own) or asked.startswith(own + "/") else Code.FORBIDDEN
    if wrong is None:
        assert principal.holder_for(asked) == (asked or own)
        assert principal.holds_as(asked or own or "")
        return
    with pytest.raises(Refusal) as refused:
        principal.holder_for(asked)
    assert refused.value.code is wrong


def test_only_owners_touch_owners() -> None:
    admin = Principal(PrincipalKind.USER, "acc_1", "org_a", Role.ADMIN)
    owner = Principal(PrincipalKind.USER, "acc_2", "org_a", Role.OWNER)
    assert not admin.manages(Role.OWNER)
    assert admin.manages(Role.ADMIN)
    assert owner.manages(Role.OWNER)
    assert not Principal(PrincipalKind.USER, "acc_3", "org_a", Role.AUDITOR).manages(Role.HOLDER)


def test_an_auditor_reads_and_a_holder_holds() -> None:
    auditor = Principal(PrincipalKind.USER, "acc_1", "org_a", Role.AUDITOR)
    assert {p.value.partition(":")[2] for p in auditor.permissions} == {"read"}
    holder = Principal(PrincipalKind.USER, "acc_1", "org_a", Role.HOLDER)
    assert holder.permissions == {Permission.LEASES_USE, Permission.LEASES_READ}
    with pytest.raises(Refusal) as refused:
        holder.demand(Permission.LICENSES_READ)
    assert refused.value.code is Code.FORBIDDEN
    holder.demand(Permission.LEASES_USE)


def test_only_owners_of_the_root_organisation_run_the_platform() -> None:
    assert Principal(PrincipalKind.API_KEY, "key_1", ROOT_ORG, Role.OWNER).runs_the_platform
    assert not Principal(PrincipalKind.API_KEY, "key_1", ROOT_ORG, Role.ADMIN).runs_the_platform
    assert not Principal(PrincipalKind.API_KEY, "key_1", "org_a", Role.OWNER).runs_the_platform
    narrow = frozenset({"leases:read"})
    key = Principal(PrincipalKind.API_KEY, "key_1", ROOT_ORG, Role.OWNER, scopes=narrow)
    assert not key.runs_the_platform


def test_a_license_key_reaches_its_license_only() -> None:
    key = Principal(PrincipalKind.LICENSE, "lic_1", "org_a", Role.HOLDER, license="lic_1")
    assert key.uses("lic_1")
    assert not key.uses("lic_2")


def test_a_scope_that_is_none_is_refused() -> None:
    assert check_scopes(["leases:use"]) == {"leases:use"}
    with pytest.raises(Refusal) as refused:
        check_scopes(["leases:use", "leases:usee"])
    assert refused.value.code is Code.INVALID_REQUEST
