"""Many callers at once, and callers that are killed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from coditect.git import checkout_tree, history, is_integrated, swap
from coditect.git.locks import exclusive
from support.repositories import (
    DATE,
    REFS,
    Content,
    Place,
    cycle,
    integrate,
    killed_at,
    saved,
    write,
)

CYCLE = """
import sys
from pathlib import Path
from support.repositories import Place, cycle
cycle(Place(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]))
"""


def test_sixteen_at_once_lose_nothing(place: Place) -> None:
    crowd = 16
    base = place.start({f"t{n}/f{m}": "1\n" for n in range(crowd) for m in range(5)})
    before = place.untouched()
    start = threading.Barrier(crowd)
    swap(place.open(), REFS.integration, base, None)

    def one(number: int) -> int:
        start.wait()
        lane = place.ready(base, number)
        files: dict[str, Content] = {f"t{number}/f{m}": f"{m}\n" for m in range(4)}
        write(lane.tree, {**files, f"t{number}/f4": None, f"t{number}/new": "1\n"})
        work = saved(lane, base, f"task{number}").commit
        candidate, lost = integrate(place, work, f"task{number}")
        top = checkout_tree(place.open(), candidate.tree, place.engine / f"scratch/{number}")
        assert (top / f"t{number}/new").read_text() == "1\n"
        return lost

    with ThreadPoolExecutor(crowd) as pool:
        lost = list(pool.map(one, range(crowd)))
    assert sum(lost) > 0
    repository = place.open()
    found = history(repository, base, REFS.integration)
    assert sorted(each.trailers.task for each in found if each.trailers) == sorted(
        f"task{number}" for number in range(crowd)
    )
    head = repository.resolve(REFS.integration)
    assert head is not None
    assert place.files(head) == {
        f"t{n}/{name}": content
        for n in range(crowd)
        for name, content in (*((f"f{m}", f"{m}\n".encode()) for m in range(4)), ("new", b"1\n"))
    }
    assert place.untouched() == before
    assert place.git("fsck", "--strict", "--no-dangling") == ""


def test_of_many_swaps_with_one_old_value_one_wins(place: Place) -> None:
    base = place.start()
    repository = place.open()
    swap(repository, REFS.integration, base, None)
    rivals = [
        repository.git.text(
            "commit-tree", f"{base}^{{tree}}", "-p", base, stdin=b"x", date=DATE + n
        )
        for n in range(16)
    ]
    start = threading.Barrier(16)

    def one(commit: str) -> bool:
        start.wait()
        return swap(repository, REFS.integration, commit, base)

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(one, rivals))
    assert won.count(True) == 1
    assert repository.resolve(REFS.integration) == rivals[won.index(True)]


def test_opening_for_the_first_time_at_once(place: Place) -> None:
    place.start()
    start = threading.Barrier(16)

    def one(_: int) -> str:
        start.wait()
        return place.open().head("main")

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(one, range(16)))) == 1
    assert [each.name for each in place.engine.iterdir()] == ["store.git"]


def test_a_git_that_outlives_its_caller_still_holds_the_lane(place: Place) -> None:
    base = place.start()
    lane = place.ready(base)
    script = (
        "import sys, subprocess\n"
        "from pathlib import Path\n"
        "from coditect.git.locks import exclusive\n"
        "with exclusive(Path(sys.argv[1])) as file:\n"
        "    child = subprocess.Popen(['cat'], stdin=sys.stdin, pass_fds=(file,))\n"
        "    print(child.pid, flush=True)\n"
        "    child.wait()\n"
    )
    path = lane.folder.with_name("0.lock")
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(each for each in sys.path if each)),
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.kill()
        process.wait()
        free = threading.Event()

        def prepare() -> None:
            with exclusive(path):
                free.set()

        waiting = threading.Thread(target=prepare)
        waiting.start()
        assert not free.wait(0.2)
        assert process.stdin is not None
        process.stdin.close()
        waiting.join(30)
        assert free.is_set()


def test_an_attempt_killed_at_any_git_call_and_repeated_is_integrated_once(place: Place) -> None:
    most = 40
    files: dict[str, Content] = {f"t{n}/f{m}": "1\n" for n in range(most) for m in range(12)}
    base = place.start({**files, **{f"t{n}/gone": "1\n" for n in range(most)}})
    before = place.untouched()
    repository = place.open()
    swap(repository, REFS.integration, base, None)
    tasks = 0
    while killed_at(place, tasks + 1, CYCLE, str(place.root), base, str(tasks)):
        assert is_integrated(repository, REFS.integration, cycle(place, base, tasks))
        tasks += 1
    assert 15 < tasks < most
    found = history(repository, base, REFS.integration)
    assert [each.trailers.task for each in found if each.trailers] == [
        f"task{number}" for number in range(tasks + 1)
    ]
    head = repository.resolve(REFS.integration)
    assert head is not None
    done = range(tasks + 1)
    expected = dict.fromkeys(files, b"1\n")
    expected |= {f"t{n}/f{m}": f"{n} {m}\n".encode() for n in done for m in range(0, 12, 3)}
    expected |= {f"t{n}/new/file": b"1\n" for n in done}
    expected |= {f"t{n}/gone": b"1\n" for n in range(tasks + 1, most)}
    assert place.files(head) == expected
    assert place.untouched() == before
    assert place.git("fsck", "--strict", "--no-dangling") == ""
