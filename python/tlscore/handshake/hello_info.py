"""What a resolver sees of a ClientHello: its octets as they arrived, the parts that choose an identity, and its JA4.

The fingerprint is JA4 as FoxIO published it for clients of TLS: what the client offers, sorted, so that a shuffle of
extensions does not change it. It is computed when asked for. Everything here is the client's own word.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from tlscore.record import Record
from tlscore.wire import Alpn, ClientHello, SignatureAlgorithms, SignatureAlgorithmsCert, SupportedVersions

_VERSIONS: Final = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2"}
_SERVER_NAME: Final = 0
_ALPN: Final = 16
_NOTHING: Final = "0" * 12


class ClientHelloInfo(Record, kw_only=True):
    """A checked ClientHello. Codes are those of tlscore.iana, in the client's order, reserved values (GREASE) included.

    `raw` is the handshake message with its header; `authorities` are DER names; `extensions` the codes of all
    extensions; `cert_schemes` what the client verifies inside certificates.
    """

    raw: bytes
    server_name: str | None
    alpn: tuple[str, ...]
    versions: tuple[int, ...]
    suites: tuple[int, ...]
    groups: tuple[int, ...]
    schemes: tuple[int, ...]
    cert_schemes: tuple[int, ...]
    authorities: tuple[bytes, ...]
    extensions: tuple[int, ...]

    @classmethod
    def of(
        cls,
        hello: ClientHello,
        raw: bytes,
        server_name: str | None,
        groups: tuple[int, ...],
        authorities: tuple[bytes, ...],
    ) -> "ClientHelloInfo":
        find = hello.extensions.get
        alpn, versions, schemes = find(Alpn), find(SupportedVersions), find(SignatureAlgorithms)
        cert_schemes = find(SignatureAlgorithmsCert)
        offered = schemes.supported_signature_algorithms if schemes is not None else ()
        names = alpn.protocol_name_list if alpn is not None else ()
        return cls(
            raw=raw,
            server_name=server_name,
            alpn=tuple([name.decode("latin-1") for name in names]),
            versions=versions.versions if versions is not None else (hello.legacy_version,),
            suites=hello.cipher_suites,
            groups=groups,
            schemes=offered,
            cert_schemes=cert_schemes.supported_signature_algorithms if cert_schemes is not None else offered,
            authorities=authorities,
            extensions=hello.extensions.codes,
        )

    @property
    def ja4(self) -> str:
        """The client's JA4 fingerprint, such as "t13d1516h2_8daaf6152771_e5627efa2ab1"."""
        return ja4(self.versions, self.suites, self.extensions, self.schemes, tuple(map(_octets, self.alpn)))


def _octets(name: str) -> bytes:
    return name.encode("latin-1")


def is_reserved(code: int) -> bool:
    """Whether a code is one of RFC 8701, which mean nothing: 0x0a0a, 0x1a1a .. 0xfafa."""
    return code & 0x0F0F == 0x0A0A and code >> 8 == code & 0xFF


def ja4(
    versions: Sequence[int],
    suites: Sequence[int],
    extensions: Sequence[int],
    schemes: Sequence[int],
    alpn: Sequence[bytes],
) -> str:
    """The JA4 fingerprint of a ClientHello over TCP."""
    meant = [one for one in versions if not is_reserved(one)]
    offered = [one for one in suites if not is_reserved(one)]
    present = [one for one in extensions if not is_reserved(one)]
    version = _VERSIONS.get(max(meant, default=0), "00")
    domain = "d" if _SERVER_NAME in present else "i"
    counts = f"{min(len(offered), 99):02d}{min(len(present), 99):02d}"
    listed = _hexadecimal(sorted(one for one in present if one not in (_SERVER_NAME, _ALPN)))
    signed = _hexadecimal(one for one in schemes if not is_reserved(one))
    extension_part = f"{listed}_{signed}" if signed else listed
    # Without extensions the hash is left out, whatever the signature schemes.
    hashes = _digest(_hexadecimal(sorted(offered))), _digest(extension_part) if present else _NOTHING
    return "_".join((f"t{version}{domain}{counts}{_alpn_letters(alpn)}", *hashes))


def _alpn_letters(alpn: Sequence[bytes]) -> str:
    """First and last character of the first protocol; of its hexadecimal form where one is no letter or digit."""
    first = alpn[0] if alpn else b""
    if not first:
        return "00"
    ends = first[:1] + first[-1:]
    if ends.isalnum():
        return ends.decode("ascii")
    digits = first.hex()
    return digits[0] + digits[-1]


def _hexadecimal(codes: Iterable[int]) -> str:
    return ",".join([f"{code:04x}" for code in codes])


def _digest(text: str) -> str:
    if not text:
        return _NOTHING
    from hashlib import sha256

    return sha256(text.encode("ascii")).hexdigest()[:12]
