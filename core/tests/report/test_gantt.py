import itertools
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.report.gantt import Bar, Look, Row, gantt_svg, lanes

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*rows: Row, now: float | None = None, width: int = 1120) -> ElementTree.Element:
    text = gantt_svg(
        rows, hours_per_day=8, title="A <plan>", description="What & when", now=now, width=width
    )
    return ElementTree.fromstring(text)


def words(element: ElementTree.Element, name: str) -> list[str]:
    return [one.text or "" for one in element.iter(f"{SVG}{name}")]


def test_it_is_one_picture_with_a_name_and_a_description() -> None:
    svg = drawn(Row("x", (Bar("t", 0, 2),)))
    assert svg.get("role") == "img"
    named = (svg.get("aria-labelledby") or "").split()
    found = {one.get("id"): one.text for one in svg.iter() if one.get("id")}
    assert [found[name] for name in named] == ["A <plan>", "What & when"]


def test_it_needs_nothing_from_elsewhere_and_knows_light_and_dark() -> None:
    text = gantt_svg([Row("x", ())], hours_per_day=8, title="t", description="d")
    assert "prefers-color-scheme:dark" in text
    assert "var(--g-ink)" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_every_bar_says_what_it_is_when_pointed_at() -> None:
    bars = (
        Bar("plain", 0, 2),
        Bar("told", 2, 4, tooltip="line one\nline two", critical=True),
        Bar("gate", 4, 5, Look.CHECKPOINT),
        Bar("moment", 5, 5, Look.CHECKPOINT),
    )
    svg = drawn(Row("x", bars, actual=(Bar("really", 0, 3, Look.DONE),)))
    assert {"plain", "line one\nline two", "gate", "moment", "really"} <= set(words(svg, "title"))
    classes = [one.get("class") for one in svg.iter(f"{SVG}g")]
    assert classes == ["task", "task critical", "checkpoint", "checkpoint", "done"]
    assert len([one for one in svg.iter(f"{SVG}path") if one.get("class") == "diamond"]) == 2


def test_markup_in_a_plan_stays_text() -> None:
    svg = drawn(Row("<script>alert(1)</script>", (Bar("</title><b>", 0, 60),), note="<i>"))
    assert not list(svg.iter(f"{SVG}script"))
    assert "</title><b>" in words(svg, "text")


def test_days_and_hours_are_marked() -> None:
    svg = drawn(Row("x", (Bar("t", 0, 20),)))
    texts = words(svg, "text")
    assert [one for one in texts if one.startswith("Day")] == ["Day 1", "Day 2", "Day 3"]
    assert "4" in texts
    long = drawn(Row("x", (Bar("t", 0, 4000),)))
    days = [one for one in words(long, "text") if one.startswith("Day")]
    assert 2 <= len(days) <= 20


def test_planned_and_actual_stand_above_each_other_at_the_same_hour() -> None:
    svg = drawn(Row("x", (Bar("t", 2, 4),), actual=(Bar("t", 2, 6, Look.ACTIVE),)), now=5)
    planned = next(one for one in svg.iter(f"{SVG}rect") if one.get("class") == "bar")
    actual = next(one for one in svg.iter(f"{SVG}rect") if one.get("class") == "actual")
    assert abs(float(planned.get("x", 0)) - float(actual.get("x", 0))) < 1
    assert float(actual.get("y", 0)) > float(planned.get("y", 0))
    assert float(actual.get("width", 0)) > float(planned.get("width", 0))
    (line,) = [one for one in svg.iter(f"{SVG}line") if one.get("class") == "now"]
    assert "now: 5 h" in words(line, "title")


def test_plan_and_run_have_one_scale_until_one_of_them_would_be_a_spot() -> None:
    def end(planned: float, actual: float, now: float | None = None) -> tuple[float, list[str]]:
        svg = drawn(Row("x", (Bar("t", 0, planned),), actual=(Bar("t", 0, actual),)), now=now)
        said = [each.text or "" for each in svg.iter(f"{SVG}text") if each.get("class") == "scale"]
        bars = [each for each in svg.iter(f"{SVG}rect") if each.get("class") in ("bar", "actual")]
        return min(float(bar.get("width", 0)) for bar in bars), said

    narrow, none = end(20, 1)
    assert (round(narrow, 1), none) == (44.8, [])
    wide, [said] = end(21, 1)
    assert wide > 890
    assert said == (
        "Two scales: the axis is the plan's, 21 h long; "
        "the narrow bars show the run, 1 h over the whole width."
    )
    assert "the run until now, 36 s over" in end(21, 0.005, now=0.01)[1][0]
    assert "the run, 30 h over" in end(1, 30)[1][0]
    assert end(1, 30)[0] > 890


spans = st.tuples(st.integers(0, 40), st.integers(0, 12))


@settings(max_examples=100, deadline=None)
@given(st.lists(spans, max_size=12))
def test_bars_of_a_lane_never_cover_each_other(some: list[tuple[int, int]]) -> None:
    bars = [Bar(str(index), begin, begin + wide) for index, (begin, wide) in enumerate(some)]
    found = lanes(bars)
    assert sorted(bar.label for lane in found for bar in lane) == sorted(bar.label for bar in bars)
    for lane in found:
        for before, after in itertools.pairwise(lane):
            assert before.finish <= after.start
    drawn(Row("x", tuple(bars)), Row("y", ()))


def test_an_empty_chart_is_still_a_chart() -> None:
    assert drawn().tag == f"{SVG}svg"
