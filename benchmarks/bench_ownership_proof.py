"""How long the ownership proof takes, and how that grows with the number of tasks.

The plan grows in breadth: workstreams of 25 tasks, each task with one to three patterns in the
folders of its workstream, and two pairs in a hundred tasks that do collide. All tasks are rivals
except those of a workstream with one slot, which every second one is.

`read` is parsing the patterns, `prove` is finding the collisions, both in CPU seconds, the best of
three runs with languages made anew. `growth` is the time to prove divided by that for half as many
tasks: 2 is linear, 4 is quadratic, and the aim is at most 2.5. `all pairs` is the same question
put to every pair of rivals in turn; its ratio is to the time that the index takes to prove, and
both must find the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import process_time

from coditect.paths import Language, find_overlaps, overlap, parse_pattern
from coditect.paths.segments import meet_routes

DOUBLINGS = (1_250, 2_500, 5_000, 10_000)
SIZES = (1_000, *DOUBLINGS)
STREAM = 25
AIM = 2.5
ROUNDS = 3

Claims = list[tuple[str, Language]]


@dataclass(frozen=True)
class Row:
    """One size."""

    tasks: int
    collisions: int
    read: float
    """Seconds."""
    prove: float
    """Seconds."""
    growth: float | None
    """Of `prove`, against half as many tasks; None where those were not measured."""


def patterns_of(task: int) -> list[str]:
    """Give what a task owns: one to three patterns, in folders that its workstream shares."""
    stream, own = divmod(task, STREAM)
    patterns = [
        f"services/s{stream}/module_{own}/**",
        f"services/s{stream}/api/v?/{own}_*.py",
        f"tests/s{stream}/unit/test_m{own}_[a-z]*.py",
    ][: 1 + task % 3]
    if task % 50 == 7:
        patterns.append(f"services/S{stream}/module_{(own + 1) % STREAM}/schema/*.json")
    return patterns


def claims_of(tasks: int) -> Claims:
    """Make the claims of a plan of so many tasks."""
    return [("app", Language.of(*patterns_of(task))) for task in range(tasks)]


def rivals_of(tasks: int) -> Callable[[int], int]:
    """Say which tasks can be alive together: all but those of a workstream with one slot."""
    everybody = (1 << tasks) - 1
    streams = [everybody & ((1 << STREAM) - 1) << at for at in range(0, tasks, STREAM)]

    def rivals(task: int) -> int:
        stream = task // STREAM
        return everybody & ~streams[stream] if stream % 2 else everybody

    return rivals


def shared_claims_of(tasks: int) -> Claims:
    """Make the claims of ten workstreams whose tasks all inherit one language."""
    languages = [Language.of(f"part{part}/**", f"**/part{part}_*.md") for part in range(10)]
    return [("app", languages[task * 10 // tasks]) for task in range(tasks)]


def shared_rivals_of(_: int) -> Callable[[int], int]:
    """Say that all ten workstreams have one slot, and come one after the other."""
    return lambda _: 0


def measure(
    claims_of: Callable[[int], Claims], rivals_of: Callable[[int], Callable[[int], int]]
) -> list[Row]:
    """Time the proof at all sizes."""
    proofs: dict[int, float] = {}
    rows = []
    for tasks in SIZES:
        times = []
        for _ in range(ROUNDS):
            parse_pattern.cache_clear()
            start = process_time()
            claims = claims_of(tasks)
            middle = process_time()
            result = find_overlaps(claims, rivals_of(tasks), limit=tasks)
            times.append((middle - start, process_time() - middle))
        read, proofs[tasks] = map(min, zip(*times, strict=True))
        half = proofs.get(tasks // 2)
        growth = proofs[tasks] / half if half else None
        rows.append(Row(tasks, len(result.found), read, proofs[tasks], growth))
    return rows


def compare_all_pairs(tasks: int) -> tuple[int, int, float]:
    """Put the question to every pair: pairs, collisions, seconds."""
    claims, rivals = claims_of(tasks), rivals_of(tasks)
    start = process_time()
    pairs = found = 0
    for one in range(tasks):
        near = rivals(one) >> one + 1
        for other in range(one + 1, tasks):
            if near >> other - one - 1 & 1:
                pairs += 1
                found += overlap(claims[one][1], claims[other][1]) is not None
    return pairs, found, process_time() - start


def time_a_pair() -> dict[str, float]:
    """Time the plain segment product, in microseconds a pair of routes."""
    texts = {
        "apart in what they begin with": [f"src/m{number}/**" for number in range(200)],
        "apart behind a `*`": [f"src/*/m{number}/*.py" for number in range(200)],
        "apart behind a `**`": [f"src/**/m{number}_[a-z]*/*.py" for number in range(200)],
    }
    result = {}
    for name, patterns in texts.items():
        routes = [parse_pattern(text).routes[0] for text in patterns]
        times = []
        for _ in range(ROUNDS):
            start = process_time()
            for one in routes:
                for other in routes:
                    meet_routes(one, other)
            times.append(process_time() - start)
        result[name] = min(times) / len(routes) ** 2 * 1e6
    return result


def main(argv: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print plain data")
    parser.add_argument("--quick", action="store_true", help="the same: it is quick enough")
    options = parser.parse_args(argv)

    rows = measure(claims_of, rivals_of)
    shared = measure(shared_claims_of, shared_rivals_of)
    pairs, found, slow = compare_all_pairs(SIZES[0])
    quick = rows[0].prove
    if found != rows[0].collisions:
        print(f"The index found {rows[0].collisions}, all pairs {found}.", file=sys.stderr)
        return 1
    a_pair = time_a_pair()

    if options.json:
        data = {
            "aim": AIM,
            "folders": [asdict(row) for row in rows],
            "shared": [asdict(row) for row in shared],
            "all_pairs": {
                "tasks": SIZES[0],
                "pairs": pairs,
                "seconds": slow,
                "ratio": slow / quick,
            },
            "microseconds_a_pair": a_pair,
        }
        print(json.dumps(data, indent=2))
        return 0
    show("Tasks with folders of their own", rows)
    show("Tasks that inherit their workstream's paths, one after another", shared)
    print(f"All {pairs:,} pairs of {SIZES[0]:,} tasks: {slow:.2f} s, {slow / quick:.0f}x the index")
    print("Segment product, µs a pair:")
    for name, microseconds in a_pair.items():
        print(f"  {microseconds:5.2f}  {name}")
    return 0


def show(title: str, rows: list[Row]) -> None:
    """Print one table."""
    print(f"{title} (aim: growth at most {AIM})")
    print("   tasks  collisions     read    prove  growth")
    for row in rows:
        growth = f"{row.growth:.2f}" if row.growth else ""
        print(
            f"{row.tasks:8,}  {row.collisions:10,}  {row.read:7.3f}  {row.prove:7.3f}  {growth:>6}"
        )
    print()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
