"""Bad plans: each is refused with a stable code, the very place, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from coditect.findings import CoditectError, Finding, Place
from coditect.plan import Plan, load_plan

Refusal = tuple[tuple[Finding, ...], Place | None]
Refuse = Callable[[str], Refusal]

# What is wrong -> text to replace in the small plan, its replacement (the mark is where the finding
# has to point), the code, and a word of the hint.
SLIPS: dict[str, tuple[str, str, str, str]] = {
    "unknown key": (
        "    effort: 1h",
        "    effort: 1h\n    §efort: 2h",
        "unknown-key",
        "Did you mean `effort`?",
    ),
    "unknown section": ("schema: 1", "schema: 1\n§task: {}", "unknown-key", "Did you mean `tasks`"),
    "unknown key in a flow mapping": (
        "app: {}",
        "app: {§brunch: main}",
        "unknown-key",
        "Did you mean `branch`",
    ),
    "missing key": ("  first:\n    workstream: work\n", "  §first:\n", "missing-key", "workstream"),
    "misspelt required key": (
        "  first:\n    workstream: work\n",
        "  §first:\n    workstreem: work\n",
        "missing-key",
        "workstreem",
    ),
    "duplicate key": (
        "    effort: 1h",
        "    effort: 1h\n    §effort: 2h",
        "yaml-duplicate-key",
        "Keep one",
    ),
    "duplicate task": (
        "    effort: 1h\n",
        "    effort: 1h\n  §first:\n    workstream: work\n    effort: 2h\n",
        "yaml-duplicate-key",
        "rename",
    ),
    "section without content": ("  app: {}", "  §app:", "empty-value", "`{}`"),
    "key without value": ("    owns: app:src/", "    §owns:", "empty-value", "remove the key"),
    "null": ("    effort: 1h", "    effort: §null", "empty-value", "Write a value"),
    "empty list": ("    agents: ann", "    §agents: []", "empty-list", "Fill it"),
    "empty item": (
        "    agents: ann",
        "    agents: [ann, §'']",
        "empty-value",
        "Write a value",
    ),
    "list where text belongs": ("effort: 1h", "§effort: [1h]", "wrong-type", "plain text"),
    "text where a mapping belongs": ("  app: {}", "  app: §yes", "wrong-type", "key: value"),
    "list where a mapping belongs": ("  app: {}", "  §app: [a]", "wrong-type", "key: value"),
    "text where a section belongs": (
        "repositories:\n  app: {}",
        "repositories: §app",
        "wrong-type",
        "key: value",
    ),
    "upper-case id": ("  first:", "  §First_Task:", "bad-id", "`first-task`"),
    "unicode id": ("  first:", "  §größe:", "bad-id", "`grosse`"),
    "id with nothing usable": ("  first:", "  §✨:", "bad-id", "api-contract"),
    "overlong id": ("  first:", f"  §{'a' * 65}:", "bad-id", "a" * 64),
    "plain number as effort": ("1h", "§3", "bad-duration", "`3h`"),
    "sexagesimal effort": ("1h", "§1:30", "bad-duration", "`1h30m`"),
    "negative hours": ("1h", "§-3h", "bad-duration", "`3h`"),
    "zero hours": ("1h", "§0h", "bad-duration", "`3h`"),
    "absurd hours": ("1h", "§1000000h", "bad-duration", "`3h`"),
    "wrong unit, at the unit": ("1h", "1§x", "bad-duration", "`3h`"),
    "three-point out of order": ("1h", "§3h..2h..6h", "bad-duration", "optimistic"),
    "three-point with a slip, at the figure": ("1h", "1h..§x..6h", "bad-duration", "`3h`"),
    "norwegian flag": (
        "tasks:\n",
        "checkpoints:\n  gate:\n    approval: §no\ntasks:\n",
        "bad-flag",
        "`false`",
    ),
    "flag that is none": (
        "tasks:\n",
        "checkpoints:\n  gate:\n    approval: §maybe\ntasks:\n",
        "bad-flag",
        "`true` or `false`",
    ),
    "slots in words": ("    agents: ann", "    agents: ann\n    slots: §two", "bad-number", "`2`"),
    "negative retries": ("effort: 1h", "effort: 1h\n    retries: §-1", "bad-number", "zero"),
    "other schema": ("schema: 1", "schema: §2", "unsupported-schema", "schema: 1"),
    "path without a repository": ("app:src/", "§src/", "bad-path", "repository:src/"),
    "path that escapes": ("app:src/", "app:src/§../etc", "bad-path", "root of the repository"),
    "absolute path": ("app:src/", "app:§/etc/", "bad-path", "leading `/`"),
    "git's own folder": ("app:src/", "app:§.git/hooks/", "bad-path", "drop it"),
    "unclosed class": ("app:src/", "app:src/§[ab", "bad-path", "]"),
    "glob as a deliverable": (
        "effort: 1h",
        "effort: 1h\n    deliverable: app:src/§*.py",
        "bad-path",
        "trailing `/`",
    ),
    "deliverable that escapes": (
        "effort: 1h",
        "effort: 1h\n    deliverable: app:§../x",
        "bad-path",
        "root of the repository",
    ),
    "deliverable of two kinds": (
        "effort: 1h",
        "effort: 1h\n    §deliverable: {path: a, tag: b}",
        "bad-deliverable",
        "list",
    ),
    "deliverable of no kind": (
        "effort: 1h",
        "effort: 1h\n    §deliverable: {repository: app}",
        "bad-deliverable",
        "Give one",
    ),
    "bad tag": (
        "effort: 1h",
        "effort: 1h\n    deliverable: {tag: §v1..2}",
        "bad-ref",
        "v1.0.0",
    ),
    "bad branch": ("app: {}", "app: {branch: §-x}", "bad-ref", "release/1.0"),
    "repository outside the workspace": ("app: {}", "app: {path: §../x}", "bad-path", "`.`"),
    "absolute repository": ("app: {}", "app: {path: §/srv/x}", "bad-path", "`.`"),
    "unknown kind of verification": (
        "effort: 1h",
        "effort: 1h\n    verify: {kind: §contrct, run: x}",
        "bad-choice",
        "`contract`",
    ),
    "working days as a time limit": (
        "effort: 1h",
        "effort: 1h\n    timeout: §1d",
        "bad-duration",
        "`90m`",
    ),
    "day zero": (
        "{adapter: rehearsal}",
        "{adapter: rehearsal, availability: [§0]}",
        "bad-days",
        "always",
    ),
    "days backwards": (
        "{adapter: rehearsal}",
        "{adapter: rehearsal, availability: [1, §3-2]}",
        "bad-days",
        "[1-3, 7]",
    ),
    "weekday": (
        "{adapter: rehearsal}",
        "{adapter: rehearsal, availability: §monday}",
        "bad-days",
        "[1-3, 7]",
    ),
    "cost in words": (
        "{adapter: rehearsal}",
        "{adapter: rehearsal, cost: §much}",
        "bad-cost",
        "$1000/day",
    ),
    "no date": (
        "name: small",
        "name: small\ncalendar: {start: §2026-13-01}",
        "bad-date",
        "2026-01",
    ),
    "25 hours a day": (
        "name: small",
        "name: small\ncalendar: {hours_per_day: §25}",
        "bad-number",
        "24",
    ),
    "second document": ("tasks:\n", "§---\ntasks:\n", "yaml-several-documents", "---"),
    "tab": ("    agents: ann", "§\tagents: ann", "yaml-tab", "spaces"),
    "indented too far": ("    owns: app:src/", "      owns§: app:src/", "yaml-syntax", "Align"),
    "indented too little": ("    owns: app:src/", "   §owns: app:src/", "yaml-syntax", "Align"),
    "colon in a text": ("name: small", "name: small\ntitle: one§: two", "yaml-syntax", "quotes"),
    "unclosed quote": ("name: small", "name: §'small", "yaml-syntax", "quote"),
    "line without a colon": (
        "name: small\n",
        "name: small\n§just words\n",
        "yaml-syntax",
        "key: value",
    ),
    "backslash": ("name: small", 'name: "a§\\q"', "yaml-syntax", "single quotes"),
    "at sign": ("name: small", "name: §@small", "yaml-syntax", "quotes"),
    "list beside its key": ("    agents: ann", "    agents: §- ann", "yaml-syntax", "[a, b]"),
    "bracket too many": ("app: {}", "app: {}§}", "yaml-syntax", "Remove"),
    "directive": ("schema: 1", "§%YAML 3.0\n---\nschema: 1", "yaml-syntax", "Remove"),
    "star": ("name: small", "name: §*", "yaml-syntax", "quotes"),
    "bad tag of yaml": ("name: small", "name: §!x! a", "yaml-syntax", "quotes"),
    "python object": (
        "name: small",
        "name: §!!python/object/apply:os.system [id]",
        "yaml-tag",
        "Remove",
    ),
    "binary": ("name: small", "name: §!!binary c21hbGw=", "yaml-tag", "Remove"),
    "merge key": ("app: {}", "app: {§<<: {branch: main}}", "yaml-merge-key", "*name"),
    "list as a key": ("app: {}", "? §[a, b]\n  : {}", "yaml-key-not-text", "key: value"),
    "nothing as a key": ("app: {}", "§~: {}", "yaml-key-not-text", "key: value"),
    "unknown alias": ("agents: ann", "agents: §*bob", "yaml-unknown-alias", "anchor"),
    "recursive alias": (
        "agents: ann",
        "agents: &a [§*a]",
        "yaml-recursive-alias",
        "inner value",
    ),
    "control character": ("name: small", "name: sm§\x07all", "yaml-control-character", "invisible"),
    "nested too deeply": (
        "app: {}",
        f"app: {'[' * 30}§[",
        "yaml-too-deep",
        "brackets",
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_told_with_code_place_and_hint(slip: str, base: str, refuse: Refuse) -> None:
    old, new, code, hint = SLIPS[slip]
    assert base.count(old) >= 1, old
    findings, place = refuse(base.replace(old, new, 1))
    told = next((finding for finding in findings if finding.code == code), None)
    assert told is not None, findings
    assert told.place == place
    assert hint in told.hint
    assert told.message.rstrip().endswith((".", ")."))


def test_a_duplicate_key_names_both_places(base: str, refuse: Refuse) -> None:
    findings, _ = refuse(base.replace("effort: 1h", "effort: 1h\n    effort: 2h"))
    ((what, where),) = findings[0].related
    assert "first" in what
    assert where is not None
    assert (where.line, where.column) == (14, 5)


def test_all_that_is_wrong_is_told_at_once_in_reading_order(base: str, refuse: Refuse) -> None:
    text = base.replace("effort: 1h", "effort: soon\n    retries: -1\n    colour: red")
    text = text.replace("app: {}", "App: {branch: '-x'}").replace(
        "owns: app:src/", "owns: [src, a:..]"
    )
    findings, _ = refuse(text)
    codes = [finding.code for finding in findings]
    assert codes == [
        "bad-id",
        "bad-ref",
        "bad-path",
        "bad-path",
        "bad-duration",
        "bad-number",
        "unknown-key",
    ]


def test_a_slip_in_one_section_does_not_hide_a_duplicate_key(base: str, refuse: Refuse) -> None:
    findings, _ = refuse(base.replace("effort: 1h", "effort: x\n    effort: 1h"))
    assert {finding.code for finding in findings} == {"yaml-duplicate-key", "bad-duration"}


def test_a_hundred_slips_are_told_and_the_rest_counted(base: str, refuse: Refuse) -> None:
    tasks = "".join(f"  t{number}:\n    workstream: work\n    effort: x\n" for number in range(150))
    findings, _ = refuse(base + tasks)
    assert len(findings) == 101
    assert findings[-1].code == "more-findings"
    assert "50 more" in findings[-1].message


def test_a_value_repeated_by_an_alias_is_told_where_it_was_written(
    base: str, refuse: Refuse
) -> None:
    text = base.replace(
        "effort: 1h", "effort: &e §x\n  second:\n    workstream: work\n    effort: *e"
    )
    findings, place = refuse(text)
    assert {(finding.code, finding.place) for finding in findings} == {("bad-duration", place)}
    assert len(findings) == 2


def test_columns_count_characters_and_not_bytes(base: str, refuse: Refuse) -> None:
    findings, place = refuse(base.replace("app: {}", "app: {branch: 'größe', §x: y}"))
    assert [(finding.code, finding.place) for finding in findings] == [("unknown-key", place)]


def test_a_byte_order_mark_moves_no_column(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfscheme: 1\n")
    with pytest.raises(CoditectError) as caught:
        load_plan(path)
    places = {finding.place for finding in caught.value.findings if finding.code == "unknown-key"}
    assert places == {Place(str(path), 1, 1)}


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "~\n"])
def test_an_empty_file_is_called_empty(text: str, refuse: Refuse) -> None:
    findings, _ = refuse(text)
    assert [finding.code for finding in findings] == ["plan-empty"]


@pytest.mark.parametrize("text", ["§- a\n- b\n", "§words\n", "§[]\n", "§3\n"])
def test_a_file_that_is_no_mapping_is_refused(text: str, refuse: Refuse) -> None:
    findings, place = refuse(text)
    assert [(finding.code, finding.place) for finding in findings] == [
        ("plan-not-a-mapping", place)
    ]


def test_an_alias_bomb_is_refused_without_being_expanded(base: str, refuse: Refuse) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for number in range(1, 12):
        rows.append(f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]")
    findings, _ = refuse(base + "\n".join(rows) + "\n")
    told = findings[-1]
    assert told.code == "yaml-too-many-values"
    assert told.place is not None
    assert told.place.line == 20  # the sixth row, where it passes half a million
    assert "aliases" in told.hint


def test_deep_aliases_count_as_depth(base: str, refuse: Refuse) -> None:
    rows = ["a0: &a0 [x]"]
    rows.extend(f"a{number}: &a{number} [*a{number - 1}]" for number in range(1, 40))
    findings, _ = refuse(base + "\n".join(rows) + "\n")
    assert findings[-1].code == "yaml-too-deep"


def test_brackets_without_end_are_refused_early(refuse: Refuse) -> None:
    findings, _ = refuse("[" * 1_000_000)
    assert [finding.code for finding in findings] == ["yaml-too-deep"]


def test_a_file_of_ten_megabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"# " + b"x" * 10_000_000)
    with pytest.raises(CoditectError) as caught:
        load_plan(path)
    (finding,) = caught.value.findings
    assert finding.code == "plan-too-large"
    assert finding.place == Place(str(path), 1, 1)
    assert "right file" in finding.hint


def test_a_missing_file_is_called_missing(tmp_path: Path) -> None:
    with pytest.raises(CoditectError) as caught:
        load_plan(tmp_path / "nowhere.yaml")
    assert caught.value.findings[0].code == "plan-not-found"
    assert caught.value.findings[0].hint


def test_a_folder_is_no_plan(tmp_path: Path) -> None:
    with pytest.raises(CoditectError) as caught:
        load_plan(tmp_path)
    assert caught.value.findings[0].code == "plan-unreadable"


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_a_path_that_no_system_takes_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CoditectError) as caught:
        load_plan(tmp_path / name)
    assert caught.value.findings[0].code in ("plan-unreadable", "plan-not-found")


@pytest.mark.parametrize(
    ("raw", "line", "column"),
    [
        (b"schema: 1\nname: gr\xf6\xdfe\n", 2, 9),
        ("schema: 1".encode("utf-16"), 1, 1),
        ("name: größe\nx: ".encode() + b"\xff", 2, 4),
    ],
)
def test_text_that_is_not_utf8_is_refused_at_the_byte(
    tmp_path: Path, raw: bytes, line: int, column: int
) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(raw)
    with pytest.raises(CoditectError) as caught:
        load_plan(path)
    (finding,) = caught.value.findings
    assert finding.code == "plan-not-utf8"
    assert finding.place == Place(str(path), line, column)


def test_a_lone_surrogate_in_given_text_is_refused(base: str) -> None:
    with pytest.raises(CoditectError) as caught:
        load_plan(Path("given.yaml"), base + "x: \ud800\n")
    assert caught.value.findings[0].code == "plan-not-utf8"


def test_a_plan_that_is_whole_is_not_refused(base: str, load: Callable[[str], Plan]) -> None:
    assert load(base).name == "small"
