"""Answers that come later: what counts as async, how they are read, what becomes of those that nobody awaits."""

import asyncio
import warnings
from functools import partial
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from tlscore.errors import UsageError
from tlscore.pending import Answer, Pending, ask, at_once, is_async


async def later(value: Any = None) -> Any:
    await asyncio.sleep(0)
    return value


class Caller:
    async def __call__(self, value: Any) -> Any:
        return value

    async def method(self, value: Any) -> Any:
        return value

    @staticmethod
    async def static(value: Any) -> Any:
        return value


class Plain:
    def __call__(self, value: Any) -> Any:
        return value

    def method(self, value: Any) -> Any:
        return value


@pytest.mark.parametrize(
    "function",
    [later, Caller(), Caller().method, Caller.static, partial(later), partial(partial(later), 1), AsyncMock()],
)
def test_async_functions_are_known_without_a_call(function: Any) -> None:
    assert is_async(function)


@pytest.mark.parametrize("function", [len, Plain(), Plain().method, partial(len), Mock(), int, None, lambda: later()])
def test_other_functions_are_not_async(function: Any) -> None:
    assert not is_async(function)


def read(answer: Answer) -> str:
    try:
        return f"gave {answer()}"
    except ValueError as failure:
        return f"raised {failure}"


def fail(value: Any) -> Any:
    raise ValueError(value)


def test_answers_at_once_are_read_at_once() -> None:
    assert ask(read, str, 5) == "gave 5"
    assert ask(read, fail, "no") == "raised no"
    with pytest.raises(TypeError):
        ask(read, len, 5)


def test_answers_that_come_later_are_read_later() -> None:
    async def fails(value: Any) -> Any:
        raise ValueError(value)

    for function, text in (
        (later, "gave 5"),
        (lambda value: later(value), "gave 5"),
        (fails, "raised 5"),
        (lambda value: fails(value), "raised 5"),
    ):
        pending = ask(read, function, 5)
        assert isinstance(pending, Pending)
        assert asyncio.run(_result(pending)) == text


async def _result(pending: Any) -> Any:
    return await pending


def test_steps_are_taken_in_order_and_failures_pass_through_all() -> None:
    pending = Pending.of(later(2), lambda answer: answer() + 1)
    assert asyncio.run(_result(pending.then(lambda value: value * 10).then(str))) == "30"
    failing: Pending[Any] = Pending(partial(later, 2), lambda answer: 1 // (answer() - 2))
    told = failing.then(str).through(lambda answer: _told(answer))
    assert asyncio.run(_result(told)) == "ZeroDivisionError"


def _told(answer: Answer) -> str:
    try:
        return str(answer())
    except Exception as failure:
        return type(failure).__name__


def test_async_function_is_not_called_before_somebody_waits() -> None:
    called: list[Any] = []

    async def function(value: Any) -> None:
        called.append(value)

    pending = ask(lambda answer: answer(), function, 1)
    assert called == []
    asyncio.run(_result(pending))
    assert called == [1]


def test_an_answer_is_awaited_once() -> None:
    pending = Pending(later, lambda answer: answer())
    asyncio.run(_result(pending))
    with pytest.raises(UsageError, match="awaited already"):
        asyncio.run(_result(pending))


def test_coroutine_that_nobody_awaits_is_closed_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one, other = later(), later()
        Pending.of(one, lambda answer: answer()).discard()
        kept = Pending.of(other, lambda answer: answer()).then(str)
        assert other.cr_frame is not None
        del kept
    for coroutine in (one, other):
        assert coroutine.cr_frame is None
    with pytest.raises(UsageError, match="awaited already"):
        asyncio.run(_result(discarded()))


def discarded() -> Pending[Any]:
    pending = Pending(later, lambda answer: answer())
    pending.discard()
    return pending


def test_answer_that_nothing_can_wait_for_is_refused_and_closed() -> None:
    assert at_once(5) == 5
    coroutine = later()
    with pytest.raises(UsageError, match="awaited where nothing can wait"):
        at_once(Pending.of(coroutine, lambda answer: answer()))
    assert coroutine.cr_frame is None


def test_what_somebody_awaits_is_not_closed_by_others() -> None:
    async def run() -> Any:
        gate = asyncio.Event()

        async def function() -> str:
            await gate.wait()
            return "whole"

        pending = Pending.of(function(), lambda answer: answer())
        task = asyncio.ensure_future(_result(pending))
        await asyncio.sleep(0)
        pending.discard()
        gate.set()
        return await task

    assert asyncio.run(run()) == "whole"


def test_cancellation_is_no_answer() -> None:
    reads: list[Any] = []

    async def run() -> None:
        gate = asyncio.Event()
        task = asyncio.ensure_future(_result(Pending(gate.wait, reads.append)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert reads == []
