"""The curve of makespan over the number of agents as one self-contained SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from coditect.report.figures import counted, figure, hours
from coditect.schedule import Knee, Point

HOUR = 3600
WIDTH, HEIGHT = 620, 300
LEFT, RIGHT, TOP, BOTTOM = 54, 20, 40, 44

STYLE = """
.curve{--c-ink:#1c2330;--c-dim:#5b6577;--c-line:#d9dee7;--c-main:#1c7ed6;--c-knee:#c2255c;
font:12px system-ui,-apple-system,"Segoe UI",sans-serif}
@media (prefers-color-scheme:dark){.curve{--c-ink:#e6eaf2;--c-dim:#9aa5b8;--c-line:#333c4b;
--c-main:#4dabf7;--c-knee:#ff6b9d}}
.curve text{fill:var(--c-ink)}.curve .dim{fill:var(--c-dim)}.curve .grid{stroke:var(--c-line)}
.curve .bar{fill:var(--c-main);fill-opacity:.28;stroke:var(--c-main)}
.curve .knee .bar{fill:var(--c-knee);stroke:var(--c-knee)}
.curve .bound{stroke:var(--c-ink);stroke-width:2}.curve .knee text{font-weight:700}
"""


def curve_svg(points: Sequence[Point], knee: Knee) -> str:
    """Draw a bar for each number of agents, with its lower bound as a line; the knee stands out."""
    top = max(point.makespan for point in points) / HOUR or 1.0
    step = _step(top)
    ceiling = step * -(-top // step)
    tall = HEIGHT - TOP - BOTTOM
    wide = (WIDTH - LEFT - RIGHT) / len(points)

    def y(amount: float) -> float:
        return TOP + tall * (1 - amount / ceiling)

    parts: list[str] = []
    mark = 0.0
    while mark <= ceiling + 1e-9:
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(mark):.1f}" '
            f'y2="{y(mark):.1f}"/><text class="dim" x="{LEFT - 8}" y="{y(mark) + 4:.1f}" '
            f'text-anchor="end">{figure(mark)}</text>'
        )
        mark += step
    for index, point in enumerate(points):
        parts.append(_bar(point, knee, LEFT + index * wide, wide, y(point.makespan / HOUR), y))
    parts.append(
        f'<text class="dim" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 6}" '
        f'text-anchor="middle">agents</text>'
        f'<text class="dim" x="{LEFT - 44}" y="{TOP - 26}">hours of work</text>'
    )
    said = ", ".join(f"{point.agents}: {hours(point.makespan)}" for point in points)
    return (
        f'<svg class="curve" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'aria-labelledby="curve-title curve-desc" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}"><title id="curve-title">Makespan by number of agents'
        f'</title><desc id="curve-desc">{escape(said)}. The knee is at {knee.agents}.</desc>'
        f"<style>{STYLE}</style>{''.join(parts)}</svg>"
    )


def _bar(
    point: Point, knee: Knee, x: float, wide: float, top: float, y: Callable[[float], float]
) -> str:
    bound = y(point.schedule.lower_bound / HOUR)
    inset = wide * 0.16
    how = "proven shortest" if point.schedule.proven else "at best "
    if not point.schedule.proven:
        how += hours(point.schedule.lower_bound)
    tip = f"{counted(point.agents, 'agent')}: {hours(point.makespan)}, {how}"
    name = ' class="knee"' if point.agents == knee.agents else ""
    middle = x + wide / 2
    return (
        f"<g{name}><title>{escape(tip)}</title>"
        f'<rect class="bar" x="{x + inset:.1f}" y="{top:.1f}" width="{wide - 2 * inset:.1f}" '
        f'height="{max(HEIGHT - BOTTOM - top, 0):.1f}" rx="2"/>'
        f'<line class="bound" x1="{x + inset:.1f}" x2="{x + wide - inset:.1f}" y1="{bound:.1f}" '
        f'y2="{bound:.1f}"/>'
        f'<text x="{middle:.1f}" y="{top - 6:.1f}" text-anchor="middle">'
        f"{figure(point.makespan / HOUR, 1)}</text>"
        f'<text x="{middle:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
        f"{point.agents}</text></g>"
    )


def _step(top: float) -> float:
    """A round distance that gives four to eight lines."""
    step = 1.0
    while top / step > 8:
        step *= 2 if str(step)[0] in "15" else 2.5
    return step
