"""Who asks, and what they may: pure values, no I/O.

A principal belongs to exactly one organisation. Its role says what it may do there; scopes can only
take away from that, never add.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from coditect_cloud.refusals import Code, Refusal

ROOT_ORG = "org_root"
"""The platform's own organisation, made at first start; its owners make the others."""


class Permission(StrEnum):
    """One kind of thing to do; also the name of a scope."""

    LEASES_USE = "leases:use"
    LEASES_READ = "leases:read"
    LEASES_FORCE = "leases:force"
    LICENSES_READ = "licenses:read"
    LICENSES_WRITE = "licenses:write"
    PRODUCTS_READ = "products:read"
    PRODUCTS_WRITE = "products:write"
    ORGANISATIONS_READ = "organisations:read"
    ORGANISATIONS_WRITE = "organisations:write"
    MEMBERS_WRITE = "members:write"
    KEYS_WRITE = "keys:write"
    WEBHOOKS_WRITE = "webhooks:write"
    AUDIT_READ = "audit:read"


class Role(StrEnum):
    """What somebody is in an organisation."""

    OWNER = "owner"
    """May do all in it, and make owners."""
    ADMIN = "admin"
    """May do all in it, but nothing to owners."""
    AUDITOR = "auditor"
    """Reads, audit included."""
    HOLDER = "holder"
    """Uses seats, and reads of its own only."""


_ALL = frozenset(Permission)
_READS = frozenset(p for p in Permission if p.value.endswith(":read"))
_HOLDS = frozenset({Permission.LEASES_USE, Permission.LEASES_READ})

ALLOWED = {
    Role.OWNER: _ALL,
    Role.ADMIN: _ALL,
    Role.AUDITOR: _READS,
    Role.HOLDER: _HOLDS,
}
"""What each role may at most. What of it is *whose* (own leases, roles below) is decided apart."""

_MANAGES = {
    Role.OWNER: frozenset(Role),
    Role.ADMIN: frozenset(Role) - {Role.OWNER},
    Role.AUDITOR: frozenset[Role](),
    Role.HOLDER: frozenset[Role](),
}


class PrincipalKind(StrEnum):
    """By what it was recognised."""

    USER = "user"
    API_KEY = "api_key"
    LICENSE = "license"
    WORKLOAD = "workload"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody, or something, that we know; carries no secret."""

    kind: PrincipalKind
    id: str
    """`acc_…`, `key_…`, `lic_…`, or the subject of a workload."""
    org: str
    """The one organisation it acts in."""
    role: Role
    scopes: frozenset[str] = field(default_factory=frozenset)
    """Permissions it is narrowed to; empty: all that the role allows. Unknown names allow none."""
    license: str | None = None
    """Only this license (license keys, and workloads whose rule says so)."""
    holder: str | None = None
    """Acquires only as this holder (`user:acc_…`, `workload:…`; a slot may follow `/`).

    None: may name any holder.
    """
    name: str = ""
    """For people and the audit."""

    @property
    def permissions(self) -> frozenset[Permission]:
        """All that it may: its role's permissions, narrowed to its scopes."""
        return narrowed(self.role, self.scopes)

    def may(self, permission: Permission) -> bool:
        """Whether role and scopes both allow it, in its own organisation."""
        return permission in ALLOWED[self.role] and (
            not self.scopes or permission.value in self.scopes
        )

    def demand(self, permission: Permission) -> None:
        """Refusal FORBIDDEN unless `may`."""
        if not self.may(permission):
            raise Refusal(
                Code.FORBIDDEN,
                f"{permission.value} is needed, which this {self.kind.value} does not have",
                hint="Use a credential whose role and scopes include it.",
                data={"permission": permission.value, "role": self.role.value},
            )

    def sees(self, org: str) -> bool:
        """Whether what belongs to this organisation exists for it: only its own.

        What is not seen has to be answered like what does not exist.
        """
        return org == self.org

    @property
    def runs_the_platform(self) -> bool:
        """An owner of the platform's organisation: makes and lists organisations.

        It does not see into them: it hands the first owner's key out, and is done.
        """
        return (
            self.org == ROOT_ORG
            and self.role is Role.OWNER
            and self.may(Permission.ORGANISATIONS_WRITE)
        )

    def uses(self, license: str) -> bool:
        """Whether its credential reaches this license of its organisation."""
        return self.license is None or self.license == license

    def manages(self, role: Role) -> bool:
        """Whether it may give this role, take it, or change somebody who has it."""
        return self.may(Permission.MEMBERS_WRITE) and role in _MANAGES[self.role]

    def holds_as(self, holder: str) -> bool:
        """Whether it may acquire as this holder, or act on a lease of it."""
        if self.holder is None:
            return True
        return holder == self.holder or holder.startswith(self.holder + "/")

    def holder_for(self, asked: str) -> str:
        """Give the holder to acquire as; "" asks for its own. FORBIDDEN for somebody else's."""
        if not asked:
            if self.holder is None:
                raise Refusal(
                    Code.INVALID_REQUEST,
                    "this credential may hold for many, so the request has to name a holder",
                    hint="Send `holder`, for example `machine:ci-17`.",
                )
            return self.holder
        if not self.holds_as(asked):
            raise Refusal(
                Code.FORBIDDEN,
                "this credential may not hold a seat for somebody else",
                hint="Leave `holder` out, or name a slot of your own: `<holder>/<slot>`.",
                data={"holder": self.holder},
            )
        return asked

    def grantable(self, role: Role, scopes: Iterable[str]) -> bool:
        """Whether it may hand out a credential of this role and scopes: never more than it has."""
        return (
            self.may(Permission.KEYS_WRITE)
            and role in _MANAGES[self.role]
            and narrowed(role, scopes) <= self.permissions
        )


def narrowed(role: Role, scopes: Iterable[str]) -> frozenset[Permission]:
    """What a role may when it is narrowed to scopes; no scopes: all that the role allows.

    Never more than the role allows, whatever the scopes say.
    """
    wanted = frozenset(scopes)
    return frozenset(p for p in ALLOWED[role] if p.value in wanted) if wanted else ALLOWED[role]


def check_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """Give the scopes as a set; INVALID_REQUEST if one is no permission (a typo grants nothing)."""
    known = {p.value for p in Permission}
    asked = frozenset(scopes)
    unknown = sorted(asked - known)
    if unknown:
        raise Refusal(
            Code.INVALID_REQUEST,
            "these are no scopes: " + ", ".join(repr(s[:40]) for s in unknown[:5]),
            hint="Scopes are: " + ", ".join(sorted(known)),
        )
    return asked
