"""confirm_client_auth over sockets: `connect` ends with the server's verdict on the client's certificate."""

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

import tlscore
from tests.sockets.conftest import NAME, Configs
from tests.support.certificates import Authority, make_ca
from tlscore import ClientConfig, Identity, ServerConfig, TlsListener, TlsSocket, TrustStore, errors


@pytest.fixture(scope="module")
def client(configs: Configs, authority: Authority) -> ClientConfig:
    issued = authority.issue("client.test", usage="client")
    own = Identity.load(issued.chain_pem, issued.key_pem)
    return configs.client.replace(identities=(own,), confirm_client_auth=True)


def server_of(configs: Configs, trust: TrustStore) -> ServerConfig:
    return configs.server.replace(client_auth="required", client_trust=trust, advertise_cas=False)


def serve(listener: TlsListener, then: Callable[[TlsSocket], object]) -> threading.Thread:
    """Accept one client and do something with it; a refusal ends the thread."""

    def run() -> None:
        with suppress(errors.TlsError):
            tls, _ = listener.accept()
            with tls:
                then(tls)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("wanted", [True, False])
def test_refusal_of_the_server_is_what_connect_raises(configs: Configs, client: ClientConfig, wanted: bool) -> None:
    strangers = TrustStore.from_bytes(make_ca("Strangers").pem)
    with tlscore.listen(("127.0.0.1", 0), server_of(configs, strangers)) as listener:
        thread = serve(listener, lambda tls: tls.recv(1))
        config = client.replace(confirm_client_auth=wanted)
        if wanted:
            with pytest.raises(errors.UnknownCa) as caught:
                tlscore.connect(listener.getsockname(), config, server_name=NAME, timeout=5)
        else:
            # Without it the client is done first, and learns of the refusal when it reads.
            with (
                tlscore.connect(listener.getsockname(), config, server_name=NAME, timeout=5) as tls,
                pytest.raises(errors.UnknownCa) as caught,
            ):
                tls.recv(1)
        assert caught.value.sender == "peer"
        thread.join(10)


@pytest.mark.parametrize("answer", ["confirmation", "data"])
def test_connect_waits_for_the_consent_of_the_server(
    configs: Configs, client: ClientConfig, authority: Authority, answer: str
) -> None:
    config = server_of(configs, TrustStore.from_bytes(authority.pem)).replace(
        confirm_client_auth=answer == "confirmation"
    )
    with tlscore.listen(("127.0.0.1", 0), config) as listener:
        thread = serve(listener, lambda tls: tls.sendall(b"welcome") or tls.recv(1))
        with tlscore.connect(listener.getsockname(), client, server_name=NAME, timeout=5) as tls:
            assert tls.handshake_complete
            assert tls.client_auth_confirmed is True
            assert tls.recv(100) == b"welcome"
        thread.join(10)


def test_server_that_says_nothing_is_waited_for_within_the_deadline(
    configs: Configs, client: ClientConfig, authority: Authority
) -> None:
    config = server_of(configs, TrustStore.from_bytes(authority.pem))
    with tlscore.listen(("127.0.0.1", 0), config) as listener:
        thread = serve(listener, lambda tls: tls.recv(1))
        with pytest.raises(errors.HandshakeTimeout):
            tlscore.connect(listener.getsockname(), client.replace(handshake_timeout=0.2), server_name=NAME, timeout=5)
        thread.join(10)
