"""TLS for Python with a Rust record layer.

The public names. They are loaded when first used, so that `import tlscore` costs little: certificates, handshake and
sockets come in with the first configuration or connection. Type checkers see the same names through the imports below.
"""

from __future__ import annotations

# typing.TYPE_CHECKING under the same name: importing typing itself would triple the cost of `import tlscore`.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from tlscore import aio as aio
    from tlscore import danger as danger
    from tlscore import errors as errors
    from tlscore import events as events
    from tlscore import iana as iana
    from tlscore import legacy as legacy
    from tlscore import policies as policies
    from tlscore import ssl as ssl
    from tlscore._core import __version__ as __version__
    from tlscore.certs.identity import Identity as Identity
    from tlscore.certs.loading.passwords import PasswordFile as PasswordFile
    from tlscore.certs.loading.permissions import KeyFilePermissionWarning as KeyFilePermissionWarning
    from tlscore.certs.peer import PeerIdentity as PeerIdentity
    from tlscore.certs.policy import CertificatePolicy as CertificatePolicy
    from tlscore.certs.revocation.crl_store import CrlStore as CrlStore
    from tlscore.certs.revocation.fetchers import CRLFetcher as CRLFetcher
    from tlscore.certs.revocation.fetchers import HttpFetcher as HttpFetcher
    from tlscore.certs.revocation.fetchers import OCSPFetcher as OCSPFetcher
    from tlscore.certs.revocation.policy import Revocation as Revocation
    from tlscore.certs.revocation.stapler import OcspFile as OcspFile
    from tlscore.certs.revocation.stapler import OcspStapler as OcspStapler
    from tlscore.certs.trust_store import TrustStore as TrustStore
    from tlscore.certs.watch import FileWatcher as FileWatcher
    from tlscore.certs.watch import IdentityFile as IdentityFile
    from tlscore.certs.watch import TrustFile as TrustFile
    from tlscore.config import ClientConfig as ClientConfig
    from tlscore.config import ServerConfig as ServerConfig
    from tlscore.config import VerifyServer as VerifyServer
    from tlscore.connection import Connection as Connection
    from tlscore.danger import UnauthenticatedTlsWarning as UnauthenticatedTlsWarning
    from tlscore.errors import AlertError as AlertError
    from tlscore.errors import ConfigError as ConfigError
    from tlscore.errors import HandshakeTimeout as HandshakeTimeout
    from tlscore.errors import TlsError as TlsError
    from tlscore.errors import TransportError as TransportError
    from tlscore.errors import TruncationError as TruncationError
    from tlscore.errors import UsageError as UsageError
    from tlscore.errors import WantReadError as WantReadError
    from tlscore.errors import WantWriteError as WantWriteError
    from tlscore.handshake.hello_info import ClientHelloInfo as ClientHelloInfo
    from tlscore.policies import Policy as Policy
    from tlscore.report import ConnectionReport as ConnectionReport
    from tlscore.settings import Limits as Limits
    from tlscore.settings import Padding as Padding
    from tlscore.sockets import TlsListener as TlsListener
    from tlscore.sockets import TlsSocket as TlsSocket
    from tlscore.sockets import connect as connect
    from tlscore.sockets import listen as listen
    from tlscore.sockets import wrap_client as wrap_client
    from tlscore.sockets import wrap_listener as wrap_listener
    from tlscore.sockets import wrap_server as wrap_server
    from tlscore.ssl.inject import extract_from_ssl as extract_from_ssl
    from tlscore.ssl.inject import inject_into_ssl as inject_into_ssl

# name -> module that defines it; a module's own name stands for itself.
_HOMES = {
    "AlertError": "errors",
    "CRLFetcher": "certs.revocation.fetchers",
    "CertificatePolicy": "certs.policy",
    "ClientConfig": "config",
    "ClientHelloInfo": "handshake.hello_info",
    "ConfigError": "errors",
    "Connection": "connection",
    "ConnectionReport": "report",
    "CrlStore": "certs.revocation.crl_store",
    "FileWatcher": "certs.watch",
    "HandshakeTimeout": "errors",
    "HttpFetcher": "certs.revocation.fetchers",
    "Identity": "certs.identity",
    "IdentityFile": "certs.watch",
    "KeyFilePermissionWarning": "certs.loading.permissions",
    "Limits": "settings",
    "OCSPFetcher": "certs.revocation.fetchers",
    "OcspFile": "certs.revocation.stapler",
    "OcspStapler": "certs.revocation.stapler",
    "Padding": "settings",
    "PasswordFile": "certs.loading.passwords",
    "PeerIdentity": "certs.peer",
    "Policy": "policies",
    "Revocation": "certs.revocation.policy",
    "ServerConfig": "config",
    "TlsError": "errors",
    "TlsListener": "sockets",
    "TlsSocket": "sockets",
    "TransportError": "errors",
    "TruncationError": "errors",
    "TrustFile": "certs.watch",
    "TrustStore": "certs.trust_store",
    "UnauthenticatedTlsWarning": "danger",
    "UsageError": "errors",
    "VerifyServer": "config",
    "WantReadError": "errors",
    "WantWriteError": "errors",
    "__version__": "_core",
    "aio": "",
    "connect": "sockets",
    "danger": "",
    "errors": "",
    "events": "",
    "extract_from_ssl": "ssl.inject",
    "iana": "",
    "inject_into_ssl": "ssl.inject",
    "legacy": "",
    "listen": "sockets",
    "policies": "",
    "ssl": "",
    "wrap_client": "sockets",
    "wrap_listener": "sockets",
    "wrap_server": "sockets",
}

__all__ = [
    "AlertError",
    "CRLFetcher",
    "CertificatePolicy",
    "ClientConfig",
    "ClientHelloInfo",
    "ConfigError",
    "Connection",
    "ConnectionReport",
    "CrlStore",
    "FileWatcher",
    "HandshakeTimeout",
    "HttpFetcher",
    "Identity",
    "IdentityFile",
    "KeyFilePermissionWarning",
    "Limits",
    "OCSPFetcher",
    "OcspFile",
    "OcspStapler",
    "Padding",
    "PasswordFile",
    "PeerIdentity",
    "Policy",
    "Revocation",
    "ServerConfig",
    "TlsError",
    "TlsListener",
    "TlsSocket",
    "TransportError",
    "TruncationError",
    "TrustFile",
    "TrustStore",
    "UnauthenticatedTlsWarning",
    "UsageError",
    "VerifyServer",
    "WantReadError",
    "WantWriteError",
    "__version__",
    "aio",
    "connect",
    "danger",
    "errors",
    "events",
    "extract_from_ssl",
    "iana",
    "inject_into_ssl",
    "legacy",
    "listen",
    "policies",
    "ssl",
    "wrap_client",
    "wrap_listener",
    "wrap_server",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tlscore' has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"tlscore.{home or name}")
    value = getattr(module, name) if home else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
