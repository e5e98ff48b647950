"""The plan's format: every key with its meaning, from which the JSON Schema is made."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from coditect.plan.model import VerificationKind
from coditect.plan.suggest import did_you_mean
from coditect.plan.values import (
    Availability,
    Count,
    Duration,
    DurationOrNone,
    EffortText,
    Flag,
    Folder,
    Hours,
    Id,
    Integer,
    IsoDate,
    Money,
    OwnedPaths,
    PathText,
    RefName,
    Scalar,
    SchemaVersion,
    Span,
    TagText,
    Text,
    Texts,
    TimeLimit,
    one_or_many,
    read_text,
    shorten,
    slip,
)


class Document(BaseModel):
    """A mapping with known keys only."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class RepositoryDocument(Document):
    """A git repository that tasks write to."""

    path: Folder | None = Field(
        None, description="Where it lies, relative to the workspace; by default a folder of its id."
    )
    branch: RefName = Field("main", description="The branch that finished work lands on.")


class AgentDocument(Document):
    """Somebody who carries out one task at a time."""

    adapter: Id = Field(description="What drives it: `command`, `rehearsal` or an installed extra.")
    run: Text | None = Field(None, description="The shell command of a `command` agent.")
    availability: Availability = Field(
        None, description="The working days it is there: `always`, or days such as `[1-3, 7]`."
    )
    cost: Money | None = Field(None, description="What a day of it costs: `$800/day` or a number.")
    settings: dict[str, Scalar] = Field(
        default_factory=dict, description="What the adapter understands beside that."
    )


class WorkstreamDocument(Document):
    """Tasks that share their agents and their paths."""

    title: Text | None = Field(None, description="Its name for people.")
    agents: Texts = Field(default_factory=list, description="The agents that carry out its tasks.")
    slots: Integer = Field(1, description="How many of its tasks may be alive at once.")
    owns: OwnedPaths = Field(
        default_factory=list, description="The paths it may change: `repository:glob`."
    )
    excepts: OwnedPaths = Field(
        default_factory=list, alias="except", description="Paths taken away from `owns`."
    )


def _shorthand(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


class DeliverableMapping(Document):
    """What exists once the work is done: exactly one of a path, a tag, a secret or a command."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [kind]} for kind in ("path", "tag", "secret", "command")]
        }
    )

    path: PathText | None = Field(
        None, description="A file, or a folder with a trailing `/`: `repository:path` or a path."
    )
    tag: TagText | None = Field(
        None, description="A git tag that the engine makes: `repository:tag` or a tag."
    )
    secret: Id | None = Field(None, description="The name of a file handed over outside git.")
    command: Text | None = Field(
        None, description="A shell command that exits 0 once the thing is there."
    )
    repository: Text | None = Field(
        None, description="Where, if the path or tag does not say; by default the task's own."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> DeliverableMapping:
        given = [
            kind for kind in ("path", "tag", "secret", "command") if getattr(self, kind) is not None
        ]
        if len(given) != 1:
            said = " and ".join(f"`{kind}`" for kind in given) or "none of them"
            raise slip(
                "bad-deliverable",
                f"A deliverable is one of `path`, `tag`, `secret` and `command`; here is {said}.",
                "Give one; write several deliverables as a list.",
            )
        return self


DeliverableDocument = Annotated[
    DeliverableMapping,
    BeforeValidator(_shorthand, json_schema_input_type=PathText | DeliverableMapping),
]
DeliverableDocuments = Annotated[
    list[DeliverableDocument],
    BeforeValidator(
        one_or_many,
        json_schema_input_type=PathText
        | DeliverableMapping
        | Annotated[list[PathText | DeliverableMapping], Field(min_length=1)],
    ),
]


def _read_kind(value: Any) -> VerificationKind:
    text = read_text(value)
    kinds = [str(kind) for kind in VerificationKind]
    if text not in kinds:
        raise slip(
            "bad-choice",
            f"`{shorten(text)}` is no kind of verification.",
            did_you_mean(text, kinds),
        )
    return VerificationKind(text)


class VerificationDocument(Document):
    """A command that decides whether work is accepted."""

    kind: Annotated[VerificationKind, BeforeValidator(_read_kind)] = Field(
        description="How strong its evidence is: `presence`, `tool`, `contract` or `e2e`."
    )
    run: Text = Field(description="A shell command at the checkout's root; exit 0 accepts.")
    repository: Text | None = Field(
        None, description="Which checkout it runs in; by default the task's own."
    )
    timeout: TimeLimit = Field(600, description="The real time it may take; by default `10m`.")
    judges: OwnedPaths = Field(
        default_factory=list,
        description="The files that decide (tests, contracts); they come from the base, never from"
        " the work they judge.",
    )


VerificationDocuments = Annotated[
    list[VerificationDocument],
    BeforeValidator(
        one_or_many,
        json_schema_input_type=VerificationDocument
        | Annotated[list[VerificationDocument], Field(min_length=1)],
    ),
]


class FallbackDocument(Document):
    """What is tried once when a task's own retries are used up."""

    agent: Text | None = Field(None, description="Another agent.")
    run: Text | None = Field(None, description="Another shell command.")
    brief: Text | None = Field(None, description="Another brief.")


class TaskDocument(Document):
    """A piece of work for one agent in one repository."""

    title: Text | None = Field(None, description="Its name for people; by default its id.")
    workstream: Text = Field(description="The workstream it belongs to.")
    phase: Text | None = Field(None, description="The phase it is reported under.")
    effort: EffortText = Field(
        description="How long it takes: `3h`, or `optimistic..likely..pessimistic`."
    )
    needs: Texts = Field(
        default_factory=list, description="The tasks that are integrated before it starts."
    )
    owns: OwnedPaths = Field(
        default_factory=list,
        description="The paths it may change, within its workstream's; by default all of them.",
    )
    excepts: OwnedPaths = Field(
        default_factory=list, alias="except", description="Paths taken away from `owns`."
    )
    reads: Texts = Field(default_factory=list, description="Other repositories it may read.")
    deliverable: DeliverableDocuments = Field(
        default_factory=list, description="What exists once it is done; one or a list."
    )
    verify: VerificationDocuments = Field(
        default_factory=list, description="The commands that decide whether it is accepted."
    )
    fallback: FallbackDocument | None = Field(
        None, description="What is tried once when its retries are used up."
    )
    brief: Text | None = Field(None, description="What the agent is told.")
    run: Text | None = Field(
        None, description="A shell command for a `command` agent, in place of the agent's own."
    )
    retries: Count = Field(2, description="How often it is tried again after a failure.")
    timeout: TimeLimit | None = Field(None, description="The real time one attempt may take.")
    secrets: Texts = Field(default_factory=list, description="The secrets that it is given.")
    day: Span | None = Field(
        None, description="The working day its author had in mind; compared, never obeyed."
    )


class CheckpointDocument(Document):
    """A gate that named workstreams pass together."""

    title: Text | None = Field(None, description="Its name for people; by default its id.")
    participants: Texts = Field(
        default_factory=list, description="The workstreams that meet, one agent of each."
    )
    after: Texts = Field(default_factory=list, description="The tasks integrated before it.")
    before: Texts = Field(default_factory=list, description="The tasks that start after it.")
    during: Text | None = Field(
        None, description="The task that is its work; it then has no duration of its own."
    )
    duration: DurationOrNone = Field(0, description="How long it takes: `2h`.")
    deliverable: DeliverableDocument | None = Field(
        None, description="What exists once it is passed."
    )
    verify: VerificationDocuments = Field(
        default_factory=list, description="The commands that decide whether it opens."
    )
    approval: Flag = Field(False, description="Whether a person has to approve.")
    why: Text | None = Field(None, description="What it is good for.")
    day: Span | None = Field(
        None, description="The working day or days its author had in mind: `1`, `2-3`."
    )


class TriggerDocument(Document):
    """When a risk is considered to have struck."""

    task: Text = Field(description="The task it hangs on.")
    late_by: Duration | None = Field(
        None, description="Work time past its planned finish; without it, when the task fails."
    )


class RiskDocument(Document):
    """Something that may go wrong, and what is done about it."""

    title: Text | None = Field(None, description="What may go wrong; by default its id.")
    mitigation: Text | None = Field(None, description="What is done beforehand.")
    validation: Text | None = Field(None, description="How one sees that it holds.")
    fallback: Text | None = Field(None, description="What is done when it strikes.")
    trigger: TriggerDocument | None = Field(None, description="When it is considered to strike.")


class CalendarDocument(Document):
    """How work hours become days, and days money."""

    hours_per_day: Hours = Field(8, description="The hours of work in a day.")
    start: IsoDate | None = Field(None, description="The date of working day 1: `2026-01-31`.")
    currency: Text = Field("USD", description="The currency of all costs.")
    cost: Money | None = Field(
        None, description="What a day of the whole project costs: `$1000/day` or a number."
    )


class FigureDocument(Document):
    """A figure that somebody promised or claimed."""

    title: Text = Field(description="What it is about.")
    value: Scalar = Field(description="The figure, as it was stated.")


class PhaseDocument(Document):
    """A phase of the declared sequential plan."""

    title: Text = Field(description="Its name.")
    days: Span = Field(description="How many working days it takes: `4-5`.")


class BaselineDocument(Document):
    """A sequential plan that somebody declared, kept apart from the computed one."""

    title: Text = Field(description="Its name.")
    days: Span = Field(description="How many working days it takes: `18-23`.")
    phases: list[PhaseDocument] = Field(default_factory=list, description="Its phases, in order.")
    claims: dict[Id, FigureDocument] = Field(
        default_factory=dict, description="What its source says of the parallel plan."
    )


class PlanDocument(Document):
    """A plan for several coding agents that work at once."""

    model_config = ConfigDict(title="Coditect plan")

    schema_: SchemaVersion = Field(alias="schema", description="The version of this format: 1.")
    name: Id = Field(description="The plan's short name; runs are named after it.")
    title: Text | None = Field(None, description="Its name for people; by default its name.")
    repositories: dict[Id, RepositoryDocument] = Field(
        description="The git repositories that tasks write to."
    )
    agents: dict[Id, AgentDocument] = Field(description="Who carries the tasks out.")
    workstreams: dict[Id, WorkstreamDocument] = Field(
        description="Tasks that share their agents and their paths."
    )
    tasks: dict[Id, TaskDocument] = Field(description="The work.")
    checkpoints: dict[Id, CheckpointDocument] = Field(
        default_factory=dict, description="Gates that workstreams pass together."
    )
    risks: dict[Id, RiskDocument] = Field(
        default_factory=dict, description="What may go wrong, and what is done about it."
    )
    calendar: CalendarDocument | None = Field(None, description="Hours, days and money.")
    targets: dict[Id, FigureDocument] = Field(
        default_factory=dict, description="The figures that the plan promises."
    )
    baseline: BaselineDocument | None = Field(
        None, description="A declared sequential plan to compare with."
    )
