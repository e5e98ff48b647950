"""From a root's address in the settings to the signer, and what a profile accepts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote

from pydantic import SecretStr

from coditect_cloud.signing.roots.base import RootSettings, RootSigner
from coditect_cloud.signing.roots.hsm import Pkcs11Root, TokenKey
from coditect_cloud.signing.roots.kms import KmsLimits, KmsRoot, plaintext_client
from coditect_cloud.signing.roots.local import FileRoot, MockRoot, passphrase_beside

RootOpener = Callable[[str], RootSigner]
"""Makes a signer from its address; not opened yet."""


@dataclass(frozen=True, slots=True)
class RootOptions:
    """What opens roots, beside their addresses."""

    production: bool
    """Takes only Cloud KMS itself and PKCS#11."""
    passphrase: SecretStr | None = None
    """Of a file; None: one that is kept beside it (development only)."""
    pin: SecretStr | None = None
    """Of a PKCS#11 token."""
    kms_endpoint: str = ""
    """`host:port` of a stand-in for Cloud KMS, without TLS; refused in production."""
    kms_limits: KmsLimits = field(default_factory=KmsLimits)


FORMS = (
    "gcpkms://projects/…/locations/…/keyRings/…/cryptoKeys/…/cryptoKeyVersions/1, "
    "pkcs11:token=…;object=…?module-path=/…, file:/path/of/root.pem, or mock:"
)


def opener(options: RootOptions) -> RootOpener:
    """Give what makes signers under these options."""
    return lambda address: open_root(address, options)


def open_root(address: str, options: RootOptions) -> RootSigner:
    """Make the signer that an address names.

    Raises RootSettings for an address of no known form, and for one that the profile refuses.
    """
    scheme, colon, rest = address.partition(":")
    if not colon:
        raise RootSettings(f"A root is {FORMS}.")
    match scheme:
        case "gcpkms":
            if options.production and options.kms_endpoint:
                raise RootSettings("A stand-in for Cloud KMS is not for production.")
            client = plaintext_client(options.kms_endpoint) if options.kms_endpoint else None
            return KmsRoot(rest.removeprefix("//"), client=client, limits=options.kms_limits)
        case "pkcs11":
            if options.pin is None:
                raise RootSettings("A PKCS#11 root needs the PIN of its token.")
            return Pkcs11Root(_token_key(rest), options.pin)
        case "file" | "mock" if options.production:
            raise RootSettings(f"A {scheme} root is for development; production refuses it.")
        case "file":
            path = Path(unquote(rest.removeprefix("//"))).expanduser()
            if not path.is_absolute():
                raise RootSettings("A file root has an absolute path.")
            return FileRoot(path, options.passphrase or passphrase_beside(path))
        case "mock":
            return MockRoot()
        case _:
            raise RootSettings(f"A root is {FORMS}.")


def _token_key(rest: str) -> TokenKey:
    """Read the part of RFC 7512 that we need."""
    path, _, query = rest.partition("?")
    named = dict(pair.split("=", 1) for pair in path.split(";") if "=" in pair)
    module = parse_qs(query).get("module-path", [""])[0]
    token, label = unquote(named.get("token", "")), unquote(named.get("object", ""))
    if not (token and label and module):
        raise RootSettings(
            "A PKCS#11 root is pkcs11:token=<label>;object=<label>?module-path=<library>."
        )
    return TokenKey(module, token, label)
