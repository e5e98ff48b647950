from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from coditect.report.actual import actual
from coditect.report.run_page import run_page
from coditect.report.run_rows import run_rows
from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run.program import Settings
from support.journey import Journey
from support.small import small_journey, small_plan

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "</title></script><script>alert(1)</script><img src=x onerror=alert(2)>'\\\" {{ 7*7 }}"


class Reader(HTMLParser):
    """Collects the tags, attributes and text of a page."""

    VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} is closed out of order"

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def fail(effect: act.Effect, journey: Journey) -> tuple[ev.Event, ...] | None:
    match effect:
        case act.Inspect(attempt) if (attempt.task, attempt.number) == ("a", 1):
            data = {"path": f"{EVIL}.py"}
            finding = {"code": f"code{EVIL}", "message": f"gate {EVIL}\x1b[31m", "data": data}
            return (ev.DiffChecked("a", 1, False, (finding,)),)
        case act.Watch(attempt) if attempt.task == "e":
            return (ev.AttemptExited("e", attempt.number, "timeout", None, 9),)
        case act.Land():
            return (ev.LandingHeld("app", f"main{EVIL}", effect.commit, EVIL, EVIL),)
        case _:
            return None


def page(journey: Journey, until: int | None = None) -> str:
    journey.run(until)
    report = actual(journey.plan, journey.journal, changes=journey.changes, run=f"run{EVIL}")
    return run_page(report)


def calm() -> Journey:
    return small_journey(settings=Settings(pace=1000, approve_all=True), skipped=True)


def hostile() -> Journey:
    quoted = "'" + EVIL.replace("'", "''") + "'"
    plan = small_plan(title=quoted, a=EVIL.replace("\\", "\\\\").replace('"', '\\"'))
    journey = small_journey(plan, twist=fail, usage={EVIL: 1.0})
    journey.at(9000, ev.ApprovalRecorded("gate", True, EVIL, EVIL))
    return journey


def test_the_page_is_well_formed_and_asks_nobody_for_anything() -> None:
    text = page(calm())
    found = Reader(text)
    assert found.tags.isdisjoint({"script", "link", "img", "iframe", "object", "base", "form"})
    assert {name for name, _ in found.attributes}.isdisjoint({"src", "href", "onclick", "action"})
    assert "url(" not in text
    assert "@import" not in text
    assert set(re.findall(r"https?://[^\"'< ]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in text
    assert len(found.ids) == len(set(found.ids))


def test_hostile_titles_messages_and_names_stay_text() -> None:
    text = page(hostile())
    found = Reader(text)
    assert found.tags.isdisjoint({"script", "img"})
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    said = "".join(found.words)
    assert said.count("<script>alert(1)</script>") > 5
    assert "{{ 7*7 }}" in said
    assert all(character.isprintable() or character == "\n" for character in text)


def test_the_chart_has_the_plan_above_and_the_run_below_on_one_scale() -> None:
    text = page(hostile())
    svg = text[text.index("<svg") : text.index("</svg>") + 6]
    root = ET.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    planned = [each for each in root.iter(f"{space}rect") if each.get("class") == "bar"]
    happened = [each for each in root.iter(f"{space}rect") if each.get("class") == "actual"]
    assert len(planned) == 6
    assert len(happened) > 6
    titles = ["".join(each.itertext()) for each in root.iter(f"{space}title")]
    assert any("attempt 1 by ann: failed (gate)" in title for title in titles)
    assert any("planned: 0 s to 2.0 h after the start, modelled" in title for title in titles)
    assert root.get("role") == "img"
    # One scale: the first planned bar and the first actual one begin at the same place.
    starts = {min(float(each.get("x", "0")) for each in bars) for bars in (planned, happened)}
    assert max(starts) - min(starts) < 1


def test_a_short_run_of_real_agents_fills_the_chart_on_a_scale_of_its_own() -> None:
    journey = small_journey(
        small_plan(adapter="command"), settings=Settings(approve_all=True), step=100
    )
    real = journey.takes
    journey.takes = lambda effect: min(real(effect), 2000)  # type: ignore[method-assign]
    text = page(journey)
    svg = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    bars = [each for each in svg.iter(f"{SVG}rect") if each.get("class") == "actual"]
    right = max(float(bar.get("x", 0)) + float(bar.get("width", 0)) for bar in bars)
    assert right > 1000
    assert sum(float(bar.get("width", 0)) > 100 for bar in bars) == 5  # a bar a task
    [said] = [each.text or "" for each in svg.iter(f"{SVG}text") if each.get("class") == "scale"]
    assert said.startswith("Two scales: the axis is the plan's, 5 h long; the narrow bars show the")
    assert said in "".join(svg.find(f"{SVG}desc").itertext())  # type: ignore[union-attr]
    titles = ["".join(each.itertext()) for each in svg.iter(f"{SVG}title")]
    assert any("attempt 1 by ann: integrated" in title and " s to " in title for title in titles)


def test_columns_that_show_when_something_ended_say_so() -> None:
    text = page(calm())
    head = text[text.index('<th scope="col">Task</th>') :]
    assert head.index(">planned end<") < head.index(">actual end<") < head.index("</thead>")


def test_every_row_of_every_table_wears_its_evidence() -> None:
    text = page(calm())
    for row in re.findall(r"<tr><th scope=\"row\">.*?</tr>", text, re.DOTALL):
        assert 'class="badge rehearsed"' in row
    cards = text[text.index('<dl class="cards">') : text.index("</dl>")]
    for card in cards.split('<div class="card">')[1:]:
        assert 'class="badge ' in card
    assert "tool NOT RUN" in text
    assert "Integrated without any verification: b, c, d." in text
    assert "--yes (nobody looked)" in text


def test_a_calm_run_says_nothing_of_trouble_and_a_running_one_marks_the_moment() -> None:
    assert "What did not go as planned" not in page(calm())
    running = page(calm(), until=2500)
    assert 'class="now"' in running
    assert "unfinished" in running
    assert "Not done" not in running
    assert "Speed-up, planned" in running


def test_a_run_of_real_agents_has_days_of_the_clock() -> None:
    plan = small_plan(adapter="command")
    journey = small_journey(plan, settings=Settings(approve_all=True), step=1000)
    text = page(journey)
    assert "24 to a day" in text
    assert 'class="badge measured"' in text
    assert 'class="badge rehearsed"' not in text


def test_a_row_says_how_each_attempt_ended() -> None:
    journey = hostile()
    journey.run()
    rows = run_rows(actual(journey.plan, journey.journal))
    looks = {bar.look.value for row in rows for bar in row.actual}
    assert looks == {"done", "failed"}
    assert rows[-1].label == "Checkpoints"
