from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from coditect_cloud.refusals import Refusal
from coditect_cloud.webhooks.rules import check_events, check_url, is_public, pause_ms
from coditect_cloud.webhooks.secrets import PREFIX, Sealer, new_secret, sign


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "nonsense",
        "",
    ],
)
def test_addresses_that_are_not_public_are_known_however_they_are_wrapped(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/a",
        "ftp://hooks.example.com",
        "https://",
        "https://user:pass@hooks.example.com/",
        "https://user@hooks.example.com/",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://db/",
        "https://db.internal/",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com/#part",
        "https://hooks.example.com/a b",
        "https://hooks.example.com\\@evil.example.com/",
        "https://exämple.com/",
        "https://[::1/",
        "https://a.example.com/" + "x" * 2048,
    ],
)
def test_urls_that_production_never_calls(url: str) -> None:
    with pytest.raises(Refusal):
        check_url(url, production=True)


def test_urls_that_are_called() -> None:
    for url in ("https://hooks.example.com/a?b=c", "https://8.8.8.8:8443/"):
        assert check_url(url, production=True) == url
    assert check_url("http://127.0.0.1:1/", production=False)
    with pytest.raises(Refusal):
        check_url("file:///etc/passwd", production=False)


def test_events_are_checked() -> None:
    assert check_events(["limit_near", "denied", "denied"]) == ["denied", "limit_near"]
    for wrong in ([], ["strange"]):
        with pytest.raises(Refusal):
            check_events(wrong)


@given(st.integers(1, 100), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_are_spread_and_end(attempts: int, chance: float) -> None:
    pause = pause_ms(attempts, chance)
    assert 2_500 <= pause <= 8 * 3_600_000
    assert pause <= pause_ms(attempts + 1, chance)


@given(st.binary(max_size=200), st.integers(0, 2**40))
def test_a_receiver_verifies_with_its_secret_alone(payload: bytes, timestamp: int) -> None:
    new, old = new_secret(), new_secret()
    fields = sign([new, old], id="evt_1", timestamp=timestamp, payload=payload)
    shown = [part.partition(",") for part in fields["webhook-signature"].split(" ")]
    for (version, _, signature), secret in zip(shown, (new, old), strict=True):
        key = base64.b64decode(secret.removeprefix(PREFIX))
        told = f"evt_1.{timestamp}.".encode() + payload
        assert version == "v1"
        assert base64.b64decode(signature) == hmac.new(key, told, hashlib.sha256).digest()


def test_the_signature_is_the_one_of_the_standard() -> None:
    fields = sign(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        payload=b'{"test": 2432232314}',
    )
    assert fields["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_sealed_secrets_open_with_old_keys_and_no_others() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    sealed = Sealer([old]).seal("whsec_x")
    assert "whsec" not in sealed
    assert Sealer([new, old]).open(sealed) == "whsec_x"
    with pytest.raises(ValueError, match="no sealing key"):
        Sealer([new]).open(sealed)
    assert repr(Sealer([new])) == "Sealer(…)"
    for wrong in ([], ["short"]):
        with pytest.raises(ValueError, match="32 bytes"):
            Sealer(wrong)


def test_the_local_key_is_made_once_by_whoever_is_first(tmp_path: Path) -> None:
    path = tmp_path / "data" / "webhooks.key"
    sealers: list[Sealer] = []
    threads = [
        threading.Thread(target=lambda: sealers.append(Sealer.local(path))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sealed = sealers[0].seal("s")
    assert [each.open(sealed) for each in sealers] == ["s"] * 8
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["webhooks.key"]
