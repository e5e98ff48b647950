"""The table of commands. Each has a file of its own, imported when it is asked for.

`coditect --help`, `--version` and completion of commands need the table only, so they are quick.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

from coditect import __version__


@dataclass(frozen=True, slots=True)
class Entry:
    """A command in the table."""

    module: str
    """Module of `coditect.cli` that has a function of the command's name."""
    panel: str
    """Heading of `coditect --help` that it stands under."""
    summary: str
    """What it does, short enough for one line of 80 columns."""


_PLANS, _RUNS, _SAY, _HERE = "A plan", "Runs", "What you tell a run", "This machine"

COMMANDS = {
    "check": Entry("check", _PLANS, "Prove that a plan can be carried out, or say what is wrong."),
    "schedule": Entry(
        "schedule", _PLANS, "Say how long it takes, and how many agents are worth it."
    ),
    "rehearse": Entry("rehearse", _PLANS, "Carry it out with stand-ins, in compressed time."),
    "run": Entry("run", _PLANS, "Carry it out: lanes, verification, merges, checkpoints."),
    "schema": Entry("schema", _PLANS, "Print the JSON Schema of plans."),
    "status": Entry("status", _RUNS, "Show how a run stands: what waits for what, and why."),
    "watch": Entry("watch", _RUNS, "Look on while a run goes on."),
    "logs": Entry("logs", _RUNS, "Print what an agent or a verification printed."),
    "diff": Entry("diff", _RUNS, "Show what an attempt changed, integrated or not."),
    "report": Entry("report", _RUNS, "Compare what was planned with what happened."),
    "land": Entry("land", _RUNS, "Fast-forward target branches to what is integrated."),
    "resume": Entry("resume", _RUNS, "Go on with a run that was left or killed."),
    "runs": Entry("runs", _RUNS, "List all runs."),
    "approve": Entry("ask", _SAY, "Approve a checkpoint, so that what is behind it may start."),
    "reject": Entry("ask", _SAY, "Reject a checkpoint: nothing behind it starts."),
    "retry": Entry("ask", _SAY, "Try a parked task or checkpoint again."),
    "cancel": Entry("ask", _SAY, "Stop a run, or one task of it."),
    "doctor": Entry("doctor", _HERE, "Look at what this machine offers to a run."),
}


class _Command(TyperCommand):
    """A command whose usage line shows arguments as their metavar says: `[RUN] TASK`."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [each for each in self.get_params(ctx) if isinstance(each, TyperArgument)]
        return [
            *(each.metavar or each.name.upper() for each in arguments if not each.hidden),
            self.options_metavar or "",
        ]


class _Lazy(TyperGroup):
    """Lists commands from the table, and imports one only when it is called or completed."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in COMMANDS.items():
            self.add_command(
                TyperCommand(name, short_help=entry.summary, rich_help_panel=entry.panel)
            )

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in COMMANDS:
            self.add_command(load(args[0]))
        return super().resolve_command(ctx, args)


def load(name: str) -> Any:
    """Import a command and give it whole, with its options."""
    module = importlib.import_module(f"coditect.cli.{COMMANDS[name].module}")
    single = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    single.command(name, cls=_Command)(getattr(module, name))
    return typer.main.get_command(single)


app = typer.Typer(
    cls=_Lazy,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Carries out a software plan with several coding agents at once.",
    epilog="Start here: [bold]coditect check PLAN[/], then schedule, rehearse and run it. "
    "Runs are kept in $CODITECT_HOME (default ~/.local/state/coditect).",
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
