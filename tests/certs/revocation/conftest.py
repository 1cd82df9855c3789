"""One root, one intermediate and one leaf that every test of revocation may use; made once a run."""

import pytest

from tests.support.certificates import Authority, Issued, make_ca


@pytest.fixture(scope="session")
def root() -> Authority:
    return make_ca("Revocation root")


@pytest.fixture(scope="session")
def middle(root: Authority) -> Authority:
    return root.intermediate("Revocation intermediate")


@pytest.fixture(scope="session")
def leaf(root: Authority) -> Issued:
    return root.issue("example.org")


@pytest.fixture(scope="session")
def deep_leaf(middle: Authority) -> Issued:
    return middle.issue("deep.example.org")
