"""Roots for development, and which root a profile takes."""

from __future__ import annotations

import base64
import logging
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from cloud_support.kms_server import NAME
from cloud_support.signing_world import root_key
from coditect_cloud.signing import (
    RootOptions,
    RootRefused,
    RootSettings,
    RootUnavailable,
    opener,
    prove,
)
from coditect_cloud.signing.roots.hsm import Pkcs11Root
from coditect_cloud.signing.roots.kms import KmsRoot
from coditect_cloud.signing.roots.local import FileRoot, MockRoot, passphrase_beside
from coditect_cloud.signing.roots.pkcs8 import encrypt_pem

pytestmark = pytest.mark.anyio
PASS = SecretStr("a long passphrase")
DEVELOPMENT = RootOptions(production=False, passphrase=PASS, pin=SecretStr("1234"))
PRODUCTION = RootOptions(production=True, passphrase=PASS, pin=SecretStr("1234"))


async def test_a_file_root_is_made_once_and_announces_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys" / "root.pem"
    with caplog.at_level(logging.WARNING):
        first = FileRoot(path, PASS)
        key = await prove(first)
    assert "DEVELOPMENT ROOT" in caplog.text
    assert "DEVELOPMENT ROOT" in (await first.health()).detail
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED PRIVATE KEY" in path.read_bytes()
    assert PASS.get_secret_value() not in repr(first)
    assert await prove(FileRoot(path, PASS)) == key
    assert [one.name for one in path.parent.iterdir()] == ["root.pem"]


async def test_a_wrong_passphrase_and_readable_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "root.pem"
    path.write_bytes(encrypt_pem(root_key(), b"right"))
    path.chmod(0o600)
    with pytest.raises(RootRefused, match="passphrase"):
        await FileRoot(path, PASS).open()
    path.chmod(0o644)
    with pytest.raises(RootRefused, match="chmod 600"):
        await FileRoot(path, SecretStr("right")).open()


async def test_a_file_that_is_no_root_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "root.pem"
    leaf = Ed25519PrivateKey.generate()
    secret = BestAvailableEncryption(PASS.get_secret_value().encode())
    path.write_bytes(leaf.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret))
    path.chmod(0o600)
    with pytest.raises(RootRefused, match="no RSA key"):
        await FileRoot(path, PASS).open()
    small = generate_private_key(65537, 2048)
    path.write_bytes(encrypt_pem(small, PASS.get_secret_value().encode()))
    with pytest.raises(RootRefused, match="4096"):
        await FileRoot(path, PASS).open()
    plain = small.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(plain)
    with pytest.raises(RootRefused):
        await FileRoot(path, PASS).open()


async def test_a_file_that_cannot_be_read_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(RootUnavailable):
        await FileRoot(tmp_path / "file" / "root.pem", PASS).open()


async def test_a_root_that_is_not_open_does_not_sign(tmp_path: Path) -> None:
    root = FileRoot(tmp_path / "root.pem", PASS)
    with pytest.raises(RootUnavailable, match="not open"):
        await root.sign(b"license")
    assert not (await root.health()).ok


async def test_of_two_that_start_at_once_one_key_stays(tmp_path: Path) -> None:
    path = tmp_path / "root.pem"
    loser = FileRoot(path, PASS)
    path.write_bytes(encrypt_pem(root_key(), PASS.get_secret_value().encode()))
    path.chmod(0o600)
    loser._make()
    await loser.open()
    assert loser.public_key == root_key().public_key()
    assert [one.name for one in tmp_path.iterdir()] == ["root.pem"]


def test_the_file_is_pkcs8_with_scrypt_that_others_read(tmp_path: Path) -> None:
    pem = encrypt_pem(root_key(), b"secret")
    loaded = load_pem_private_key(pem, b"secret")
    assert loaded.public_key() == root_key().public_key()
    path = tmp_path / "root.pem"
    path.write_bytes(pem)
    shown = subprocess.run(
        ["openssl", "pkey", "-in", str(path), "-passin", "pass:secret", "-noout"],
        capture_output=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    assert bytes.fromhex("2b06010401da47040b") in _der(pem)
    with pytest.raises(ValueError, match="passphrase"):
        encrypt_pem(root_key(), b"")


def _der(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.splitlines()[1:-1]))


async def test_the_mock_announces_itself(caplog: pytest.LogCaptureFixture) -> None:
    root = MockRoot()
    with caplog.at_level(logging.WARNING):
        await prove(root)
    assert "MOCK ROOT" in caplog.text
    await root.close()
    assert not (await root.health()).ok


@pytest.mark.parametrize("address", ["mock:", "file:/tmp/root.pem"])
def test_production_takes_no_root_for_development(address: str) -> None:
    with pytest.raises(RootSettings, match="production refuses"):
        opener(PRODUCTION)(address)


def test_production_takes_no_stand_in_for_cloud_kms() -> None:
    options = RootOptions(production=True, kms_endpoint="127.0.0.1:9")
    with pytest.raises(RootSettings, match="not for production"):
        opener(options)(f"gcpkms://{NAME}")


def test_addresses_name_roots(tmp_path: Path) -> None:
    make = opener(DEVELOPMENT)
    assert repr(make("mock:")) == "MockRoot()"
    assert isinstance(make(f"gcpkms://{NAME}"), KmsRoot)
    assert isinstance(opener(RootOptions(production=True))(f"gcpkms://{NAME}"), KmsRoot)
    assert repr(make(f"file:{tmp_path}/root.pem")) == f"FileRoot({tmp_path}/root.pem)"
    root = make("pkcs11:token=lic%20one;object=root?module-path=/usr/lib/x.so")
    assert isinstance(root, Pkcs11Root)
    assert "lic one" in repr(root)
    assert "1234" not in repr(root)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "root",
        "vault:x",
        "file:relative.pem",
        "gcpkms://projects/p",
        "pkcs11:token=lic",
        "pkcs11:token=lic;object=root",
    ],
)
def test_other_addresses_are_refused_with_what_would_do(address: str) -> None:
    with pytest.raises(RootSettings, match=r"root"):
        opener(DEVELOPMENT)(address)


def test_a_token_needs_its_pin() -> None:
    with pytest.raises(RootSettings, match="PIN"):
        opener(RootOptions(production=True))("pkcs11:token=a;object=b?module-path=/x")


async def test_a_token_whose_library_is_missing_is_an_outage() -> None:
    root = opener(DEVELOPMENT)("pkcs11:token=a;object=b?module-path=/nonexistent.so")
    with pytest.raises(RootUnavailable):
        await root.open()
    assert not (await root.health()).ok
    await root.close()


def test_a_passphrase_is_kept_beside_a_development_root(tmp_path: Path) -> None:
    path = tmp_path / "root.pem"
    first = passphrase_beside(path)
    assert len(first.get_secret_value()) >= 32
    assert passphrase_beside(path) == first
    assert (tmp_path / "root.pem.passphrase").stat().st_mode & 0o777 == 0o600
    root = opener(RootOptions(production=False))(f"file:{path}")
    assert isinstance(root, FileRoot)
