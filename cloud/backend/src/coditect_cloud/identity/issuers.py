"""Issuers of tokens that are trusted, as configured: plain values that check themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import urlsplit

from coditect_cloud.identity.claims import check_pattern

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""What an issuer may be allowed to sign with: public keys only, so never `none` and never `HS*`."""

ABSENT = ""
"""In place of a pattern: the claim must not be there."""


class Serves(StrEnum):
    """Whose tokens an issuer makes."""

    USERS = "users"
    """People: an account is found or made by their verified e-mail address."""
    WORKLOADS = "workloads"
    """Pods and jobs: admitted by trust rules only."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer; ValueError for what could not be safe."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - a name mistyped must not pass

    issuer: str
    """The exact `iss`; discovery is asked below it."""
    audiences: tuple[str, ...]
    """A token has to be meant for one of these."""
    serves: Serves = Serves.USERS
    algorithms: tuple[str, ...] = ("RS256",)
    """Fixed here; what a token's header or a key set says can only choose among them."""
    types: tuple[str, ...] = ("JWT", "at+jwt")
    """Values of `typ` taken, without regard to case; a token without `typ` is taken."""
    authorized_parties: tuple[str, ...] = ()
    """Clients (`azp`) whose tokens are taken where a token names one; empty: the audiences."""
    demand_kid: bool = True
    """Refuse a token that does not say which key signed it."""
    demand_verified_email: bool = True
    """Users only. Linking *by* e-mail always needs a verified one, whatever this says."""
    email_domains: tuple[str, ...] = ()
    """Only addresses of these domains are believed from this issuer; empty: any."""
    links_by_email: bool = True
    """Whether a new subject may join an account that exists for its verified e-mail address."""
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Path → patterns, one of which has to match; `ABSENT` alone: the claim must not be there."""
    claims_hint: str = ""
    """What to do if they do not match, for people."""
    max_lifetime: timedelta = timedelta(hours=24)
    """Tokens that live longer from `iat` to `exp` are refused."""
    leeway: timedelta = timedelta(seconds=30)
    """How far clocks may differ."""
    jwks_url: str = ""
    """Where the keys are; "": where the discovery document says."""
    jwks_file: str = ""
    """A file with the keys, in place of the network; read again like a URL."""
    ca_file: str = ""
    """Certificates that vouch for a private host, such as a cluster's API server."""
    bearer_file: str = ""
    """A file with a token that the host of the keys wants; read at each request."""
    insecure_http: bool = False
    """Development only: `http://` URLs."""
    unsigned: bool = False
    """Development only: an emulator's tokens, which nobody signed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "claims", MappingProxyType(dict(self.claims)))
        if not self.issuer or len(self.issuer) > 255:
            raise ValueError("an issuer is named by 1 to 255 characters")
        if not self.audiences or not all(self.audiences):
            raise ValueError(f"{self.issuer}: without an audience anybody's tokens would do")
        unknown = set(self.algorithms) - ALGORITHMS
        if unknown or not self.algorithms:
            raise ValueError(
                f"{self.issuer}: algorithms are some of {', '.join(sorted(ALGORITHMS))}, "
                f"not {', '.join(sorted(unknown)) or 'none at all'}"
            )
        if self.max_lifetime <= timedelta(0) or not timedelta(0) <= self.leeway <= timedelta(
            minutes=5
        ):
            raise ValueError(f"{self.issuer}: a lifetime is positive, a leeway at most 5 minutes")
        if self.jwks_url and self.jwks_file:
            raise ValueError(f"{self.issuer}: keys come from a URL or from a file, not both")
        for path, patterns in self.claims.items():
            if not patterns:
                raise ValueError(f"{self.issuer}: no pattern for the claim {path}")
            for pattern in patterns:
                if pattern != ABSENT:
                    check_pattern(pattern)
        if self.unsigned:
            if self.serves is not Serves.USERS:
                raise ValueError(f"{self.issuer}: no workload is admitted by an unsigned token")
            return
        urls = [self.jwks_url or ("" if self.jwks_file else self.issuer)]
        for url in filter(None, urls):
            self.check_url(url)

    def check_url(self, url: str) -> None:
        """Refuse (ValueError) a place that keys are not fetched from."""
        parts = urlsplit(url)
        schemes = {"https", "http"} if self.insecure_http else {"https"}
        if parts.scheme not in schemes or not parts.hostname or parts.username or parts.fragment:
            raise ValueError(f"{self.issuer}: keys are fetched over https, not from {url[:200]!r}")

    @property
    def discovery_url(self) -> str:
        """Where OpenID Connect Discovery finds the issuer's document."""
        return self.issuer.rstrip("/") + "/.well-known/openid-configuration"

    @property
    def parties(self) -> frozenset[str]:
        """The clients whose tokens are taken, where a token names one."""
        return frozenset(self.authorized_parties or self.audiences)


GOOGLE_AND_GITHUB = ("google.com", "github.com")
"""The sign-in providers that are let in by default; `password` and the like are not."""


def identity_platform(
    project: str, *, providers: tuple[str, ...] = GOOGLE_AND_GITHUB, tenant: str = ABSENT
) -> Issuer:
    """Google Cloud Identity Platform (Firebase Authentication) of one project.

    Its tenants share issuer and audience: unless one is named, tokens of none of them are taken.
    GitHub's addresses come unverified; such a user verifies the address with Identity Platform
    once, and is refused (EMAIL_NOT_VERIFIED) until then.
    """
    return Issuer(
        issuer=f"https://securetoken.google.com/{project}",
        audiences=(project,),
        claims={"firebase/sign_in_provider": providers, "firebase/tenant": (tenant,)},
        claims_hint=f"Sign in with {' or '.join(providers)}.",
        max_lifetime=timedelta(hours=1, minutes=5),
        jwks_url=(
            "https://www.googleapis.com/service_accounts/v1/jwk/"
            "securetoken@system.gserviceaccount.com"
        ),
    )


def firebase_emulator(
    project: str, *, providers: tuple[str, ...] = (*GOOGLE_AND_GITHUB, "password")
) -> Issuer:
    """The Auth emulator, for development: whoever reaches the service signs in as anybody.

    Only for projects named `demo-…`, which cannot exist at Google.
    """
    if not project.startswith("demo-"):
        raise ValueError("an emulator's tokens are only taken for projects named `demo-…`")
    return Issuer(
        issuer=f"https://securetoken.google.com/{project}",
        audiences=(project,),
        claims={"firebase/sign_in_provider": providers},
        demand_kid=False,
        max_lifetime=timedelta(hours=1, minutes=5),
        unsigned=True,
    )


def github_actions(
    audience: str, *, issuer: str = "https://token.actions.githubusercontent.com"
) -> Issuer:
    """Jobs of GitHub Actions, which ask for their token with this audience."""
    return Issuer(
        issuer=issuer,
        audiences=(audience,),
        serves=Serves.WORKLOADS,
        max_lifetime=timedelta(hours=1),
    )


def kubernetes(
    issuer: str,
    audience: str,
    *,
    jwks_url: str = "",
    jwks_file: str = "",
    ca_file: str = "",
    bearer_file: str = "",
) -> Issuer:
    """Projected service-account tokens of one cluster.

    The pod's volume has to ask for this audience: the default one would let every pod's token in.
    """
    return Issuer(
        issuer=issuer,
        audiences=(audience,),
        serves=Serves.WORKLOADS,
        algorithms=("RS256", "ES256", "ES384"),
        jwks_url=jwks_url,
        jwks_file=jwks_file,
        ca_file=ca_file,
        bearer_file=bearer_file,
    )
