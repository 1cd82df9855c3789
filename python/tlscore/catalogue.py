"""What an alert from the peer most likely means, and what to do: a table by alert, sharpened by which end we are.

The text speaks from our side ("our certificate", "we offered"). Each entry is (cause, remedy); where the two ends need
different words the entry is a pair of entries, client first. Loaded by errors.received_alert when the first alert
arrives. Sources: RFC 9846 section 6.2 for the meaning, experience with deployed stacks for the probable cause.
"""

from typing import Literal

Explanation = tuple[str, str]
# After the handshake of TLS 1.2 or older; after our empty Certificate; after our Certificate.
Moment = Literal["established", "no_certificate", "certificate"]

_HANDSHAKE_FAILURE = 40

_CLOCK = "compare the clocks of both machines"
_REPORT = "this is a fault of one of the two TLS libraries: report it with the trace of this connection"

ALERTS: dict[int, Explanation | tuple[Explanation, Explanation]] = {
    0: ("the peer closed its side of the connection", ""),
    10: ("it got a message that its state does not allow", _REPORT),
    20: (
        "it could not open a record that we sent: the record was changed on the way, or the two ends hold different"
        " keys",
        "look for a middlebox that rewrites traffic between the two ends",
    ),
    22: (
        "it got a record longer than it allows",
        "set record_size_limit on the peer, or a smaller one here, and look for a middlebox that joins records",
    ),
    40: (
        (
            "the server found nothing in common with our offer: version, suite, group or signature scheme",
            "compare versions, suites, groups and schemes of this ClientConfig with what the server accepts (a server "
            "that has only older versions may say this instead of protocol_version); the server's own log names the "
            "part that is missing",
        ),
        (
            "the client does not accept what we selected",
            "compare suites, groups and schemes of this ServerConfig with what the client offers",
        ),
    ),
    42: (
        (
            "the server could not use our certificate: it is damaged, its signature is wrong, or its name is not "
            "allowed there",
            "check our certificate with `openssl verify` against the CA file that the server uses",
        ),
        (
            "the client could not use our certificate: it is damaged, a signature in the chain is wrong, or it does"
            " not hold the name "
            "that the client asked for",
            "issue a certificate whose subjectAltName lists the name that clients use, and send the whole chain",
        ),
    ),
    43: (
        (
            "the server does not accept the kind of our certificate",
            "use a certificate whose extendedKeyUsage has clientAuth",
        ),
        (
            "the client does not accept the kind of our certificate",
            "use a certificate whose extendedKeyUsage has serverAuth and whose key type the client supports",
        ),
    ),
    44: (
        "it found our certificate in its list of revoked certificates",
        "get a new certificate from the CA, for a new key",
    ),
    45: (
        "it holds our certificate, or one of its chain, to be expired or not yet valid",
        f"renew the certificate; if it is valid, {_CLOCK}",
    ),
    46: (
        "it refused our certificate for a reason that it does not name",
        "the peer's own log names the reason: trust, purpose and name are the usual ones",
    ),
    47: ("a field of one of our messages was wrong for it", _REPORT),
    48: (
        (
            "the server does not trust the CA that issued our client certificate, or an intermediate certificate is"
            " missing",
            "put the intermediate certificates behind our own in Identity.load(), and our root CA into the server's"
            " client trust",
        ),
        (
            "the client does not trust the CA that issued our server certificate, or an intermediate certificate is"
            " missing",
            "put the intermediate certificates behind our own in Identity.load(), and our root CA into the client's"
            " trust store",
        ),
    ),
    49: (
        "our certificate is valid, but the peer's access rules refuse it",
        "ask the operator of the peer to admit this identity",
    ),
    50: ("it could not parse one of our messages", _REPORT),
    51: (
        "a check of the handshake failed there: a signature or a Finished that we sent did not verify",
        "check that certificate and key belong together, and look for a middlebox that rewrites the handshake",
    ),
    70: (
        (
            "the server accepts none of the versions that we offered",
            "compare `versions` of this ClientConfig with what the server accepts",
        ),
        ("the client does not accept the version that we selected", "compare `versions` on both ends"),
    ),
    71: (
        "it demands stronger parameters than we offered",
        "offer stronger suites and groups (TLS_AES_256_GCM_SHA384, secp384r1), or relax the peer's policy",
    ),
    80: ("it failed for a reason of its own, such as memory", "look into the peer's log, and try again later"),
    86: (
        "it noticed a fallback to an older version than it supports",
        "remove the version fallback: offer all versions at once",
    ),
    90: ("its user cancelled the handshake", "connect again when the user wants to"),
    100: (
        "it refused to renegotiate",
        "renegotiation is gone: TLS 1.3 has update_keys() and post-handshake authentication in its place",
    ),
    109: ("it misses an extension that it needs", _REPORT),
    110: ("it got an extension that it had not offered", _REPORT),
    112: (
        (
            "the server has no certificate for the name that we asked for",
            "check server_name: it must be the name that the server is configured for",
        ),
        ("the client refused a name that we sent", _REPORT),
    ),
    113: ("the revocation status that we stapled was not valid for it", "refresh the stapled OCSP response"),
    115: ("it does not know the pre-shared key that we offered", "configure the same identity and key on both ends"),
    116: (
        (
            "the server demands a client certificate and we sent none",
            "configure one: ClientConfig.mutual(trust=..., identity=Identity.load(chain, key)); "
            "if one is configured, its issuer or its schemes did not fit the server's request",
        ),
        ("the peer demands a certificate", "give this end an identity"),
    ),
    117: ("it gave up for a reason that no other alert names", "the peer's own log names the reason"),
    120: (
        (
            "the server speaks none of the application protocols that we offered",
            "compare `alpn` of this ClientConfig with the protocols of the server",
        ),
        ("the client does not accept the application protocol that we selected", "compare `alpn` on both ends"),
    ),
    121: (
        "it wants Encrypted Client Hello and got none that it can open",
        "fetch the server's current ECH configuration",
    ),
}

# What handshake_failure means at a certain moment, in TLS 1.2 and older; client first.
_RENEGOTIATION = "use TLS 1.3, which asks for certificates and changes keys without it, or switch it off at the {}"
AT_MOMENT: dict[Moment, tuple[Explanation, Explanation]] = {
    "established": (
        (
            "the server ended an established connection: most likely it wanted to renegotiate, which we refuse",
            _RENEGOTIATION.format("server"),
        ),
        (
            "the client ended an established connection: most likely it wanted to renegotiate, which we refuse",
            _RENEGOTIATION.format("client"),
        ),
    ),
    "no_certificate": (
        (
            "the server demands a client certificate and we sent none",
            "configure one: ClientConfig.mutual(trust=..., identity=Identity.load(chain, key)); if one is configured, "
            "its issuer, its key or its schemes did not fit the server's request",
        ),
    )
    * 2,
    "certificate": (
        (
            "the server refused our certificate, or the signature by its key",
            "check our certificate with `openssl verify` against the CA file that the server uses; the server's own "
            "log names the reason",
        ),
    )
    * 2,
}


def explain(description: int, role: Literal["client", "server"] | None, moment: Moment | None = None) -> Explanation:
    """Cause and remedy of a received alert, from the view of the end that we are, at a moment that explains it."""
    entry = ALERTS.get(description)
    if description == _HANDSHAKE_FAILURE and moment is not None:
        entry = AT_MOMENT[moment]
    if entry is None:
        return "it gave up with an alert that TLS 1.3 does not define", "the peer's own log names the reason"
    first, second = entry
    if isinstance(first, str) or isinstance(second, str):
        return str(first), str(second)
    return second if role == "server" else first
