"""The programs of openssl, gnutls and curl as peers of one cell of a matrix: TLS 1.2 and the legacy tier.

A `Cell` says what two ends shall agree on. A peer starts one server that takes every suite of a cell's version and key,
or runs one client that offers the cell and nothing else; `meet_server` and `meet_client` put an end of tlscore opposite
and compare what tlscore agreed on, and what the program prints of the connection, with the cell. A server is started
once for many cells, since a process costs more than a handshake.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.interop.harness import LOOPBACK, TIMEOUT, ProgramServer, Serving, facts, receive_exactly
from tests.interop.test_legacy_ssl import dh_parameters
from tests.support import standing
from tests.support.certificates import issue_rsa_pss
from tests.support.legacy import BOTH, GROUPS, NULLS, groups_of, issued, quiet, suites_of, tier
from tests.support.standing import NAME
from tests.support.tools import require_tool
from tlscore import ClientConfig, Identity, ServerConfig, TlsSocket
from tlscore.iana import SUITES12
from tlscore.legacy import Legacy
from tlscore.suites import Suite, suite

CLIENT = "client.example"
QUESTION, REVERSED = b"stressed\n", b"desserts\n"
# The beginning of the names of the schemes that a key signs with.
FAMILIES = {"p": "ecdsa_", "r": "rsa_", "e": "ed"}
FLAGS = {"1.0": "-tls1", "1.1": "-tls1_1", "1.2": "-tls1_2", "1.3": "-tls1_3"}
OPENSSL_GROUPS = {
    "x25519": ("X25519", "X25519, 253 bits"),
    "secp256r1": ("P-256", "ECDH, prime256v1, 256 bits"),
    "secp384r1": ("P-384", "ECDH, secp384r1, 384 bits"),
    "secp521r1": ("P-521", "ECDH, secp521r1, 521 bits"),
    "ffdhe2048": ("ffdhe2048", "DH, 2048 bits"),
}


@dataclass(frozen=True)
class Cell:
    """What two ends shall agree on. `legacy`: tlscore plays it by the legacy tier."""

    name: str
    version: str = "1.2"
    key: str = "p256"
    mutual: bool = False
    etm: bool = True
    legacy: bool = False
    curve: str = "x25519"

    @property
    def suite(self) -> Suite:
        return suite(self.name)

    @property
    def group(self) -> str | None:
        return {"ECDHE": self.curve, "DHE": "ffdhe2048"}.get(self.suite.key_exchange)

    @property
    def cbc(self) -> bool:
        return "CBC" in self.suite.encryption

    @property
    def family(self) -> str:
        """How the name of a scheme begins that `key` signs with."""
        return "rsa_pss_pss_" if self.key == "rsapss" else FAMILIES[self.key[0]]

    def __str__(self) -> str:
        how = f"{'mutual' if self.mutual else 'simple'}, {'EtM' if self.etm else 'MtE'}"
        return f"TLS {self.version} {self.name} {self.key} {self.curve} {how}"


class Leaf:
    """A certificate and its key: paths for programs, `identity` for tlscore."""

    def __init__(self, chain: Path, key: Path) -> None:
        self.chain, self.key = chain, key
        self.identity = Identity.load(chain, key)

    @property
    def der(self) -> bytes:
        return self.identity.chain[0]


class Files:
    """Certificates of every kind of key on disk, for NAME and for CLIENT."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ca = standing.authority().write(directory, "ca")
        self.dh = directory / "dh.pem"
        self.dh.write_text(dh_parameters())
        self._leaves: dict[str, Leaf] = {}

    def leaf(self, key: str, bits: tuple[str, ...] = BOTH) -> Leaf:
        """A certificate and its key; `bits`: what its keyUsage lets it do."""
        stem = "-".join((key, *bits))
        if stem not in self._leaves:
            if key == "rsapss":
                self._leaves[stem] = Leaf(*self._rsa_pss(NAME))
            else:
                self._leaves[stem] = Leaf(*issued(key, bits).write(self.directory, stem))
        return self._leaves[stem]

    def client(self, key: str) -> Leaf:
        stem = f"client-{key}"
        if stem not in self._leaves:
            if key == "rsapss":
                self._leaves[stem] = Leaf(*self._rsa_pss(CLIENT))
            else:
                self._leaves[stem] = Leaf(*standing.authority().issue(CLIENT, key=key).write(self.directory, stem))
        return self._leaves[stem]

    def _rsa_pss(self, name: str) -> tuple[Path, Path]:
        directory = self.directory / name
        directory.mkdir()
        return issue_rsa_pss(standing.authority(), name, directory, require_tool("openssl"))


# -- our ends ----------------------------------------------------------------------------------------------------------


def tier_of(cell: Cell, every: bool = False) -> Legacy:
    """The cell's version with its suite alone; or with every suite of its kind."""
    null = cell.suite.encryption == "NULL"
    like = [one.name for one in suites_of(cell.version) if one.missing == cell.suite.missing]
    return tier(cell.version, like if every else (cell.name,), **({"no_encryption": NULLS} if null else {}))


def client_config(files: Files, cell: Cell, **settings: Any) -> ClientConfig:
    """A client of exactly this cell: one version, one suite, every group that the suite can use."""
    given: dict[str, Any] = {"alpn": ("http/1.1", "h2")}
    if cell.legacy:
        given |= {"legacy": tier_of(cell), "groups": groups_of(tier_of(cell))}
    else:
        given |= {"suites": (cell.name,), "versions": cell.version, "groups": GROUPS[:4]}
    given |= settings
    if not cell.mutual:
        return quiet(ClientConfig.simple, standing.trust(), **given)
    return quiet(ClientConfig.mutual, standing.trust(), identity=files.client(cell.key).identity, **given)


def server_config(files: Files, cell: Cell, **settings: Any) -> ServerConfig:
    """A server for every cell of the same version, key and mode: all suites, all groups."""
    given: dict[str, Any] = {"alpn": ("h2",)}
    if cell.legacy:
        given |= {"legacy": tier_of(cell, True), "groups": groups_of(tier_of(cell, True))}
    else:
        given |= {"suites": tuple(SUITES12), "versions": cell.version, "groups": GROUPS[:4]}
    given |= settings
    own = files.leaf(cell.key).identity
    if not cell.mutual:
        return quiet(ServerConfig.simple, own, **given)
    return quiet(ServerConfig.mutual, own, client_trust=standing.trust(), **given)


def answer(tls: TlsSocket) -> Any:
    """Handler of a server: QUESTION comes, REVERSED goes, and the connection ends."""
    agreed = facts(tls)
    agreed.received = receive_exactly(tls, len(QUESTION))
    tls.sendall(agreed.received[-2::-1] + b"\n")
    tls.close()
    return agreed


def check(agreed: Any, cell: Cell, alpn: str = "h2") -> None:
    """What both ends of tlscore must have agreed on."""
    assert (agreed.version, agreed.suite) == (f"TLSv{cell.version}", cell.name)
    assert (agreed.group, agreed.alpn) == (cell.group, alpn)


def meet_server(peer: Peer, files: Files, server: ProgramServer, cell: Cell, **settings: Any) -> Any:
    """A client of tlscore for one cell; gives what it agreed on."""
    server.forget()
    with closing(server.connect(client_config(files, cell, **settings))) as tls:
        agreed = facts(tls)
        tls.sendall(QUESTION)
        assert receive_exactly(tls, len(QUESTION)) == peer.echoes
    check(agreed, cell)
    assert agreed.authenticated
    assert agreed.peer_chain[0] == files.leaf(cell.key).der
    # RSA key exchange has nothing signed by the server.
    signed = cell.suite.key_exchange != "RSA"
    assert agreed.peer_scheme.startswith(cell.family) if signed else agreed.peer_scheme is None
    assert (agreed.own_scheme is not None) is cell.mutual
    for pattern in peer.server_says(cell):
        server.expect(pattern)
    return agreed


def meet_client(
    peer: Peer, files: Files, serving: Serving, cell: Cell, *options: str, says: tuple[str, ...] = ()
) -> Any:
    """A client program for one cell, which prints what matches `says` too; gives what our server agreed on."""
    done = peer.run(files, cell, serving.port, *options)
    report = f"{' '.join(map(str, done.args))}\n{done.stdout.decode('latin-1')}\n{done.stderr.decode('latin-1')}"
    try:
        agreed = serving.result()
    except Exception as error:
        error.add_note(report)
        raise
    assert done.returncode == 0, report
    check(agreed, cell, peer.alpn)
    assert agreed.received.strip() == QUESTION.strip()
    assert (agreed.server_name, agreed.authenticated) == (NAME, cell.mutual)
    assert agreed.peer_chain[:1] == ((files.client(cell.key).der,) if cell.mutual else ())
    assert (agreed.own_scheme is not None) is (cell.suite.key_exchange != "RSA")
    assert (agreed.peer_scheme is not None) is cell.mutual
    for pattern in (REVERSED.decode().strip(), *peer.client_says(cell), *says):
        assert re.search(pattern, report), f"{pattern!r} is missing in:\n{report}"
    return agreed


def run(*command: str | Path, send: bytes = QUESTION) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, input=send, capture_output=True, timeout=TIMEOUT, check=False)


@dataclass(frozen=True)
class Peer:
    """Another implementation: how its server starts, what that prints of a cell, and the same of its client."""

    echoes: bytes
    alpn: str
    start: Callable[..., ProgramServer]
    server_says: Callable[[Cell], list[str]]
    run: Callable[..., subprocess.CompletedProcess[bytes]]
    client_says: Callable[[Cell], list[str]]


# -- openssl -----------------------------------------------------------------------------------------------------------


def openssl_version(version: str) -> str:
    return "TLSv1" if version == "1.0" else f"TLSv{version}"


def start_openssl(files: Files, cell: Cell, *options: str) -> ProgramServer:
    """`s_server -rev`, which sends lines back in reverse."""
    leaf = files.leaf(cell.key)
    own = ("-cert", leaf.chain, "-key", leaf.key, "-CAfile", files.ca, "-dhparam", files.dh)
    how = (FLAGS[cell.version], "-cipher", "ALL:@SECLEVEL=0", "-alpn", "h2")
    etm = () if cell.etm else ("-no_etm",)
    asks = ("-Verify", "2", "-verify_return_error") if cell.mutual else ()
    listen = ("s_server", "-rev", "-accept", f"{LOOPBACK}:{{port}}")
    return ProgramServer(require_tool("openssl"), *listen, *own, *how, *etm, *asks, *options)


def openssl_server_says(cell: Cell) -> list[str]:
    said = [
        rf"Protocol version: {openssl_version(cell.version)}\n",
        rf"Ciphersuite: {cell.suite.openssl_name}\n",
    ]
    return said + ([rf"Peer certificate: CN = {CLIENT}\n", r"Verification: OK\n"] if cell.mutual else [])


def run_openssl(files: Files, cell: Cell, port: int, *options: str) -> subprocess.CompletedProcess[bytes]:
    leaf = files.client(cell.key)
    where = ("-ign_eof", "-connect", f"{LOOPBACK}:{port}", "-servername", NAME)
    check = ("-CAfile", files.ca, "-verify_return_error", "-verify_hostname", NAME)
    how = (FLAGS[cell.version], "-cipher", f"{cell.suite.openssl_name}:@SECLEVEL=0", "-alpn", "h2", "-tlsextdebug")
    etm = () if cell.etm else ("-no_etm",)
    own = ("-cert", leaf.chain, "-key", leaf.key) if cell.mutual else ()
    return run(require_tool("openssl"), "s_client", *where, *check, *how, *etm, *own, *options)


def openssl_client_says(cell: Cell) -> list[str]:
    said = [
        f"Protocol  : {openssl_version(cell.version)}\n",
        f"Cipher    : {cell.suite.openssl_name}\n",
        "Verification: OK\n",
        f"Verified peername: {NAME}\n",
        "ALPN protocol: h2\n",
        "Secure Renegotiation IS supported\n",
        "Extended master secret: yes\n",
    ]
    if cell.group is not None:
        said.append(f"(Server|Peer) Temp Key: {OPENSSL_GROUPS[cell.group][1]}\n")
    if cell.etm and cell.cbc:
        said.append('TLS server extension "encrypt-then-mac"')
    return said


# -- gnutls ------------------------------------------------------------------------------------------------------------

MACS = {"HMAC-SHA1": "SHA1", "HMAC-SHA256": "SHA256", "HMAC-SHA384": "SHA384", "AEAD": "AEAD"}


def exchange_of(cell: Cell) -> str:
    exchange = cell.suite.key_exchange
    return "RSA" if exchange == "RSA" else f"{exchange}-{cell.suite.authentication}"


def priority(cell: Cell, *more: str, every: bool = False) -> str:
    """The cell and nothing else; or every suite of its version."""
    exchanges = ("ECDHE-ECDSA", "ECDHE-RSA", "DHE-RSA", "RSA") if every else (exchange_of(cell),)
    ciphers = (
        ("CIPHER-ALL", "AES-128-CCM-8", "AES-256-CCM-8", "MAC-ALL", "SHA256", "SHA384")
        if every
        else (cell.suite.encryption, MACS[cell.suite.mac])
    )
    parts = ["NONE", f"+VERS-TLS{cell.version}", *(f"+{one}" for one in (*exchanges, *ciphers))]
    parts += [] if any("GROUP" in one for one in more) else ["+GROUP-ALL"]
    parts += [] if any("SIGN" in one for one in more) else ["+SIGN-ALL"]
    parts += ["+COMP-NULL", "+CTYPE-X509", *([] if cell.etm else ["%NO_ETM"]), *more]
    return "--priority=" + ":".join([*parts, "%VERIFY_ALLOW_SIGN_WITH_SHA1"])


def start_gnutls(files: Files, cell: Cell, *more: str, options: tuple[str, ...] = ()) -> ProgramServer:
    leaf = files.leaf(cell.key)
    own = ("--x509certfile", leaf.chain, "--x509keyfile", leaf.key, "--x509cafile", files.ca)
    asks = ("--require-client-cert", "--verify-client-cert") if cell.mutual else ("--disable-client-cert",)
    how = ("--echo", "--alpn", "h2", "--port", "{port}", priority(cell, *more, every=True))
    return ProgramServer(require_tool("gnutls-serv"), *own, *asks, *how, *options)


def described(cell: Cell) -> str:
    """Beginning and end of the line that gnutls describes a session with; between them may stand the scheme."""
    exchange = exchange_of(cell)
    group = {"x25519": "X25519"}.get(cell.curve, cell.curve.upper())
    names = {"ECDHE": rf"\(ECDHE-{group}\)", "DHE": r"\(DHE-FFDHE2048\)", "RSA": rf"\({exchange}\)"}
    mac = "" if cell.suite.mac == "AEAD" else rf"-\({MACS[cell.suite.mac]}\)"
    scheme = r"(-\([A-Za-z0-9-]+\))?" if cell.suite.key_exchange != "RSA" else ""
    cipher = rf"-\({cell.suite.encryption}\){mac}"
    return rf"Description: \(TLS{cell.version}-X\.509\)-{names[cell.suite.key_exchange]}{scheme}{cipher}\n"


def options_of(cell: Cell) -> str:
    return "Options: extended master secret, safe renegotiation," + (" EtM," if cell.etm and cell.cbc else "") + "\n"


def gnutls_server_says(cell: Cell) -> list[str]:
    said = [described(cell), options_of(cell), r"Application protocol: h2\n"]
    identity = [r"Status: The certificate is trusted", rf"Subject: CN={CLIENT}\n"]
    return said + (identity if cell.mutual else [])


def run_gnutls(files: Files, cell: Cell, port: int, *more: str, **keywords: Any) -> subprocess.CompletedProcess[bytes]:
    leaf = files.client(cell.key)
    check = ("--x509cafile", files.ca, "--sni-hostname", NAME, "--verify-hostname", NAME)
    own = ("--x509certfile", leaf.chain, "--x509keyfile", leaf.key) if cell.mutual else ()
    how = ("--alpn", "h2", "--port", str(port), priority(cell, *more), *keywords.get("options", ()))
    return run(require_tool("gnutls-cli"), *check, *own, *how, LOOPBACK)


def gnutls_client_says(cell: Cell) -> list[str]:
    said = [described(cell), options_of(cell), r"Application protocol: h2\n", r"Status: The certificate is trusted"]
    return [*said, rf"subject `CN={NAME}'", *([r"Successfully sent 1 certificate\(s\)"] if cell.mutual else [])]


# -- curl --------------------------------------------------------------------------------------------------------------


def answer_http(tls: TlsSocket) -> Any:
    """`answer` for HTTP: the body of the request goes back in reverse."""
    agreed = facts(tls)
    with tls.makefile("rb") as reader:
        while reader.readline().strip():
            pass
        agreed.received = reader.read(len(QUESTION))
    body = agreed.received[-2::-1] + b"\n"
    tls.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return agreed


def run_curl(files: Files, cell: Cell, port: int, *options: str) -> subprocess.CompletedProcess[bytes]:
    leaf = files.client(cell.key)
    where = ("--noproxy", "*", "--resolve", f"{NAME}:{port}:{LOOPBACK}", "--cacert", files.ca)
    ciphers = ("--ciphers", f"{cell.suite.openssl_name}:@SECLEVEL=0")
    how = (f"--tlsv{cell.version}", "--tls-max", cell.version, *ciphers, "--data-binary", "@-")
    own = ("--cert", leaf.chain, "--key", leaf.key) if cell.mutual else ()
    return run(require_tool("curl"), "-sSv", *where, *how, *own, *options, f"https://{NAME}:{port}/")


def curl_says(cell: Cell) -> list[str]:
    return [
        rf"SSL connection using {openssl_version(cell.version)} / {cell.suite.openssl_name}\b",
        r"server accepted http/1\.1",
        r"SSL certificate verif(y ok|ied)",
        rf'"{NAME}" match',
    ]


def no_server(*arguments: object) -> Any:
    raise NotImplementedError("curl is a client")


PEERS = {
    "openssl": Peer(REVERSED, "h2", start_openssl, openssl_server_says, run_openssl, openssl_client_says),
    "gnutls": Peer(QUESTION, "h2", start_gnutls, gnutls_server_says, run_gnutls, gnutls_client_says),
    "curl": Peer(b"", "http/1.1", no_server, no_server, run_curl, curl_says),
}
