"""Revocation against OpenSSL: its stapled responses are taken, ours are shown, its CRLs and responses are read."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.certificates import Authority, Issued
from tests.support.revocation import NOW, REVOKED, make_response
from tlscore import ClientConfig, Identity, OcspFile, Revocation, ServerConfig, TrustStore, errors
from tlscore.certs.revocation import check
from tlscore.connection import Connection

SECONDS = 20


def drive(connection: Connection, stream: socket.socket, until: Callable[[], bool]) -> None:
    """Carry octets between a connection and a socket."""
    stream.settimeout(SECONDS)
    while not until():
        wire = connection.data_to_send()
        if wire:
            stream.sendall(wire)
            continue
        data = stream.recv(65_536)
        if not data:
            raise AssertionError("the other end hung up")
        connection.receive(data)
    wire = connection.data_to_send()
    if wire:
        stream.sendall(wire)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def s_server(openssl: str, folder: Path, *more: str) -> Iterator[socket.socket]:
    """`openssl s_server` with the leaf of a folder; gives a stream to it."""
    port = free_port()
    command = [openssl, "s_server", "-accept", f"127.0.0.1:{port}", "-cert", "leaf.pem", "-key", "leaf.key", "-quiet"]
    process = subprocess.Popen([*command, *more], cwd=folder, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        limit = time.monotonic() + SECONDS
        while True:
            try:
                stream = socket.create_connection(("127.0.0.1", port), 1)
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > limit:
                    raise
                time.sleep(0.05)
        with stream:
            yield stream
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def folder(tmp_path: Path, root: Authority, leaf: Issued) -> Path:
    leaf.write(tmp_path)
    root.write(tmp_path)
    return tmp_path


@pytest.mark.parametrize("status", ["good", "revoked", "none"])
def test_client_takes_the_staple_of_openssl(
    require_tool: Callable[[str], str], folder: Path, root: Authority, leaf: Issued, status: str
) -> None:
    openssl = require_tool("openssl")
    given = {"good": make_response(leaf.certificate, root), "revoked": make_response(leaf.certificate, root, REVOKED)}
    options: tuple[str, ...] = ()
    if status in given:
        (folder / "staple.der").write_bytes(given[status])
        options = ("-status_file", "staple.der")
    config = ClientConfig.simple(TrustStore.from_bytes(root.pem), revocation=Revocation.stapled("require"))
    with s_server(openssl, folder, *options) as stream:
        client = config.connection("example.org")
        if status == "good":
            drive(client, stream, lambda: client.handshake_complete)
            assert client.authenticated
            return
        with pytest.raises(errors.AlertError) as caught:
            drive(client, stream, lambda: client.handshake_complete)
        assert caught.value.code == ("TLS-REVOKED" if status == "revoked" else "TLS-REVOCATION_NO_ANSWER")


def s_client(openssl: str, folder: Path, config: ServerConfig, *more: str) -> tuple[Connection, str]:
    """Our server and `openssl s_client`: the connection of the server, and what the client printed."""
    server, failures = config.connection(), list[BaseException]()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)

        def serve() -> None:
            try:
                stream, _ = listener.accept()
                with stream:
                    drive(server, stream, lambda: server.handshake_complete)
                    server.close()
                    stream.sendall(server.data_to_send())
            except BaseException as failure:
                failures.append(failure)

        thread = threading.Thread(target=serve)
        thread.start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        command = [openssl, "s_client", "-connect", address, "-CAfile", "ca.pem", "-servername", "example.org", *more]
        done = subprocess.run(command, cwd=folder, input=b"", capture_output=True, timeout=SECONDS, check=False)
        thread.join()
    assert not failures
    return server, done.stdout.decode()


def test_openssl_shows_the_staple_of_our_server(
    require_tool: Callable[[str], str], folder: Path, root: Authority, leaf: Issued
) -> None:
    openssl = require_tool("openssl")
    (folder / "staple.der").write_bytes(make_response(leaf.certificate, root))
    identity = Identity.load(leaf.chain_pem, leaf.key_pem)
    source = OcspFile(folder / "staple.der", (*leaf.chain, root.certificate))
    _, text = s_client(openssl, folder, ServerConfig.simple(identity.with_staple(source)), "-status")
    assert "OCSP Response Status: successful" in text
    assert "Cert Status: good" in text
    assert "Verify return code: 0 (ok)" in text


@pytest.mark.parametrize("asked", [False, True])
def test_clients_of_openssl_are_content_with_a_server_that_asks_for_staples(
    require_tool: Callable[[str], str], folder: Path, root: Authority, leaf: Issued, asked: bool
) -> None:
    openssl = require_tool("openssl")
    trust, identity = TrustStore.from_bytes(root.pem), Identity.load(leaf.chain_pem, leaf.key_pem)
    wanted = Revocation(staple_from_clients=asked)
    config = ServerConfig.mutual(identity, client_trust=trust, revocation=wanted)
    options = ("-cert", "leaf.pem", "-key", "leaf.key")
    server, _ = s_client(openssl, folder, config, *options)
    assert server.authenticated


def run(openssl: str, folder: Path, *arguments: str) -> None:
    environment = {**os.environ, "OPENSSL_CONF": os.devnull}
    subprocess.run([openssl, *arguments], cwd=folder, capture_output=True, timeout=SECONDS, check=True, env=environment)


def test_lists_and_responses_that_openssl_makes_are_read(
    require_tool: Callable[[str], str], folder: Path, root: Authority, leaf: Issued
) -> None:
    openssl = require_tool("openssl")
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

    key = root.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "ca.key").write_bytes(key)
    (folder / "config").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=1\n"
        "crl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n"
    )
    (folder / "index").write_text("")
    (folder / "number").write_text("01\n")
    path = (*leaf.chain, root.certificate)
    signer = ("-keyfile", "ca.key", "-cert", "ca.pem", "-config", "config")
    for revoked in (False, True):
        if revoked:
            run(openssl, folder, "ca", *signer, "-revoke", "leaf.pem", "-crl_reason", "keyCompromise")
        run(openssl, folder, "ca", *signer, "-gencrl", "-out", "ca.crl")
        request = ("-issuer", "ca.pem", "-cert", "leaf.pem")
        responder = ("-index", "index", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key", "-ndays", "1")
        run(openssl, folder, "ocsp", *responder, *request, "-respout", "staple.der", "-noverify")
        listed = check(path, NOW, Revocation.crl(files=folder / "ca.crl", mode="require"))[0]
        assert (listed.code == "TLS-REVOKED") is revoked
        assert (listed.outcome == "pass") is not revoked
        # OpenSSL's responder does not know certificates that its index does not hold.
        stapled = check(path, NOW, Revocation(), (folder / "staple.der").read_bytes())[0]
        assert stapled.code == ("TLS-REVOKED" if revoked else "TLS-STAPLE_UNKNOWN")
