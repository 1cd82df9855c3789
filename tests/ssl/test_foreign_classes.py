"""Libraries that replace classes of the module ssl before tlscore.ssl is imported."""

import subprocess
import sys

import pytest

# What the library does to the module, and what the refusal says.
PATCHES = {
    "a socket, as gevent's": (
        "class SSLSocket(socket.socket): __module__ = 'gevent.ssl'\nssl.SSLSocket = SSLSocket",
        "ssl.SSLSocket was replaced by gevent.ssl.SSLSocket, which is no SSLSocket of the standard library",
    ),
    "a context": (
        "class SSLContext: __module__ = 'other.tls'\nssl.SSLContext = SSLContext",
        "ssl.SSLContext was replaced by other.tls.SSLContext, which is no SSLContext of the standard library",
    ),
    "an object": (
        "class SSLObject: __module__ = 'other.tls'\nssl.SSLObject = SSLObject",
        "ssl.SSLObject was replaced by other.tls.SSLObject, which is no SSLObject of the standard library",
    ),
    "a function": (
        "def SSLContext(*arguments): pass\nSSLContext.__module__ = 'other.tls'\nssl.SSLContext = SSLContext",
        "ssl.SSLContext was replaced by other.tls.SSLContext",
    ),
    "a context without OpenSSL": (
        "class SSLContext: __module__ = 'ssl'\nssl.SSLContext = SSLContext",
        "ssl.SSLContext is not the one of CPython",
    ),
    "no private names": ("del ssl._TLSContentType", "the module ssl has no _TLSContentType"),
}
PROGRAM = """
import socket, ssl
{patch}
try:
    from tlscore import ssl as shape
    shape.SSLSocket
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize("what", PATCHES)
def test_import_names_what_was_replaced(what: str) -> None:
    patch, expected = PATCHES[what]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(patch=patch)], capture_output=True, text=True, check=True
    )
    assert expected in done.stdout
