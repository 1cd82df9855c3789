"""The messages of every handshake that hold nothing but a value or two, put together from octets directly.

The codec in tlscore.wire reads everything that arrives and writes what is rare or large; these are written in every
handshake, and the codec's way through a record for each field costs more than the fields. A test holds each of
them to what the codec writes.

    Finished            14 | length 3 | verify_data
    CertificateVerify   0f | length 3 | scheme 2 | length 2 | signature
    ServerKeyExchange   0c | length 3 | params | scheme 2 | length 2 | signature     (TLS 1.2)
    ServerHello         02 | length 3 | 0303 | random 32 | length 1, session id | suite 2 | 00 | length 2, extensions
                        extensions: 002b 0002 0304 | 0033 length 2 (group 2, length 2, share)
"""

from tlscore.iana import HandshakeType

_FINISHED = bytes((HandshakeType.finished, 0, 0))
_CERTIFICATE_VERIFY = bytes((HandshakeType.certificate_verify,))
_SERVER_KEY_EXCHANGE = bytes((HandshakeType.server_key_exchange,))
_SERVER_HELLO = bytes((HandshakeType.server_hello,))
# supported_versions with TLS 1.3, and the type of key_share.
_VERSION_AND_SHARE = bytes.fromhex("002b00020304 0033")


def finished(verify_data: bytes) -> bytes:
    return _FINISHED + bytes((len(verify_data),)) + verify_data


def certificate_verify(scheme: int, signature: bytes) -> bytes:
    octets = len(signature)
    return b"".join(
        (
            _CERTIFICATE_VERIFY,
            (octets + 4).to_bytes(3, "big"),
            scheme.to_bytes(2, "big"),
            octets.to_bytes(2, "big"),
            signature,
        )
    )


def server_key_exchange(params: bytes, scheme: int, signature: bytes) -> bytes:
    """A ServerKeyExchange of TLS 1.2 that is signed."""
    octets = len(signature)
    return b"".join(
        (
            _SERVER_KEY_EXCHANGE,
            (len(params) + octets + 4).to_bytes(3, "big"),
            params,
            scheme.to_bytes(2, "big"),
            octets.to_bytes(2, "big"),
            signature,
        )
    )


def server_hello(random: bytes, session_id: bytes, suite: int, group: int, share: bytes) -> bytes:
    """A ServerHello of TLS 1.3 without a PSK."""
    octets, session_octets = len(share), len(session_id)
    return b"".join(
        (
            _SERVER_HELLO,
            (54 + session_octets + octets).to_bytes(3, "big"),
            b"\x03\x03",
            random,
            bytes((session_octets,)),
            session_id,
            suite.to_bytes(2, "big"),
            b"\0",
            (octets + 14).to_bytes(2, "big"),
            _VERSION_AND_SHARE,
            (octets + 4).to_bytes(2, "big"),
            group.to_bytes(2, "big"),
            octets.to_bytes(2, "big"),
            share,
        )
    )
