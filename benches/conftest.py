"""What the suites share: throw-away certificates, and the libraries that are installed, configured alike.

`pytest benches` runs them with the timer of the thread's CPU. They watch this library over time
(`--benchmark-autosave`, `--benchmark-compare`); to compare with other libraries use `tlscore bench`, whose targets take
turns.
"""

from importlib import import_module
from pathlib import Path

import pytest

from tlscore.cli.bench.ends import Library, Material
from tlscore.cli.bench.targets import TARGETS
from tlscore.cli.throwaway import SERVER_NAME, ThrowawayAuthority

SUITE = "TLS_AES_128_GCM_SHA256"
# Libraries whose suite needs a configuration file of the process are left to `tlscore bench`.
LIBRARIES = ("tlscore", "tlscore_into", "tlscore_12")


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    authority = ThrowawayAuthority(tmp_path_factory.mktemp("benches"))
    chain, key = authority.issue(SERVER_NAME)
    return Material(SUITE, Path(authority.path), chain, key, SERVER_NAME)


@pytest.fixture(scope="session", params=LIBRARIES)
def library(request: pytest.FixtureRequest, material: Material) -> Library:
    module, _, name = TARGETS[request.param].library.partition(":")
    found = getattr(import_module(module), name)(material)
    assert isinstance(found, Library)
    return found
