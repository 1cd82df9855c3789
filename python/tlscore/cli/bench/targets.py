"""The targets of a comparison: which libraries, where they are installed, and what each of them can be measured at."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from tlscore.cli.bench.ends import OLDER_SUITES
from tlscore.errors import ConfigError

NEWER_SUITES = tuple(OLDER_SUITES)

IN_MEMORY = ("seal", "open", "pingpong", "handshake_client", "handshake_server", "idle_client", "idle_server")
OVER_SOCKETS = ("loopback_cpu", "loopback_wall")
STARTING = ("import", "ready")
# Libraries that asyncio takes as they are.
UNDER_ASYNCIO = ("asyncio_echo",)
_ALL = IN_MEMORY + OVER_SOCKETS + UNDER_ASYNCIO + STARTING


@dataclass(frozen=True, slots=True)
class Target:
    """One column of the table.

    library is "module:class" of the adapter; importable, what has to be there, and distribution, whose version is told;
    ready, the statements from an import to a client connection whose TRUST file is loaded.
    """

    name: str
    library: str
    importable: str
    distribution: str | None
    about: str
    workloads: tuple[str, ...] = IN_MEMORY + OVER_SOCKETS + STARTING
    suites: tuple[str, ...] | None = None
    ready: str = ""

    def installed(self) -> bool:
        return find_spec(self.importable) is not None

    def version(self) -> str:
        if self.name == "ssl":
            import ssl

            return ssl.OPENSSL_VERSION
        try:
            return version(self.distribution or self.importable)
        except PackageNotFoundError:
            return "unknown"


_SHAPED = """import {0} as m
c = m.SSLContext(m.PROTOCOL_TLS_CLIENT)
c.load_verify_locations(TRUST)
c.wrap_bio(m.MemoryBIO(), m.MemoryBIO(), server_side=False, server_hostname=NAME)
"""
_TLSCORE = """from tlscore import ClientConfig, TrustStore
ClientConfig.simple(trust=TrustStore.from_file(TRUST)).connection(NAME)
"""
_PYRTLS = """import pyrtls
c = pyrtls.ClientConfig(platform_verifier=False, custom_roots=[open(TRUST).read()])
pyrtls.ClientConnection(c, NAME)
"""
_PYOPENSSL = """from OpenSSL import SSL
c = SSL.Context(SSL.TLS_CLIENT_METHOD)
c.load_verify_locations(TRUST)
SSL.Connection(c, None).set_tlsext_host_name(NAME.encode())
"""
_ENDS = "tlscore.cli.bench.ends_"
_LIMIT = ("seal", "open")

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(
            "tlscore",
            _ENDS + "tlscore:TlscoreLibrary",
            "tlscore",
            "tlscore",
            "write, read; sendall, recv_into",
            _ALL,
            ready=_TLSCORE,
        ),
        Target(
            "tlscore_into",
            _ENDS + "tlscore:TlscoreIntoLibrary",
            "tlscore",
            "tlscore",
            "write_into, read_into: the caller's buffers",
            ("seal", "open", "pingpong"),
        ),
        Target(
            "tlscore_anew",
            _ENDS + "tlscore:TlscoreAnewLibrary",
            "tlscore",
            "tlscore",
            "every chain verified anew, where tlscore by itself remembers those that hold",
            ("handshake_client",),
        ),
        Target(
            "tlscore_12",
            _ENDS + "tlscore:TlscoreOlderLibrary",
            "tlscore",
            "tlscore",
            "TLS 1.2 with the same AEAD",
            ("seal", "open"),
            suites=NEWER_SUITES,
        ),
        Target("ssl", _ENDS + "ssl:SslLibrary", "ssl", None, "the standard library", _ALL, ready=_SHAPED.format("ssl")),
        Target(
            "rtls",
            _ENDS + "ssl:RtlsLibrary",
            "rtls",
            "rtls",
            "rustls with AWS-LC; always shares ML-KEM keys",
            _ALL,
            suites=NEWER_SUITES,
            ready=_SHAPED.format("rtls"),
        ),
        Target(
            "utls",
            _ENDS + "ssl:UtlsLibrary",
            "utls",
            "utls",
            "BoringSSL",
            _ALL,
            suites=("TLS_AES_128_GCM_SHA256",),
            ready=_SHAPED.format("utls"),
        ),
        # Its sockets stalled in trials of bulk transfer, so it is measured in memory alone.
        Target(
            "pyrtls",
            _ENDS + "pyrtls:PyrtlsLibrary",
            "pyrtls",
            "pyrtls",
            "rustls with ring",
            IN_MEMORY + STARTING,
            suites=NEWER_SUITES,
            ready=_PYRTLS,
        ),
        Target(
            "pyopenssl",
            _ENDS + "pyopenssl:PyOpensslLibrary",
            "OpenSSL",
            "pyOpenSSL",
            "OpenSSL of cryptography; checks no name",
            suites=NEWER_SUITES,
            ready=_PYOPENSSL,
        ),
        Target("limit-aws_lc", "", "tlscore", "tlscore", "the raw AEAD of AWS-LC, nothing else", _LIMIT),
        Target("limit-ring", "", "tlscore", "tlscore", "the raw AEAD of ring, nothing else", _LIMIT),
        Target("limit-tcp", _ENDS + "tcp:TcpLibrary", "tlscore", None, "plain TCP, nothing else", OVER_SOCKETS),
    )
}


def installed(names: Sequence[str] = ()) -> list[Target]:
    """The targets of these names, or all, that can be measured here; a name that is asked for and missing is an
    error."""
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        raise ConfigError(f"no target is called {unknown[0]!r}", remedy="known: " + ", ".join(TARGETS))
    for name in names:
        if not TARGETS[name].installed():
            raise ConfigError(f"{name} is not installed", remedy="run pip install 'tlscore[bench]'")
    return [target for name, target in TARGETS.items() if target.installed() and (not names or name in names)]
