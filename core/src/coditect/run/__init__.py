"""Carries out a plan: a pure kernel decides, a thin shell acts, the journal remembers."""
