"""One sample of every message and every form of every extension, and hypothesis strategies that make more."""

from typing import Any

from hypothesis import strategies as st

from tlscore import wire as w
from tlscore.wire.extensions import CH, CR, CT, EE, EXTENSIONS, HRR, MESSAGES_WITH_EXTENSIONS, NST, SH, SH12

X25519 = w.KeyShareEntry(0x001D, bytes(range(32)))

EXTENSION_SAMPLES: dict[type[w.Extension], w.Extension] = {
    type(value): value
    for value in (
        w.ServerName(b"www.example.com"),
        w.MaxFragmentLength(4),
        w.StatusRequest(),
        w.StatusRequestCertificateRequest(),
        w.StatusRequestServerHello(),
        w.CertificateStatus(1, b"an OCSP response"),
        w.SupportedGroups((0x11EC, 0x001D, 0x0017)),
        w.EcPointFormats((0,)),
        w.SignatureAlgorithms((0x0403, 0x0804)),
        w.Alpn((b"h2",)),
        w.SignedCertificateTimestampsRequest(),
        w.SignedCertificateTimestamps((b"a timestamp", b"t")),
        w.Padding(bytes(11)),
        w.EncryptThenMac(),
        w.ExtendedMainSecret(),
        w.RecordSizeLimit(16385),
        w.SessionTicket(b"ticket"),
        w.PreSharedKeyClientHello((w.PskIdentity(b"identity", 5),), (bytes(32),)),
        w.PreSharedKeyServerHello(0),
        w.EarlyDataIndication(),
        w.TicketEarlyData(14336),
        w.SupportedVersions((0x0A0A, 0x0304)),
        w.SelectedVersion(0x0304),
        w.Cookie(b"cookie"),
        w.PskKeyExchangeModes((1,)),
        w.CertificateAuthorities((b"0\x03name", b"0")),
        w.OidFilters((w.OidFilter(b"\x55\x1d\x0f", b"value"), w.OidFilter(b"\x55\x1d\x25", b""))),
        w.PostHandshakeAuth(),
        w.SignatureAlgorithmsCert((0x0403,)),
        w.KeyShareClientHello((X25519, w.KeyShareEntry(0x0A0A, b"\0"))),
        w.KeyShareServerHello(X25519),
        w.KeyShareHelloRetryRequest(0x0017),
        w.RenegotiationInfo(b""),
    )
}


def placed(forms: dict[str, type[w.Extension]], message: str) -> w.Extension:
    """The sample of an extension as it stands in `message`."""
    if message in (EE, SH12) and forms[message] is w.ServerName:
        return w.ServerName(None)
    return EXTENSION_SAMPLES[forms[message]]


def block(message: str) -> w.Extensions:
    """Every extension that may stand in `message` (pre_shared_key last), and an unknown one."""
    values: list[Any] = [w.UnknownExtension(0x2A2A, b"grease")]
    values += [placed(forms, message) for forms in EXTENSIONS if message in forms]
    values.sort(key=lambda value: value.code == 41)
    return w.Extensions(values)


def around(message: str, extensions: w.Extensions) -> w.Message:
    """A message of the kind with these extensions."""
    session = b"session"
    makers: dict[str, w.Message] = {
        CH: w.ClientHello(0x0303, bytes(range(32)), session, (0x1301, 0x1302), b"\0", extensions),
        SH: w.ServerHello(0x0303, bytes(range(32)), session, 0x1301, 0, extensions),
        HRR: w.HelloRetryRequest(0x0303, w.HRR_RANDOM, session, 0x1301, 0, extensions),
        EE: w.EncryptedExtensions(extensions),
        CR: w.CertificateRequest(b"context", extensions),
        CT: w.Certificate(b"context", (w.CertificateEntry(b"certificate", extensions),)),
        NST: w.NewSessionTicket(604800, 1, b"nonce", b"ticket", extensions),
        SH12: w.ServerHello12(0x0303, bytes(range(32)), session, 0xC02B, 0, extensions),
    }
    return makers[message]


def extensions_of(message: w.Message) -> w.Extensions:
    if isinstance(message, w.Certificate):
        return message.certificate_list[0].extensions
    found: w.Extensions = message.extensions  # type: ignore[attr-defined]
    return found


MESSAGE_SAMPLES: dict[str, w.Message] = {
    **{message: around(message, block(message)) for message in MESSAGES_WITH_EXTENSIONS},
    "CertificateVerify": w.CertificateVerify(0x0403, b"signature"),
    "Finished": w.Finished(bytes(32)),
    "EndOfEarlyData": w.EndOfEarlyData(),
    "KeyUpdate": w.KeyUpdate(1),
    "empty Certificate": w.Certificate(b"", ()),
    "two entries": w.Certificate(b"", (w.CertificateEntry(b"c", w.Extensions()),) * 2),
}

u8, u16, u32 = st.integers(0, 255), st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)


def some(minimum: int, maximum: int = 40) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=minimum, max_size=maximum)


def many(item: st.SearchStrategy[Any], minimum: int = 1) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(item, min_size=minimum, max_size=6).map(tuple)


_labels = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)
_names = st.lists(_labels, min_size=1, max_size=4).map(lambda labels: ".".join(labels).encode())
_shares = st.builds(w.KeyShareEntry, u16, some(1))
_offers = st.integers(1, 4).flatmap(
    lambda count: st.builds(
        w.PreSharedKeyClientHello,
        st.tuples(*[st.builds(w.PskIdentity, some(1), u32)] * count),
        st.tuples(*[some(32, 64)] * count),
    )
)

EXTENSION_STRATEGIES: dict[type[w.Extension], st.SearchStrategy[Any]] = {
    w.ServerName: st.builds(w.ServerName, _names),
    w.MaxFragmentLength: st.builds(w.MaxFragmentLength, st.integers(1, 4)),
    w.StatusRequest: st.builds(w.StatusRequest, st.integers(2, 255), some(0)) | st.just(w.StatusRequest()),
    w.CertificateStatus: st.builds(w.CertificateStatus, st.just(1), some(1)),
    w.SupportedGroups: st.builds(w.SupportedGroups, many(u16)),
    w.EcPointFormats: st.builds(w.EcPointFormats, many(u8)),
    w.SignatureAlgorithms: st.builds(w.SignatureAlgorithms, many(u16)),
    w.Alpn: st.builds(w.Alpn, many(some(1, 255))),
    w.SignedCertificateTimestamps: st.builds(w.SignedCertificateTimestamps, many(some(1))),
    w.Padding: st.builds(w.Padding, some(0)),
    w.RecordSizeLimit: st.builds(w.RecordSizeLimit, st.integers(64, 2**16 - 1)),
    w.SessionTicket: st.builds(w.SessionTicket, some(0)),
    w.PreSharedKeyClientHello: _offers,
    w.PreSharedKeyServerHello: st.builds(w.PreSharedKeyServerHello, u16),
    w.TicketEarlyData: st.builds(w.TicketEarlyData, u32),
    w.SupportedVersions: st.builds(w.SupportedVersions, many(u16)),
    w.SelectedVersion: st.builds(w.SelectedVersion, u16),
    w.Cookie: st.builds(w.Cookie, some(1)),
    w.PskKeyExchangeModes: st.builds(w.PskKeyExchangeModes, many(u8)),
    w.CertificateAuthorities: st.builds(w.CertificateAuthorities, many(some(1))),
    w.OidFilters: st.builds(w.OidFilters, many(st.builds(w.OidFilter, some(1), some(0)), 0)),
    w.SignatureAlgorithmsCert: st.builds(w.SignatureAlgorithmsCert, many(u16)),
    w.KeyShareClientHello: st.builds(
        w.KeyShareClientHello, st.lists(_shares, max_size=5, unique_by=lambda share: share.group).map(tuple)
    ),
    w.KeyShareServerHello: st.builds(w.KeyShareServerHello, _shares),
    w.KeyShareHelloRetryRequest: st.builds(w.KeyShareHelloRetryRequest, u16),
    w.RenegotiationInfo: st.builds(w.RenegotiationInfo, some(0)),
}

_known = {next(iter(forms.values())).code for forms in EXTENSIONS}
_unknown = st.builds(w.UnknownExtension, u16.filter(lambda code: code not in _known), some(0))


def blocks(message: str) -> st.SearchStrategy[w.Extensions]:
    """Blocks of known and unknown extensions that may stand in `message`, in any order, pre_shared_key last."""
    choices: list[st.SearchStrategy[Any]] = [_unknown]
    for forms in EXTENSIONS:
        if message in forms:
            cls = forms[message]
            one = EXTENSION_STRATEGIES.get(cls, st.just(placed(forms, message)))
            if message in (EE, SH12) and cls in (w.ServerName, w.Alpn):
                one = st.just(placed(forms, message))
            choices.append(one)
    values = st.lists(st.one_of(choices), max_size=8, unique_by=lambda value: value.code)
    if message in (HRR, SH):
        values = values.map(lambda found: [value for value in found if value.code != 43] + [w.SelectedVersion(0x0304)])
    return values.map(lambda found: w.Extensions(sorted(found, key=lambda value: value.code == 41)))


random = st.binary(min_size=32, max_size=32)
MESSAGE_STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    CH: st.builds(w.ClientHello, u16, random, some(0, 32), many(u16), some(1, 255), blocks(CH)),
    SH: st.builds(w.ServerHello, u16, random, some(0, 32), u16, u8, blocks(SH)),
    HRR: st.builds(w.HelloRetryRequest, u16, st.just(w.HRR_RANDOM), some(0, 32), u16, u8, blocks(HRR)),
    SH12: st.builds(w.ServerHello12, u16, random, some(0, 32), u16, u8, blocks(SH12)),
    EE: st.builds(w.EncryptedExtensions, blocks(EE)),
    CR: st.builds(w.CertificateRequest, some(0, 255), blocks(CR)),
    CT: st.builds(w.Certificate, some(0, 255), many(st.builds(w.CertificateEntry, some(1), blocks(CT)), 0)),
    NST: st.builds(w.NewSessionTicket, u32, u32, some(0, 255), some(1), blocks(NST)),
    "CertificateVerify": st.builds(w.CertificateVerify, u16, some(0, 300)),
    "Finished": st.builds(w.Finished, some(1, 64)),
    "EndOfEarlyData": st.just(w.EndOfEarlyData()),
    "KeyUpdate": st.builds(w.KeyUpdate, st.integers(0, 1)),
}
