"""Which pods and jobs are let in, as whom, and which holder each is. Pure.

A holder that is made of what survives a restart (a pod's name, a run's id) finds its own seat
again; one whose pod or job is gone stops beating, and its seat comes back by its time to live.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from coditect_cloud.identity.claims import check_pattern, claim, matches, texts
from coditect_cloud.identity.principal import (
    ALLOWED,
    Permission,
    Principal,
    PrincipalKind,
    Role,
)
from coditect_cloud.refusals import Code, Refusal

MAX_HOLDER = 160
"""Characters; longer holders keep their head and end in a digest."""

POD = "workload:{kubernetes.io/namespace}:{kubernetes.io/pod/name}"
"""The pod by name: a container that restarts, and a stateful set's pod that is made anew, keep
their seat. A deployment's new pod has a new name, and so another seat."""

CI_RUN = "workload:{repository}:{run_id}"
"""The run of a workflow: a job that is tried again keeps its seat. Jobs of one run that need seats
of their own name a slot behind `/`: `workload:octo%2Frepo:42/test-3`."""

_FIELD = re.compile(r"\{([^{}]+)\}")
_LITERAL = re.compile(r"workload:[A-Za-z0-9._~@:%-]*")


@dataclass(frozen=True, slots=True)
class TrustRule:
    """Lets workloads of one issuer into one organisation."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - a name mistyped must not pass

    name: str
    """For people and the audit."""
    org: str
    issuer: str
    claims: Mapping[str, tuple[str, ...]]
    """Path → patterns; each path has to have a value that matches one of its patterns."""
    holder: str
    """Template of the holder: `workload:` and `{claim/path}` pieces."""
    audiences: tuple[str, ...] = ()
    """Narrower than the issuer's; empty: those."""
    role: Role = Role.HOLDER
    scopes: frozenset[str] = field(default_factory=frozenset)
    license: str | None = None
    """Only this license."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "claims", MappingProxyType(dict(self.claims)))
        if not self.claims:
            raise ValueError(f"{self.name}: a rule without claims would let everybody in")
        for patterns in self.claims.values():
            if not patterns:
                raise ValueError(f"{self.name}: a claim needs a pattern")
            for pattern in patterns:
                check_pattern(pattern)
        if all(set(p) == {"*"} for patterns in self.claims.values() for p in patterns):
            raise ValueError(f"{self.name}: patterns of wildcards alone let everybody in")
        if self.issuer.startswith("https://token.actions.githubusercontent.com"):
            self._check_owner_is_pinned()
        if not _LITERAL.fullmatch(_FIELD.sub("", self.holder)):
            raise ValueError(
                f"{self.name}: a holder begins with `workload:` and has no `/` of its own, "
                "which stands before a slot"
            )
        if self.role in (Role.OWNER, Role.ADMIN):
            raise ValueError(f"{self.name}: no workload rules an organisation")
        known = {p.value for p in Permission}
        if self.scopes - known:
            raise ValueError(f"{self.name}: unknown scopes {sorted(self.scopes - known)}")

    def _check_owner_is_pinned(self) -> None:
        # The issuer signs for every repository in the world.
        pinned = ("repository", "repository_owner", "repository_id", "repository_owner_id", "sub")
        for path in pinned:
            patterns = self.claims.get(path, ())
            if patterns and all("*" not in p.partition("/")[0] for p in patterns):
                return
        raise ValueError(
            f"{self.name}: say whose jobs: `repository`, `repository_owner` or `sub` without a "
            "wildcard in the owner's name"
        )

    def admits(self, issuer: str, claims: Mapping[str, Any]) -> bool:
        """Whether a token that was verified comes in by this rule."""
        if issuer != self.issuer:
            return False
        if self.audiences and not set(self.audiences) & set(texts(claims.get("aud"))):
            return False
        return all(
            any(matches(p, text) for p in patterns for text in texts(claim(claims, path)))
            for path, patterns in self.claims.items()
        )

    def holder_of(self, claims: Mapping[str, Any]) -> str | None:
        """Fill the template in; None if a claim that it names is missing.

        Different claims never make the same holder: what separates pieces is escaped within them.
        """
        filled = []
        end = 0
        for found in _FIELD.finditer(self.holder):
            value = claim(claims, found[1])
            if not isinstance(value, str | int) or not (parts := texts(value)):
                return None
            filled += [self.holder[end : found.start()], quote(parts[0], safe="-._~@")]
            end = found.end()
        whole = "".join([*filled, self.holder[end:]])
        if len(whole) <= MAX_HOLDER:
            return whole
        digest = hashlib.sha256(whole.encode()).hexdigest()
        return whole[: MAX_HOLDER - len(digest) - 1] + "~" + digest

    @property
    def permissions(self) -> frozenset[Permission]:
        """All that who comes in by it may."""
        return frozenset(p for p in ALLOWED[self.role] if not self.scopes or p in self.scopes)


def kubernetes_rule(
    org: str, issuer: str, *, namespace: str, service_account: str, holder: str = POD
) -> TrustRule:
    """Let the pods of one service account in; patterns are allowed in both names."""
    return TrustRule(
        name=f"{namespace}/{service_account}",
        org=org,
        issuer=issuer,
        claims={
            "sub": (f"system:serviceaccount:{namespace}:{service_account}",),
            "kubernetes.io/namespace": (namespace,),
        },
        holder=holder,
    )


def github_rule(org: str, repository: str, *, holder: str = CI_RUN, **claims: str) -> TrustRule:
    """Let the jobs of a repository in (`octo/hello`, `octo/*`); `claims` narrows it: `ref="…"`."""
    return TrustRule(
        name=repository,
        org=org,
        issuer="https://token.actions.githubusercontent.com",
        claims={"repository": (repository,), **{path: (p,) for path, p in claims.items()}},
        holder=holder,
    )


def admit(
    rules: Iterable[TrustRule],
    issuer: str,
    subject: str,
    claims: Mapping[str, Any],
    *,
    org: str | None,
) -> Principal:
    """Give the principal of a workload whose token was verified.

    The first rule that admits it decides; `org` chooses among organisations, and is needed if
    several admit it. FORBIDDEN if none does, alike for an organisation that does not exist.
    """
    fit = [r for r in rules if r.admits(issuer, claims) and (org is None or org == r.org)]
    if not fit:
        raise Refusal(
            Code.FORBIDDEN,
            "the token is genuine, but no trust rule lets this workload in",
            hint="Have a rule added for its issuer and claims, or mend the claims of the job.",
        )
    if len({r.org for r in fit}) > 1:
        raise Refusal(
            Code.INVALID_REQUEST,
            "several organisations let this workload in",
            hint="Name one in `Coditect-Organisation`.",
        )
    for rule in fit:
        holder = rule.holder_of(claims)
        if holder is not None:
            return Principal(
                kind=PrincipalKind.WORKLOAD,
                id=subject,
                org=rule.org,
                role=rule.role,
                scopes=rule.scopes,
                license=rule.license,
                holder=holder,
                name=f"{rule.name} ({subject})"[:200],
            )
    raise Refusal(
        Code.FORBIDDEN,
        "the token lacks a claim that the holder is made of",
        hint="Use a token that is bound to its pod or job.",
        data={"holder_template": fit[0].holder},
    )
