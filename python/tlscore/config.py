"""ClientConfig and ServerConfig: frozen, checked when they are built, shared by any number of connections.

Three constructors name an intention: `.simple()` (the server shows who it is), `.mutual()` (both do) and
`.encryption_only()` (nobody does, which `danger` must be named for). Every other setting has a safe default with its
reason in defaults.py. A contradiction is a ConfigError here, never a surprise at the first connection. Names of suites
and groups are kept as their codes, lists as tuples, so that a configuration can be hashed and compared; keys are never
written anywhere: pickling a configuration that holds an identity is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Never, Self

from tlscore import danger, defaults, settings
from tlscore.config_base import Codes, Config
from tlscore.errors import ConfigError
from tlscore.iana import ProtocolVersion, SignatureScheme
from tlscore.policies import Policy
from tlscore.record import Record
from tlscore.settings import Limits, Padding

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.certs.trust_store import TrustStore
    from tlscore.connection import Connection


class VerifyServer(Record):
    """The normal authentication of a server: its chain against `trust`, and its name."""

    trust: TrustStore


Authentication = VerifyServer | danger.AcceptAnyPeer | danger.SkipNameCheck
_CLIENT_FLAGS = (
    "grease",
    "shuffle_extensions",
    "post_handshake_auth",
    "send_certificate_authorities",
    "require_renegotiation_info",
)


class ClientConfig(Config, kw_only=True):
    """How this end behaves as a client.

    Takes:    authentication: VerifyServer(trust), or one of tlscore.danger; the constructors below set it. Lists of
              suites, groups and schemes take IANA names or codes in order of preference and override `policy`.
              key_shares=() asks the server to choose.
              on_reject="silent" closes without an alert where the peer's version is refused.
    Raises:   ConfigError, saying what to write instead.
    """

    authentication: Authentication
    grease: bool
    shuffle_extensions: bool
    post_handshake_auth: bool
    send_certificate_authorities: bool
    require_renegotiation_info: bool

    role: ClassVar[str] = "client"

    def __init__(
        self,
        *,
        authentication: Authentication | None = None,
        identities: tuple[Identity, ...] | list[Identity] = (),
        policy: Policy | None = None,
        versions: str | Codes | None = None,
        suites: Codes | None = None,
        groups: Codes | None = None,
        key_shares: Codes | None = None,
        schemes: Codes | None = None,
        cert_schemes: Codes | None = None,
        alpn: tuple[str, ...] | list[str] = (),
        record_size_limit: int | None = None,
        padding: Padding | None = None,
        middlebox_compatibility: bool = defaults.MIDDLEBOX_COMPATIBILITY,
        require_extended_main_secret: bool = defaults.REQUIRE_EXTENDED_MAIN_SECRET,
        require_renegotiation_info: bool = defaults.REQUIRE_RENEGOTIATION_INFO,
        grease: bool = False,
        shuffle_extensions: bool = False,
        post_handshake_auth: bool = False,
        send_certificate_authorities: bool = False,
        key_log: str | PathLike[str] | None = None,
        handshake_timeout: float = defaults.HANDSHAKE_TIMEOUT_SECONDS,
        limits: Limits | None = None,
        clock: Callable[[], datetime] | None = None,
        interpreter_release_threshold: int = defaults.RELEASE_THRESHOLD_OCTETS,
        on_reject: Literal["alert", "silent"] = defaults.ON_REJECT,
        **unknown: Never,
    ) -> None:
        given = dict(locals())
        self._refuse_unknown(unknown)
        values = self._common_values(given)
        values["authentication"] = _authentication(authentication)
        for field in _CLIENT_FLAGS:
            values[field] = settings.flag(field, given[field])
        if post_handshake_auth and not values["identities"]:
            raise ConfigError(
                "post_handshake_auth is on, but there is no identity to authenticate with",
                remedy="use ClientConfig.mutual(identity=...), or leave post_handshake_auth out",
            )
        if post_handshake_auth and ProtocolVersion.TLS13 not in values["versions"]:
            raise ConfigError(
                "post_handshake_auth is on, but TLS 1.3 is not enabled, and nothing older has it",
                remedy="leave post_handshake_auth out, or add 1.3 to versions",
                code="TLS-CONFIG-CONTRADICTION",
            )
        if send_certificate_authorities and isinstance(authentication, danger.AcceptAnyPeer):
            raise ConfigError(
                "send_certificate_authorities needs a trust store, and accept_any_peer has none",
                remedy="leave send_certificate_authorities out, or use ClientConfig.simple(trust=...)",
            )
        self._fill(values)
        if not isinstance(values["authentication"], VerifyServer):
            danger.announce(values["authentication"], "ClientConfig")

    @classmethod
    def simple(cls, trust: TrustStore | None = None, **settings_: Any) -> Self:
        """The server shows who it is; `trust` is the system's store where none is given."""
        return cls(authentication=VerifyServer(_trust(trust)), **settings_)

    @classmethod
    def mutual(
        cls,
        trust: TrustStore | None = None,
        *,
        identity: Identity | tuple[Identity, ...] | list[Identity] | None = None,
        **settings_: Any,
    ) -> Self:
        """Both ends show who they are. Of several identities the first that fits the server's request is used."""
        identities = settings.identity_or_list(identity)
        return cls(authentication=VerifyServer(_trust(trust)), identities=identities, **settings_)

    @classmethod
    def encryption_only(cls, accept: danger.AcceptAnyPeer, **settings_: Any) -> Self:
        """Nobody shows who they are: `ClientConfig.encryption_only(danger.accept_any_peer)`. Emits
        UnauthenticatedTlsWarning."""
        _encryption_only_alone(
            "ClientConfig", accept, settings_, ("trust", "authentication", "send_certificate_authorities")
        )
        return cls(authentication=accept, **settings_)

    @property
    def trust(self) -> TrustStore | None:
        """The anchors that server chains are verified against; None for encryption only."""
        return None if isinstance(self.authentication, danger.AcceptAnyPeer) else self.authentication.trust

    @property
    def certificate_authorities(self) -> tuple[bytes, ...]:
        """DER names for the certificate_authorities extension; empty where it is not sent."""
        return self.trust.names if self.send_certificate_authorities and self.trust is not None else ()

    def connection(self, server_name: str | bytes | None = None, *, verify_as: str | bytes | None = None) -> Connection:
        """A new connection: no socket, no clock, no thread; its ClientHello waits in `data_to_send()`.

        Takes:    server_name: DNS name or IP address of the server: sent (DNS names only) and checked. verify_as: the
                  name to check, where it differs from the name to send.
        Raises:   ConfigError if a name is missing or is none.
        """
        from tlscore.certs.names import ServerName
        from tlscore.connection import Connection

        if server_name is None and verify_as is None and isinstance(self.authentication, VerifyServer):
            raise ConfigError(
                "no server_name was given, so nobody could check whose certificate the server shows",
                remedy='name the server: config.connection("example.org"), or give its IP address',
                section="RFC 9525 6.1",
                code="TLS-CONFIG-NO_NAME",
            )
        sent = ServerName.parse(server_name) if server_name is not None else None
        checked = ServerName.parse(verify_as) if verify_as is not None else sent
        if not isinstance(self.authentication, VerifyServer):
            if verify_as is not None:
                raise ConfigError(
                    "verify_as is given, but this ClientConfig checks no name",
                    remedy="use ClientConfig.simple(trust=...)",
                )
            checked = None
        return Connection(True, self, sent, checked)


class ServerConfig(Config, kw_only=True):
    """How this end behaves as a server.

    Takes:    identities: the first is the default; the one whose names hold what the client asks for is used. names:
              identities for names that their certificates do not list ("*.example.org" stands for one label).
              client_auth: whether clients show a certificate, verified against client_trust; "post_handshake" asks only
              when conn.request_client_certificate() is called. advertise_cas: whether client_trust's names are sent
              ("auto": unless it is the system's store). strict_sni: refuse names that no identity is for.
              on_reject="silent": close without an alert where the client's versions are refused.
    Raises:   ConfigError, saying what to write instead.
    """

    names: tuple[tuple[str, Identity], ...]
    client_auth: Literal["none", "optional", "required", "post_handshake"]
    client_trust: TrustStore | None
    advertise_cas: bool | Literal["auto"]
    strict_sni: bool
    prefer: Literal["server", "client"]
    hello_retry_cookie: bool
    unauthenticated: danger.AcceptAnyPeer | None

    role: ClassVar[str] = "server"

    def __init__(
        self,
        *,
        identities: tuple[Identity, ...] | list[Identity] = (),
        names: Mapping[str, Identity] | tuple[tuple[str, Identity], ...] = (),
        client_auth: Literal["none", "optional", "required", "post_handshake"] = "none",
        client_trust: TrustStore | None = None,
        advertise_cas: bool | Literal["auto"] = "auto",
        strict_sni: bool = False,
        prefer: Literal["server", "client"] = defaults.PREFER,
        hello_retry_cookie: bool = False,
        unauthenticated: danger.AcceptAnyPeer | None = None,
        policy: Policy | None = None,
        versions: str | Codes | None = None,
        suites: Codes | None = None,
        groups: Codes | None = None,
        key_shares: Codes | None = None,
        schemes: Codes | None = None,
        cert_schemes: Codes | None = None,
        alpn: tuple[str, ...] | list[str] = (),
        record_size_limit: int | None = None,
        padding: Padding | None = None,
        middlebox_compatibility: bool = defaults.MIDDLEBOX_COMPATIBILITY,
        require_extended_main_secret: bool = defaults.REQUIRE_EXTENDED_MAIN_SECRET,
        key_log: str | PathLike[str] | None = None,
        handshake_timeout: float = defaults.HANDSHAKE_TIMEOUT_SECONDS,
        limits: Limits | None = None,
        clock: Callable[[], datetime] | None = None,
        interpreter_release_threshold: int = defaults.RELEASE_THRESHOLD_OCTETS,
        on_reject: Literal["alert", "silent"] = defaults.ON_REJECT,
        **unknown: Never,
    ) -> None:
        given = dict(locals())
        self._refuse_unknown(unknown)
        values = self._common_values(given)
        values["names"] = _named_identities(names)
        values["client_auth"] = settings.choice(
            "client_auth", client_auth, ("none", "optional", "required", "post_handshake")
        )
        values["advertise_cas"] = settings.choice("advertise_cas", advertise_cas, (True, False, "auto"))
        values["prefer"] = settings.choice("prefer", prefer, ("server", "client"))
        for field in ("strict_sni", "hello_retry_cookie"):
            values[field] = settings.flag(field, given[field])
        values["client_trust"] = _client_trust(client_auth, client_trust, advertise_cas)
        if client_auth == "post_handshake" and ProtocolVersion.TLS13 not in values["versions"]:
            raise ConfigError(
                'client_auth is "post_handshake", but TLS 1.3 is not enabled, and nothing older has it',
                remedy='use client_auth="optional", or add 1.3 to versions',
                code="TLS-CONFIG-CONTRADICTION",
            )
        values["unauthenticated"] = unauthenticated
        if unauthenticated is not None:
            settings.instance("unauthenticated", unauthenticated, danger.AcceptAnyPeer, "use danger.accept_any_peer")
            danger.announce(unauthenticated, "ServerConfig")
        values["identities"] = _server_identities(values)
        self._fill(values)

    @classmethod
    def simple(cls, identity: Identity | tuple[Identity, ...] | list[Identity] | None = None, **settings_: Any) -> Self:
        """The server shows who it is; clients do not."""
        return cls(identities=settings.identity_or_list(identity), **settings_)

    @classmethod
    def mutual(
        cls,
        identity: Identity | tuple[Identity, ...] | list[Identity] | None = None,
        *,
        client_trust: TrustStore | None = None,
        **settings_: Any,
    ) -> Self:
        """Both ends show who they are: a client without a certificate from `client_trust` is refused."""
        identities = settings.identity_or_list(identity)
        return cls(**{"client_auth": "required", **settings_, "identities": identities, "client_trust": client_trust})

    @classmethod
    def encryption_only(cls, accept: danger.AcceptAnyPeer, **settings_: Any) -> Self:
        """A server without identity: it makes a certificate that nobody can verify. Emits UnauthenticatedTlsWarning."""
        _encryption_only_alone(
            "ServerConfig", accept, settings_, ("client_auth", "client_trust", "strict_sni", "names")
        )
        return cls(unauthenticated=accept, **settings_)

    @property
    def certificate_authorities(self) -> tuple[bytes, ...]:
        """DER names for CertificateRequest; empty where they are not sent."""
        store = self.client_trust
        if store is None or self.advertise_cas is False or (self.advertise_cas == "auto" and store.is_system):
            return ()
        return store.names

    def identities_for(self, server_name: str | None) -> tuple[Identity, ...]:
        """Identities to try for the name that a client asks for, best first.

        Gives:    those for the name; without any, the others, or none where strict_sni is on. Without a name: all.
        Source:   RFC 6066 section 3.
        """
        # RFC 6066 3 compares host names without regard to case; a client never sends the final dot.
        name = server_name.lower().rstrip(".") if server_name else ""
        if not name:
            return self.identities
        parent = "*." + name.partition(".")[2]
        named = tuple(identity for pattern, identity in self.names if pattern in (name, parent))
        if self.unauthenticated is not None and not named:
            return self.identities
        fitting = named + tuple(one for one in self.identities if one not in named and one.matches_name(name))
        if fitting or self.strict_sni:
            return fitting
        return self.identities

    def connection(self) -> Connection:
        """A new connection that waits for a ClientHello: no socket, no clock, no thread."""
        from tlscore.connection import Connection

        return Connection(False, self)


def _authentication(value: object) -> Authentication:
    if value is None:
        raise ConfigError(
            "ClientConfig has no authentication: it could not tell the server from an attacker",
            remedy='use ClientConfig.simple(), or ClientConfig.simple(trust=TrustStore.from_file("ca.pem"))',
            code="TLS-CONFIG-NO_TRUST",
        )
    if isinstance(value, VerifyServer):
        settings.trust_store("trust", value.trust)
        return value
    if isinstance(value, danger.SkipNameCheck):
        settings.trust_store("trust", value.trust)
        return value
    accepted: danger.AcceptAnyPeer = settings.instance(
        "authentication", value, danger.AcceptAnyPeer, "give VerifyServer(trust), or use ClientConfig.simple(trust=...)"
    )
    return accepted


def _trust(trust: TrustStore | None) -> TrustStore:
    from tlscore.certs.trust_store import TrustStore

    return TrustStore.system() if trust is None else settings.trust_store("trust", trust)


def _client_trust(client_auth: str, trust: TrustStore | None, advertise_cas: object) -> TrustStore | None:
    if client_auth == "none":
        if trust is not None:
            raise ConfigError(
                'client_trust is given, but client_auth is "none": it would be ignored',
                remedy="use ServerConfig.mutual(identity=..., client_trust=...), or leave client_trust out",
            )
        if advertise_cas is True:
            raise ConfigError(
                "advertise_cas needs client_trust", remedy="use ServerConfig.mutual(..., client_trust=...)"
            )
        return None
    if trust is None:
        raise ConfigError(
            f'client_auth is "{client_auth}", but there is no client_trust to verify clients against',
            remedy='add client_trust=TrustStore.from_file("clients.pem")',
            code="TLS-CONFIG-NO_TRUST",
        )
    return settings.trust_store("client_trust", trust)


def _named_identities(value: object) -> tuple[tuple[str, Identity], ...]:
    from tlscore.certs.names import DnsName, ServerName

    if not isinstance(value, (Mapping, tuple, list)):
        raise ConfigError("names is no mapping", remedy='give names={"example.org": identity}')
    found: list[tuple[str, Identity]] = []
    for name, identity in value.items() if isinstance(value, Mapping) else value:
        wildcard = isinstance(name, str) and name.startswith("*.")
        parsed = ServerName.parse(name[2:] if wildcard else name)
        if not isinstance(parsed, DnsName):
            raise ConfigError("names holds an IP address, which clients never send", remedy="name it by DNS name")
        found.append((("*." if wildcard else "") + parsed.text, settings.identities("names", (identity,))[0]))
    return tuple(found)


def _server_identities(values: dict[str, Any]) -> tuple[Identity, ...]:
    identities: tuple[Identity, ...] = values["identities"] or tuple(dict.fromkeys(one for _, one in values["names"]))
    if not identities and values["unauthenticated"] is not None:
        from tlscore.certs.ephemeral import ephemeral_identity

        return (ephemeral_identity(),)
    if not identities:
        raise ConfigError(
            "ServerConfig has no identity: no client could ever connect",
            remedy='add identity=Identity.load("chain.pem", "key.pem")',
            code="TLS-CONFIG-NO_IDENTITY",
        )
    if not any(scheme in values["schemes"] for one in identities for scheme in _makes(one, values["versions"])):
        raise ConfigError(
            "no identity can sign with any of the schemes of this configuration",
            remedy="leave schemes out, or add "
            + ", ".join(
                sorted(
                    {SignatureScheme.name_of(code) for one in identities for code in _makes(one, values["versions"])}
                )
            ),
        )
    return identities


def _makes(identity: Identity, versions: tuple[int, ...]) -> tuple[int, ...]:
    """The schemes that an identity can sign with in the versions that are enabled."""
    newer = identity.schemes if ProtocolVersion.TLS13 in versions else ()
    return newer + (identity.schemes12 if ProtocolVersion.TLS12 in versions else ())


def _encryption_only_alone(owner: str, accept: object, given: dict[str, Any], contradictions: tuple[str, ...]) -> None:
    """Encryption only excludes every setting that says whom to verify."""
    if not isinstance(accept, danger.AcceptAnyPeer):
        raise ConfigError(
            f"{owner}.encryption_only got {type(accept).__name__}",
            remedy=f"say that it accepts everybody: {owner}.encryption_only(danger.accept_any_peer)",
            code="TLS-CONFIG-DANGEROUS",
        )
    for name in contradictions:
        if name in given and given[name] not in (None, "none", False, ()):
            raise ConfigError(
                f"{owner}.encryption_only verifies nobody, and {name} says whom to verify",
                remedy=f"leave {name} out, or use {owner}.simple or .mutual",
                code="TLS-CONFIG-CONTRADICTION",
            )
