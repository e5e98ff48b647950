"""What an operator sets: by environment, secrets from files; everything has a safe default."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from coditect_cloud.refusals import Code, Refusal

PREFIX = "CODITECT_CLOUD_"


class Profile(StrEnum):
    """How strict the service is with its own settings."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """Every setting. A name with `_FILE` behind it reads the value from that file."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    profile: Profile = Field(
        default=Profile.DEVELOPMENT,
        description="`production` refuses roots that are for development, and emulators.",
    )
    data: Path = Field(
        default_factory=lambda: (
            Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "coditect-cloud"
        ),
        description="Folder of the embedded database and the local root key.",
        json_schema_extra={"shown": "~/.local/share/coditect-cloud"},
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0: any.")
    workers: int = Field(
        default=1, ge=1, le=64, description="Processes; more than one share the database file."
    )
    public_url: str = Field(
        default="http://127.0.0.1:8080",
        description="What clients call it; also the `iss` of everything it signs.",
    )
    database: SecretStr = Field(
        default=SecretStr(""),
        description="`sqlite+aiosqlite:///…` or `postgresql+asyncpg://…`; empty: SQLite in the "
        "data folder.",
    )
    database_pool: int = Field(default=10, ge=1, le=200, description="Connections a process keeps.")
    store: SecretStr = Field(
        default=SecretStr("embedded"),
        description="Where seats are counted: `embedded` (SQLite in the data folder), "
        "`redis://…`, `rediss://…`, `redis+sentinel://…`, `redis+cluster://…`, or `strict` (the "
        "PostgreSQL of `DATABASE`).",
    )
    root: str = Field(
        default="",
        description="Where the root key is: `gcpkms://projects/…/cryptoKeyVersions/1`, "
        "`pkcs11:token=…;object=…?module-path=…`; for development `file:/path` or `mock:`; empty: "
        "a file in the data folder.",
    )
    keyring: Path | None = Field(
        default=None,
        description="File of the roots, which `keys rotate` changes and all instances read; "
        "none: in the data folder.",
    )
    root_passphrase: SecretStr = Field(
        default=SecretStr(""),
        description="Decrypts a root in a file; empty: one is made beside it.",
    )
    pkcs11_pin: SecretStr = Field(default=SecretStr(""), description="PIN of the PKCS#11 token.")
    kms_endpoint: str = Field(
        default="", description="`host:port` of a stand-in for Cloud KMS; not in production."
    )
    identity_platform: str = Field(
        default="",
        description="Google Cloud project whose Identity Platform signs people in (Google, "
        "GitHub).",
    )
    identity: str = Field(
        default="",
        description="More issuers and rules for workloads, as JSON: "
        '`{"issuers": [{"issuer": "https://…", "audiences": ["…"]}], "rules": []}`.',
    )
    webhook_keys: SecretStr = Field(
        default=SecretStr(""),
        description="Fernet keys that seal webhooks' secrets, separated by commas, the newest "
        "first; needed in production. None: one is made in the data folder.",
    )
    rate_principal: int = Field(
        default=12_000, ge=0, description="Requests a minute of one principal; 0: unlimited."
    )
    rate_license: int = Field(
        default=120_000, ge=0, description="Requests a minute for one license; 0: unlimited."
    )
    rate_store: SecretStr = Field(
        default=SecretStr(""),
        description="`redis://…` counts budgets for all instances together; empty: each process "
        "counts its own.",
    )
    sign_responses: bool = Field(default=True, description="Sign answers about leases (RFC 9421).")
    metrics_token: SecretStr = Field(
        default=SecretStr(""),
        description="Bearer token that `/metrics` asks for; empty: open, so keep it inside.",
    )
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="Least level logged."
    )
    log_json: bool = Field(default=True, description="One JSON object a line; else for people.")
    telemetry: bool = Field(
        default=False,
        description="OpenTelemetry; the exporter reads the usual `OTEL_…` variables.",
    )
    drain_seconds: int = Field(
        default=20, ge=0, le=600, description="How long a shutdown waits for what is under way."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments, then the environment, then files that the environment names."""
        return init_settings, env_settings, _FromFiles(settings_cls)

    @model_validator(mode="after")
    def _fit_together(self) -> Settings:
        sqlite = self.database_url.startswith("sqlite")
        if self.store_kind == "strict" and sqlite:
            raise ValueError("STORE strict needs a DATABASE of PostgreSQL")
        if self.store_kind == "embedded" and not sqlite:
            raise ValueError("with a DATABASE of PostgreSQL, STORE is `strict` or `redis://…`")
        if self.profile is Profile.PRODUCTION:
            self._fit_production()
        return self

    def _fit_production(self) -> None:
        if not self.root.startswith(("gcpkms:", "pkcs11:")):
            raise ValueError("production needs a ROOT in Cloud KMS or behind PKCS#11")
        if self.kms_endpoint:
            raise ValueError("KMS_ENDPOINT is for emulators, which production refuses")
        if not self.public_url.startswith("https://"):
            raise ValueError("production needs a PUBLIC_URL that begins with https://")

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL; may carry a password."""
        return self.database.get_secret_value() or f"sqlite+aiosqlite:///{self.data}/cloud.db"

    @property
    def root_address(self) -> str:
        """The address of the first root; later ones stand in the keyring."""
        return self.root or f"file:{(self.data / 'root.pem').absolute()}"

    @property
    def keyring_path(self) -> Path:
        """The file of the roots."""
        return self.keyring or self.data / "keyring.json"

    @property
    def store_kind(self) -> str:
        """`embedded`, `redis` or `strict`."""
        text = self.store.get_secret_value()
        if "://" in text and text.startswith("redis"):
            return "redis"
        if text not in {"embedded", "strict"}:
            raise ValueError("STORE is `embedded`, `strict`, `redis://…` or one of its forms")
        return text


class _FromFiles(PydanticBaseSettingsSource):
    """Reads `CODITECT_CLOUD_<NAME>_FILE`: secrets that the environment should not show."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Give the content of the named file, without its last line end."""
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        if path is None:
            return None, field_name, False
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Give all that files say."""
        told = {}
        for name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, name)
            if value is not None:
                told[name] = value
        return told


def load(**given: Any) -> Settings:
    """Read the settings; Refusal INVALID_REQUEST says which one is wrong, never its value."""
    try:
        return Settings(**{k: v for k, v in given.items() if v is not None})
    except ValidationError as fault:
        lines = [
            (f"{PREFIX}{str(e['loc'][0]).upper()}: " if e["loc"] else "") + str(e["msg"])
            for e in fault.errors(include_input=False, include_url=False)
        ]
        raise Refusal(
            Code.INVALID_REQUEST, "; ".join(lines), "See `coditect-cloud settings`."
        ) from None
    except OSError as fault:
        raise Refusal(
            Code.INVALID_REQUEST,
            f"A file that the settings name cannot be read: {fault.filename}: {fault.strerror}",
            "See `coditect-cloud settings`.",
        ) from None
