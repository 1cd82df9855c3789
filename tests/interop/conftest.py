"""The throw-away certificates of the interoperability tests, on disk and loaded, made once a run when asked for."""

from __future__ import annotations

import datetime as dt
import ssl
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.interop.harness import LOOPBACK, NAME, Program, ProgramServer
from tests.interop.programs import Files, Leaf
from tests.support.certificates import Authority, Issued, issue_rsa_pss, make_ca
from tests.support.tools import require_package, require_tool
from tlscore import ClientConfig, ServerConfig, TrustStore


class Pki:
    """A CA that both ends trust, another one that nobody does unless told to, and leaves of every kind."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority, self.other = make_ca("Interop CA"), make_ca("Other CA")
        self.ca, self.other_ca = self.authority.write(directory), self.other.write(directory, "other-ca")
        self.trust, self.other_trust = TrustStore.from_file(self.ca), TrustStore.from_file(self.other_ca)
        self._leaves: dict[str, Leaf] = {}

    def leaf(self, kind: str) -> Leaf:
        """Server certificate for NAME and the loopback address: p256, p384, rsa2048, rsapss, ed25519, ed448."""
        if kind not in self._leaves:
            make = self._rsa_pss if kind == "rsapss" else lambda: self._issue(kind, self.authority, NAME, LOOPBACK)
            self._leaves[kind] = Leaf(*make()) if kind == "rsapss" else make()
        return self._leaves[kind]

    def client(self, issuer: str = "ca") -> Leaf:
        """Client certificate of the CA, or of the other one."""
        stem = f"client-{issuer}"
        if stem not in self._leaves:
            authority = self.authority if issuer == "ca" else self.other
            self._leaves[stem] = self._write(authority.issue(f"{stem}.example", usage="client"), stem)
        return self._leaves[stem]

    def expired(self) -> Leaf:
        if "expired" not in self._leaves:
            start = dt.datetime.now(dt.UTC) - dt.timedelta(days=40)
            self._leaves["expired"] = self._write(self.authority.issue(NAME, not_before=start, days=10), "expired")
        return self._leaves["expired"]

    def client_for_server_name(self) -> Leaf:
        """A certificate for the server's name that may only authenticate clients."""
        if "purpose" not in self._leaves:
            self._leaves["purpose"] = self._write(self.authority.issue(NAME, usage="client"), "purpose")
        return self._leaves["purpose"]

    def elsewhere(self) -> Leaf:
        """A good certificate for another name."""
        if "elsewhere" not in self._leaves:
            self._leaves["elsewhere"] = self._issue("p256", self.authority, "elsewhere.example", stem="elsewhere")
        return self._leaves["elsewhere"]

    def _issue(self, kind: str, authority: Authority, *names: str, stem: str | None = None) -> Leaf:
        return self._write(authority.issue(*names, key=kind), stem or kind)

    def _write(self, issued: Issued, stem: str) -> Leaf:
        return Leaf(*issued.write(self.directory, stem))

    def _rsa_pss(self) -> tuple[Path, Path]:
        return issue_rsa_pss(self.authority, NAME, self.directory, require_tool("openssl"))

    # -- configurations of tlscore -------------------------------------------------------------------------------------

    def client_config(self, **settings: object) -> ClientConfig:
        return ClientConfig.simple(self.trust, **settings)

    def server_config(self, kind: str = "p256", **settings: object) -> ServerConfig:
        return ServerConfig.simple(self.leaf(kind).identity, **settings)

    # -- contexts of the standard library ------------------------------------------------------------------------------

    def ssl_client(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(self.ca)
        return context

    def ssl_server(self, kind: str = "p256", leaf: Leaf | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        leaf = leaf or self.leaf(kind)
        context.load_cert_chain(leaf.chain, leaf.key)
        return context


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("interop"))


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="session")
def openssl() -> str:
    return require_tool("openssl")


@pytest.fixture(scope="session")
def lite() -> SimpleNamespace:
    with warnings.catch_warnings():
        # It asks for asyncore, which newer Pythons do not have, and does without.
        warnings.simplefilter("ignore", DeprecationWarning)
        require_package("tlslite")
        from tlslite.handshakesettings import HandshakeSettings
        from tlslite.tlsconnection import TLSConnection
        from tlslite.utils.keyfactory import parsePEMKey
        from tlslite.x509certchain import X509CertChain

    return SimpleNamespace(
        settings=HandshakeSettings, connection=TLSConnection, chain=X509CertChain, key=parsePEMKey
    )  # fmt: skip


@pytest.fixture
def s_client(openssl, pki):
    """Function that starts a client of openssl, which verifies chain and name."""

    def start(port, *options):
        verify = ("-CAfile", pki.ca, "-verify_return_error", "-verify_hostname", NAME)
        return Program(openssl, "s_client", "-connect", f"{LOOPBACK}:{port}", "-servername", NAME, *verify, *options)

    return start


@pytest.fixture
def s_server(openssl, pki):
    """Function that starts a server of openssl for one client."""

    def start(*options, kind="p256", **settings):
        leaf = pki.leaf(kind)
        return ProgramServer(
            *(openssl, "s_server", "-accept", LOOPBACK + ":{port}", "-naccept", "1"),
            *("-cert", leaf.chain, "-key", leaf.key, *options),
            **settings,
        )

    return start
