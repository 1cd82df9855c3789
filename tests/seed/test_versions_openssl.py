"""S25 against OpenSSL: every cell of the matrix that has this library at one end, TLS 1.1 included, in memory."""

import ssl
import warnings
from pathlib import Path

import pytest

from tests.seed.wire import client_config
from tests.support.standing import NAME, authority, issued, server_config
from tlscore.connection import Connection
from tlscore.errors import AlertError
from tlscore.versions import VersionSetting, negotiate

COLUMNS = ("", "SSLv23", "TLSv11", "TLSv12", "TLSv13")
OURS = {"": ("1.3", "1.2"), "TLSv12": "1.2", "TLSv13": "1.3"}
# What OpenSSL shows of a refused hello: its own refusal, or our protocol_version.
REFUSALS = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION", "WRONG_VERSION_NUMBER")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return issued().write(tmp_path_factory.mktemp("matrix"))


class OpenSsl:
    """An end of OpenSSL that speaks through memory."""

    def __init__(self, setting: str, *, server: bool, files: tuple[Path, Path]) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        versions = VersionSetting.from_sec_protocol(setting).accepted
        with warnings.catch_warnings():
            # TLS 1.1 is what these tests are about.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = (
                ssl.TLSVersion(min(versions)),
                ssl.TLSVersion(max(versions)),
            )
        context.set_ciphers("ALL:@SECLEVEL=0")
        if server:
            context.load_cert_chain(*files)
        else:
            context.load_verify_locations(cadata=authority().pem.decode())
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server else NAME
        self.end = context.wrap_bio(self.incoming, self.outgoing, server_side=server, server_hostname=name)
        self.refused = ""

    def step(self, wire: bytes) -> bytes:
        self.incoming.write(wire)
        try:
            self.end.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.refused = error.reason or ""
        return self.outgoing.read()


def meet(own: Connection, other: OpenSsl) -> AlertError | None:
    """A handshake; our refusal, or the alert that came in."""
    wire = b"" if own.role == "server" else own.data_to_send()
    for _ in range(10):
        answer = other.step(wire)
        if not answer and not wire and own.role == "client":
            break
        try:
            own.receive(answer)
            own.events()
        except AlertError as error:
            other.step(own.data_to_send() if error.sender == "us" else b"")
            return error
        wire = own.data_to_send()
    return None


@pytest.mark.parametrize("theirs", COLUMNS)
@pytest.mark.parametrize("ours", OURS)
def test_s25_our_client_meets_openssl(ours: str, theirs: str, files: tuple[Path, Path]) -> None:
    settings = VersionSetting.from_sec_protocol(ours), VersionSetting.from_sec_protocol(theirs)
    # A client of TLS 1.2 alone has no need of supported_versions; OpenSSL reads the number then.
    outcome = negotiate(*settings, how="number" if ours == "TLSv12" else "extension")
    own = client_config(versions=OURS[ours]).connection(NAME)
    other = OpenSsl(theirs, server=True, files=files)
    error = meet(own, other)
    if outcome.established:
        assert own.version == other.end.version() == f"TLSv{outcome.cell}"
        return
    assert own.error is error is not None
    assert error.sender == "peer"
    # OpenSSL looks for a suite before it answers; none of ours is of TLS 1.1, so that our client is not even asked.
    assert error.alert == (70 if outcome.dropped_by == "server" else 40)


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("theirs", COLUMNS)
def test_s25_openssl_meets_our_server(theirs: str, ours: str, files: tuple[Path, Path]) -> None:
    outcome = negotiate(VersionSetting.from_sec_protocol(theirs), VersionSetting.from_sec_protocol(ours))
    own = server_config(versions=OURS[ours]).connection()
    other = OpenSsl(theirs, server=False, files=files)
    error = meet(own, other)
    if outcome.established:
        assert own.version == other.end.version() == f"TLSv{outcome.cell}"
        return
    assert error is not None
    assert (outcome.dropped_by, error.sender, error.alert_sent) == ("server", "us", 70)
    assert other.refused in REFUSALS
