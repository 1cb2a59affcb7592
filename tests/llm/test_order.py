"""Items of work side by side: their order, how many at a time, and what errors do."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.errors import BudgetReached, ModelError
from seedstep.llm.pacing import in_order


class Work:
    """Items that take so many turns of the event loop, or end in an error."""

    def __init__(self, items: list[int | Exception]) -> None:
        self.items = items
        self.running = self.most = self.started = self.cancelled = 0

    def __iter__(self) -> Iterator[Coroutine[Any, Any, int]]:
        return (self._item(place, item) for place, item in enumerate(self.items))

    async def _item(self, place: int, item: int | Exception) -> int:
        self.started += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if isinstance(item, Exception):
                raise item
            for _ in range(item):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        return place


async def results(work: Work, ahead: int, into: list[int]) -> None:
    async with asyncio.timeout(10), aclosing(in_order(work, ahead)) as retired:
        async for result in retired:
            into.append(result)  # noqa: PERF401 - what was yielded before an error counts


@given(st.lists(st.integers(0, 20), max_size=30), st.integers(1, 8))
def test_results_come_in_order_whatever_items_take(turns: list[int], ahead: int) -> None:
    work = Work(list(turns))
    done: list[int] = []
    asyncio.run(results(work, ahead, done))
    assert done == list(range(len(turns)))
    assert work.most <= ahead


async def test_an_item_is_taken_when_the_one_so_far_before_it_was_used() -> None:
    work = Work([0] * 10)
    async with aclosing(in_order(work, 3)) as retired:
        async for result in retired:
            assert work.started == min(result + 3, 10)


async def test_an_error_ends_all_at_once() -> None:
    done: list[int] = []
    work = Work([10_000, 0, ModelError("what", "remedy"), 10_000])
    with pytest.raises(ModelError):
        await results(work, 4, done)
    assert (done, work.cancelled, work.running) == ([], 2, 0)


async def test_a_spent_budget_is_seen_in_its_turn() -> None:
    done: list[int] = []
    with pytest.raises(BudgetReached):
        await results(Work([50, 0, BudgetReached("max_requests", "5"), 0]), 4, done)
    assert done == [0, 1]


async def test_closing_early_leaves_nothing_running() -> None:
    work = Work([0, 10_000, 10_000])
    async with aclosing(in_order(work, 3)) as retired:
        async for result in retired:
            assert result == 0
            break
    assert (work.cancelled, work.running) == (2, 0)
