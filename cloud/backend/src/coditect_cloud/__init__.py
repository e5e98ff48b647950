"""Coditect Cloud: floating licenses whose seats cannot be oversold."""

__version__ = "0.1.0"
