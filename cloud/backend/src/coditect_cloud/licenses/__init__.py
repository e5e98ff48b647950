"""Licenses: terms, keys, states, and whether they hold."""
