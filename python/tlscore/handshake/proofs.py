"""The types without which no application data flows.

Each is made in exactly one place: `SignatureVerified` by certificate_auth.verify_signature (in TLS 1.2 by
key_exchange12.verify_signature12, in the legacy tier by legacy_exchange.verify_signature), from a `ChainVerified` that
only the verifier (or an explicit, named opt-out of the configuration) gives; `FinishedVerified` by
certificate_auth.verify_finished; `NoClientCertificate` by the server where no certificate was asked for, or where the
configuration says that it is optional; `KeyTransported` and `Anonymous` by the client of the legacy tier alone.
`Output.open` and the connected states ask for them by type, so a handler that skips a check does not pass the type
checker, and has nothing to build the next state from.
"""

from typing import TYPE_CHECKING, Literal

from tlscore.record import Record

if TYPE_CHECKING:
    from tlscore.certs.verify import ChainVerified


class SignatureVerified(Record):
    """The peer owns the private key of its verified chain: its CertificateVerify over this transcript was right.

    In TLS 1.2 the server signs its ServerKeyExchange instead, over both randoms.
    """

    chain: "ChainVerified"
    scheme: int


class NoClientCertificate(Record):
    """A server that goes on without knowing its client, and why it may."""

    reason: Literal["not asked for", "optional and not sent"]


class KeyTransported(Record):
    """Legacy tier, RSA key exchange: the premaster secret is encrypted to the key of the server's verified chain.

    Only who holds that key can compute the Finished, so this counts together with a FinishedVerified alone; no data
    flows without one.
    """

    chain: "ChainVerified"


class Anonymous(Record):
    """Legacy tier, anonymous suites: nobody showed who it is, as an encryption-only configuration allows."""


class FinishedVerified(Record):
    """The peer's Finished over this transcript was right."""

    role: Literal["client", "server"]


PeerProof = SignatureVerified | NoClientCertificate | KeyTransported | Anonymous
