"""The command line. `main` is the program."""

from coditect_cloud.cli.app import main

__all__ = ["main"]
