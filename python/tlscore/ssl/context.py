"""SSLContext: the settings of the standard library's class, and tlscore's connections behind them.

It is a real subclass, since libraries ask isinstance. What OpenSSL itself stores and checks (options, verify_flags,
verify_mode, check_hostname, the versions) stays in the hidden context, whose refusals are the standard library's own;
what decides about connections is kept here. The immutable configuration of each role is built when the first connection
needs it, and again when a setting has changed.

    setters ─► settings ─► ClientConfig | ServerConfig (kept until a setting changes) ─► Connection
"""

from __future__ import annotations

import ssl
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from tlscore import policies
from tlscore.certs.names import ServerName
from tlscore.config import VerifyServer
from tlscore.errors import ConfigError
from tlscore.ssl import building, offers, own_chain, stdlib
from tlscore.ssl.connections import ShapeConnection, WatchedConnection
from tlscore.ssl.stored import FixedSettings, StoredSettings
from tlscore.ssl.trust import Trust, der_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from tlscore.certs.identity import Identity
    from tlscore.config import ClientConfig, ServerConfig
    from tlscore.connection import Connection

_Core: Any = stdlib.Core
_COUNTS: Final = (
    "number",
    "connect",
    "connect_good",
    "connect_renegotiate",
    "accept",
    "accept_good",
    "accept_renegotiate",
    "hits",
    "misses",
    "timeouts",
    "cache_full",
)
# Configurations that a context keeps: one of each role, and those under the settings of contexts it answers for.
_KEPT: Final = 8
_NO_PSK: Final = "external pre-shared keys are not implemented: authenticate both ends with certificates"
_NO_CLIENT_NAME: Final = (
    "server_hostname can only be specified in client mode under check_hostname: a server that expects a client of a "
    "certain name compares getpeercert() after the handshake"
)


class SSLContext(StoredSettings):
    """The settings of TLS connections, as the standard library has them."""

    _trust: Trust
    _identities: list[Identity]
    _alpn: tuple[str, ...]
    # Codes of tlscore.iana; empty where the default counts.
    _suites12: tuple[int, ...]
    _suites13: tuple[int, ...]
    _groups: tuple[int, ...]
    _key_shares: tuple[int, ...]
    _client_schemes: tuple[int, ...]
    _server_schemes: tuple[int, ...]
    # What @SECLEVEL of a cipher string asked for.
    _level: int | None
    _counts: dict[str, int]
    # Configurations with the settings that they were built from; `_revision` counts changes of those here.
    _built: dict[tuple[Any, ...], tuple[tuple[Any, ...], ClientConfig | ServerConfig]]
    _revision: int

    def __new__(cls, protocol: int | None = None, *args: Any, **kwargs: Any) -> SSLContext:
        if protocol is None:
            warnings.warn("ssl.SSLContext() without protocol argument is deprecated.", DeprecationWarning, stacklevel=2)
            protocol = ssl.PROTOCOL_TLS
        self: SSLContext = _Core.__new__(cls, protocol)
        self._trust = Trust()
        self._identities = []
        self._alpn = self._suites12 = self._suites13 = self._groups = self._key_shares = ()
        self._client_schemes = self._server_schemes = ()
        self._level = self._key_log = self._message_callback = None
        self._counts = dict.fromkeys(_COUNTS, 0)
        self._built = {}
        self._revision = 0
        return self

    # -- connections ---------------------------------------------------------------------------------------------------

    def wrap_socket(
        self,
        sock: Any,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: Any = None,
    ) -> Any:
        """A socket with TLS over `sock`, which is detached."""
        return self.sslsocket_class._create(  # type: ignore[attr-defined]
            sock=sock,
            server_side=server_side,
            do_handshake_on_connect=do_handshake_on_connect,
            suppress_ragged_eofs=suppress_ragged_eofs,
            server_hostname=server_hostname,
            context=self,
            session=session,
        )

    def wrap_bio(
        self,
        incoming: Any,
        outgoing: Any,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: Any = None,
    ) -> Any:
        """An object with TLS between two memory buffers."""
        return self.sslobject_class._create(  # type: ignore[attr-defined]
            incoming,
            outgoing,
            server_side=server_side,
            server_hostname=self._encode_hostname(server_hostname),  # type: ignore[attr-defined]
            session=session,
            context=self,
        )

    def _wrap_socket(
        self,
        sock: Any,
        server_side: bool,
        server_hostname: str | None = None,
        *,
        owner: object | None = None,
        session: Any = None,
    ) -> Any:
        """The inner object of a socket class that is not ours."""
        from tlscore.ssl.socket_engine import SocketEngine

        return SocketEngine(self, sock, server_side, server_hostname, owner)

    def _wrap_bio(
        self,
        incoming: Any,
        outgoing: Any,
        server_side: bool = False,
        server_hostname: str | None = None,
        *,
        owner: object | None = None,
        session: Any = None,
    ) -> Any:
        """The inner object of an object class that is not ours."""
        from tlscore.ssl.bio_engine import BioEngine

        return BioEngine(self, incoming, outgoing, server_side, server_hostname, owner)

    def _new_connection(
        self,
        server_side: bool,
        server_hostname: str | bytes | None,
        owner: object | None = None,
        fixed: FixedSettings | None = None,
    ) -> Connection:
        """A connection with the settings of this moment, for whoever moves its octets.

        Takes:    owner: what callbacks get as the socket or object of the connection; held weakly. fixed: of the
                  context in whose place this one answers.
        Raises:   ValueError, ssl.SSLError: what the standard library raises for a role, a name or settings that cannot
                  be.
        """
        if server_side:
            if self.protocol == ssl.PROTOCOL_TLS_CLIENT:
                stdlib.refuse_connection(self, server_side)
            fixed = self._fixed() if fixed is None else fixed
            if fixed.check_hostname and server_hostname is not None:
                raise ValueError(_NO_CLIENT_NAME)
            server = self._server_config(fixed)
            mixed = server.client_auth == "post_handshake" and len(server.versions) > 1
            if self.sni_callback is None and self._message_callback is None and not mixed:
                return ShapeConnection(False, server, self, fixed)
            return WatchedConnection(False, server, self, fixed, owner=owner)
        if self.protocol == ssl.PROTOCOL_TLS_SERVER:
            stdlib.refuse_connection(self, server_side)
        name = _server_name(server_hostname)
        fixed = self._fixed()
        if name is None and fixed.check_hostname:
            raise ValueError("check_hostname requires server_hostname")
        client = self._client_config(fixed)
        reference = name if isinstance(client.authentication, VerifyServer) else None
        if self._message_callback is None:
            return ShapeConnection(True, client, self, fixed, name, reference)
        return WatchedConnection(True, client, self, fixed, name, reference, owner=owner)

    def _client_config(self, fixed: FixedSettings | None = None) -> ClientConfig:
        """The client's configuration, built again where a setting has changed."""
        fixed = self._fixed() if fixed is None else fixed
        return cast("ClientConfig", self._kept(("client", fixed), partial(building.client_config, self, fixed)))

    def _server_config(self, fixed: FixedSettings | None = None, late: bool = True) -> ServerConfig:
        """The server's configuration, built again where a setting has changed.

        Takes:    fixed: of the context in whose place this one answers; its own where there is none. late: as in
                  building.server_config.
        """
        fixed = self._fixed() if fixed is None else fixed
        build = partial(building.server_config, self, fixed, late)
        return cast("ServerConfig", self._kept(("server", late, fixed), build))

    def _kept(
        self, key: tuple[Any, ...], build: Callable[[], ClientConfig | ServerConfig]
    ) -> ClientConfig | ServerConfig:
        settings, known = self._settings(), self._built.pop(key, None)
        if known is None or known[0] != settings:
            try:
                known = (settings, build())
            except ConfigError as refused:
                raise stdlib.refused_here(refused) from None
            if self._settings() != settings:
                # Another thread has changed something meanwhile: good for this connection, and for no other.
                return known[1]
        # The last one used stands last.
        self._built[key] = known
        for old in list(self._built)[:-_KEPT]:
            self._built.pop(old, None)
        return known[1]

    def _settings(self) -> tuple[Any, ...]:
        """What a configuration depends on: equal as long as nothing has changed."""
        return (self._revision, self._trust.stamp, *self._stored())

    # -- trust and identity --------------------------------------------------------------------------------------------

    def load_verify_locations(self, cafile: Any = None, capath: Any = None, cadata: str | Buffer | None = None) -> None:
        """Trust the certificates of a file, a directory or octets; CRLs among them count under VERIFY_CRL_CHECK_*."""
        self._trust.load(cafile, capath, cadata)
        self._revision += 1

    def set_default_verify_paths(self) -> None:
        """Trust what the system trusts."""
        self._trust.load_default()
        self._revision += 1

    def load_cert_chain(self, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
        """Show this chain to peers, and sign with its key.

        Takes:    certfile: PEM with the own certificate and those that issued it; keyfile: PEM with its key, where it
                  is not in `certfile`; password: text, octets, or a function without arguments that gives them.
        Raises:   OSError, ssl.SSLError, ValueError, TypeError as the standard library does.
        """
        self._identities = own_chain.put(self._identities, own_chain.load(certfile, keyfile, password))
        self._revision += 1

    def get_ca_certs(self, binary_form: bool = False) -> Any:
        """The CA certificates that were loaded, as dicts or in DER."""
        ders = list(map(der_of, self._trust.authorities))
        if binary_form:
            return ders
        from tlscore.ssl.peercert import decode

        return [decode(der) for der in ders]

    def cert_store_stats(self) -> dict[str, int]:
        """How many certificates and CRLs were loaded, and how many of the certificates are CAs'."""
        trust = self._trust
        return {"x509": len(trust.certificates), "crl": len(trust.loaded_crls), "x509_ca": len(trust.authorities)}

    # -- what is offered -----------------------------------------------------------------------------------------------

    def _set_alpn_protocols(self, protos: Buffer) -> None:
        """Take application protocols as set_alpn_protocols encodes them: each behind its length."""
        octets, found = bytes(memoryview(protos)), []
        while octets:
            found.append(octets[1 : 1 + octets[0]].decode("ascii"))
            octets = octets[1 + octets[0] :]
        self._alpn = tuple(dict.fromkeys(found))
        self._revision += 1

    def set_ciphers(self, ciphers: str, /) -> None:
        """Offer the suites of an OpenSSL cipher string in TLS 1.2; those of TLS 1.3 stay.

        Raises:   ssl.SSLError where nothing of it can be selected.
        """
        self._suites12, level = offers.ciphers(ciphers)
        self._level = self._level if level is None else level
        self._revision += 1

    def set_ciphersuites(self, ciphersuites: str, /) -> None:
        """Offer these suites in TLS 1.3: names joined by colons. Raises ssl.SSLError where none can be selected."""
        self._suites13 = offers.ciphersuites(ciphersuites)
        self._revision += 1

    def get_ciphers(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The suites in effect, best first, as the standard library describes them."""
        return offers.described(building.suites_of(self, self._fixed()))

    def set_groups(self, groups: str, /) -> None:
        """Agree keys in these groups: an OpenSSL group list. Raises ssl.SSLError for a name that nobody knows."""
        self._groups, self._key_shares = offers.groups(groups)
        self._revision += 1

    def get_groups(self, *, include_aliases: bool = False) -> list[str]:
        """The groups in effect, best first; with include_aliases every name that OpenSSL takes for them."""
        return offers.group_names(self._groups or policies.DEFAULT.groups, include_aliases)

    def set_ecdh_curve(self, curve: Any, /) -> None:
        """Agree keys in this one group. Raises ValueError for a name that is unknown."""
        self._groups, self._key_shares = (offers.curve(curve),), ()
        self._revision += 1

    def set_client_sigalgs(self, sigalgs: str, /) -> None:
        """Sign, or let clients sign, with these algorithms. Raises ssl.SSLError for one that nobody knows."""
        self._client_schemes = offers.signature_schemes(sigalgs)
        self._revision += 1

    def set_server_sigalgs(self, sigalgs: str, /) -> None:
        """Let servers sign, or sign as one, with these algorithms. Raises as set_client_sigalgs."""
        self._server_schemes = offers.signature_schemes(sigalgs)
        self._revision += 1

    # -- what OpenSSL alone has ----------------------------------------------------------------------------------------

    def load_dh_params(self, path: Any, /) -> None:
        """Finite-field groups do not exist here; a file that is none is refused as ever."""
        _Core.load_dh_params(stdlib.scratch(server_side=True), path)

    def set_npn_protocols(self, npn_protocols: Any) -> None:
        raise NotImplementedError("NPN is gone from TLS: use set_alpn_protocols")

    def set_psk_client_callback(self, callback: Any) -> None:
        raise NotImplementedError(_NO_PSK)

    def set_psk_server_callback(self, callback: Any, identity_hint: str | None = None) -> None:
        raise NotImplementedError(_NO_PSK)

    def session_stats(self) -> dict[str, int]:
        """Handshakes that were begun and that were completed; sessions are not kept, so the rest is 0."""
        return dict(self._counts)

    @property
    def security_level(self) -> int:  # type: ignore[override]
        """OpenSSL's level, or the one that a cipher string asked for with @SECLEVEL."""
        level: int = _Core.security_level.__get__(self) if self._level is None else self._level
        return level


def _server_name(name: str | bytes | None) -> ServerName | None:
    """The name of a server. Raises TypeError, ValueError: what the standard library does for what can be no name."""
    if name is None:
        return None
    text = name.decode("ascii") if isinstance(name, bytes) else name
    if not text.isascii():
        # As the standard library encodes it, whichever way the name came: one name must not be verified as two.
        text = text.encode("idna").decode("ascii")
    if "\0" in text:
        raise TypeError("argument must be encoded string without null bytes, not str")
    if not text or text.startswith("."):
        raise ValueError("server_hostname cannot be an empty string or start with a leading dot.")
    try:
        return ServerName.parse(text)
    except ConfigError as refused:
        raise ValueError(str(refused)) from None
