"""Tables of accounts, memberships, invitations and API keys. No secret is in any of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from coditect_cloud.database import Base


class AccountRow(Base):
    """A person, whatever they sign in with."""

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    """Verified by the issuer that brought it; in the form that `email.normalised` gives."""
    name: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None] = mapped_column(default=None)


class SignInRow(Base):
    """One way to sign in as an account: the subject of an issuer, which never changes owner."""

    __tablename__ = "sign_ins"

    issuer: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(512), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]


class MembershipRow(Base):
    """An account's role in an organisation."""

    __tablename__ = "memberships"

    org: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[str] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(String(600), default="")


class InvitationRow(Base):
    """A role kept for who proves to own an e-mail address; taken at the next sign-in."""

    __tablename__ = "invitations"
    __table_args__ = (Index(None, "org", "email", unique=True),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    org: Mapped[str] = mapped_column(String(64))
    email: Mapped[str] = mapped_column(String(254), index=True)
    role: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    invited_by: Mapped[str] = mapped_column(String(600), default="")


class ApiKeyRow(Base):
    """An API key; its secret is kept as a SHA-256 only (256 random bits need no slow hash)."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    org: Mapped[str] = mapped_column(String(64), index=True)
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(16))
    scopes: Mapped[list[Any]] = mapped_column(JSON)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    previous_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32), default=None)
    """The secret before the last rotation."""
    previous_until: Mapped[datetime | None] = mapped_column(default=None)
    """Until when that one still opens."""
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(600), default="")
    expires_at: Mapped[datetime | None] = mapped_column(default=None)
    rotated_at: Mapped[datetime | None] = mapped_column(default=None)
    revoked_at: Mapped[datetime | None] = mapped_column(default=None)
    last_used_at: Mapped[datetime | None] = mapped_column(default=None)
    """To the minute."""


class BootstrapRow(Base):
    """What is made once in the life of a deployment, whatever was revoked or lost since."""

    __tablename__ = "bootstraps"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime]
