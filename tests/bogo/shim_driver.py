"""The half of the shim that holds a connection: a configuration made from the flags, and what the runner wants done.

One sans-I/O connection is driven over a socket to the runner. Each octet of application data is answered with its
complement, as every test wants it; then close_notify follows close_notify. With -async the wire is fed in single
octets: the test then also shows that messages may be cut anywhere.
"""

import contextlib
import os
import socket
import sys
import warnings
from typing import Any

from shim import TLS12, TLS13, Flags, Unimplemented, versions_of

warnings.simplefilter("ignore")

from tlscore import danger, errors, legacy  # noqa: E402
from tlscore.certs.identity import Identity  # noqa: E402
from tlscore.certs.legacy_signatures import sha1_scheme  # noqa: E402
from tlscore.certs.revocation.policy import Revocation  # noqa: E402
from tlscore.certs.trust_store import TrustStore  # noqa: E402
from tlscore.config import ClientConfig, ServerConfig  # noqa: E402
from tlscore.connection import Connection  # noqa: E402
from tlscore.handshake.proofs import SignatureVerified  # noqa: E402
from tlscore.iana import NamedGroup, SignatureScheme  # noqa: E402
from tlscore.policies import IMPLEMENTED_GROUPS, IMPLEMENTED_SCHEMES  # noqa: E402
from tlscore.settings import Limits  # noqa: E402
from tlscore.version_lists import usable  # noqa: E402

TIMEOUT_SECONDS = 12.0
RECEIVE_OCTETS = 65536
# What BoringSSL does where the runner sets nothing; tests of key shares and of signatures count on it.
GROUPS = (NamedGroup.X25519MLKEM768, NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1)
CLASSIC_GROUPS = (NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1, NamedGroup.secp521r1)
RECORD_SIZES = (0, 1, 255, 256, 257, 16383, 16384, 16385, 32767, 32768, 32769)
SCHEMES = (
    SignatureScheme.ecdsa_secp256r1_sha256,
    SignatureScheme.rsa_pss_rsae_sha256,
    SignatureScheme.rsa_pkcs1_sha256,
    SignatureScheme.ecdsa_secp384r1_sha384,
    SignatureScheme.rsa_pss_rsae_sha384,
    SignatureScheme.rsa_pkcs1_sha384,
    SignatureScheme.rsa_pss_rsae_sha512,
    SignatureScheme.rsa_pkcs1_sha512,
)
# Its staples are a few letters and no OCSP responses.
REVOCATION = Revocation.off("the runner's staples are no OCSP responses")
COMPLEMENT = bytes(255 - octet for octet in range(256))


class Mismatch(Exception):
    """The connection is not what the flags expect."""


# -- from flags to a configuration -------------------------------------------------------------------------------------


def identity_of(credential: dict[str, Any], old: bool) -> Identity:
    if "must-match-issuer" in credential:
        raise Unimplemented("-must-match-issuer")
    try:
        identity = Identity.load(credential["cert-file"], credential.get("key-file"))
    except errors.ConfigError as failure:
        raise Unimplemented(str(failure)) from None
    preferred = credential.get("signing-prefs")
    if preferred is not None:
        # What an identity signs with follows from its key; only a test wants less. The legacy tier reads in `schemes`
        # what kind of key it is, and signs with none of them.
        if not old:
            identity.schemes = tuple(code for code in preferred if code in identity.schemes)
        identity.schemes12 = tuple(code for code in preferred if code in identity.schemes12)
    return identity


def credentials_of(flags: Flags) -> list[dict[str, Any]]:
    return [*flags.credentials, *([flags.values] if flags.on("cert-file") else ())]


def identities_of(flags: Flags) -> tuple[Identity, ...]:
    return tuple(identity_of(one, flags.on("legacy-tier")) for one in credentials_of(flags))


def played(flags: Flags) -> tuple[int, ...]:
    """The versions of the flags without those that -curves leaves nothing for: BoringSSL offers such a version in vain,
    and a configuration of this library refuses it."""
    versions, groups = versions_of(flags), flags.codes("curves")
    if flags.on("legacy-tier") or groups is None:
        return versions
    fitting = tuple(version for version in versions if any(usable("groups", code, version) for code in groups))
    return fitting or versions


def schemes_of(flags: Flags, identities: tuple[Identity, ...]) -> tuple[int, ...]:
    """One list speaks for verifying and for signing here, and the runner sets them apart."""
    versions = played(flags)
    sha1 = legacy.SHA1_SCHEMES if flags.on("legacy-tier") else ()
    schemes = [
        code
        for code in flags.codes("verify-prefs") or SCHEMES
        if code in sha1
        or (code in IMPLEMENTED_SCHEMES and any(usable("schemes", code, version) for version in versions))
    ]
    if not schemes:
        raise Unimplemented("none of the schemes of -verify-prefs is implemented")
    for identity, credential in zip(identities, credentials_of(flags), strict=True):
        schemes += identity.schemes if TLS13 in versions else ()
        schemes += identity.schemes12 if TLS12 in versions else ()
        wanted = credential.get("signing-prefs", sha1)
        schemes += [code for code in sha1_scheme(identity.kind, identity.schemes) if code in sha1 and code in wanted]
    return tuple(dict.fromkeys(schemes))


def lists_of(flags: Flags, identities: tuple[Identity, ...]) -> dict[str, Any]:
    groups = flags.codes("curves") or (GROUPS if TLS13 in played(flags) else CLASSIC_GROUPS)
    unknown = [code for code in groups if code not in IMPLEMENTED_GROUPS]
    if unknown:
        raise Unimplemented(f"group {unknown[0]}")
    shares = flags.codes("key-shares")
    if shares is None:
        first = groups[0] in CLASSIC_GROUPS
        shares = groups[:1] + tuple(code for code in groups if (code in CLASSIC_GROUPS) != first)[:1]
    chosen: dict[str, Any] = {"groups": groups, "schemes": schemes_of(flags, identities), "cert_schemes": ()}
    # Without TLS 1.3 there are none, and a configuration that is given some says so.
    if TLS13 in played(flags):
        chosen["key_shares"] = shares
    if flags.on("max-cert-list"):
        chosen["limits"] = Limits(certificate=flags.number("max-cert-list"))
    return chosen


def tier_of(flags: Flags) -> dict[str, Any]:
    versions = played(flags)
    if not flags.on("legacy-tier"):
        return {"versions": versions}
    suites = (*legacy.DEFAULT_SUITES, *legacy.RSA_SUITES)
    # Plain lists of names are followed; what else OpenSSL's language can say changes nothing that the tests look at.
    listed = tuple(flags.text("cipher").split(":"))
    if set(listed) <= set(suites):
        suites = listed
    if TLS12 not in versions:
        suites = tuple(name for name in suites if name.endswith("CBC_SHA"))
    tier = legacy.Legacy(
        reason="a test of BoringSSL's",
        versions=versions,
        suites=suites,
        sha1_signatures=True,
        accept_sslv2_hello=flags.on("server"),
    )
    return {"legacy": tier}


def alpn_list(wire: str) -> tuple[str, ...]:
    names, octets = [], wire.encode("latin-1")
    while octets:
        names.append(octets[1 : 1 + octets[0]].decode("latin-1"))
        octets = octets[1 + octets[0] :]
    return tuple(names)


def client_of(flags: Flags) -> Connection:
    if flags.on("select-alpn"):
        raise Unimplemented("-select-alpn on a client")
    authentication: Any = danger.accept_any_peer
    if flags.text("trust-cert"):
        trust = TrustStore.from_file(flags.text("trust-cert"))
        authentication = danger.skip_name_check(trust, "the runner names no server")
    identities = identities_of(flags)
    config = ClientConfig(
        authentication=authentication,
        identities=identities,
        require_extended_main_secret=False,
        require_renegotiation_info=flags.on("expect-secure-renegotiation"),
        **tier_of(flags),
        alpn=alpn_list(flags.text("advertise-alpn")),
        revocation=REVOCATION if flags.text("trust-cert") else None,
        grease=flags.on("enable-grease"),
        shuffle_extensions=flags.on("permute-extensions"),
        **lists_of(flags, identities),
    )
    return config.connection(flags.text("host-name") or None)


def server_of(flags: Flags) -> Connection:
    identities = identities_of(flags)
    if not identities:
        raise Unimplemented("a server without certificate")
    client_auth = "none"
    if flags.on("require-any-client-certificate"):
        client_auth = "required"
    elif flags.on("verify-peer"):
        client_auth = "optional"
    alpn: tuple[str, ...] = ()
    if flags.on("reject-alpn"):
        alpn = ("no client has this",)
    elif flags.on("select-alpn"):
        alpn = (flags.text("select-alpn"),)
    settings: dict[str, Any] = lists_of(flags, identities)
    if client_auth != "none":
        settings["client_trust"] = TrustStore.from_file(flags.text("trust-cert") or flags.text("cert-file"))
        settings["advertise_cas"] = False
    config = ServerConfig(
        identities=identities,
        require_extended_main_secret=False,
        **tier_of(flags),
        client_auth=client_auth,
        alpn=alpn,
        prefer="server" if flags.on("server-preference") else "client",
        **settings,
    )
    return config.connection()


# -- the connection ----------------------------------------------------------------------------------------------------


class Wire:
    """The socket to the runner, and the connection on it."""

    def __init__(self, flags: Flags, connection: Connection) -> None:
        self.connection = connection
        self.single = flags.on("async")
        family = socket.AF_INET6 if flags.on("ipv6") else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(TIMEOUT_SECONDS)
        self.socket.connect(("::1" if flags.on("ipv6") else "127.0.0.1", flags.number("port")))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(flags.number("shim-id").to_bytes(8, "little"))

    def flush(self) -> None:
        octets = self.connection.data_to_send()
        if octets:
            self.socket.sendall(octets)

    def fill(self) -> None:
        """Wait for octets and feed them."""
        # RFC 9846 4.7.3: who "receives multiple KeyUpdates while it is silent" responds "with a single update": the
        # answer leaves with what is written next.
        if not self.connection.handshake_complete or self.connection.version != "TLSv1.3":
            self.flush()
        octets = self.socket.recv(RECEIVE_OCTETS)
        if not octets:
            self.connection.eof()
            return
        if not self.single:
            self.connection.receive(octets)
            return
        for at in range(len(octets)):
            self.connection.receive(octets[at : at + 1])

    def drain(self) -> None:
        """Let the last alert arrive: closing with unread input would reset the stream."""
        with contextlib.suppress(OSError):
            self.flush()
            self.socket.shutdown(socket.SHUT_WR)
            while self.socket.recv(RECEIVE_OCTETS):
                pass
        self.socket.close()


def want(what: str, is_so: bool) -> None:
    if not is_so:
        raise Mismatch(what)


def agreed_codes(connection: Connection) -> tuple[int, int, int]:
    """Suite, group and the peer's scheme as numbers, 0 for none; the registry has no names for some legacy ones."""
    outcome, suite = connection._outcome, connection.cipher_suite
    if outcome is None or suite is None:
        raise Mismatch("no handshake")
    scheme = outcome.peer.scheme if isinstance(outcome.peer, SignatureVerified) else 0
    return suite.code, outcome.group, scheme


def check_handshake(flags: Flags, connection: Connection) -> None:
    """What the runner wants to see on this end."""
    if not flags.on("server"):
        want("alpn", (connection.alpn or "") == flags.text("expect-alpn"))
    elif flags.on("select-alpn"):
        want("alpn", connection.alpn == flags.text("select-alpn"))
    suite, group, scheme = agreed_codes(connection)
    for flag, found in (
        ("expect-peer-signature-algorithm", scheme),
        ("expect-curve-id", group),
        ("expect-cipher", suite),
        ("expect-cipher-aes", suite),
    ):
        if flags.number(flag):
            want(f"{flag} {flags.number(flag):#06x}, not {found:#06x}", flags.number(flag) == found)
    if flags.on("expect-extended-master-secret"):
        want("the extended main secret", connection._outcome is not None and connection._outcome.extended)
    if flags.on("expect-server-name"):
        want("server name", connection.server_name == flags.text("expect-server-name").lower())
    want("no server name", not (flags.on("expect-no-server-name") and connection.server_name))
    want("hello retried", not flags.on("expect-hrr") or connection.hello_retried)
    want("hello not retried", not flags.on("expect-no-hrr") or not connection.hello_retried)
    check_certificates(flags, connection)


def check_certificates(flags: Flags, connection: Connection) -> None:
    chain = connection.peer_chain
    if flags.on("expect-no-peer-cert"):
        want("no peer certificate", not chain)
    elif not flags.on("server") or flags.on("require-any-client-certificate"):
        want("a peer certificate", bool(chain))
    if flags.text("expect-peer-cert-file"):
        from tlscore.certs.loading.material import certificates
        from tlscore.certs.reading import read

        expected = certificates(read(flags.text("expect-peer-cert-file"), "certificate"), "a peer")
        # The shim gives what the peer sent; the runner leaves the root out on both sides.
        from cryptography.hazmat.primitives.serialization import Encoding

        want("the peer's chain", chain == tuple(one.value.public_bytes(Encoding.DER) for one in expected))
    selected = flags.number("expect-selected-credential", -2)
    if selected != -2:
        own = connection._outcome.own_leaf if connection._outcome is not None else None
        leaves = [identity.chain[0] for identity in identities_of(flags)]
        index = leaves.index(own) if own is not None else -1
        want(f"credential {selected}, not {index}", (-1 if index >= len(flags.credentials) else index) == selected)


def first_writes(flags: Flags, wire: Wire) -> None:
    connection = wire.connection
    length = flags.number("export-keying-material")
    if length:
        context = flags.text("export-context") if flags.on("use-export-context") else ""
        connection.write(
            connection.export_keying_material(os.fsencode(flags.text("export-label")), os.fsencode(context), length)
        )
    if flags.on("tls-unique"):
        connection.write(connection.channel_binding("tls-unique"))
    if flags.on("write-different-record-sizes"):
        for size in RECORD_SIZES:
            connection.write(b"\x42" * size)
            wire.flush()
        return
    if flags.on("shim-writes-first") or flags.on("read-with-unfinished-write"):
        for _ in range(flags.number("repeat-shim-initial-write", 1)):
            connection.write(os.fsencode(flags.text("shim-initial-write", "hello")))
    wire.flush()


def echo(flags: Flags, wire: Wire) -> None:
    """Answer each octet with its complement until the runner says close_notify."""
    connection = wire.connection
    buffer = bytearray(flags.number("read-size") or 16384)
    update_before_read = flags.on("key-update-before-read")
    if update_before_read:
        connection.update_keys()
        wire.flush()
    while True:
        octets = connection.read_into(buffer)
        if octets:
            if flags.on("key-update"):
                connection.update_keys()
            connection.write(buffer[:octets].translate(COMPLEMENT))
            if update_before_read:
                connection.update_keys()
            wire.flush()
            continue
        if connection.peer_closed:
            return
        wire.fill()


def drive(flags: Flags, wire: Wire) -> None:
    connection = wire.connection
    while not connection.handshake_complete:
        wire.fill()
    check_handshake(flags, connection)
    first_writes(flags, wire)
    if not flags.on("shim-shuts-down") and not flags.on("write-different-record-sizes"):
        echo(flags, wire)
    connection.close()
    wire.flush()
    if flags.on("check-close-notify"):
        buffer = bytearray(16384)
        while not connection.peer_closed:
            if not connection.read_into(buffer):
                wire.fill()


def run(flags: Flags) -> int:
    """One test; gives the exit code."""
    try:
        connection = server_of(flags) if flags.on("server") else client_of(flags)
    except errors.ConfigError as failure:
        raise Unimplemented(str(failure)) from None
    wire = Wire(flags, connection)
    try:
        drive(flags, wire)
    except Exception as failure:
        wire.drain()
        name = getattr(failure, "code", "") or type(failure).__name__
        print(f":{name}: {failure}", file=sys.stderr)
        return 1
    wire.drain()
    return 0
