"""Whatever stands in a file, loading it gives a plan or a CoditectError, and nothing else."""

from __future__ import annotations

import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.check import check
from coditect.findings import CoditectError
from coditect.plan import json_schema, load_plan
from coditect.plan.source import decode_source

HELLO = (Path(__file__).parents[3] / "plans" / "hello.yaml").read_text(encoding="utf-8")
BITS = [
    "",
    " ",
    "  ",
    "\t",
    "\n",
    ":",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "'",
    '"',
    "&a",
    "*a",
    "!",
    "!!int",
    "#",
    "|",
    ">",
    "---",
    "...",
    "%",
    "<<: ",
    "null",
    "~",
    "no",
    "0",
    "-1",
    "1:30",
    "..",
    "../",
    "hello:",
    "hello:**",
    "{a,b}",
    "[!",
    "\\",
    "\x00",
    "\x85",
    "\ufeff",
    "é",
    "𝄞",
    "§",
    "tasks:",
    "needs: show",
    "after: [",
    "slots: 0",
    "effort: 9h",
    "owns: []",
    "\r",
    "\u2028",
]


def loads_or_refuses(raw: bytes) -> None:
    path = Path("fuzz.yaml")
    try:
        findings = check(load_plan(path, decode_source(str(path), raw)))
    except CoditectError as refusal:
        findings = refusal.findings
    for finding in findings:
        assert finding.code
        assert finding.message
        assert finding.place is None or (finding.place.line > 0 and finding.place.column > 0)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_plan_or_refused(raw: bytes) -> None:
    loads_or_refuses(raw)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_plan_or_refused(text: str) -> None:
    loads_or_refuses(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_a_good_plan_after_some_slips_is_a_plan_or_refused(dice: random.Random, slips: int) -> None:
    text = HELLO
    for _ in range(slips):
        start = dice.randrange(len(text) + 1)
        end = start + dice.choice([0, 0, 0, 1, 2, 5, 40])
        text = text[:start] + dice.choice(BITS) + text[end:]
    loads_or_refuses(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_a_good_plan_with_lines_moved_is_a_plan_or_refused(dice: random.Random, moves: int) -> None:
    lines = HELLO.split("\n")
    for _ in range(moves):
        line = lines.pop(dice.randrange(len(lines)))
        lines.insert(dice.randrange(len(lines) + 1), dice.choice([line, line[2:], "  " + line]))
    loads_or_refuses("\n".join(lines).encode())


TREES = st.recursive(
    st.sampled_from(["x", "1h", "app", "app:src/", "true", "~", "''", "3", "-1", "first"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]")
        | st.dictionaries(
            st.sampled_from(["run", "kind", "path", "effort", "workstream", "owns", "agents", "a"]),
            inner,
            max_size=3,
        ).map(lambda entries: "{" + ", ".join(f"{k}: {v}" for k, v in entries.items()) + "}")
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(list(json_schema()["properties"])),
        TREES,
    )
)
def test_any_tree_under_known_keys_is_a_plan_or_refused(sections: dict[str, str]) -> None:
    loads_or_refuses("".join(f"{key}: {value}\n" for key, value in sections.items()).encode())


KEYS = st.sampled_from(
    sorted({key for each in json_schema()["$defs"].values() for key in each.get("properties", ())})
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["tasks", "checkpoints", "workstreams", "agents", "repositories", "risks"]),
    st.lists(st.tuples(KEYS, TREES), max_size=6),
)
def test_any_entry_in_any_section_is_a_plan_or_refused(
    section: str, entries: list[tuple[str, str]]
) -> None:
    added = "".join(f"    {key}: {value}\n" for key, value in entries)
    loads_or_refuses(HELLO.replace(f"\n{section}:\n", f"\n{section}:\n  extra:\n{added}").encode())
