"""The state machine: a table from (state, message) to handler, filled from the handlers' type hints.

A state is a frozen record that holds exactly what is known then. A handler takes the state, one message and the output,
and gives the next state; `@transition` reads which pair it serves, and which states it may lead to, from its
annotations. `step` looks the pair up; a miss is unexpected_message and names what was expected. The same table answers
for the tests of every pair, for the diagram, and for `faults()`, which proves that no state is unreachable or a dead
end. Handlers never send alerts: they raise, and connection.py turns the exception into an alert and the end.

A handler that has to wait for something slow gives an `Awaiting` state, which takes no message; `@resumption` enters
the handler that goes on from it when the answer is there.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from tlscore.errors import UnexpectedMessage
from tlscore.iana import HandshakeType, ProtocolVersion
from tlscore.pending import Pending
from tlscore.record import Record
from tlscore.wire import Message, decode

if TYPE_CHECKING:
    from tlscore.handshake.output import Output


class State(Record):
    """Base of all states. `version` says which messages it reads (hellos are the same in all); `stage` is the step
    (1..22) that it waits for; `terminal` states may stay for ever; `waits` states read no message; `ignored` is a
    whole message that changes nothing and stands in no transcript."""

    role: ClassVar[str] = ""
    version: ClassVar[int] = ProtocolVersion.TLS13
    stage: ClassVar[int] = 0
    initial: ClassVar[bool] = False
    terminal: ClassVar[bool] = False
    waits: ClassVar[bool] = False
    ignored: ClassVar[bytes] = b""

    def take_known(self, raw: bytes, out: "Output") -> "State | None":
        """Take a message that need not be decoded: the same octets came before. None where they did not."""
        return None

    def take_other(self, raw: bytes, out: "Output") -> "State":
        """Take what no entry of the table is about: the legacy tier knows a ClientHello of another format."""
        raise unexpected(self, f"a handshake message of type {HandshakeType.name_of(raw[0])}")


class Closed(State):
    """After a failure: nothing leads out of it."""

    terminal: ClassVar[bool] = True


class Awaiting(State):
    """Base of the states that wait for an answer of the caller's own: a signer, a resolver, `authorize`. Messages that
    come meanwhile stay where they are until it is there."""

    waits: ClassVar[bool] = True

    pending: Pending[Any]


class Settled:
    """Stands in the table of targets where other states have a message: the answer is there."""


Handler = Callable[[Any, Any, "Output"], State]
_H = TypeVar("_H", bound=Handler)

TRANSITIONS: dict[tuple[type[State], type[Message]], Handler] = {}
RESUMPTIONS: dict[type[State], Handler] = {}
TARGETS: dict[tuple[type[State], type[Message | Settled]], tuple[type[State], ...]] = {}
_EXPECTED: dict[type[State], dict[int, None]] = {}


def _members(hint: Any) -> tuple[Any, ...]:
    """The classes of a hint: one class, or a union of them."""
    return getattr(hint, "__args__", None) or (hint,)


def transition(handler: _H) -> _H:
    """Enter a handler into the table for every pair of state and message in its hints."""
    hints = dict(handler.__annotations__)
    targets = _members(hints.pop("return"))
    states, messages, *_ = hints.values()
    for state in _members(states):
        for message in _members(messages):
            if (state, message) in TRANSITIONS:
                raise TypeError(f"two handlers for {state.__name__} and {message.__name__}")
            TRANSITIONS[state, message] = handler
            TARGETS[state, message] = targets
            _EXPECTED.setdefault(state, {})[message.handshake_type] = None
    return handler


def resumption(handler: _H) -> _H:
    """Enter a handler that goes on from a waiting state: it takes the state, the answer and the output."""
    hints = dict(handler.__annotations__)
    targets = _members(hints.pop("return"))
    state, *_ = hints.values()
    if state in RESUMPTIONS:
        raise TypeError(f"two handlers for {state.__name__}")
    RESUMPTIONS[state] = handler
    TARGETS[state, Settled] = targets
    return handler


def resume(state: State, answer: object, out: "Output") -> State:
    """Go on from a waiting state with the answer that it waited for; gives the next state."""
    return RESUMPTIONS[type(state)](state, answer, out)


def step(state: State, raw: bytes, out: "Output") -> State:
    """Take one encoded message; gives the next state.

    Raises:   UnexpectedMessage where the table has no entry: by the type alone, before anything is parsed, and again
              for what the type octet does not tell, such as a second HelloRetryRequest.
    """
    kind = type(state)
    if raw == kind.ignored:
        return state
    if raw[0] not in _EXPECTED.get(kind, ()):
        return state.take_other(raw, out)
    out.raw = raw
    known = state.take_known(raw, out)
    if known is not None:
        return known
    message = decode(raw, kind.version)
    handler = TRANSITIONS.get((kind, type(message)))
    if handler is None:
        raise unexpected(state, _name(type(message)))
    return handler(state, message, out)


def unexpected(state: State, arrived: str) -> UnexpectedMessage:
    """The error for a message that the state does not take."""
    return UnexpectedMessage(
        f"{arrived} arrived, expected was {expected_text(state)}",
        section="RFC 9846 4" if state.version == ProtocolVersion.TLS13 else "RFC 5246 7.4",
        state=type(state).__name__,
    )


def expected_text(state: State) -> str:
    """The messages that a state takes, as text."""
    names = dict.fromkeys(_name(message) for owner, message in TRANSITIONS if owner is type(state))
    return " or ".join(names) if names else "no handshake message"


def _name(message: type[Message]) -> str:
    """A message as the RFCs call it."""
    return message.__name__.removesuffix("12").removesuffix("Body")


def states() -> tuple[type[State], ...]:
    """Every state that the table knows, in the order of its entries."""
    found: dict[type[State], None] = {}
    for (state, _), targets in TARGETS.items():
        found[state] = None
        found.update(dict.fromkeys(targets))
    return tuple(found)


def faults(known: Iterable[type[State]] | None = None) -> list[str]:
    """What is wrong with the graph: states that nothing reaches, dead ends, roles that mix. Empty when all is well."""
    everything = tuple(known) if known is not None else states()
    reached = [state for state in everything if state.initial]
    for state in reached:
        for (owner, _), targets in TARGETS.items():
            if owner is state:
                reached.extend([target for target in targets if target not in reached])
    problems = [f"{state.__name__} is never reached" for state in everything if state not in reached]
    for state in everything:
        leaves = [target for (owner, _), targets in TARGETS.items() if owner is state for target in targets]
        if not leaves and not state.terminal:
            problems.append(f"{state.__name__} is a dead end")
        problems += [
            f"{state.__name__} leads to {target.__name__}, which is the other role's"
            for target in leaves
            if target.role and target.role != state.role
        ]
        if not 1 <= state.stage <= 22 and state is not Closed:
            problems.append(f"{state.__name__} has no stage")
    return problems


def diagram() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2"]
    for (state, message), targets in TARGETS.items():
        lines += [f"    {state.__name__} --> {target.__name__}: {message.__name__}" for target in targets]
    return "\n".join(lines) + "\n"
