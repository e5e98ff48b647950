"""What the tests compare with: written apart from the code, plainly, and slow."""

from collections.abc import Iterator, Sequence
from itertools import product

from hypothesis import strategies as st

from coditect.schedule.problem import Activity, Kind, Problem
from coditect.schedule.solution import Schedule


def faults(problem: Problem, schedule: Schedule) -> list[str]:
    """Everything in which a schedule breaks the rules of its problem."""
    found = []
    bookings = schedule.bookings
    if set(bookings) != set(problem.activities):
        found.append("not every activity is booked exactly once")
    for name, activity in problem.activities.items():
        booking = bookings[name]
        if booking.finish - booking.start != activity.duration or booking.start < 0:
            found.append(f"{name} does not take its time")
        for other in activity.predecessors:
            if bookings[other].finish > booking.start:
                found.append(f"{name} starts before {other} is finished")
        if tuple(stream for stream, _ in booking.roles) != activity.demands:
            found.append(f"{name} has the wrong roles")
        for stream, agent in booking.roles:
            if agent not in problem.cast[stream]:
                found.append(f"{agent} does not serve {stream}, and stands for it in {name}")
    moments = {booking.start for booking in bookings.values()}
    for moment in moments:
        now = [one for one in bookings.values() if one.start <= moment < one.finish]
        for agent in problem.agents:
            if sum(agent in one.agents for one in now) > 1:
                found.append(f"{agent} does two things at {moment}")
        for stream, slots in problem.slots.items():
            alive = [one for one in now if problem.activities[one.id].workstream == stream]
            if len(alive) > slots:
                found.append(f"{stream} has too many tasks alive at {moment}")
    if schedule.makespan != max((one.finish for one in bookings.values()), default=0):
        found.append("the makespan is not the last finish")
    if schedule.lower_bound > schedule.makespan:
        found.append("the lower bound is above the makespan")
    return found


def shortest(problem: Problem) -> int:
    """The least makespan, by trying every start time and every agent."""
    names = _sorted(problem)
    best = sum(activity.duration for activity in problem.activities.values())

    def clash(one: tuple[int, int, frozenset[str]], other: tuple[int, int, frozenset[str]]) -> bool:
        return one[0] < other[1] and other[0] < one[1] and bool(one[2] & other[2])

    def place(index: int, placed: dict[str, tuple[int, int, frozenset[str]]]) -> None:
        nonlocal best
        if index == len(names):
            best = min(best, max((finish for _, finish, _ in placed.values()), default=0))
            return
        activity = problem.activities[names[index]]
        ready = max((placed[other][1] for other in activity.predecessors), default=0)
        teams = {
            frozenset(team) for team in product(*(problem.cast[one] for one in activity.demands))
        }
        for start in range(ready, best - activity.duration):
            finish = start + activity.duration
            if finish >= best:
                break
            for team in sorted(teams, key=sorted):
                mine = (start, finish, team)
                if any(clash(mine, other) for other in placed.values()):
                    continue
                if _crowded(problem, activity, placed, start, finish):
                    continue
                place(index + 1, {**placed, activity.id: mine})

    place(0, {})
    return best


def _crowded(
    problem: Problem,
    activity: Activity,
    placed: dict[str, tuple[int, int, frozenset[str]]],
    start: int,
    finish: int,
) -> bool:
    stream = activity.workstream
    if stream is None or stream not in problem.slots:
        return False
    same = [span for name, span in placed.items() if problem.activities[name].workstream == stream]
    return any(
        sum(begin <= moment < end for begin, end, _ in same) >= problem.slots[stream]
        for moment in range(start, finish)
    )


def _sorted(problem: Problem) -> list[str]:
    order: list[str] = []
    while len(order) < len(problem.activities):
        order.extend(
            name
            for name, activity in problem.activities.items()
            if name not in order and all(other in order for other in activity.predecessors)
        )
    return order


def chains(problem: Problem, name: str) -> Iterator[tuple[str, ...]]:
    """Every chain of predecessors that ends at an activity and begins where nothing is needed."""
    activity = problem.activities[name]
    if not activity.predecessors:
        yield (name,)
    for other in activity.predecessors:
        for chain in chains(problem, other):
            yield (*chain, name)


@st.composite
def problems(
    draw: st.DrawFn, most: int = 12, longest: int = 9, streams: int = 4, zero: bool = True
) -> Problem:
    """Problems of every shape: shared agents, teams, slots, checkpoints, attendance."""
    names = [f"w{number}" for number in range(draw(st.integers(1, streams)))]
    agents = [f"a{number}" for number in range(draw(st.integers(1, 5)))]
    cast = {
        name: tuple(draw(st.lists(st.sampled_from(agents), min_size=1, max_size=3, unique=True)))
        for name in names
    }
    slots = {name: draw(st.integers(1, 3)) for name in names}
    activities: dict[str, Activity] = {}
    for number in range(draw(st.integers(1, most))):
        before = (
            draw(st.lists(st.sampled_from(sorted(activities)), max_size=3, unique=True))
            if (activities)
            else []
        )
        demands = draw(
            st.lists(
                st.sampled_from(names),
                min_size=1,
                max_size=draw(st.sampled_from([1, 1, 1, len(names)])),
                unique=True,
            )
        )
        kind = draw(st.sampled_from([Kind.TASK, Kind.TASK, Kind.TASK, Kind.CHECKPOINT]))
        name = f"t{number}"
        activities[name] = Activity(
            id=name,
            kind=kind,
            duration=draw(st.integers(0 if zero else 1, longest)),
            demands=tuple(demands),
            predecessors=tuple(before),
        )
    return Problem(activities, cast, slots)


def problem_from(
    tasks: Sequence[tuple[str, str, int, Sequence[str]]],
    cast: dict[str, tuple[str, ...]],
    slots: dict[str, int] | None = None,
) -> Problem:
    """A problem of tasks only: id, workstream, duration, needs."""
    return Problem(
        {
            name: Activity(name, Kind.TASK, duration, (stream,), tuple(needs))
            for name, stream, duration, needs in tasks
        },
        cast,
        slots or {},
    )
