import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from coditect.plan import Plan, load_plan
from coditect.report.curve_chart import curve_svg
from coditect.report.figures import counted, days, figure, hours, money, percent
from coditect.report.schedule_json import schedule_json
from coditect.report.schedule_page import schedule_page
from coditect.report.schedule_rows import gantt_rows
from coditect.report.schedule_text import show
from coditect.report.schedule_words import knee_text, optimality, ranges
from coditect.schedule import Schedule, Study, study

HOSTILE = """
schema: 1
name: hostile
title: "<script>alert('plan')</script> \\e[31mred"
repositories: {r: {}}
agents:
  a: {adapter: rehearsal, availability: [1]}
  b: {adapter: rehearsal}
workstreams:
  w: {agents: a, owns: "r:src/"}
  v: {agents: b, owns: "r:doc/"}
tasks:
  long: {title: "<b>bold</b>", workstream: v, effort: 20h}
  never: {title: "\\e]0;gone\\a", workstream: w, effort: 2h, needs: long}
"""


@pytest.fixture(scope="module")
def founding() -> Study:
    return study(load_plan(Path(__file__).parents[3] / "plans" / "coditect-cloud.yaml"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Plan]:
    def written(text: str) -> Plan:
        path = tmp_path / "plan.yaml"
        path.write_text(text, encoding="utf-8")
        return load_plan(path)

    return written


def printed(found: Study, width: int) -> str:
    out = StringIO()
    show(Console(file=out, width=width), found)
    return out.getvalue()


class Balance(HTMLParser):
    """Fails on tags that are not closed in turn; keeps the text of cells and headings."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            assert name not in ("src", "onclick"), f"{tag} has {name}={value}"
        if tag not in ("meta", "br", "rect", "line", "path"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "line", "path"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(" ".join(data.split()))


def read(page: str) -> list[str]:
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    return parser.text


def test_the_page_is_one_well_formed_file_that_loads_nothing(founding: Study) -> None:
    page = schedule_page(founding)
    text = read(page)
    assert not re.search(r"(?:src|href|@import|url\()", page)
    for said in ("62 h", "137 h", "53 h", "9 days", "security-specialist", "≠ 53 h, 6.6 days"):
        assert any(said in one for one in text), said
    assert page.count("<svg") == 2


def test_the_page_has_the_authors_day_beside_ours(founding: Study) -> None:
    assert "was day 9" in read(schedule_page(founding))


def test_markup_and_escape_sequences_of_a_plan_do_nothing(
    write: Callable[[str], Plan],
) -> None:
    found = study(write(HOSTILE), counts=[1, 2])
    page = schedule_page(found)
    assert "<script" not in page
    assert "<b>bold" not in page
    for width in (80, 120):
        assert "\x1b" not in printed(found, width)
        assert "\x07" not in printed(found, width)


def test_what_is_never_placed_is_said_everywhere(write: Callable[[str], Plan]) -> None:
    found = study(write(HOSTILE), counts=[1])
    assert "Not placed" in schedule_page(found)
    assert "Never placed" in printed(found, 100)
    assert schedule_json(found)["days"]["unplaced"] == ["never"]
    assert schedule_json(found)["cost"] is None


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_terminal_fits_its_width_and_says_what_matters(founding: Study, width: int) -> None:
    text = printed(founding, width)
    assert max(map(len, text.splitlines())) <= width
    for said in ("137 h", "62 h", "proven shortest", "53 h", "knee", "standby", "away"):
        assert said in text, said
    assert "≠ Critical path" in text
    for agent in founding.problem.agents:
        assert agent[:12] in text


def test_a_single_number_of_agents_has_no_knee(founding: Study) -> None:
    found = study(founding.plan, agents=3)
    text = printed(found, 120)
    assert "3 agents take 62 h." in text
    assert "◀" not in text
    read(schedule_page(found))


def test_the_json_holds_the_figures_that_others_rely_on(founding: Study) -> None:
    data = json.loads(json.dumps(schedule_json(founding)))
    assert data["sequential_hours"] == 137
    assert data["task_hours"] == 133
    assert data["checkpoint_hours"] == 4
    assert data["critical_path_hours"] == 53
    assert data["makespan_hours"] == data["lower_bound_hours"] == 62
    assert data["gap"] == 0
    assert data["proven"] is True
    assert data["evidence"] == "modelled"
    assert len(data["tasks"]) == 57
    assert [point["makespan_hours"] for point in data["curve"]][:6] == [137, 80, 62, 62, 62, 53]
    assert data["curve"][4]["cast"]["codi-code-architect"] == ["backend"]
    assert data["curve"][0]["cost"] == {"amount": 17125, "whole_days": 18000, "currency": "USD"}
    assert data["knee"]["agents"] == 6
    assert data["days"]["working_days"] == 9
    assert data["utilization"]["agents"]["codi-code-architect"]["busy_hours"] == 61
    assert data["utilization"]["agents"]["security-specialist"]["active_days"] == [1, 7]
    assert data["utilization"]["workstreams"]["backend"]["of_makespan"] == pytest.approx(61 / 62)
    assert {claim["id"] for claim in data["claims"]} >= {"critical-path", "day-1", "savings"}
    task = next(one for one in data["tasks"] if one["id"] == "deploy-gke")
    assert task["critical"]
    assert task["slack"] == 0
    assert task["holds"] == ["deploy-to-gke"]
    assert len(task["agents"]) == 5


def test_rows_can_be_tasks_as_well_as_agents(founding: Study) -> None:
    assert [row.label for row in gantt_rows(founding)] == list(founding.problem.agents)
    tasks = gantt_rows(founding, by="task")
    assert len(tasks) == 57
    starts = [row.planned[0].start for row in tasks]
    assert starts == sorted(starts)
    deploy = next(row for row in tasks if row.label == "Deploy to GKE")
    assert "is the work of the checkpoint Deploy to GKE" in deploy.planned[0].tooltip


def test_a_point_without_proof_says_how_far_it_may_be_off(founding: Study) -> None:
    assert optimality(Schedule({}, 110 * 3600, 100 * 3600, "")) == (
        "at most 10 % above the shortest (100 h)"
    )
    assert founding.knee
    assert "proven shortest" in curve_svg(founding.points, founding.knee)


def test_the_knee_is_told_in_words(founding: Study) -> None:
    text = knee_text(founding)
    assert text.startswith("The knee is at 6 agents: 53 h")
    assert "The step to 4–5 agents saves nothing." in text


def test_a_plan_of_one_minute_has_a_page_and_a_print(
    write: Callable[[str], Plan],
) -> None:
    plan = write(
        HOSTILE.split("tasks:", maxsplit=1)[0] + "tasks:\n  t: {workstream: v, effort: 1m}\n"
    )
    found = study(plan, counts=[1])
    assert found.schedule.makespan == 60
    read(schedule_page(found))
    assert "0.02 h" in printed(found, 80)


def test_figures_read_well() -> None:
    assert figure(1234.50) == "1,234.5"
    assert figure(100, 0) == "100"
    assert hours(5400) == "1.5 h"
    assert days(8 * 3600, 8) == "1 day"
    assert percent(0.031) == "3.1 %"
    assert percent(0.5) == "50 %"
    assert money(1234.5, "EUR") == "EUR 1,234"
    assert counted(1, "activity", "activities") == "1 activity"
    assert counted(2, "activity", "activities") == "2 activities"
    assert ranges([7, 1, 2, 3]) == "1–3, 7"
