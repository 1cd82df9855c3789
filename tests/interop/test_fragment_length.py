"""`openssl s_client -maxfraglen`: our server honours max_fragment_length in TLS 1.3, 1.2 and the legacy tier."""

from __future__ import annotations

import subprocess

import pytest

from tests.interop.harness import LOOPBACK, TIMEOUT, facts, serve
from tests.support import standing
from tests.support.legacy import server as legacy_server
from tests.support.legacy import tier
from tests.support.standing import NAME, pattern
from tests.support.tools import require_tool
from tlscore import ServerConfig

OCTETS = 20_000


@pytest.mark.parametrize("octets", [512, 4096])
@pytest.mark.parametrize("version", ["1.3", "1.2", "1.1"])
def test_openssl_gets_the_fragments_that_it_asks_for(tmp_path, version, octets):
    """OpenSSL refuses longer records than it asked for (RFC 6066 4)."""

    def send(tls):
        tls.sendall(pattern(OCTETS))
        agreed = facts(tls)
        tls.close()
        return agreed

    if version == "1.1":
        config = legacy_server(tier(versions="1.1", suites=("TLS_RSA_WITH_AES_128_CBC_SHA",)), "rsa2048")
    else:
        config = ServerConfig.simple(standing.identity(), versions=version)
    flag = {"1.3": "-tls1_3", "1.2": "-tls1_2", "1.1": "-tls1_1"}[version]
    ca = standing.authority().write(tmp_path)
    with serve(config, send) as serving:
        command = [require_tool("openssl"), "s_client", "-quiet", "-ign_eof", flag, "-maxfraglen", str(octets)]
        command += ["-connect", f"{LOOPBACK}:{serving.port}", "-CAfile", str(ca), "-servername", NAME]
        if version == "1.1":
            command += ["-cipher", "AES128-SHA:@SECLEVEL=0"]
        done = subprocess.run(command, input=b"", capture_output=True, timeout=TIMEOUT, check=False)
        assert serving.result().version == f"TLSv{version}"
    assert done.stdout == pattern(OCTETS), done.stderr
