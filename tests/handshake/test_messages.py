"""What the handshake writes octet by octet is what the codec would write."""

import pytest

from tlscore import ClientConfig
from tlscore._core import KeyShare, random_bytes
from tlscore.handshake import messages
from tlscore.handshake.certificate_auth import signed_content
from tlscore.handshake.key_exchange12 import params
from tlscore.iana import NamedGroup
from tlscore.wire import (
    NAMED_CURVE,
    CertificateVerify,
    Extensions,
    Finished,
    KeyShareEntry,
    KeyShareServerHello,
    SelectedVersion,
    ServerHello,
    ServerKeyExchange,
    decode,
    encode,
)


@pytest.mark.parametrize("octets", [32, 48])
def test_finished(octets):
    mac = random_bytes(octets)
    assert messages.finished(mac) == encode(Finished(mac))


@pytest.mark.parametrize("octets", [0, 1, 71, 256, 512, 4627])
def test_certificate_verify(octets):
    signature = random_bytes(octets)
    assert messages.certificate_verify(0x0804, signature) == encode(CertificateVerify(0x0804, signature))


@pytest.mark.parametrize("group", [NamedGroup.x25519, NamedGroup.secp521r1])
@pytest.mark.parametrize("octets", [1, 71, 256, 512])
def test_server_key_exchange(group, octets):
    public, signature = KeyShare.generate(group).public, random_bytes(octets)
    message = ServerKeyExchange(NAMED_CURVE, group, public, 0x0403, signature)
    assert messages.server_key_exchange(params(group, public), 0x0403, signature) == encode(message)


@pytest.mark.parametrize("session_octets", [0, 32])
@pytest.mark.parametrize("share_octets", [32, 65, 1120, 1665])
def test_server_hello(session_octets, share_octets):
    random, session_id, share = random_bytes(32), random_bytes(session_octets), random_bytes(share_octets)
    extensions = Extensions([SelectedVersion(0x0304), KeyShareServerHello(KeyShareEntry(0x11EC, share))])
    message = ServerHello(0x0303, random, session_id, 0x1302, 0, extensions)
    assert messages.server_hello(random, session_id, 0x1302, 0x11EC, share) == encode(message)


@pytest.mark.parametrize("changes", [{}, {"grease": True}, {"middlebox_compatibility": False}, {"alpn": ("h2", "x")}])
def test_client_hello(trust, changes):
    wire = ClientConfig.simple(trust, **changes).connection("example.org").data_to_send()
    octets = wire[5:]
    assert encode(decode(octets)) == octets


def test_what_certificate_verify_signs():
    """The example of RFC 9846 4.5.2: a transcript hash of 32 octets 01."""
    expected = "20" * 64 + "544c5320312e332c2073657276657220436572746966696361746556657269667900" + "01" * 32
    assert signed_content("server", b"\x01" * 32).hex() == expected
    assert signed_content("client", b"\x01" * 32)[64:97] == b"TLS 1.3, client CertificateVerify"
