"""The command line. `main` is the program."""

from coditect.cli.app import main

__all__ = ["main"]
