"""The command line. `main` is the program."""

from coditect.cli.main import main

__all__ = ["main"]
