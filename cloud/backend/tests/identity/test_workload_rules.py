"""Workloads: who comes in, as whom, and which restarts keep a holder."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_support.identity_clock import Clock
from cloud_support.issuer_server import IssuerServer
from coditect_cloud.identity.claims import check_pattern, claim, matches, texts
from coditect_cloud.identity.issuers import Issuer, Serves
from coditect_cloud.identity.principal import PrincipalKind, Role
from coditect_cloud.identity.tokens import Tokens
from coditect_cloud.identity.workloads import (
    CI_RUN,
    MAX_HOLDER,
    POD,
    TrustRule,
    admit,
    github_rule,
    kubernetes_rule,
)
from coditect_cloud.refusals import Code, Refusal

CLUSTER = "https://cluster.example"
GITHUB = "https://token.actions.githubusercontent.com"


def pod(name: str = "solver-0", uid: str = "u-1", namespace: str = "prod") -> dict[str, Any]:
    return {
        "aud": ["coditect"],
        "sub": f"system:serviceaccount:{namespace}:solver",
        "kubernetes.io": {
            "namespace": namespace,
            "pod": {"name": name, "uid": uid},
            "serviceaccount": {"name": "solver", "uid": "s-1"},
        },
    }


def job(repository: str = "octo/hello", run: str = "42", attempt: str = "1") -> dict[str, Any]:
    owner = repository.partition("/")[0]
    return {
        "aud": "coditect",
        "sub": f"repo:{repository}:ref:refs/heads/main",
        "repository": repository,
        "repository_owner": owner,
        "run_id": run,
        "run_attempt": attempt,
        "ref": "refs/heads/main",
        "workflow": "ci",
    }


RULE = kubernetes_rule("org_a", CLUSTER, namespace="prod", service_account="solver")


def enter(
    rules: list[TrustRule], claims: dict[str, Any], *, issuer: str = CLUSTER, org: str | None = None
) -> Any:
    return admit(rules, issuer, claims["sub"], claims, org=org)


def refused(*args: Any, **options: Any) -> Code:
    with pytest.raises(Refusal) as refusal:
        enter(*args, **options)
    return refusal.value.code


def test_a_pod_that_restarts_keeps_its_holder() -> None:
    before = enter([RULE], pod(uid="u-1"))
    after = enter([RULE], pod(uid="u-2"))
    assert before.holder == after.holder == "workload:prod:solver-0"
    assert enter([RULE], pod("solver-1")).holder != before.holder
    assert (before.kind, before.org, before.role) == (PrincipalKind.WORKLOAD, "org_a", Role.HOLDER)
    assert before.id == "system:serviceaccount:prod:solver"


def test_a_ci_job_that_is_tried_again_keeps_its_holder_and_another_run_does_not() -> None:
    rule = github_rule("org_a", "octo/hello")
    first = enter([rule], job(), issuer=GITHUB)
    assert first.holder == enter([rule], job(attempt="2"), issuer=GITHUB).holder
    assert first.holder != enter([rule], job(run="43"), issuer=GITHUB).holder
    assert first.holder_for(f"{first.holder}/test-3") == f"{first.holder}/test-3"


def test_who_is_named_by_no_rule_stays_out() -> None:
    for claims in (pod(namespace="dev"), {**pod(), "sub": "system:serviceaccount:prod:other"}):
        assert refused([RULE], claims) is Code.FORBIDDEN
    assert refused([RULE], pod(), issuer="https://another.example") is Code.FORBIDDEN
    assert refused([], pod()) is Code.FORBIDDEN
    assert refused([RULE], pod(), org="org_b") is Code.FORBIDDEN


def test_a_rule_may_be_narrower_in_audience() -> None:
    rule = TrustRule("narrow", "org_a", CLUSTER, {"sub": ("system:**",)}, POD, audiences=("seats",))
    assert refused([rule], pod()) is Code.FORBIDDEN
    assert enter([rule], {**pod(), "aud": ["x", "seats"]}).holder


def test_a_token_without_what_its_holder_is_made_of_stays_out() -> None:
    unbound = pod()
    del unbound["kubernetes.io"]["pod"]
    assert refused([RULE], unbound) is Code.FORBIDDEN
    assert refused([RULE], {**pod(), "kubernetes.io": {"namespace": "prod", "pod": 7}})


def test_several_organisations_have_to_be_told_apart() -> None:
    other = kubernetes_rule("org_b", CLUSTER, namespace="prod", service_account="*")
    assert refused([RULE, other], pod()) is Code.INVALID_REQUEST
    assert enter([RULE, other], pod(), org="org_b").org == "org_b"
    assert enter([RULE, other], pod(), org="org_a").org == "org_a"


def test_a_wildcard_stays_within_its_piece() -> None:
    rule = github_rule("org_a", "octo/*", ref="refs/heads/*")
    assert enter([rule], job("octo/any"), issuer=GITHUB)
    for repository in ("octo-evil/hello", "evil/octo/hello", "octo/a/b", "OCTO/hello", "octo"):
        assert refused([rule], job(repository), issuer=GITHUB) is Code.FORBIDDEN
    assert refused([rule], {**job(), "ref": "refs/pull/1"}, issuer=GITHUB) is Code.FORBIDDEN
    assert matches("repo:octo/*:**", "repo:octo/hello:ref:refs/heads/main")
    assert not matches("a*", "a\nb/c")
    assert not matches("a", "a\n")


@pytest.mark.parametrize(
    "fields",
    [
        {"claims": {}},
        {"claims": {"sub": ()}},
        {"claims": {"sub": ("*",)}},
        {"claims": {"sub": ("**",), "repository": ("*",)}},
        {"claims": {"sub": ("",)}},
        {"holder": "user:{sub}"},
        {"holder": "workload:{a}/{b}"},
        {"holder": "workload:{a"},
        {"role": Role.OWNER},
        {"role": Role.ADMIN},
        {"scopes": frozenset({"all"})},
        {"issuer": GITHUB, "claims": {"ref": ("refs/heads/main",)}},
        {"issuer": GITHUB, "claims": {"repository": ("*/hello",)}},
        {"issuer": GITHUB, "claims": {"repository": ("octo*/hello",)}},
        {"issuer": GITHUB, "claims": {"sub": ("repo:**",)}},
    ],
)
def test_a_rule_that_lets_too_many_in_is_no_configuration(fields: dict[str, Any]) -> None:
    good = {
        "name": "r", "org": "org_a", "issuer": CLUSTER, "claims": {"sub": ("a",)}, "holder": POD,
    }  # fmt: skip
    TrustRule(**good)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"\w"):
        TrustRule(**{**good, **fields})


pieces = st.text(alphabet="ab/:%~{}é", min_size=1, max_size=4)


@given(pieces, pieces, pieces, pieces)
def test_different_claims_never_make_one_holder(a: str, b: str, c: str, d: str) -> None:
    rule = TrustRule("r", "org_a", CLUSTER, {"sub": ("a",)}, "workload:{x}:{y}")
    one, two = rule.holder_of({"x": a, "y": b}), rule.holder_of({"x": c, "y": d})
    assert one is not None
    assert (one == two) == ((a, b) == (c, d))
    assert "/" not in one


def test_a_separator_within_a_claim_does_not_move_the_border() -> None:
    rule = TrustRule("r", "org_a", CLUSTER, {"sub": ("a",)}, "workload:{x}:{y}")
    assert rule.holder_of({"x": "a:b", "y": "c"}) != rule.holder_of({"x": "a", "y": "b:c"})


def test_a_long_holder_stays_short_and_distinct() -> None:
    rule = github_rule("org_a", "octo/*", holder=CI_RUN)
    holders = {rule.holder_of(job("octo/" + "x" * 300 + end)) for end in "ab"}
    assert len(holders) == 2
    assert all(h is not None and len(h) <= MAX_HOLDER for h in holders)


def test_claims_are_found_by_path_and_never_two_ways() -> None:
    claims = {"a": {"b": {"c": 1}, "x/y": "z"}, "a.b": 2, "n/m": 3}
    assert claim(claims, "a/b/c") == 1
    assert claim(claims, "a/x/y") == "z"
    assert claim(claims, "n/m") == 3
    assert claim(claims, "a/b/d") is None
    assert claim({"a": {"b": 1}, "a/b": 2}, "a/b") is None
    assert texts(True) == ("true",)
    assert texts([1, "two", None, ["three"], ""]) == ("1", "two")
    assert texts({"a": 1}) == texts(None) == texts("x" * 2_000) == texts(1.5) == ()


def test_patterns_have_a_bound() -> None:
    check_pattern("a*b*c**")
    for bad in ("", "***", "*a*a*a*a*a*a*", "x" * 2_000):
        with pytest.raises(ValueError, match=r"\w"):
            check_pattern(bad)


@pytest.mark.anyio
async def test_a_workloads_token_is_verified_like_any_other(
    issuer: IssuerServer, clock: Clock
) -> None:
    trust = Issuer(issuer.issuer, ("coditect",), serves=Serves.WORKLOADS, insecure_http=True)
    tokens = Tokens([trust], clock=clock)
    token = issuer.token(now=clock.monotonic(), without=("email", "email_verified"), **pod())
    who = await tokens.verify(token)
    rule = kubernetes_rule("org_a", issuer.issuer, namespace="prod", service_account="solver")
    assert admit([rule], issuer.issuer, who.subject, who.claims, org=None).holder == (
        "workload:prod:solver-0"
    )
    with pytest.raises(Refusal):
        await tokens.verify(issuer.token(now=clock.monotonic(), **{**pod(), "aud": ["default"]}))
    await tokens.close()
