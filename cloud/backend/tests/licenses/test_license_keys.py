from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coditect_cloud.licenses.keys import canonical, digest, hint, new_key

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
KEYS = st.binary(min_size=15, max_size=15).map(lambda raw: new_key(lambda _: raw))


@given(KEYS)
def test_a_key_has_five_groups_and_is_its_own_canonical_form(key: str) -> None:
    assert re.fullmatch(rf"CCL(-[{ALPHABET}]{{5}}){{5}}", key)
    assert canonical(key) == key
    assert hint(key) == key.rsplit("-", maxsplit=1)[-1]
    assert len(digest(key)) == 32


@given(KEYS)
def test_people_may_type_it_as_they_like(key: str) -> None:
    typed = key.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert canonical(f"  {typed} ") == key
    assert canonical(key.replace("-", "").replace("1", "I")) == key
    assert digest(typed) == digest(key)


@given(KEYS, st.integers(0, 24), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(key: str, place: int, other: str) -> None:
    body = key.removeprefix("CCL-").replace("-", "")
    wrong = body[:place] + other + body[place + 1 :]
    if wrong != body:
        with pytest.raises(ValueError, match="check character"):
            canonical("CCL" + wrong)


@given(KEYS, st.integers(0, 24), st.integers(0, 24))
def test_two_swapped_characters_are_noticed(key: str, one: int, two: int) -> None:
    body = list(key.removeprefix("CCL-").replace("-", ""))
    body[one], body[two] = body[two], body[one]
    wrong = "CCL" + "".join(body)
    if wrong != key.replace("-", ""):
        with pytest.raises(ValueError, match="check character"):
            canonical(wrong)


@pytest.mark.parametrize(
    "text", ["", "CCL-", "CCL-" + "U" * 25, "XYZ-" + "0" * 25, "CCL" + "0" * 24, "C" * 1000, "CCLß"]
)
def test_what_cannot_be_a_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        digest(text)


def test_keys_differ() -> None:
    assert len({new_key() for _ in range(100)}) == 100
