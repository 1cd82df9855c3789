"""What the connections of one call have in common: whose configuration, which deadlines, how errors are told.

A configuration is a `ClientConfig`, a `ServerConfig`, or a context of the stdlib's shape, which makes connections
through its `_new_connection` and wants the stdlib's exceptions. The transports know neither: they get `Terms`, which
make connections and translate errors.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Literal

from tlscore import errors

if TYPE_CHECKING:
    from tlscore.connection import Connection

Role = Literal["client", "server"]

# How long close() waits for the peer's close_notify after its own has left. A peer that still reads answers at once.
SHUTDOWN_SECONDS: Final = 5.0
# asyncio's own deadlines, which programs written for the stdlib's contexts count on.
SHAPE_HANDSHAKE_SECONDS: Final = 60.0
SHAPE_SHUTDOWN_SECONDS: Final = 30.0


class Terms:
    """What a transport is made with; one object for all connections of a server."""

    __slots__ = (
        "context",
        "handshake_seconds",
        "like_asyncio",
        "refused",
        "role",
        "server_name",
        "shutdown_seconds",
        "verify_as",
    )

    def __init__(
        self,
        context: Any,
        role: Role,
        *,
        server_name: str | bytes | None = None,
        verify_as: str | bytes | None = None,
        handshake_timeout: float | None = None,
        shutdown_timeout: float | None = None,
        refused: Callable[[BaseException, Any], object] | None = None,
        like_asyncio: bool = False,
    ) -> None:
        """Check them all, before anything is sent.

        Takes:    context: a configuration of that role, or a context of the stdlib's shape; refused: is told of each
                  handshake that failed, with the error and the peer's address; like_asyncio: the caller is a function
                  of asyncio's own, whose users never saw an end of stream without close_notify as an error.
        Raises:   ConfigError for anything else, and for a deadline that is none.
        """
        if not fits(context, role):
            wanted = "ClientConfig" if role == "client" else "ServerConfig"
            raise errors.ConfigError(
                f"{type(context).__name__} is no configuration of a {role}",
                remedy=f"give a {wanted}, or a tlscore.ssl.SSLContext",
            )
        shaped = has_shape(context)
        if handshake_timeout is None:
            handshake_timeout = SHAPE_HANDSHAKE_SECONDS if shaped else context.handshake_timeout
        if shutdown_timeout is None:
            shutdown_timeout = SHAPE_SHUTDOWN_SECONDS if shaped else SHUTDOWN_SECONDS
        for name, seconds in (("handshake_timeout", handshake_timeout), ("shutdown_timeout", shutdown_timeout)):
            if not 0 < seconds < float("inf"):
                raise errors.ConfigError(f"{name} is {seconds!r}", remedy="give a positive number of seconds")
        self.context = context
        self.role = role
        self.server_name = server_name
        self.verify_as = verify_as
        self.handshake_seconds = float(handshake_timeout)
        self.shutdown_seconds = float(shutdown_timeout)
        self.refused = refused
        self.like_asyncio = like_asyncio

    def connection(self, owner: object) -> "Connection":
        """A new connection; a client's ClientHello waits in it.

        Takes:    owner: what callbacks of a stdlib-shaped context see as the SSLObject.
        Raises:   ConfigError for a name that is missing or none; what the context raises.
        """
        made: Connection
        if has_shape(self.context):
            made = self.context._new_connection(self.role == "server", self.server_name, owner)
        elif self.role == "client":
            made = self.context.connection(self.server_name, verify_as=self.verify_as)
        else:
            made = self.context.connection()
        return made

    def told(self, error: BaseException) -> BaseException:
        """The error as the users of this context expect it: of the stdlib's classes where it has the stdlib's shape."""
        if not has_shape(self.context) or not isinstance(error, (errors.TlsError, OSError)):
            return error
        from tlscore.ssl.errors import as_stdlib

        name = self.server_name.decode("ascii") if isinstance(self.server_name, bytes) else self.server_name
        return as_stdlib(error, operation="handshake", server_hostname=name)

    @property
    def ends_silently(self) -> bool:
        """Whether an end of stream without close_notify passes for an end of data: with a context of the stdlib's shape
        in asyncio's own functions, or where the stdlib's option for it is set."""
        if not has_shape(self.context):
            return False
        if self.like_asyncio:
            return True
        import ssl

        return bool(self.context.options & getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0))


def has_shape(context: object) -> bool:
    """Whether it is a context of the stdlib's shape that makes connections of this library."""
    return hasattr(type(context), "_new_connection")


def fits(context: object, role: Role) -> bool:
    """Whether connections of this role can be made with it."""
    from tlscore.config import ClientConfig, ServerConfig

    return isinstance(context, ClientConfig if role == "client" else ServerConfig) or has_shape(context)


def awaited(connection: "Connection") -> Awaitable[Any] | None:
    """What the handshake waits for (a signer, a resolver that is slow), or None where it waits for the peer."""
    return connection.waiting


async def settle(connection: "Connection") -> None:
    """Await what the handshake waits for, and go on with it."""
    await connection.settle()


def too_late(connection: "Connection", seconds: float) -> errors.HandshakeTimeout:
    """The error for a handshake that took too long."""
    steps = connection.trace
    reached = f"the last step was {steps[-1][0]}, {steps[-1][1]}" if steps else "no whole ClientHello came"
    return errors.HandshakeTimeout(
        f"the handshake did not end within {seconds:g} seconds: {reached}",
        remedy="check that the peer speaks TLS on this port and is reachable, or allow more: handshake_timeout",
    )
