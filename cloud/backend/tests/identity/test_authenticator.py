"""The `Authorization` header, every scheme of it, and what is remembered for seconds."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy.exc import OperationalError

from cloud_support.identity_clock import Clock
from cloud_support.issuer_server import IssuerServer
from coditect_cloud.database import Database
from coditect_cloud.identity.authenticator import MAX_HEADER, Authenticator, Resolved
from coditect_cloud.identity.emulators import UnsafeSettings
from coditect_cloud.identity.issuers import Issuer, Serves
from coditect_cloud.identity.principal import Principal, PrincipalKind, Role
from coditect_cloud.identity.service import IdentityService
from coditect_cloud.identity.settings import IdentitySettings
from coditect_cloud.identity.workloads import kubernetes_rule
from coditect_cloud.refusals import Code, Refusal

pytestmark = pytest.mark.anyio

LICENSE_KEY = "CCL-0123456789-ABCDE"
OWNER = Principal(PrincipalKind.USER, "acc_1", "org_a", Role.OWNER)


@dataclass(frozen=True)
class Row:
    license: str = "lic_1"
    org: str = "org_a"
    name: str = "Solver"


class Licenses:
    """Answers as the licenses feature does."""

    async def find(self, digest: bytes) -> Row | None:
        return Row() if digest == hashlib.sha256(LICENSE_KEY.encode()).digest() else None


class Counting:
    """Resolves anything, and counts how often it was asked."""

    def __init__(self, until: Any = None) -> None:
        self.asked = 0
        self.until = until
        self.during: Any = None
        self.error: Exception | None = None

    async def resolve(self, credential: str, *, org: str | None) -> Resolved:
        del org
        self.asked += 1
        if self.during is not None:
            self.during()
        if self.error is not None:
            raise self.error
        return Resolved(Principal(PrincipalKind.API_KEY, credential, "o", Role.HOLDER), self.until)


def authenticator(clock: Clock, credentials: Counting, **options: Any) -> Authenticator:
    return Authenticator(
        bearer=credentials,
        licenses=credentials,
        api_keys=credentials,
        clock=clock,
        monotonic=clock.monotonic,
        **options,
    )


@pytest.fixture
async def identity(
    database: Database, issuer: IssuerServer, clock: Clock
) -> AsyncIterator[IdentityService]:
    service = IdentityService(
        database,
        Licenses(),
        IdentitySettings((Issuer(issuer.issuer, ("coditect",), insecure_http=True),)),
        profile="development",
        environ={},
        clock=clock,
    )
    yield service
    await service.close()


async def refusal(doing: Any) -> Code:
    with pytest.raises(Refusal) as refused:
        await doing
    return refused.value.code


async def test_every_scheme_gives_its_principal(
    identity: IdentityService, issuer: IssuerServer, clock: Clock
) -> None:
    say = identity.authenticator.authenticate
    key = await identity.api_keys.issue(OWNER, name="ci", role=Role.ADMIN)
    assert (await say(f"ApiKey {key.secret.text}")).id == key.key.id
    license = await say(f"License {LICENSE_KEY}")
    assert (license.kind, license.org, license.license, license.role) == (
        PrincipalKind.LICENSE, "org_a", "lic_1", Role.HOLDER,
    )  # fmt: skip
    assert not license.uses("lic_2")
    await identity.members.invite(OWNER, "ada@example.org", Role.AUDITOR)
    token = issuer.token(now=clock.monotonic())
    assert (await say(f"bearer {token}", org="org_a")).role is Role.AUDITOR
    assert await refusal(say(f"Bearer {token}", org="org_b")) is Code.FORBIDDEN
    assert await refusal(say(f"License {LICENSE_KEY}", org="org_b")) is Code.FORBIDDEN


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer a b",
        "Bearer\ta",
        "Bearer é",
        "Bearer a\x00",
        "Bearer " + "a" * MAX_HEADER,
        "ApiKey nothing",
        "ApiKey cck_x_y",
        "License CCL-WRONG",
        "License nothing",
        f"ApiKey {LICENSE_KEY}",
        f"Bearer {LICENSE_KEY}",
    ],
)
async def test_what_is_no_credential_is_refused(
    identity: IdentityService, header: str | None
) -> None:
    assert await refusal(identity.authenticator.authenticate(header)) is Code.UNAUTHENTICATED


async def test_a_credential_is_remembered_for_ten_seconds(clock: Clock) -> None:
    credentials = Counting()
    known = authenticator(clock, credentials)
    for _ in range(5):
        await known.authenticate("ApiKey a")
    assert credentials.asked == 1
    await known.authenticate("ApiKey a", org="o")
    await known.authenticate("License a")
    assert credentials.asked == 3, "scheme and organisation are part of what is remembered"
    clock.move(seconds=10)
    await known.authenticate("ApiKey a")
    assert credentials.asked == 4
    with pytest.raises(ValueError, match="at most 10"):
        authenticator(clock, credentials, remember=timedelta(seconds=11))


async def test_nothing_is_remembered_beyond_its_own_end(clock: Clock) -> None:
    credentials = Counting(until=clock.now + timedelta(seconds=3))
    known = authenticator(clock, credentials)
    await known.authenticate("ApiKey a")
    clock.move(seconds=2)
    await known.authenticate("ApiKey a")
    assert credentials.asked == 1
    clock.move(seconds=1)
    await known.authenticate("ApiKey a")
    assert credentials.asked == 2


async def test_a_refusal_is_not_remembered(clock: Clock) -> None:
    credentials = Counting()
    known = authenticator(clock, credentials)
    credentials.error = Refusal(Code.UNAUTHENTICATED, "no")
    assert await refusal(known.authenticate("ApiKey a")) is Code.UNAUTHENTICATED
    credentials.error = None
    await known.authenticate("ApiKey a")


async def test_what_is_remembered_is_bounded(clock: Clock) -> None:
    credentials = Counting()
    known = authenticator(clock, credentials, most=3)
    for name in ("a", "b", "c", "a", "d"):
        await known.authenticate(f"ApiKey {name}")
    assert credentials.asked == 4
    await known.authenticate("ApiKey a")
    assert credentials.asked == 4
    await known.authenticate("ApiKey b")
    assert credentials.asked == 5


async def test_what_changes_while_we_look_is_not_remembered(clock: Clock) -> None:
    credentials = Counting()
    known = authenticator(clock, credentials)
    credentials.during = known.forget
    await known.authenticate("ApiKey a")
    credentials.during = None
    await known.authenticate("ApiKey a")
    assert credentials.asked == 2
    await known.authenticate("ApiKey a")
    assert credentials.asked == 2


async def test_a_database_that_does_not_answer_is_no_wrong_credential(clock: Clock) -> None:
    credentials = Counting()
    known = authenticator(clock, credentials)
    credentials.error = OperationalError("select", {"digest": "s3cret"}, Exception("gone"))
    with pytest.raises(Refusal) as refused:
        await known.authenticate("ApiKey a")
    assert refused.value.code is Code.IDENTITY_UNAVAILABLE
    assert "s3cret" not in str(refused.value)


async def test_a_revoked_key_is_forgotten(identity: IdentityService) -> None:
    key = await identity.api_keys.issue(OWNER, name="ci", role=Role.ADMIN)
    say = identity.authenticator.authenticate
    await say(f"ApiKey {key.secret.text}")
    await identity.api_keys.revoke(OWNER, key.key.id)
    identity.authenticator.forget()
    assert await refusal(say(f"ApiKey {key.secret.text}")) is Code.UNAUTHENTICATED


async def test_a_pod_comes_in_and_keeps_its_holder_through_a_restart(
    database: Database, issuer: IssuerServer, clock: Clock
) -> None:
    cluster = Issuer(issuer.issuer, ("seats",), serves=Serves.WORKLOADS, insecure_http=True)
    rule = kubernetes_rule("org_a", issuer.issuer, namespace="prod", service_account="solver")
    service = IdentityService(
        database,
        Licenses(),
        IdentitySettings((cluster,), (rule,)),
        profile="development",
        environ={},
        clock=clock,
    )

    async def start(uid: str) -> Principal:
        claims: dict[str, Any] = {
            "aud": ["seats"],
            "sub": "system:serviceaccount:prod:solver",
            "kubernetes.io": {"namespace": "prod", "pod": {"name": "solver-0", "uid": uid}},
        }
        token = issuer.token(now=clock.monotonic(), without=("email", "email_verified"), **claims)
        return await service.authenticator.authenticate(f"Bearer {token}")

    assert (await start("u-1")).holder == (await start("u-2")).holder == "workload:prod:solver-0"
    await service.close()


async def test_production_does_not_start_with_an_emulator(database: Database) -> None:
    with pytest.raises(UnsafeSettings):
        IdentityService(
            database,
            Licenses(),
            IdentitySettings(),
            profile="production",
            environ={"FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:9099"},
        )


async def test_no_credential_is_logged_or_told(
    identity: IdentityService,
    issuer: IssuerServer,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    key = await identity.api_keys.issue(OWNER, name="ci", role=Role.ADMIN)
    good = issuer.token(now=clock.monotonic())
    issuer.trouble = "500"
    credentials = [key.secret.text, good, LICENSE_KEY, key.secret.text[:-1] + "-", good + "x"]
    told: list[Any] = []
    with structlog.testing.capture_logs() as logged:
        for scheme in ("Bearer", "License", "ApiKey"):
            for credential in credentials:
                try:
                    told.append(await identity.authenticator.authenticate(f"{scheme} {credential}"))
                except Refusal as refused:
                    told.append(repr(refused))
    everything = f"{told!r} {logged!r} {caplog.text} {vars(identity.authenticator)!r}"
    for credential in credentials:
        assert credential not in everything
    assert key.secret.text[37:] not in everything
    assert good.rpartition(".")[2] not in everything
    assert [entry["event"] for entry in logged] == ["issuer_keys_unavailable"]
