"""The program: runs a command, and turns every trouble into words and an exit code."""

from __future__ import annotations

import sys

import typer
from sqlalchemy.exc import SQLAlchemyError
from typer.exceptions import TyperException

from coditect_cloud.cli import admin, auditing, operate, serving
from coditect_cloud.cli.output import OK, REFUSED, TROUBLE, tell
from coditect_cloud.refusals import Code, Refusal

app = typer.Typer(
    name="coditect-cloud",
    help="Floating licenses whose seats cannot be oversold.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
serving.add_to(app)
admin.add_to(app)
operate.add_to(app)
auditing.add_to(app)


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run one command; gives the exit code: 0 done, 1 refused, 2 wrong usage or trouble."""
    given = sys.argv[1:] if arguments is None else arguments
    json_wanted = "--json" in given
    try:
        code = app(given, prog_name="coditect-cloud", standalone_mode=False)
        return code if isinstance(code, int) else OK
    except Refusal as refusal:
        tell(refusal, json_wanted=json_wanted)
        return REFUSED
    except TyperException as error:
        if error.format_message():
            context = getattr(error, "ctx", None)
            path = context.command_path if context else "coditect-cloud"
            print(f"{error.format_message()}\n  See: {path} --help", file=sys.stderr)
        return TROUBLE
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except SQLAlchemyError as error:
        # Its text may show the parameters of a statement.
        away = Refusal(
            Code.STORE_UNAVAILABLE,
            f"The database refuses: {type(error).__name__}.",
            "Is it there, and is it migrated? See `coditect-cloud doctor`.",
        )
        tell(away, json_wanted=json_wanted)
        return TROUBLE
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"The system refuses: {where}{error.strerror or error}", file=sys.stderr)
        return TROUBLE
    except Exception as error:  # noqa: BLE001 - nobody is to see a stack trace
        print(f"This is a bug in coditect-cloud: {type(error).__name__}", file=sys.stderr)
        return TROUBLE
