"""`python -m coditect` is the command line."""

from coditect.cli import main

main()
