"""The root in a PKCS#11 token: SoftHSM, from Debian's package softhsm2."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pkcs11
import pytest
from pydantic import SecretStr

from coditect_cloud.signing import RootOptions, RootRefused, RootSigner, opener, prove

pytestmark = [pytest.mark.anyio, pytest.mark.system]
MODULES = (
    os.environ.get("SOFTHSM2_MODULE", ""),
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
)
PIN = "4321"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Make a token with an RSA-4096 key that cannot be taken out; gives the library's path."""
    module = next((one for one in MODULES if one and Path(one).exists()), "")
    tool = os.environ.get("SOFTHSM2_UTIL") or shutil.which("softhsm2-util")
    missing = [
        name for name, there in (("libsofthsm2.so", module), ("softhsm2-util", tool)) if not there
    ]
    if missing or tool is None:
        pytest.skip(f"missing: {', '.join(missing)} (Debian: apt-get install softhsm2)")
    folder = tmp_path_factory.mktemp("softhsm")
    settings = folder / "softhsm2.conf"
    (folder / "tokens").mkdir()
    settings.write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(settings)
    subprocess.run(
        [
            *(tool, "--module", module, "--init-token", "--free", "--label", "licenses"),
            *("--pin", PIN, "--so-pin", "0000"),
        ],
        check=True,
        capture_output=True,
    )
    found = pkcs11.lib(module).get_token(token_label="licenses")
    with found.open(rw=True, user_pin=PIN) as session:
        session.generate_keypair(pkcs11.KeyType.RSA, 4096, store=True, label="root")
        session.generate_keypair(pkcs11.KeyType.RSA, 2048, store=True, label="small")
    yield module
    del os.environ["SOFTHSM2_CONF"]


def make(module: str, label: str = "root", pin: str = PIN) -> RootSigner:
    options = RootOptions(production=True, pin=SecretStr(pin))
    return opener(options)(f"pkcs11:token=licenses;object={label}?module-path={module}")


@pytest.fixture
async def root(token: str) -> AsyncIterator[RootSigner]:
    found = make(token)
    yield found
    await found.close()


async def test_the_token_signs_ps512_that_verifies(root: RootSigner) -> None:
    key = await prove(root)
    assert key.kid == root.kid
    assert (await root.health()).ok
    assert root.notice == ""


async def test_a_session_that_was_lost_is_opened_anew(root: RootSigner) -> None:
    await root.open()
    root._drop()  # type: ignore[attr-defined]
    assert len(await root.sign(b"license")) == 512


@pytest.mark.parametrize(("label", "pin"), [("nothing", PIN), ("root", "9999"), ("small", PIN)])
async def test_a_key_that_cannot_be_the_root_is_refused(token: str, label: str, pin: str) -> None:
    root = make(token, label, pin)
    with pytest.raises(RootRefused):
        await root.open()
    await root.close()
