"""The program: runs the command line, and turns every trouble into words and an exit code."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException

from coditect.cli import output
from coditect.cli.commands import app
from coditect.cli.output import INTERRUPTED, OK, TROUBLE
from coditect.findings import CoditectError, Finding


def main() -> None:
    """Run the command line and leave with its exit code."""
    output.prepare()
    sys.exit(_main())


def _main() -> int:
    try:
        code = app(prog_name="coditect", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else OK
    except CoditectError as error:
        return _tell(error.findings)
    except TyperException as error:
        return _tell([_usage(error)]) if error.format_message() else TROUBLE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except SystemExit as left:
        if not left.code or "_CODITECT_COMPLETE" in os.environ:
            return int(left.code or OK)  # completion, which is typer's
        # So leaves a console that has lost its reader, who saw enough; nobody else does.
        return OK if output.reader_gone() else TROUBLE
    except BrokenPipeError as error:
        return OK if output.reader_gone() else _tell([_refused(error)])
    except OSError as error:
        return _tell([_refused(error)])
    except Exception as error:  # noqa: BLE001 - nobody is to see a stack trace
        return _tell([_bug(error)])


def _tell(findings: Sequence[Finding]) -> int:
    """Tell what is wrong: to a person on stderr; with `--json` as a line on stdout."""
    from coditect.cli import findings_view  # noqa: PLC0415 - start-up stays quick without it

    try:
        if "--json" in sys.argv:
            output.print_json(findings_view.as_json(findings, ok=False), line=True)
            sys.stdout.flush()
        else:
            findings_view.show(findings, stderr=True)
    except (OSError, SystemExit):
        output.reader_gone()  # There is nobody to tell; the exit code says it.
    return TROUBLE


def _usage(error: TyperException) -> Finding:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "coditect"
    return Finding("bad-usage", error.format_message(), f"See: {path} --help")


def _refused(error: OSError) -> Finding:
    where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
    return Finding(
        "system-refuses",
        f"The system refuses: {where}{error.strerror or error}.",
        "Mend that and try again; `coditect doctor` looks at what runs need.",
    )


def _bug(error: Exception) -> Finding:
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="coditect-", suffix=".trace", delete=False
    ) as file:
        traceback.print_exception(error, file=file)
    return Finding(
        "internal-error",
        f"This is a bug in coditect: {type(error).__name__}: {error}",
        f"Please report it, with the trace in {file.name}.",
    )
