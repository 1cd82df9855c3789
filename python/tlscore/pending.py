"""An answer that is not there yet: what an asynchronous signer, resolver or `authorize` stands for until it is awaited.

`ask` puts a question to a function of the caller and reads the answer in one place, whether it is there at once or
comes later: `read` takes something to call, which gives the answer or raises what went wrong, and gives what was asked
for, or a typed error. An `async def` is called when its answer is awaited and not before, so that nothing is left
behind where nobody ever waits; a coroutine that another function gave is closed then.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar

from tlscore.errors import TlsError, UsageError

T = TypeVar("T")
U = TypeVar("U")

Answer = Callable[[], Any]

# inspect.CO_COROUTINE, without the import: the code of an `async def`.
_COROUTINE = 0x80


def is_async(function: object) -> bool:
    """Whether a function, a method, a partial or an object that can be called is an `async def`."""
    code = getattr(function, "__code__", None)
    if code is None:
        while isinstance(function, partial):
            function = function.func
        code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    flags: int = getattr(code, "co_flags", 0)
    return bool(flags & _COROUTINE)


def asynchronous(settings: Mapping[str, Any]) -> list[str]:
    """The settings of a configuration that are an `async def`, or have a signer that is one."""
    identities = (*settings["identities"], *(one for _, one in settings.get("names", ())))
    signers = ["an identity"] if any(one.current.is_async for one in identities) else []
    return signers + [field for field in ("resolver", "authorize") if is_async(settings.get(field))]


class Pending(Generic[T]):
    """An answer to be awaited, once; it belongs to nobody else."""

    __slots__ = ("_begin", "_claimed", "_given", "_read")

    def __init__(self, begin: Callable[[], Awaitable[Any]], read: Callable[[Answer], T]) -> None:
        """Takes:    begin: gives what to await, when somebody does; read: see `ask`."""
        self._begin: Callable[[], Awaitable[Any]] | None = begin
        self._given: Awaitable[Any] | None = None
        self._read: Callable[[Answer], Any] = read
        self._claimed = False

    @classmethod
    def of(cls, given: Awaitable[Any], read: Callable[[Answer], T]) -> "Pending[T]":
        """Of something to await that exists already."""
        made = cls(lambda: given, read)
        made._given = given
        return made

    @classmethod
    def known(cls, value: T) -> "Pending[T]":
        """Of an answer that is there, for what has to stand in line with others."""

        async def given() -> T:
            return value

        return cls(given, lambda answer: answer())

    def through(self, read: Callable[[Callable[[], T]], U]) -> "Pending[U]":
        """The same answer, read once more: `read` takes what gives the answer as it was read so far, or raises."""
        self._read = partial(_read_again, read, self._read)
        return self  # type: ignore[return-value]  # one object: whoever drops the first must not close the second

    def then(self, step: Callable[[T], U]) -> "Pending[U]":
        """The same answer with one more step taken, where it is one."""
        return self.through(lambda answer: step(answer()))

    def __await__(self) -> Generator[Any, Any, T]:
        if self._claimed:
            raise UsageError("this answer is awaited already", remedy="leave it to settle(), which awaits it once")
        self._claimed = True
        begin, self._begin = self._begin, None
        assert begin is not None
        try:
            value = yield from begin().__await__()
        except Exception as failure:
            # Cancellation is no Exception and passes: it is not the answer.
            read: T = self._read(partial(_raise, failure))
            return read
        read = self._read(lambda: value)
        return read

    def discard(self) -> None:
        """Nobody will await it. What somebody awaits at this moment is left to them."""
        if self._claimed:
            return
        self._claimed = True
        given, self._given, self._begin = self._given, None, None
        if isinstance(given, Coroutine):
            # Whatever it does when it is closed, the end of a connection must not stop halfway.
            with suppress(BaseException):
                given.close()

    def __del__(self) -> None:
        self.discard()

    def __repr__(self) -> str:
        return f"<Pending {'claimed' if self._claimed else 'unclaimed'}>"


def ask(read: Callable[[Answer], T], function: Callable[..., Any], *arguments: object) -> "T | Pending[T]":
    """Put a question to a function of the caller.

    Takes:    read: makes of the answer what is given: it calls its argument, which gives the answer or raises.
    Gives:    what `read` gives, or a Pending of it where the answer must be awaited.
    Raises:   what `read` raises; BaseExceptions that are no Exception pass as they are.
    """
    if is_async(function):
        return Pending(partial(function, *arguments), read)
    try:
        value = function(*arguments)
    except Exception as failure:
        return read(partial(_raise, failure))
    if isinstance(value, Awaitable):
        return Pending.of(value, read)
    return read(lambda: value)


def is_fresh(failure: Exception) -> bool:
    """Whether an error of TLS was made for this answer: one that ended a connection says what went wrong there."""
    return isinstance(failure, TlsError) and not (
        failure.state or failure.trace or failure.alert_sent is not None or failure.alert_received is not None
    )


def at_once(value: "T | Pending[T]") -> T:
    """The answer, where nothing can wait for one.

    Raises:   UsageError where it would have to be awaited.
    """
    if isinstance(value, Pending):
        value.discard()
        raise UsageError(
            "an answer would have to be awaited where nothing can wait",
            remedy="give a signer, resolver or authorize that answers at once",
            code="TLS-ASYNC",
        )
    return value


def _raise(failure: Exception) -> NoReturn:
    raise failure


def _read_again(outer: Callable[[Callable[[], Any]], Any], inner: Callable[[Answer], Any], answer: Answer) -> Any:
    return outer(partial(inner, answer))
