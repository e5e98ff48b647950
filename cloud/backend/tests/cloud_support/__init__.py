"""Servers and stand-ins that several tests share."""

import pytest

# Their asserts say as much as those of a test.
pytest.register_assert_rewrite(
    "cloud_support.seat_lab",
    "cloud_support.seat_conformance",
    "cloud_support.seat_conformance_upkeep",
    "cloud_support.seat_machine",
)
