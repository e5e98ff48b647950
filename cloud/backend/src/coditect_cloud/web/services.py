"""Settings become services: database, store of seats, signing, identity, audit."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from coditect_cloud.audit.drainer import Drainer
from coditect_cloud.audit.export import Exporter
from coditect_cloud.audit.log import AuditLog
from coditect_cloud.audit.reading import AuditService
from coditect_cloud.audit.scan import EveryLicense
from coditect_cloud.database import Database
from coditect_cloud.identity.emulators import UnsafeSettings
from coditect_cloud.identity.issuers import identity_platform
from coditect_cloud.identity.service import IdentityService
from coditect_cloud.identity.settings import IdentitySettings
from coditect_cloud.leases.service import LeaseService
from coditect_cloud.leases.sql import SqlSeats
from coditect_cloud.leases.store import SeatStore
from coditect_cloud.licenses.keys import digest as license_digest
from coditect_cloud.licenses.service import LicenseService, StoredLicenseKeys
from coditect_cloud.observe.metrics import Metrics
from coditect_cloud.observe.store import WatchedStore
from coditect_cloud.organisations.service import OrganisationService, ProductService
from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.settings import Profile, Settings
from coditect_cloud.signing import (
    FileKeyring,
    Keyring,
    RootOptions,
    Signing,
    opener,
)
from coditect_cloud.webhooks.deliveries import DeliveryService, Queue
from coditect_cloud.webhooks.endpoints import EndpointService
from coditect_cloud.webhooks.events import Events
from coditect_cloud.webhooks.secrets import Sealer
from coditect_cloud.webhooks.sending import Courier, Sender


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that routes and commands call."""

    settings: Settings
    database: Database
    store: SeatStore
    signing: Signing
    keyring: FileKeyring
    identity: IdentityService
    organisations: OrganisationService
    products: ProductService
    licenses: LicenseService
    leases: LeaseService
    audit: AuditService
    exporter: Exporter
    drainer: Drainer
    metrics: Metrics
    webhooks: EndpointService
    deliveries: DeliveryService
    events: Events
    courier: Courier


@asynccontextmanager
async def services(settings: Settings, *, signs: bool = False) -> AsyncIterator[Services]:
    """Open what the settings name; everything is closed at the end.

    `signs` starts the signing, which asks the root for a delegation; commands that only administer
    do without. Raises Refusal for settings that cannot be.
    """
    prepare_folder(settings)
    async with AsyncExitStack() as stack:
        database = Database.open(settings.database_url, pool=settings.database_pool)
        stack.push_async_callback(database.close)
        bare = await _store(settings, database)
        stack.push_async_callback(bare.close)
        keyring = FileKeyring(settings.keyring_path, Keyring.single(settings.root_address))
        signing = Signing(
            issuer=settings.public_url, source=keyring, opener=opener(root_options(settings))
        )
        stack.push_async_callback(signing.close)
        if signs:
            await signing.start()
        log = AuditLog()
        exporter = Exporter(database, signer=signing if signs else None, issuer=settings.public_url)
        metrics = Metrics()
        events = Events(database)
        drainer = Drainer(
            database,
            bare,
            log,
            licenses=EveryLicense(database),
            followers=[events],
            watcher=metrics,
        )
        production = settings.profile is Profile.PRODUCTION
        sealer = _sealer(settings)
        sender = Sender(production=production)
        stack.push_async_callback(sender.close)
        store = WatchedStore(bare, metrics, changed=drainer.dirty)
        metrics.watch_outbox(lambda: drainer.waiting_seconds)
        metrics.watch_delegation(lambda: signing.health().delegation_age_s)
        identity = IdentityService(
            database,
            StoredLicenseKeys(database),
            identity_settings(settings),
            profile=settings.profile,
            environ=os.environ,
            record=log.record,
            license_digest=license_digest,
        )
        stack.push_async_callback(identity.close)
        leases = LeaseService(
            database=database, store=store, signer=signing, issuer=settings.public_url
        )
        yield Services(
            settings=settings,
            database=database,
            store=store,
            signing=signing,
            keyring=keyring,
            identity=identity,
            organisations=OrganisationService(database, record=log.record),
            products=ProductService(database, record=log.record),
            licenses=LicenseService(database, on_change=leases.push, record=log.record),
            leases=leases,
            audit=AuditService(database, exporter),
            exporter=exporter,
            drainer=drainer,
            metrics=metrics,
            webhooks=EndpointService(database, sealer, production=production, record=log.record),
            deliveries=DeliveryService(database),
            events=events,
            courier=Courier(Queue(database), sender, sealer, sent=metrics.webhook),
        )


def prepare_folder(settings: Settings) -> None:
    """Make the data folder, for its owner alone: it holds the database and the root key."""
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)


def root_options(settings: Settings) -> RootOptions:
    """Give what opens roots under these settings."""
    return RootOptions(
        production=settings.profile is Profile.PRODUCTION,
        passphrase=settings.root_passphrase
        if settings.root_passphrase.get_secret_value()
        else None,
        pin=settings.pkcs11_pin if settings.pkcs11_pin.get_secret_value() else None,
        kms_endpoint=settings.kms_endpoint,
    )


def identity_settings(settings: Settings) -> IdentitySettings:
    """Read who is trusted to say who somebody is."""
    try:
        given = (
            TypeAdapter(IdentitySettings).validate_json(settings.identity)
            if settings.identity
            else IdentitySettings()
        )
        platform = settings.identity_platform
        issuers = (identity_platform(platform),) if platform else ()
        found = IdentitySettings(issuers=(*issuers, *given.issuers), rules=given.rules)
        found.check(profile=settings.profile, environ=os.environ)
    except ValidationError as fault:
        first = fault.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _unusable(f"IDENTITY: {where}: {first['msg']}") from None
    except (ValueError, UnsafeSettings) as fault:
        raise _unusable(str(fault)) from None
    return found


async def _store(settings: Settings, database: Database) -> SeatStore:
    if settings.store_kind == "redis":
        try:
            # Optional: who counts in SQL needs no client of Redis.
            from coditect_cloud.leases.redis import (  # noqa: PLC0415
                RedisOptions,
                RedisSeatStore,
            )
        except ModuleNotFoundError as fault:
            raise _unusable("STORE names Redis: install coditect-cloud[redis]") from fault
        try:
            store = RedisSeatStore(RedisOptions.from_url(settings.store.get_secret_value()))
        except ValueError as fault:
            raise _unusable(f"STORE is {fault}") from None
        await store.start()
        return store
    return SqlSeats(database)


def _sealer(settings: Settings) -> Sealer:
    """Seal the secrets of webhooks; in development with a key of our own making."""
    keys = [key.strip() for key in settings.webhook_keys.get_secret_value().split(",")]
    if not any(keys):
        if settings.profile is Profile.PRODUCTION:
            raise _unusable("WEBHOOK_KEYS is needed in production: it seals webhooks' secrets.")
        return Sealer.local(settings.data / "webhooks.key")
    try:
        return Sealer(keys)
    except ValueError as fault:
        raise _unusable(f"WEBHOOK_KEYS: {fault}.") from None


def _unusable(detail: str) -> Refusal:
    return Refusal(Code.INVALID_REQUEST, detail, "See `coditect-cloud settings`.")


def sqlite_file(settings: Settings) -> Path | None:
    """Give the file of the embedded database, if that is what is used."""
    url = settings.database_url
    return Path(url.split("///", 1)[1]) if url.startswith("sqlite") else None
