"""Bearer tokens as credentials: people become accounts, workloads pass the trust rules."""

from __future__ import annotations

from collections.abc import Iterable

from coditect_cloud.identity.accounts import Accounts
from coditect_cloud.identity.authenticator import Resolved
from coditect_cloud.identity.issuers import Serves
from coditect_cloud.identity.tokens import Tokens
from coditect_cloud.identity.workloads import TrustRule, admit


class BearerCredentials:
    """Tokens of identity providers, clusters and CI."""

    def __init__(self, tokens: Tokens, accounts: Accounts, rules: Iterable[TrustRule] = ()) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._rules = tuple(rules)

    async def resolve(self, credential: str, *, org: str | None) -> Resolved:
        """Verify the token, then find who it is here."""
        identity = await self._tokens.verify(credential)
        if identity.issuer.serves is Serves.WORKLOADS:
            issuer, subject = identity.issuer.issuer, identity.subject
            principal = admit(self._rules, issuer, subject, identity.claims, org=org)
        else:
            principal = await self._accounts.sign_in(identity, org=org)
        return Resolved(principal, identity.expires_at)
