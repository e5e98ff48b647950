"""`coditect check`: everything that can be known before a token is spent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from coditect.check import check as check_plan
from coditect.cli import findings_view
from coditect.findings import CoditectError, errors
from coditect.plan import load_plan


def check(
    plan: Annotated[Path, typer.Argument(help="The plan, a YAML file.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Prove that a plan can be carried out, or say what is wrong, where, and how to mend it.

    Proves that no two tasks that may run at once can touch the same file. Exit code 0: it can be
    carried out; 1: it has errors.

    Examples:

    - `coditect check plans/hello.yaml`
    - `coditect check plan.yaml --json | jq '.findings[].code'`
    """
    try:
        loaded = load_plan(plan)
        findings = check_plan(loaded)
    except CoditectError as error:
        loaded, findings = None, error.findings
    bad = bool(errors(findings))
    if json:
        typer.echo(findings_view.as_json(findings, ok=not bad, plan=str(plan)))
    else:
        console = Console()
        findings_view.show(console, findings)
        if loaded and not bad:
            console.print(
                f"[bold green]✓[/] {plan}: {len(loaded.tasks)} tasks, "
                f"{len(loaded.checkpoints)} checkpoints, {len(loaded.workstreams)} workstreams; "
                f"no two tasks that may run at once can touch the same file "
                f"({findings_view.tally(findings)}).",
                highlight=False,
            )
        else:
            console.print(f"[bold red]✗[/] {plan}: {findings_view.tally(findings)}.")
    raise typer.Exit(1 if bad else 0)
