"""PKCS#8 under a passphrase, with scrypt (RFC 7914) and AES-256-CBC; `openssl pkey` reads it.

`cryptography` writes PBKDF2 with 2,048 rounds, which a graphics card tries by the million; it reads
scrypt, but cannot write it. The container is fixed, so a few lines of DER do.
"""

from __future__ import annotations

import base64
import os
import textwrap

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_N, _R, _P = 1 << 14, 8, 5
"""16 MiB and about 0.2 s a try; more memory than 32 MiB OpenSSL refuses to read."""
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_SCRYPT = bytes.fromhex("06092b06010401da47040b")
_AES256_CBC = bytes.fromhex("060960864801650304012a")


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _sequence(*parts: bytes) -> bytes:
    return _der(0x30, b"".join(parts))


def _integer(value: int) -> bytes:
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _octets(data: bytes) -> bytes:
    return _der(0x04, data)


def encrypt_pem(key: RSAPrivateKey, passphrase: bytes) -> bytes:
    """Give the key as an encrypted PEM. ValueError for an empty passphrase."""
    if not passphrase:
        raise ValueError("a root key is never kept without a passphrase")
    salt, iv = os.urandom(16), os.urandom(16)
    secret = Scrypt(salt=salt, length=32, n=_N, r=_R, p=_P).derive(passphrase)
    padder = PKCS7(128).padder()
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    padded = padder.update(plain) + padder.finalize()
    cipher = Cipher(algorithms.AES(secret), modes.CBC(iv)).encryptor()
    derivation = _sequence(
        _SCRYPT,
        _sequence(_octets(salt), _integer(_N), _integer(_R), _integer(_P), _integer(32)),
    )
    scheme = _sequence(_AES256_CBC, _octets(iv))
    der = _sequence(
        _sequence(_PBES2, _sequence(derivation, scheme)),
        _octets(cipher.update(padded) + cipher.finalize()),
    )
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode("ascii"), 64))
    label = "ENCRYPTED PRIVATE KEY"
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode("ascii")
