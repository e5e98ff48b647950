"""What identity is configured with, and what of it a production profile refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coditect_cloud.identity.emulators import UnsafeSettings, refuse_emulators
from coditect_cloud.identity.issuers import Issuer, Serves
from coditect_cloud.identity.workloads import TrustRule


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """Issuers that are trusted, and rules by which workloads come in; ValueError if inconsistent.

    Without an issuer, API keys and license keys are the only way in. Pydantic reads it from JSON
    (`TypeAdapter(IdentitySettings)`), and refuses names that it does not know.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - a name mistyped must not pass

    issuers: tuple[Issuer, ...] = ()
    rules: tuple[TrustRule, ...] = ()

    def __post_init__(self) -> None:
        names = [i.issuer for i in self.issuers]
        if len(set(names)) < len(names):
            raise ValueError("an issuer is configured twice")
        workloads = {i.issuer for i in self.issuers if i.serves is Serves.WORKLOADS}
        for rule in self.rules:
            if rule.issuer not in workloads:
                raise ValueError(
                    f"rule {rule.name}: {rule.issuer} is no configured issuer of workloads"
                )

    def check(self, *, profile: str, environ: Mapping[str, str]) -> None:
        """Refuse (UnsafeSettings) to start with what only development may have."""
        refuse_emulators(environ, profile)
        if profile == "development":
            return
        for issuer in self.issuers:
            if issuer.unsigned or issuer.insecure_http:
                what = "accepts unsigned tokens" if issuer.unsigned else "is asked over http"
                raise UnsafeSettings(
                    f"the {profile} profile does not start with the issuer {issuer.issuer}, "
                    f"which {what}. Configure it anew, or use the development profile."
                )
