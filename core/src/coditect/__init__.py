"""Coditect carries out a software plan with several coding agents at once."""

__version__ = "0.1.0"
