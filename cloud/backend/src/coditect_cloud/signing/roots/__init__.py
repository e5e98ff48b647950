"""Root signers, behind one seam."""

from coditect_cloud.signing.roots.base import (
    RootHealth,
    RootRefused,
    RootSettings,
    RootSigner,
    RootUnavailable,
)
from coditect_cloud.signing.roots.opening import RootOpener, RootOptions, open_root, opener

__all__ = [
    "RootHealth",
    "RootOpener",
    "RootOptions",
    "RootRefused",
    "RootSettings",
    "RootSigner",
    "RootUnavailable",
    "open_root",
    "opener",
]
