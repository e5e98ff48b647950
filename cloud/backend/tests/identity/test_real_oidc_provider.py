"""Signing in with a real OpenID Connect provider: code flow, ID token, RS256, and a new key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud_support.identity_clock import Clock
from cloud_support.oidc_provider import Provider, oidc_provider
from coditect_cloud.database import Database, utc_now
from coditect_cloud.identity.fetching import HttpFetch
from coditect_cloud.identity.issuers import Issuer
from coditect_cloud.identity.keys import Freshness, IssuerKeys
from coditect_cloud.identity.principal import Principal, PrincipalKind, Role
from coditect_cloud.identity.service import IdentityService
from coditect_cloud.identity.settings import IdentitySettings
from coditect_cloud.identity.tokens import Tokens
from coditect_cloud.refusals import Code, Refusal

pytestmark = pytest.mark.anyio

PEOPLE: list[dict[str, Any]] = [
    {"sub": "ada-1", "email": "ada@example.org", "email_verified": True, "name": "Ada"},
    {"sub": "eve-1", "email": "ada@example.org", "email_verified": False, "name": "Eve"},
    {"sub": "bob-1", "email": "bob@example.org"},
]


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    del tmp_path
    with oidc_provider(PEOPLE) as running:
        yield running


class NoLicenses:
    """Knows no license."""

    async def find(self, digest: bytes) -> None:
        """Find nothing."""
        del digest


def trusted(provider: Provider, client: str) -> Issuer:
    # This provider's ID tokens do not say which key signed them.
    return Issuer(provider.issuer, (client,), insecure_http=True, demand_kid=False)


async def test_a_person_signs_in_and_only_with_the_verified_address(
    provider: Provider, database: Database
) -> None:
    client = provider.register()
    identity = IdentityService(
        database,
        NoLicenses(),
        IdentitySettings((trusted(provider, client[0]),)),
        profile="development",
        environ={},
    )
    owner = Principal(PrincipalKind.API_KEY, "key_1", "org_a", Role.OWNER)
    await identity.members.invite(owner, "ada@example.org", Role.ADMIN)
    say = identity.authenticator.authenticate

    for person in ("eve-1", "bob-1"):
        with pytest.raises(Refusal) as refused:
            await say(f"Bearer {provider.sign_in(person, client)}")
        assert refused.value.code is Code.EMAIL_NOT_VERIFIED

    ada = await say(f"Bearer {provider.sign_in('ada-1', client)}")
    assert (ada.org, ada.role, ada.name) == ("org_a", Role.ADMIN, "Ada")

    # Another client's token is not for us, though its signature holds.
    with pytest.raises(Refusal) as refused:
        await say(f"Bearer {provider.sign_in('ada-1', provider.register())}")
    assert refused.value.code is Code.UNAUTHENTICATED
    await identity.close()


async def test_a_provider_with_a_new_key_is_believed_without_a_restart_of_ours(
    provider: Provider, clock: Clock
) -> None:
    client = provider.register()
    fetch = HttpFetch()

    def keys(issuer: Issuer) -> IssuerKeys:
        return IssuerKeys(issuer, fetch, freshness=Freshness(), monotonic=clock.monotonic)

    tokens = Tokens([trusted(provider, client[0])], keys=keys, clock=utc_now)
    old = provider.sign_in("ada-1", client)
    assert (await tokens.verify(old)).email == "ada@example.org"

    provider.stop()
    assert (await tokens.verify(old)).email == "ada@example.org", "through the outage"
    provider.start()
    client = provider.register()
    tokens_again = Tokens([trusted(provider, client[0])], keys=keys, clock=utc_now)
    new = provider.sign_in("ada-1", client)
    assert (await tokens_again.verify(new)).subject == "ada-1"
    with pytest.raises(Refusal) as refused:
        await tokens_again.verify(old)
    assert refused.value.code is Code.UNAUTHENTICATED
    await tokens.close()
    await tokens_again.close()
    await fetch.close()
