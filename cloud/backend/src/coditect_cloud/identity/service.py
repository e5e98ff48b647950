"""Identity put together: one object that the web and the command line use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from coditect_cloud.database import Database, utc_now
from coditect_cloud.identity.accounts import Accounts
from coditect_cloud.identity.api_keys import ApiKeys
from coditect_cloud.identity.authenticator import Authenticator, LicenseCredentials
from coditect_cloud.identity.bearer import BearerCredentials
from coditect_cloud.identity.license_keys import LicenseKeys, digest_as_shown
from coditect_cloud.identity.members import Members
from coditect_cloud.identity.recording import Record, unrecorded
from coditect_cloud.identity.settings import IdentitySettings
from coditect_cloud.identity.tokens import Tokens


class IdentityService:
    """Everything about who asks. After a change to keys or members call `authenticator.forget()`.

    Raises UnsafeSettings if the profile does not allow the settings or the environment.
    """

    def __init__(
        self,
        database: Database,
        license_keys: LicenseKeys,
        settings: IdentitySettings,
        *,
        profile: str,
        environ: Mapping[str, str],
        record: Record = unrecorded,
        license_digest: Callable[[str], bytes] = digest_as_shown,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        settings.check(profile=profile, environ=environ)
        self.accounts = Accounts(database, record=record, clock=clock)
        self.members = Members(database, record=record, clock=clock)
        self.api_keys = ApiKeys(database, record=record, clock=clock)
        self.tokens = Tokens(settings.issuers, clock=clock)
        self.authenticator = Authenticator(
            bearer=BearerCredentials(self.tokens, self.accounts, settings.rules),
            licenses=LicenseCredentials(license_keys, license_digest),
            api_keys=self.api_keys,
            clock=clock,
        )

    async def close(self) -> None:
        """Let go of connections to issuers."""
        await self.tokens.close()
