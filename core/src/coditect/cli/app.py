"""The command line's frame: one file a command, one place where errors become words."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from coditect import __version__

_COMMANDS = {
    "check": "check",
    "schema": "schema",
    "schedule": "schedule",
    "rehearse": "rehearse",
    "run": "run",
    "resume": "resume",
    "status": "status",
    "watch": "watch",
    "logs": "logs",
    "diff": "diff",
    "approve": "ask",
    "reject": "ask",
    "retry": "ask",
    "cancel": "ask",
    "report": "report",
    "runs": "runs",
    "land": "land",
    "doctor": "doctor",
}
"""Command -> module of coditect.cli that has a function of that name."""

OK, NO, TROUBLE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: done; the answer is no (bad plan in `check`, failed run); cannot; left by Ctrl-C."""


class _Lazy(TyperGroup):
    """Imports a command's module only when it is asked for, so that start-up stays quick."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base class's
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands and cmd_name in _COMMANDS:
            module = importlib.import_module(f"coditect.cli.{_COMMANDS[cmd_name]}")
            single = typer.Typer(add_completion=False, rich_markup_mode="markdown")
            single.command(cmd_name)(getattr(module, cmd_name))
            self.commands[cmd_name] = typer.main.get_command(single)
        return super().get_command(ctx, cmd_name)


app = typer.Typer(
    cls=_Lazy,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Carries out a software plan with several coding agents at once.",
    epilog="Start here: `coditect check PLAN`, `coditect schedule PLAN`, `coditect rehearse PLAN`, "
    "`coditect run PLAN`. Runs are kept in `$CODITECT_HOME` (default `~/.local/state/coditect`).",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"coditect {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


def main() -> None:
    """Run the command line; troubles that the product knows end in words and exit code 2."""
    from coditect.cli import findings_view  # noqa: PLC0415 - keep completion and --version quick
    from coditect.findings import CoditectError  # noqa: PLC0415

    try:
        app(prog_name="coditect")
    except CoditectError as error:
        if "--json" in sys.argv:
            typer.echo(findings_view.as_json(error.findings, ok=False))
        else:
            findings_view.show(Console(stderr=True), error.findings)
        sys.exit(TROUBLE)
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(OK)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
