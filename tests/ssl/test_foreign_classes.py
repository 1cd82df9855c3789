"""Libraries that replace classes of the module ssl before tlscore.ssl is imported."""

import subprocess
import sys

PROGRAM = """
import socket, ssl

class SSLSocket(socket.socket):
    "As gevent does it: no subclass of the standard library's."

SSLSocket.__module__ = "gevent.ssl"
ssl.SSLSocket = SSLSocket
try:
    from tlscore import ssl as shape
    shape.SSLSocket
except ImportError as error:
    print(error)
"""


def test_import_names_the_library_that_replaced_the_socket_class() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert "replaced by gevent.ssl.SSLSocket" in done.stdout
    assert "Do not patch the module ssl" in done.stdout
