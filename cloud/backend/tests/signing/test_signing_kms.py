"""The root in Cloud KMS: the real client over real gRPC, Google's error codes, outages."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest

from cloud_support.kms_server import ALGORITHMS, NAME, STATES, KmsServer, kms_server
from cloud_support.signing_world import root_key
from coditect_cloud.signing import RootRefused, RootSettings, RootUnavailable, prove
from coditect_cloud.signing.jws import VerificationKey
from coditect_cloud.signing.roots import kms as module
from coditect_cloud.signing.roots.breaker import Breaker
from coditect_cloud.signing.roots.kms import KmsLimits, KmsRoot, plaintext_client

pytestmark = pytest.mark.anyio
LIMITS = KmsLimits(attempt_s=5, total_s=20, breaker=Breaker(threshold=5, rest_s=15))


class Time:
    """Monotonic time that sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture(scope="module")
def shared() -> Iterator[KmsServer]:
    with kms_server() as found:
        yield found


@pytest.fixture
def kms(shared: KmsServer) -> KmsServer:
    shared.versions.clear()
    shared.fail.clear()
    shared.spoil.clear()
    shared.calls.clear()
    shared.down, shared.silent = None, False
    shared.wake.clear()
    shared.add(root_key())
    return shared


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def root(kms: KmsServer, time: Time) -> AsyncIterator[KmsRoot]:
    found = make(kms, time)
    yield found
    await found.close()


def make(kms: KmsServer, time: Time, name: str = NAME, limits: KmsLimits = LIMITS) -> KmsRoot:
    return KmsRoot(
        name,
        client=plaintext_client(kms.address),
        limits=limits,
        monotonic=lambda: time.now,
        sleep=time.sleep,
        uniform=lambda low, high: high,
    )


async def test_it_signs_ps512_that_verifies(root: KmsRoot) -> None:
    key = await prove(root)
    assert key == VerificationKey.of(root_key().public_key())
    assert root.kid == key.kid
    assert (await root.health()).ok


async def test_the_public_key_is_asked_for_once(root: KmsRoot, kms: KmsServer) -> None:
    await root.open()
    await root.open()
    assert kms.calls == ["public"]


async def test_nothing_is_known_before_it_is_open(root: KmsRoot) -> None:
    with pytest.raises(RuntimeError):
        _ = root.kid
    with pytest.raises(RuntimeError):
        _ = root.public_key


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.ABORTED,
    ],
)
async def test_passing_trouble_is_ridden_out(
    root: KmsRoot, kms: KmsServer, time: Time, code: Any
) -> None:
    await root.open()
    kms.fail = [code, code]
    assert len(await root.sign(b"license")) == 512
    assert kms.calls.count("sign") == 3
    assert time.pauses == [0.1, 0.2]


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.INVALID_ARGUMENT,
    ],
)
async def test_a_refusal_is_not_repeated_and_opens_no_circuit(
    root: KmsRoot, kms: KmsServer, code: Any
) -> None:
    await root.open()
    for _ in range(7):
        kms.fail = [code]
        with pytest.raises(RootRefused):
            await root.sign(b"license")
    assert kms.calls.count("sign") == 7
    assert await root.sign(b"license")


async def test_google_refuses_what_is_not_there_or_not_enabled(kms: KmsServer, time: Time) -> None:
    missing = make(kms, time, NAME[:-1] + "9")
    with pytest.raises(RootRefused, match="NotFound"):
        await missing.open()
    assert (await missing.health()).detail == "Cloud KMS refuses (NotFound)."
    await missing.close()
    kms.versions[NAME].state = STATES.DISABLED
    disabled = make(kms, time)
    with pytest.raises(RootRefused, match="FailedPrecondition"):
        await disabled.open()
    await disabled.close()


async def test_a_key_of_another_algorithm_is_no_root(root: KmsRoot, kms: KmsServer) -> None:
    kms.versions[NAME].algorithm = ALGORITHMS.RSA_SIGN_PKCS1_4096_SHA512
    with pytest.raises(RootRefused, match="RSA_SIGN_PKCS1_4096_SHA512"):
        await root.open()


def _set(name: str, value: Any) -> Callable[[Any], None]:
    return lambda answer: setattr(answer, name, value)


def _flip(answer: Any) -> None:
    answer.signature = bytes([answer.signature[0] ^ 1]) + answer.signature[1:]


CORRUPTIONS = [
    _flip,
    _set("signature_crc32c", 1),
    _set("signature_crc32c", None),
    _set("verified_digest_crc32c", False),
    _set("name", NAME[:-1] + "2"),
]


@pytest.mark.parametrize("spoil", CORRUPTIONS)
async def test_a_corrupted_answer_is_thrown_away_and_asked_for_again(
    root: KmsRoot, kms: KmsServer, spoil: Any
) -> None:
    await root.open()
    kms.spoil = [spoil, spoil]
    signature = await root.sign(b"license")
    VerificationKey.of(root.public_key).demand(signature, b"license")
    assert kms.calls.count("sign") == 3


async def test_corruption_without_end_is_given_up(root: KmsRoot, kms: KmsServer) -> None:
    await root.open()
    kms.spoil = [_flip] * 9
    with pytest.raises(RootUnavailable, match="corrupted"):
        await root.sign(b"license")
    assert kms.calls.count("sign") == 3


@pytest.mark.parametrize(
    "spoil", [_set("pem_crc32c", 1), _set("pem_crc32c", None), _set("name", "x")]
)
async def test_a_corrupted_public_key_is_never_taken(
    root: KmsRoot, kms: KmsServer, spoil: Any
) -> None:
    kms.spoil = [spoil]
    health = await root.health()
    assert not health.ok
    assert "corrupted" in health.detail
    kms.spoil = [spoil]
    await root.open()
    assert root.kid == VerificationKey.of(root_key().public_key()).kid


async def test_a_request_that_was_corrupted_under_way_is_repeated(
    root: KmsRoot, kms: KmsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await root.open()
    right = module._checksum
    answers = iter([1, None, None])

    def first_wrong(data: bytes) -> int:
        wrong = next(answers)
        return right(data) if wrong is None else wrong

    monkeypatch.setattr(module, "_checksum", first_wrong)
    assert len(await root.sign(b"license")) == 512
    assert kms.calls.count("sign") == 2


async def test_through_an_outage_the_circuit_opens_and_closes_again(
    root: KmsRoot, kms: KmsServer, time: Time
) -> None:
    await root.open()
    kms.down = grpc.StatusCode.UNAVAILABLE
    with pytest.raises(RootUnavailable):
        await root.sign(b"license")
    asked = kms.calls.count("sign")
    assert asked == 5
    with pytest.raises(RootUnavailable, match="rests") as caught:
        await root.sign(b"license")
    assert 0 < caught.value.retry_after_s <= 15
    assert not (await root.health()).ok
    assert kms.calls.count("sign") == asked
    time.now += 16
    with pytest.raises(RootUnavailable):
        await root.sign(b"license")
    assert kms.calls.count("sign") == asked + 1
    time.now += 16
    with pytest.raises(RootUnavailable, match="rests"):
        await root.sign(b"license")
    time.now += 16
    kms.down = None
    assert await root.sign(b"license")
    assert await root.sign(b"license")


async def test_a_silent_kms_is_given_up_in_time(kms: KmsServer, time: Time) -> None:
    root = make(kms, time, limits=KmsLimits(attempt_s=0.2, total_s=20, attempts=2))
    await root.open()
    kms.silent = True
    with pytest.raises(RootUnavailable, match="DeadlineExceeded"):
        await root.sign(b"license")
    kms.wake.set()
    await root.close()


async def test_the_total_deadline_ends_repetitions(kms: KmsServer, time: Time) -> None:
    limits = KmsLimits(total_s=1, attempts=50, pause_s=0.6, max_pause_s=0.6, breaker=Breaker(99))
    root = make(kms, time, limits=limits)
    await root.open()
    kms.down = grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(RootUnavailable):
        await root.sign(b"license")
    assert time.now == pytest.approx(1.0)
    assert kms.calls.count("sign") == 2
    await root.close()


async def test_a_kms_that_nobody_reaches_is_unavailable(time: Time, kms: KmsServer) -> None:
    limits = KmsLimits(attempt_s=0.5, attempts=2)
    root = KmsRoot(NAME, client=plaintext_client("127.0.0.1:1"), limits=limits, sleep=time.sleep)
    with pytest.raises(RootUnavailable):
        await root.open()
    await root.close()


@pytest.mark.parametrize(
    "name", ["", "projects/p", NAME + "/x", NAME.rsplit("/", 2)[0], NAME.replace("/1", "/latest")]
)
def test_a_name_that_is_no_key_version_is_refused(name: str) -> None:
    with pytest.raises(RootSettings, match="cryptoKeyVersions"):
        KmsRoot(name)


@pytest.mark.parametrize("name", ["google_crc32c", "google.cloud.kms_v1"])
def test_without_the_client_library_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RootSettings, match=r"coditect-cloud\[kms\]"):
        KmsRoot(NAME)


async def test_without_credentials_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent.json")
    root = KmsRoot(NAME)
    with pytest.raises(RootRefused, match="DefaultCredentialsError"):
        await root.open()
    await root.close()


def test_the_breaker_lets_one_call_try() -> None:
    breaker = Breaker(threshold=2, rest_s=10).failed(0.0)
    assert breaker.wait_s(0.0) == 0
    breaker = breaker.failed(1.0)
    assert breaker.wait_s(1.0) == 10
    assert breaker.wait_s(11.0) == 0
    trying = breaker.called()
    assert trying.wait_s(11.0) > 0
    assert trying.abandoned().wait_s(11.0) == 0
    again = trying.failed(12.0)
    assert again.wait_s(12.0) == 20
    assert again.succeeded() == Breaker(threshold=2, rest_s=10)
    for _ in range(30):
        again = again.called().failed(12.0)
    assert again.wait_s(12.0) == 120
