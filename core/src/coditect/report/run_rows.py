"""From a run's report to the rows of its Gantt chart: planned above, actual below."""

from __future__ import annotations

from coditect.report import run_words as words
from coditect.report.gantt import Bar, Look, Row, colours
from coditect.report.plain import plain
from coditect.report.run_report import AttemptLine, CheckpointLine, RunReport, Span, TaskLine

_LOOKS = {"integrated": Look.DONE, "failed": Look.FAILED, "lost": Look.FAILED}


def run_rows(report: RunReport) -> tuple[Row, ...]:
    """Give a row for each workstream, and one for the checkpoints."""
    paint = colours(line.id for line in report.streams)
    rows = [
        Row(
            label=plain(stream.title),
            planned=tuple(
                _planned(task, task.planned, paint[stream.id])
                for task in report.tasks
                if task.workstream == stream.id and task.planned
            ),
            actual=tuple(
                _actual(task, attempt)
                for task in report.tasks
                if task.workstream == stream.id
                for attempt in task.attempts
            ),
            note=f"{stream.done} of {stream.tasks} tasks, used {words.percent(stream.utilisation)}",
        )
        for stream in report.streams
    ]
    if report.checkpoints:
        rows.append(_checkpoints(report))
    return tuple(rows)


def _planned(task: TaskLine, span: Span, colour: int) -> Bar:
    return Bar(
        label=plain(task.title),
        start=span.start,
        finish=span.finish,
        colour=colour,
        tooltip=_tooltip(
            f"{task.title} ({task.id})",
            f"planned: {_span(span)}, modelled",
            f"actual: {_span(task.actual)}, {task.evidence}" if task.actual else task.state,
        ),
    )


def _actual(task: TaskLine, attempt: AttemptLine) -> Bar:
    ending = attempt.ending + (f" ({attempt.reason})" if attempt.reason else "")
    return Bar(
        label=plain(task.title),
        start=attempt.span.start,
        finish=attempt.span.finish,
        look=_LOOKS.get(attempt.ending, Look.ACTIVE),
        tooltip=_tooltip(
            f"{task.title} ({task.id})",
            f"attempt {attempt.number} by {attempt.agent}: {ending}",
            f"{_span(attempt.span)}, {task.evidence}",
        ),
    )


def _checkpoints(report: RunReport) -> Row:
    lines = report.checkpoints
    opened = sum(line.state == "open" for line in lines)
    return Row(
        label="Checkpoints",
        planned=tuple(
            Bar(
                label=plain(line.title),
                start=line.planned.start,
                finish=line.planned.finish,
                look=Look.CHECKPOINT,
                tooltip=_tooltip(line.title, f"planned: {_span(line.planned)}, modelled"),
            )
            for line in lines
            if line.planned
        ),
        actual=tuple(_passed(line, line.actual) for line in lines if line.actual),
        note=f"{opened} of {len(lines)} open",
    )


def _passed(line: CheckpointLine, span: Span) -> Bar:
    look = {"open": Look.DONE, "parked": Look.FAILED, "rejected": Look.FAILED}
    return Bar(
        label=plain(line.title),
        start=span.start,
        finish=span.finish,
        look=look.get(line.state, Look.ACTIVE),
        tooltip=_tooltip(
            line.title,
            f"{line.state}: {_span(span)}, {line.evidence}",
            f"approved by: {words.decided(line)}",
        ),
    )


def _span(span: Span) -> str:
    return f"{words.hours(span.start)} to {words.hours(span.finish)} after the start"


def _tooltip(*lines: str) -> str:
    return "\n".join(plain(line) for line in lines)
