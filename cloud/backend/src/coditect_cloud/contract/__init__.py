"""Checks that a consumer runs against any deployment: whether it keeps the contract."""

from coditect_cloud.contract.checks import Outcome, verify

__all__ = ["Outcome", "verify"]
