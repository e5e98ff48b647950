"""Who decides on a task's work: warnings where it is the task itself, or nobody."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from coditect.check.scope import Scopes
from coditect.findings import Finding, Severity
from coditect.paths import Language, overlap
from coditect.plan import Plan, Verification, VerificationKind

_INTERPRETERS = re.compile(
    r"(?:.*/)?(?:ba|da|z|k)?sh$|(?:.*/)?(?:python|node|ruby|perl|pytest|bats|deno|bun)[\d.]*$"
)
_SEPARATORS = frozenset({"&&", "||", ";", "|", "&", "(", ")", "{", "}", "!"})
_WRAPPERS = frozenset({"env", "exec", "time", "timeout", "nice", "command", "then", "do", "if"})


def judge_findings(plan: Plan, scopes: Scopes) -> Iterator[Finding]:
    """Tell tasks that may change what decides on them, and tasks that nothing decides on."""
    for name, task in plan.tasks.items():
        for index, verification in enumerate(task.verify):
            owned = _own_judge(scopes, name, verification)
            if owned is not None:
                yield Finding(
                    "agent-owns-its-judge",
                    f"Task `{name}` may change `{owned}`, which decides whether its work is"
                    " accepted.",
                    "Let another task own it, or list it under `judges`, so that it is taken from"
                    " before the work."
                    if not verification.judges
                    else "Let another task own it; under `judges` it is taken from before the work"
                    " in any case.",
                    Severity.WARNING,
                    plan.place("tasks", name, "verify", index),
                    data=(("task", name), ("judge", owned)),
                )
    unverified = [name for name, task in plan.tasks.items() if not task.verify]
    if unverified:
        listed = ", ".join(f"`{name}`" for name in unverified[:5])
        more = f" and {len(unverified) - 5} more" if len(unverified) > 5 else ""
        yield Finding(
            "task-without-verification",
            f"No command decides on the work of {listed}{more}; only deliverables are looked for.",
            "Add `verify` with a command that exits 0 when the work is good.",
            Severity.NOTE,
            plan.place("tasks", unverified[0]),
            data=(("tasks", tuple(unverified)),),
        )


def _own_judge(scopes: Scopes, name: str, verification: Verification) -> str | None:
    """Give a path that judges the task and that it may change; None if there is none."""
    scope = scopes.of[name]
    for path in verification.judges:
        language = scope.get(path.repository)
        witness = overlap(Language((path.pattern,)), language) if language is not None else None
        if witness is not None:
            return f"{path.repository}:{witness.left}"
    if verification.judges or verification.kind is VerificationKind.PRESENCE:
        return None
    home = next(iter(scope), None) if len(scope) == 1 else None
    where = verification.repository or home
    language = scope.get(where) if where is not None else None
    if language is None:
        return None
    for script in scripts(verification.run):
        if language.matches(script):
            return f"{where}:{script}"
    return None


def scripts(command: str) -> Iterator[str]:
    """Give the files that a shell command executes, as far as its words show.

    That is the first word of each simple command if it is a path, or the first argument of an
    interpreter; what `-c`, `-e` and `-m` run is no such file,
    and `sh -n` runs nothing.
    """
    try:
        words = list(shlex.shlex(command, posix=True, punctuation_chars=True))
    except ValueError:
        return
    starting, wants_script = True, False
    for word in words:
        if word in _SEPARATORS or not word.strip(";&|()"):
            starting, wants_script = True, False
        elif starting and (word in _WRAPPERS or re.fullmatch(r"\w+=.*|\d+[smh]?", word)):
            continue
        elif starting:
            starting, wants_script = False, bool(_INTERPRETERS.fullmatch(word))
            if "/" in word and not wants_script:
                yield word.removeprefix("./")
        elif wants_script:
            if word in ("-c", "-m", "-e", "-n"):
                wants_script = False
            elif not word.startswith("-"):
                wants_script = False
                yield word.removeprefix("./")
