"""What a signed lease costs, against a signature of the RSA-4096 root.

Leases are signed in memory under a delegation, so the root is asked a few times a day. Two ratios:
`lease` is the median processor time of an RSA-4096 signature in this process over that of a lease
(aim: 100; processors with wide integer units sign RSA in 1.5 ms, which leaves about 30), and `kms`
the time until Cloud KMS's client has a signature from a local server over gRPC: what signing each
lease with the root would cost at least, since network and queueing come on top. That one is by the
clock on the wall, and means little on a busy machine. Rounds alternate.

`calls` counts what one instance asks of KMS while it signs a million leases within a day (aim:
under 100), public keys and trust bundles among it. Each lease carries its delegation: `size` says
what that costs. The floor of a lease is the bare Ed25519 signature.

    python benchmarks/bench_cloud_signing.py [--leases 1000000] [--rounds 15] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from pathlib import Path
from time import perf_counter, thread_time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(Path(__file__).parents[1] / "cloud/backend/tests"))

from cloud_support.kms_server import NAME, KmsServer, kms_server
from cloud_support.signing_world import START, Clock, lease_claims, root_key, trust
from coditect_cloud.signing import (
    Exchange,
    FixedKeyring,
    Keyring,
    RootOptions,
    Signing,
    opener,
    verify_lease,
)
from coditect_cloud.signing.jws import PSS

AIM_TIMES = 100
AIM_CALLS = 100
DAY_S = 86_400
BATCH = 200
DEARER = 8
"""RSA signatures timed a round; each is dear."""


def clocked(act: object, times: int) -> float:
    """Give microseconds of processor time a call: what else runs here does not count."""
    assert callable(act)
    start = thread_time()
    for _ in range(times):
        act()
    return (thread_time() - start) / times * 1e6


async def day(signing: Signing, clock: Clock, kms: KmsServer, leases: int) -> int:
    """Sign leases spread evenly over a day; gives how often KMS was asked."""
    rounds = DAY_S // 60
    signed = 0
    for number in range(1, rounds + 1):
        clock.go(60)
        await signing.maintain()
        while signed < leases * number // rounds:
            signing.sign_lease(lease_claims(clock.wall))
            signed += 1
    return len(kms.calls)


async def measure(leases: int, rounds: int) -> dict[str, float]:
    """Measure everything against one server."""
    clock, private, root = Clock(), Ed25519PrivateKey.generate(), root_key()
    with kms_server() as kms:
        kms.add(root)
        make = opener(RootOptions(production=False, kms_endpoint=kms.address))
        signing = Signing(
            issuer="https://licenses.example",
            source=FixedKeyring(Keyring.single(f"gcpkms://{NAME}")),
            opener=make,
            now=clock.now,
            monotonic=clock.monotonic,
        )
        await signing.maintain()
        claims = lease_claims(START)
        token = signing.sign_lease(claims)
        message = token.rpartition(".")[0].encode()
        signer = make(f"gcpkms://{NAME}")
        await signer.open()
        exchange = Exchange(200, "POST", "/v1/licenses/lic_1/leases", bytes(1500), "abcdef0123")
        known = trust()
        times: dict[str, list[float]] = {}
        for _ in range(rounds):
            for name, act, count in (
                ("floor", lambda: private.sign(message), BATCH),
                ("lease", lambda: signing.sign_lease(claims), BATCH),
                ("response", lambda: signing.sign_response(exchange), BATCH),
                ("verify", lambda: verify_lease(token, known, audience=None, now=START), 20),
                ("rsa", lambda: root.sign(message, PSS, hashes.SHA512()), DEARER),
            ):
                times.setdefault(name, []).append(clocked(act, count))
            start = perf_counter()
            for _ in range(DEARER):
                await signer.sign(message)
            times.setdefault("kms", []).append((perf_counter() - start) / DEARER * 1e6)
        await signer.close()
        kms.calls.clear()
        await signing.close()
        fresh = Signing(
            issuer="https://licenses.example",
            source=FixedKeyring(Keyring.single(f"gcpkms://{NAME}")),
            opener=make,
            now=clock.now,
            monotonic=clock.monotonic,
        )
        calls = await day(fresh, clock, kms, leases)
        await fresh.close()
    found = {f"{name}_us": statistics.median(each) for name, each in times.items()}
    bare = len(token) - len(token.split(".")[0]) + 120
    return {
        **found,
        "lease_ratio": found["rsa_us"] / found["lease_us"],
        "kms_ratio": found["kms_us"] / found["lease_us"],
        "calls": float(calls),
        "leases": float(leases),
        "calls_per_million": calls * 1_000_000 / max(leases, 1_000_000),
        "size": float(len(token)),
        "size_without_delegation": float(bare),
    }


def main() -> None:
    """Read the options, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leases", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="20,000 leases, 3 rounds")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    leases, rounds = (20_000, 3) if options.quick else (options.leases, options.rounds)
    found = asyncio.run(measure(leases, rounds))
    if options.json:
        print(json.dumps({name: round(value, 3) for name, value in found.items()}))
        return
    print(f"{'':28}{'µs, median':>12}{'times the floor':>18}")
    for name, what in (
        ("floor", "Ed25519 alone (floor)"),
        ("lease", "sign a lease"),
        ("response", "sign a response"),
        ("verify", "verify a lease offline"),
        ("rsa", "RSA-4096 signature, here"),
        ("kms", "RSA-4096, gRPC, by the wall"),
    ):
        value = found[f"{name}_us"]
        print(f"{what:28}{value:12.1f}{value / found['floor_us']:18.1f}")
    print(
        f"\nA lease is {found['lease_ratio']:.0f} times cheaper than an RSA-4096 signature in this "
        f"process (aim {AIM_TIMES}),\nand {found['kms_ratio']:.0f} times cheaper than one through "
        "the Cloud KMS client and a local server."
    )
    print(
        f"{found['calls']:.0f} calls to KMS for {leases:,} leases of one instance within a day: "
        f"{found['calls_per_million']:.0f} per million (aim under {AIM_CALLS}; fewer leases count "
        "as a million)."
    )
    print(
        f"A lease has {found['size']:.0f} characters; about "
        f"{found['size_without_delegation']:.0f} without the delegation it carries."
    )


if __name__ == "__main__":
    main()
