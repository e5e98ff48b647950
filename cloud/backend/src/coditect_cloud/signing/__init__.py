"""Signing: roots in hardware, leaves in memory, and verification without either.

A root (Cloud KMS, PKCS#11; a file or a mock in development) signs license files, borrowed seats,
trust bundles and, a few times a day, a delegation for an Ed25519 key in memory, which signs leases
and responses. `Signing` is what the service uses; `verify` is what anybody needs who has the root's
public key, and nothing else.
"""

from coditect_cloud.signing.artefacts import Purpose, Typ
from coditect_cloud.signing.keyring import (
    FileKeyring,
    FixedKeyring,
    Keyring,
    KeyringError,
    KeyringSource,
    KeyringStore,
    RootEntry,
)
from coditect_cloud.signing.responses import DELEGATION_FIELD, Exchange, verify_response
from coditect_cloud.signing.roots import (
    RootHealth,
    RootOptions,
    RootRefused,
    RootSettings,
    RootSigner,
    RootUnavailable,
    opener,
)
from coditect_cloud.signing.rotation import prove, publish, rotate
from coditect_cloud.signing.service import Signing
from coditect_cloud.signing.state import SigningHealth, SigningTimes
from coditect_cloud.signing.untrusted import Reason, Untrusted
from coditect_cloud.signing.verify import (
    Status,
    Trust,
    accept_bundle,
    verify_artefact,
    verify_delegation,
    verify_lease,
)

__all__ = [
    "DELEGATION_FIELD",
    "Exchange",
    "FileKeyring",
    "FixedKeyring",
    "Keyring",
    "KeyringError",
    "KeyringSource",
    "KeyringStore",
    "Purpose",
    "Reason",
    "RootEntry",
    "RootHealth",
    "RootOptions",
    "RootRefused",
    "RootSettings",
    "RootSigner",
    "RootUnavailable",
    "Signing",
    "SigningHealth",
    "SigningTimes",
    "Status",
    "Trust",
    "Typ",
    "Untrusted",
    "accept_bundle",
    "opener",
    "prove",
    "publish",
    "rotate",
    "verify_artefact",
    "verify_delegation",
    "verify_lease",
    "verify_response",
]
