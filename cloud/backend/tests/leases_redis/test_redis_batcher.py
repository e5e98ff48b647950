"""Commands of concurrent callers travel together, and harm each other in nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from coditect_cloud.leases.redis.batcher import Batcher
from coditect_cloud.leases.redis.link import Call
from coditect_cloud.leases.store import StoreUnavailable

pytestmark = pytest.mark.anyio


class Gate:
    """A pipe that notes what it carries, and answers when it is let through."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.through = asyncio.Event()
        self.closed = False

    async def run(self, calls: Sequence[Call]) -> list[Any]:
        words = [str(call.args[0]) for call in calls]
        self.batches.append(words)
        await self.through.wait()
        if "break" in words:
            raise ConnectionError("broken")
        return [ValueError(word) if word == "bad" else f"<{word}>" for word in words]

    async def close(self) -> None:
        self.closed = True


def call(word: str) -> Call:
    return Call(None, (), (word,), asyncio.get_running_loop().create_future())


async def turns(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_what_is_asked_in_one_turn_travels_together() -> None:
    gate = Gate()
    gate.through.set()
    batcher = Batcher([gate], most=10)
    calls = [call(word) for word in "abc"]
    for one in calls:
        batcher.submit(one)
    assert [await one.answer for one in calls] == ["<a>", "<b>", "<c>"]
    assert gate.batches == [["a", "b", "c"]]
    await batcher.close()
    assert gate.closed


async def test_what_comes_while_the_pipe_is_busy_goes_next_and_never_more_than_most() -> None:
    gate = Gate()
    batcher = Batcher([gate], most=2)
    calls = [call(word) for word in "abcde"]
    batcher.submit(calls[0])
    await turns()
    for one in calls[1:]:
        batcher.submit(one)
    await turns()
    assert gate.batches == [["a"]]
    gate.through.set()
    assert [await one.answer for one in calls] == ["<a>", "<b>", "<c>", "<d>", "<e>"]
    assert gate.batches == [["a"], ["b", "c"], ["d", "e"]]
    await batcher.close()


async def test_a_second_pipe_takes_what_the_first_does_not() -> None:
    gates = [Gate(), Gate()]
    batcher = Batcher(gates, most=2)
    calls = [call(word) for word in "abcd"]
    for one in calls:
        batcher.submit(one)
    await turns()
    assert sorted(gate.batches for gate in gates) == [[["a", "b"]], [["c", "d"]]]
    for gate in gates:
        gate.through.set()
    await asyncio.gather(*(one.answer for one in calls))
    await batcher.close()


async def test_the_error_of_one_command_is_its_caller_s_alone() -> None:
    gate = Gate()
    gate.through.set()
    batcher = Batcher([gate], most=10)
    good, bad = call("good"), call("bad")
    batcher.submit(good)
    batcher.submit(bad)
    assert await good.answer == "<good>"
    with pytest.raises(ValueError, match="bad"):
        await bad.answer
    await batcher.close()


async def test_an_error_of_the_pipe_is_told_to_all_it_carried_and_to_no_others() -> None:
    gate = Gate()
    batcher = Batcher([gate], most=2)
    calls = [call("break"), call("a"), call("b")]
    for one in calls:
        batcher.submit(one)
    gate.through.set()
    for one in calls[:2]:
        with pytest.raises(ConnectionError):
            await one.answer
    assert await calls[2].answer == "<b>"
    await batcher.close()


async def test_a_caller_that_gives_up_harms_nobody() -> None:
    gate = Gate()
    batcher = Batcher([gate], most=10)
    sent, kept, unsent = call("sent"), call("kept"), call("unsent")
    batcher.submit(sent)
    batcher.submit(kept)
    await turns()
    batcher.submit(unsent)
    sent.answer.cancel()
    unsent.answer.cancel()
    gate.through.set()
    assert await kept.answer == "<kept>"
    await batcher.close()
    assert gate.batches == [["sent", "kept"]]  # what nobody waits for any more is not sent


async def test_closing_lets_what_was_submitted_end() -> None:
    gate = Gate()
    batcher = Batcher([gate], most=10)
    last = call("last")
    batcher.submit(last)
    await turns()
    closing = asyncio.create_task(batcher.close())
    await turns()
    with pytest.raises(StoreUnavailable):
        batcher.submit(call("late"))
    gate.through.set()
    await closing
    assert await last.answer == "<last>"
