"""What integrating one task costs in a large repository, against a small one.

Two repositories, of 100 and of 100,000 files, get the same work: two files changed and one added on
the first commit. A round merges that work onto a head that has moved on (`merge`: tree, commit, and
the comparison with the work), keeps the candidate (`keep`) and moves the integration ref (`swap`).
`integrate` is their sum; its ratio is the large repository's median over the small one's. Aim: at
most 1.3. Rounds alternate between the two repositories, so that both meet the same machine.

Apart from that, since they read the whole work tree by nature: the gate, saving a lane, preparing
it when nothing or one commit differs, the first preparation, and updating a scratch checkout. The
floor of every step is a process that does nothing (`git version`). Milliseconds; medians.

    python benchmarks/bench_git.py [--files 100000] [--rounds 15] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from coditect.git import (
    Candidate,
    Lane,
    Repository,
    RunRefs,
    Trailers,
    build,
    checkout_tree,
    judge,
    prepared,
    read_changes,
    snapshot,
    swap,
)
from coditect.git.plumbing import executable, execute, minimal_environment

SMALL = 100
AIM = 1.3
DATE = 1_700_000_000
REFS = RunRefs("bench")
WHO = Trailers("bench", "task", 1, "agent")
SLOW_ROUNDS = 3
T = TypeVar("T")
STEPS = ("merge", "keep", "swap")
REPORTED = ("gate", "save lane", "prepare lane, same", "prepare lane, next", "first", "scratch")


@dataclass
class Site:
    """One of the two repositories, with what was measured in it."""

    repository: Repository
    lane: Lane
    base: str
    head: str
    """What the integration ref holds."""
    work: str = ""
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Milliseconds by step."""

    def timed(self, step: str, act: Callable[[], T]) -> T:
        """Carry out a step and write down how long it took."""
        start = perf_counter()
        result = act()
        self.times[step].append((perf_counter() - start) * 1000)
        return result

    def median(self, step: str) -> float:
        """Give the median of a step in milliseconds."""
        return statistics.median(self.times[step])


def content(files: int) -> bytes:
    """Give a history of one commit as `git fast-import` reads it."""
    lines = [b"commit refs/heads/main\ncommitter b <b@localhost> %d +0000\ndata 5\nfirst" % DATE]
    for number in range(files):
        text = b"file %d\n" % number
        path = b"p%02d/m%02d/f%d.py" % (number % 100, number // 100 % 20, number)
        lines.append(b"M 100644 inline %s\ndata %d\n%s" % (path, len(text), text))
    return b"\n".join(lines) + b"\n"


def make(folder: Path, files: int) -> Site:
    """Make a repository, a lane with work saved in it, and a head that has moved on."""
    env = {**minimal_environment(), "HOME": str(folder)}
    path = folder / "repo.git"
    for args, given in (
        (["init", "-q", "--bare", "--initial-branch=main", str(path)], None),
        (["--git-dir", str(path), "fast-import", "--quiet"], content(files)),
    ):
        subprocess.run([executable(), *args], input=given, env=env, check=True)
    repository = Repository.open(path, folder / "engine")
    base = repository.head("main")
    site = Site(repository, Lane(repository, folder / "lane"), base, base)
    swap(repository, REFS.integration, base, None)
    site.timed("first", lambda: site.lane.prepare(base))
    return site


def save(site: Site, number: int) -> str:
    """Change two files of a lane and add one, and save it; gives the commit."""
    tree = site.lane.tree
    (tree / "p07/m00/f7.py").write_text(f"changed {number}\n")
    (tree / "p11/m00/f11.py").write_text(f"changed {number}\n")
    (tree / f"p07/new{number}.py").write_text("new\n")
    found = site.timed(
        "save lane",
        lambda: snapshot(
            site.lane,
            site.base,
            message="work",
            trailers=WHO,
            date=DATE + number,
            ref=REFS.saved("task", number),
        ),
    )
    assert found is not None
    return found.commit


def move_on(site: Site) -> None:
    """Let somebody else's work be integrated, so that merges have something to merge."""
    site.lane.prepare(site.base)
    (site.lane.tree / "p33/m00/f33.py").write_text("theirs\n")
    found = snapshot(
        site.lane,
        site.base,
        message="theirs",
        trailers=WHO,
        date=DATE,
        ref=REFS.saved("theirs", 1),
    )
    assert found is not None
    assert swap(site.repository, REFS.integration, found.commit, site.base)
    site.head = found.commit


def integrate(site: Site, number: int) -> None:
    """Merge the work onto the head and move the ref, as a new commit each time."""
    repository, head = site.repository, site.head
    found = site.timed(
        "merge",
        lambda: build(
            repository, head, site.work, message="merge", trailers=WHO, date=DATE + number
        ),
    )
    assert isinstance(found, Candidate)
    ready = site.timed(
        "keep", lambda: prepared(repository, "bench", found, REFS.candidate("task", number))
    )
    assert site.timed("swap", lambda: swap(repository, ready.ref, ready.new, ready.old))
    site.times["integrate"].append(sum(site.times[step][-1] for step in STEPS))
    assert swap(repository, ready.ref, head, ready.new)


def read_whole_trees(site: Site) -> None:
    """Time what depends on the size of the work tree, a few times."""
    repository, folder = site.repository, site.lane.folder
    for number in range(1, SLOW_ROUNDS + 1):
        site.timed("prepare lane, same", lambda: site.lane.prepare(site.base))
        site.work = save(site, number)
        site.timed("scratch", lambda: checkout_tree(repository, site.work, folder))
        site.timed("prepare lane, next", lambda: site.lane.prepare(site.head))
        site.lane.prepare(site.base)


def gate(site: Site) -> None:
    """Read and judge what the work changed."""
    changes = read_changes(site.repository, site.base, site.work)
    assert not judge(changes, lambda path: path.startswith("p"), task="task", owned="p*/")


def measure(folder: Path, files: int, rounds: int) -> tuple[Site, Site, float]:
    """Measure both repositories; gives the small one, the large one and the floor."""
    sites = []
    for count in (SMALL, files):
        (folder / str(count)).mkdir()
        site = make(folder / str(count), count)
        move_on(site)
        read_whole_trees(site)
        sites.append(site)
    floor = []
    for number in range(1, rounds + 3):
        for site in sites:
            integrate(site, number)
            site.timed("gate", partial(gate, site))
        start = perf_counter()
        execute([executable(), "version"], env=minimal_environment(), timeout=60)
        floor.append((perf_counter() - start) * 1000)
        if number <= 2:  # Warm.
            for site in sites:
                for step in (*STEPS, "integrate", "gate"):
                    site.times[step].clear()
    return sites[0], sites[1], statistics.median(floor)


def main() -> int:
    """Run the benchmark; the exit code says whether the aim was met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--files", type=int, default=100_000, help="in the large repository")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="five rounds")
    parser.add_argument("--json", action="store_true", help="print machine-readable results")
    args = parser.parse_args()
    rounds = 5 if args.quick else args.rounds
    with tempfile.TemporaryDirectory(prefix="coditect-bench-") as folder:
        small, large, floor = measure(Path(folder), args.files, rounds)
    ratio = large.median("integrate") / small.median("integrate")
    steps = ("integrate", *STEPS, *REPORTED)
    if args.json:
        result = {
            "benchmark": "git",
            "files": [SMALL, args.files],
            "rounds": rounds,
            "ratio": round(ratio, 3),
            "aim": AIM,
            "floor_ms": round(floor, 3),
            "load": round(os.getloadavg()[0], 2),
            "ms": {
                step: [round(small.median(step), 3), round(large.median(step), 3)] for step in steps
            },
        }
        print(json.dumps(result))
    else:
        print(f"{'milliseconds':22} {SMALL:>12,} {args.files:>12,} files")
        for step in steps:
            print(f"{step:22} {small.median(step):12.1f} {large.median(step):12.1f}")
        print(f"{'floor: one process':22} {floor:12.1f}")
        met = "met" if ratio <= AIM else "missed"
        print(f"ratio of integrate: {ratio:.2f} (aim {AIM}: {met})")
        print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
