"""The trace of a handshake: which of the 22 steps of a connection was reached, in order.

The steps are those of the deployment guide that the library follows: 1 the client opens TCP .. 22 the session is
established. TLS 1.3 visits them in its own order. A connection records one octet a step and nothing else; texts are
constants of this module, put together only when somebody looks. `STEP_OF[code]` is the step of a recorded octet.
"""

from typing import Final

TraceStep = tuple[int, str]

STARTED: Final = 0
CLIENT_OFFERED: Final = 1
CLIENT_SENT_SHARES: Final = 2
CLIENT_WAITS: Final = 3
SERVER_ASKED_RETRY: Final = 4
CLIENT_OFFERED_AGAIN: Final = 5
SERVER_CONFIRMED: Final = 6
SERVER_SELECTED: Final = 7
CLIENT_ACCEPTED: Final = 8
SERVER_SENT_CERTIFICATE: Final = 9
SERVER_SIGNED: Final = 10
SERVER_ASKED_CERTIFICATE: Final = 11
SERVER_WAITS: Final = 12
CLIENT_VERIFIED_SERVER: Final = 13
CLIENT_SENT_CERTIFICATE: Final = 14
CLIENT_HAS_NO_CERTIFICATE: Final = 15
CLIENT_HAS_KEYS: Final = 16
CLIENT_SENT_FINISHED: Final = 17
SERVER_VERIFIED_CLIENT: Final = 18
SERVER_WENT_WITHOUT_CERTIFICATE: Final = 19
SERVER_HAS_KEYS: Final = 20
SERVER_SENT_FINISHED: Final = 21
SERVER_CHECKED_FINISHED: Final = 22
CLIENT_CHECKED_FINISHED: Final = 23
ESTABLISHED: Final = 24
PEER_NOT_VERIFIED: Final = 25
SERVER_SENT_SHARE: Final = 26

STEPS: Final[tuple[TraceStep, ...]] = (
    (2, "TLS is requested"),
    (3, "the client offers its versions and cipher suites"),
    (4, "the client sends its key shares"),
    (5, "the client waits for the server"),
    (6, "the server asks for a second ClientHello"),
    (3, "the client sends its second ClientHello"),
    (6, "the server confirms TLS"),
    (7, "the server selects version, cipher suite and group"),
    (8, "the client accepts the selection"),
    (9, "the server sends its certificate"),
    (10, "the server signs the key exchange"),
    (11, "the server asks for a client certificate"),
    (12, "the server waits for the client"),
    (13, "the client has verified the server's certificate"),
    (14, "the client sends its certificate"),
    (14, "the client has no fitting certificate and sends an empty list"),
    (15, "the client has the keys"),
    (16, "the client sends its Finished"),
    (17, "the server has verified the client's certificate"),
    (17, "the server goes on without a client certificate"),
    (18, "the server has the keys"),
    (19, "the server sends its Finished"),
    (20, "the server has verified the client's Finished"),
    (21, "the client has verified the server's Finished"),
    (22, "the session is established"),
    (13, "the peer's certificate is NOT verified: the configuration says so"),
    (10, "the server sends its key share, which nobody signed"),
)
STEP_OF: Final[tuple[int, ...]] = tuple(step for step, _ in STEPS)


# Steps in which one end checks the other: where a refusal belongs, whatever message brought it.
SERVER_CERTIFICATE_CHECK: Final = 13
CLIENT_CERTIFICATE_CHECK: Final = 17
CLIENT_FINISHED_CHECK: Final = 20
SERVER_FINISHED_CHECK: Final = 21


def describe(codes: bytes | bytearray) -> tuple[TraceStep, ...]:
    """The recorded octets as (step, text)."""
    return tuple(STEPS[code] for code in codes)


def stage_of(codes: bytes | bytearray) -> int:
    """The step that was reached last; 1 before anything happened."""
    return STEP_OF[codes[-1]] if codes else 1
