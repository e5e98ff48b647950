"""Organisations and products as the rest of the service sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Organisation:
    """A tenant: owns products, licenses, members, keys, webhooks and an audit chain."""

    id: str
    name: str
    version: int
    """Goes up with each change; the ETag."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Product:
    """What licenses are for; its slug is unique within its organisation and never changes."""

    id: str
    org: str
    slug: str
    name: str
    version: int
    """Goes up with each change; the ETag."""
    created_at: datetime
    updated_at: datetime
