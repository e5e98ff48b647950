"""License keys as credentials: what the licenses feature has to answer."""

from __future__ import annotations

import hashlib
from typing import Protocol


class LicenseKeyRow(Protocol):
    """The license that a key opens, and whose it is."""

    @property
    def license(self) -> str:
        """`lic_…`"""
        ...

    @property
    def org(self) -> str:
        """The organisation that it belongs to."""
        ...

    @property
    def name(self) -> str:
        """What people call the license."""
        ...


class LicenseKeys(Protocol):
    """Finds licenses by their keys."""

    async def find(self, digest: bytes) -> LicenseKeyRow | None:
        """Find the license whose current (or overlapping) key has this SHA-256.

        Whether the license may be used is decided where seats are counted, not here.
        """
        ...


def digest_as_shown(key: str) -> bytes:
    """Hash a key written exactly as it was shown; ValueError if it cannot be one.

    The licenses feature has one that also reads what people type.
    """
    if not key.startswith("CCL-") or not key.isascii() or len(key) > 64:
        raise ValueError("not a license key")
    return hashlib.sha256(key.encode()).digest()
