"""Carries out effects on this machine: git lanes, supervisors, files."""

from coditect.run.local.hands import LocalHands

__all__ = ["LocalHands"]
