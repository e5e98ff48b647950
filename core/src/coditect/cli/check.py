"""`coditect check`: everything that can be known before a token is spent."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.text import Text

from coditect.check import check as check_plan
from coditect.cli import findings_view
from coditect.cli.options import Json, PlanFile
from coditect.cli.output import NO, counted, print_json
from coditect.findings import CoditectError, errors
from coditect.plan import load_plan
from coditect.report.plain import plain

_NO_PLAN = frozenset({"plan-not-found", "plan-unreadable"})


def check(plan: PlanFile, json: Json = False) -> None:
    """Prove that a plan can be carried out, or say what is wrong, where, and how to mend it.

    Proves that no two tasks that may run at once can touch the same file. Warnings and notes stop
    nothing.

    Exit code 0: it can be carried out; 1: it has errors; 2: there is no plan to read.

    Examples:

    - `coditect check plans/hello.yaml`
    - `coditect check plan.yaml --json | jq '.findings[].code'`
    """
    try:
        loaded = load_plan(plan)
        findings = check_plan(loaded)
    except CoditectError as error:
        if error.findings[0].code in _NO_PLAN:
            raise
        loaded, findings = None, error.findings
    bad = bool(errors(findings))
    if json:
        print_json(findings_view.as_json(findings, ok=not bad, plan=str(plan)))
    else:
        findings_view.show(findings)
        tally = findings_view.tally(findings)
        line = Text("✗ " if bad else "✓ ", style="bold red" if bad else "bold green")
        line.append(f"{plain(str(plan))}: ", style="not bold default")
        if loaded and not bad:
            counts = (
                counted(len(loaded.tasks), "task"),
                counted(len(loaded.checkpoints), "checkpoint"),
                counted(len(loaded.workstreams), "workstream"),
            )
            tally = (
                f"{', '.join(counts)}; no two tasks that may run at once can touch the same file "
                f"({tally})"
            )
        line.append(f"{tally}.", style="not bold default")
        Console(highlight=False).print(line)
    if bad:
        raise typer.Exit(NO)
