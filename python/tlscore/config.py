"""ClientConfig and ServerConfig: frozen, checked when they are built, shared by any number of connections.

Three constructors name an intention: `.simple()` (the server shows who it is), `.mutual()` (both do) and
`.encryption_only()` (nobody does, which `danger` must be named for). Every other setting has a safe default with its
reason in defaults.py. A contradiction is a ConfigError here, never a surprise at the first connection. Names of suites
and groups are kept as their codes, lists as tuples, so that a configuration can be hashed and compared; keys are never
written anywhere: pickling a configuration that holds an identity is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Never, Self

from tlscore import config_checks, danger, defaults, settings
from tlscore.config_base import Codes, Config
from tlscore.errors import ConfigError
from tlscore.policies import Policy
from tlscore.record import Record
from tlscore.settings import Limits, Padding

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.certs.peer import PeerIdentity
    from tlscore.certs.policy import CertificatePolicy
    from tlscore.certs.revocation.policy import Revocation
    from tlscore.certs.trust_store import TrustStore
    from tlscore.certs.watch import IdentityFile
    from tlscore.connection import Connection
    from tlscore.handshake.hello_info import ClientHelloInfo
    from tlscore.legacy import Legacy

    AnyIdentity = Identity | IdentityFile
    # Plain functions, or such as give something to await: an `async def`.
    Resolver = Callable[[ClientHelloInfo], AnyIdentity | Awaitable[AnyIdentity | None] | None]
    Authorizer = Callable[[PeerIdentity], bool | Awaitable[bool]]


class VerifyServer(Record):
    """The normal authentication of a server: its chain against `trust`, and its name."""

    trust: TrustStore


Authentication = VerifyServer | danger.AcceptAnyPeer | danger.SkipNameCheck


class ClientConfig(Config, kw_only=True):
    """How this end behaves as a client.

    Takes:    authentication: VerifyServer(trust), or one of tlscore.danger; the constructors below set it. Lists of
              suites, groups and schemes take IANA names or codes in order of preference and override `policy`.
              key_shares=() asks the server to choose. confirm_client_auth: where the server asks for a certificate, the
              handshake is complete only when the server has shown that it took ours. identities: an IdentityFile
              follows its files. authorize: called with the PeerIdentity of a server that owns its verified certificate,
              plain or async; anything but True, and an exception, is access_denied. on_reject="silent" closes without
              an alert where the peer's version is refused. legacy: what of the past is allowed instead of `versions`
              and `suites`: see tlscore.legacy.
    Raises:   ConfigError, saying what to write instead.
    """

    authentication: Authentication
    authorize: Authorizer | None
    grease: bool
    shuffle_extensions: bool
    post_handshake_auth: bool
    confirm_client_auth: bool
    send_certificate_authorities: bool
    require_renegotiation_info: bool

    role: ClassVar[str] = "client"

    def __init__(
        self,
        *,
        authentication: Authentication | None = None,
        authorize: Authorizer | None = None,
        identities: tuple[AnyIdentity, ...] | list[AnyIdentity] = (),
        policy: Policy | None = None,
        certificate_policy: CertificatePolicy | None = None,
        revocation: Revocation | None = None,
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
        confirm_client_auth: bool = False,
        send_certificate_authorities: bool = False,
        key_log: str | PathLike[str] | None = None,
        handshake_timeout: float = defaults.HANDSHAKE_TIMEOUT_SECONDS,
        limits: Limits | None = None,
        clock: Callable[[], datetime] | None = None,
        interpreter_release_threshold: int = defaults.RELEASE_THRESHOLD_OCTETS,
        on_reject: Literal["alert", "silent"] = defaults.ON_REJECT,
        legacy: Legacy | None = None,
        **unknown: Never,
    ) -> None:
        given = dict(locals())
        self._refuse_unknown(unknown)
        values = self._common_values(given)
        values["authentication"] = _authentication(authentication)
        values["authorize"] = settings.callback("authorize", authorize, "a PeerIdentity and gives True or False")
        config_checks.client_flags(values, given)
        config_checks.client_identities(values)
        if isinstance(authentication, danger.AcceptAnyPeer):
            config_checks.verifies_nobody(values)
        self._fill(values)
        if not isinstance(values["authentication"], VerifyServer):
            danger.announce(values["authentication"], "ClientConfig")

    @classmethod
    def simple(cls, trust: TrustStore | None = None, **settings_: Any) -> Self:
        """The server shows who it is, the client does not.

        Takes:    trust: the anchors for the server's chain; the system's store where none is given. settings_: every
                  other field of ClientConfig but authentication and identities.
        Raises:   ConfigError, saying what to write instead.
        """
        config_checks.no_identities("ClientConfig.simple", settings_, "use ClientConfig.mutual(identity=...)")
        return cls(authentication=VerifyServer(_trust(trust)), **settings_)

    @classmethod
    def mutual(
        cls,
        trust: TrustStore | None = None,
        *,
        identity: AnyIdentity | tuple[AnyIdentity, ...] | list[AnyIdentity] | None = None,
        **settings_: Any,
    ) -> Self:
        """Both ends show who they are. Of several identities the first that fits the server's request is used.

        Takes:    trust: the anchors for the server's chain; the system's store where none is given. identity: one, or a
                  list in order of preference. settings_: every other field of ClientConfig but authentication.
        Raises:   ConfigError, saying what to write instead.
        """
        config_checks.no_identities("ClientConfig.mutual", settings_)
        identities = settings.identity_or_list(identity)
        return cls(authentication=VerifyServer(_trust(trust)), identities=identities, **settings_)

    @classmethod
    def encryption_only(cls, accept: danger.AcceptAnyPeer, **settings_: Any) -> Self:
        """Nobody shows who they are: `ClientConfig.encryption_only(danger.accept_any_peer)`.

        Takes:    accept: danger.accept_any_peer, or danger.accept_any_peer("why"). settings_: every other field of
                  ClientConfig but those that say whom to verify.
        Raises:   ConfigError for such a field, and where TLSCORE_FORBID_DANGEROUS is set in the environment.
        Effects:  UnauthenticatedTlsWarning.
        """
        config_checks.encryption_only_alone(
            "ClientConfig",
            accept,
            settings_,
            (
                "trust",
                "authentication",
                "authorize",
                "send_certificate_authorities",
                "certificate_policy",
                "revocation",
            ),
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
        Raises:   ConfigError if a name is missing or is none, the key_log file cannot be opened, or `legacy` has
                  expired.
        """
        from tlscore.certs.names import ServerName
        from tlscore.connection import Connection

        if self.legacy is not None:
            self.legacy.check_expiry(self.clock)
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
              ("auto": unless it is the system's store). strict_sni: refuse names that no identity is for. resolver:
              called with a ClientHelloInfo for each ClientHello, before anything is signed or agreed: gives the
              identity, or None for the usual choice. require_alpn: refuse clients whose application protocols are all
              unknown, as RFC 7301 has it; False goes on without one. authorize: called with the PeerIdentity of a
              client that owns its verified certificate; anything but True is access_denied. confirm_client_auth: tell
              clients at once that their certificate was taken. Both functions may be async; in both an exception ends
              the handshake. on_reject="silent": close without an alert where the client's versions are refused. legacy:
              what of the past is allowed instead of `versions` and `suites`: see tlscore.legacy.
    Raises:   ConfigError, saying what to write instead.
    """

    names: tuple[tuple[str, AnyIdentity], ...]
    resolver: Resolver | None
    authorize: Authorizer | None
    confirm_client_auth: bool
    client_auth: Literal["none", "optional", "required", "post_handshake"]
    client_trust: TrustStore | None
    advertise_cas: bool | Literal["auto"]
    strict_sni: bool
    prefer: Literal["server", "client"]
    hello_retry_cookie: bool
    require_alpn: bool
    unauthenticated: danger.AcceptAnyPeer | None

    role: ClassVar[str] = "server"

    def __init__(
        self,
        *,
        identities: tuple[AnyIdentity, ...] | list[AnyIdentity] = (),
        names: Mapping[str, AnyIdentity] | tuple[tuple[str, AnyIdentity], ...] = (),
        resolver: Resolver | None = None,
        authorize: Authorizer | None = None,
        confirm_client_auth: bool = False,
        client_auth: Literal["none", "optional", "required", "post_handshake"] = "none",
        client_trust: TrustStore | None = None,
        advertise_cas: bool | Literal["auto"] = "auto",
        strict_sni: bool = False,
        prefer: Literal["server", "client"] = defaults.PREFER,
        hello_retry_cookie: bool = False,
        require_alpn: bool = True,
        unauthenticated: danger.AcceptAnyPeer | None = None,
        policy: Policy | None = None,
        certificate_policy: CertificatePolicy | None = None,
        revocation: Revocation | None = None,
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
        legacy: Legacy | None = None,
        **unknown: Never,
    ) -> None:
        given = dict(locals())
        self._refuse_unknown(unknown)
        values = self._common_values(given)
        values["names"] = config_checks.named_identities(names, values["certificate_policy"].strict)
        config_checks.server_choices(values, given)
        config_checks.without_clients(values)
        values["client_trust"] = config_checks.client_trust(client_auth, client_trust, advertise_cas)
        values["unauthenticated"] = unauthenticated
        if unauthenticated is not None:
            settings.instance("unauthenticated", unauthenticated, danger.AcceptAnyPeer, "use danger.accept_any_peer")
            config_checks.has_no_name(values)
            danger.announce(unauthenticated, "ServerConfig")
        values["identities"] = config_checks.server_identities(values)
        self._fill(values)

    @classmethod
    def simple(
        cls, identity: AnyIdentity | tuple[AnyIdentity, ...] | list[AnyIdentity] | None = None, **settings_: Any
    ) -> Self:
        """The server shows who it is; clients do not.

        Takes:    identity: one, or a list whose first is the default. settings_: every other field of ServerConfig.
        Raises:   ConfigError, saying what to write instead.
        """
        config_checks.no_identities("ServerConfig.simple", settings_)
        return cls(identities=settings.identity_or_list(identity), **settings_)

    @classmethod
    def mutual(
        cls,
        identity: AnyIdentity | tuple[AnyIdentity, ...] | list[AnyIdentity] | None = None,
        *,
        client_trust: TrustStore | None = None,
        **settings_: Any,
    ) -> Self:
        """Both ends show who they are: a client without a certificate from `client_trust` is refused.

        Takes:    identity: one, or a list whose first is the default. client_trust: the anchors for clients' chains.
                  settings_: every other field of ServerConfig; client_auth="optional" lets clients without in.
        Raises:   ConfigError, saying what to write instead.
        """
        config_checks.no_identities("ServerConfig.mutual", settings_)
        identities = settings.identity_or_list(identity)
        return cls(**{"client_auth": "required", **settings_, "identities": identities, "client_trust": client_trust})

    @classmethod
    def encryption_only(cls, accept: danger.AcceptAnyPeer, **settings_: Any) -> Self:
        """A server without identity: it makes a certificate that nobody can verify.

        Takes:    accept: danger.accept_any_peer, or danger.accept_any_peer("why"). settings_: every other field of
                  ServerConfig but those that say whom to verify.
        Raises:   ConfigError for such a field, and where TLSCORE_FORBID_DANGEROUS is set in the environment.
        Effects:  UnauthenticatedTlsWarning.
        """
        config_checks.encryption_only_alone(
            "ServerConfig",
            accept,
            settings_,
            (
                "client_auth",
                "client_trust",
                "strict_sni",
                "names",
                "authorize",
                "confirm_client_auth",
                "certificate_policy",
                "revocation",
            ),
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

        Gives:    those for the name; without any, the others, or none where strict_sni is on. None (no name): all.
        Source:   RFC 6066 section 3.
        """
        identities = self.current_identities
        if server_name is None:
            return identities
        # RFC 6066 3: "DNS hostnames are case-insensitive." A final dot is no part of them; what is empty without it
        # is a name that nobody has.
        name = server_name.lower().removesuffix(".")
        parent = "*." + name.partition(".")[2]
        named = tuple(identity.current for pattern, identity in self.names if pattern in (name, parent))
        if self.unauthenticated is not None and not named:
            return identities
        fitting = named + tuple(one for one in identities if one not in named and one.matches_name(name))
        if fitting or self.strict_sni:
            return fitting
        return identities

    def connection(self, *, cookie_context: bytes = b"") -> Connection:
        """A new connection that waits for a ClientHello: no socket, no thread.

        Takes:    cookie_context: with hello_retry_cookie, what cookies are bound to, such as the client's address: the
                  second ClientHello counts only on a connection with the same context.
        Raises:   ConfigError if the key_log file cannot be opened, cookie_context is not bytes, or `legacy` has
                  expired.
        Source:   RFC 9846 section 4.3.2.
        """
        from tlscore.connection import Connection

        if self.legacy is not None:
            self.legacy.check_expiry(self.clock)
        settings.instance("cookie_context", cookie_context, bytes, 'give octets, such as b"192.0.2.1"')
        return Connection(False, self, cookie_context=cookie_context)


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
