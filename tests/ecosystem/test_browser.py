"""A browser's view: headless Chromium loads a page, and what the page asks for, from uvicorn and from hypercorn."""

import base64
import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.ecosystem.services import hypercorn_server, uvicorn_server
from tests.ecosystem.support import LARGE, Files, entry, server_context
from tests.support.tools import require_tool

# The script comes from a request of its own, and posts what is larger than a record.
PAGE = b"""<!doctype html><title>waiting</title><link rel="icon" href="data:,"><p id="answer">nothing yet</p>
<script src="/script.js"></script>"""
SCRIPT = b"""
fetch("/length", {method: "POST", body: new Uint8Array(%d)})
    .then(answer => answer.text())
    .then(text => {
        const how = performance.getEntriesByType("navigation")[0].nextHopProtocol;
        document.getElementById("answer").textContent = "the server counted " + text + " over " + how;
    });
""" % len(LARGE)


async def site(scope: Any, receive: Any, send: Any) -> None:
    counted, more = 0, True
    while more:
        message = await receive()
        counted += len(message.get("body", b""))
        more = message.get("more_body", False)
    pages = {"/": (b"text/html", PAGE), "/script.js": (b"text/javascript", SCRIPT)}
    kind, body = pages.get(scope["path"], (b"text/plain", b"%d octets" % counted))
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def fingerprint(chain: Path) -> str:
    """What Chromium calls the SPKI hash of the certificate in a file."""
    key = x509.load_pem_x509_certificate(chain.read_bytes()).public_key()
    octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(octets).digest()).decode()


def seen_by_chromium(url: str, trusted: str, profile: Path) -> str:
    """The document after its scripts have run."""
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}"]
    arguments += [f"--ignore-certificate-errors-spki-list={trusted}", "--virtual-time-budget=5000", "--dump-dom", url]
    command = [require_tool("chromium"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@entry("Chromium", "page served by uvicorn", "headless browser")
@pytest.mark.timeout(120)
def test_chromium_loads_a_page(server: Any, files: Files, tmp_path: Path) -> None:
    with uvicorn_server(server, site) as port:
        document = seen_by_chromium(f"https://localhost:{port}/", fingerprint(files.chain), tmp_path)
    assert f"the server counted {len(LARGE)} octets over http/1.1" in document


@entry("Chromium", "page served by hypercorn, HTTP/2", "headless browser")
@pytest.mark.timeout(120)
def test_chromium_loads_a_page_over_http2(shape: Any, files: Files, tmp_path: Path) -> None:
    with hypercorn_server(server_context(shape, files, "h2", "http/1.1"), site) as port:
        document = seen_by_chromium(f"https://localhost:{port}/", fingerprint(files.chain), tmp_path)
    assert f"the server counted {len(LARGE)} octets over h2" in document


@pytest.mark.timeout(120)
def test_chromium_refuses_a_certificate_that_it_was_not_told_of(server: Any, tmp_path: Path) -> None:
    """The trust of the test above comes from the key, not from a browser that looks away."""
    with uvicorn_server(server, site) as port:
        unknown = base64.b64encode(bytes(32)).decode()
        document = seen_by_chromium(f"https://localhost:{port}/", unknown, tmp_path)
    assert "the server counted" not in document
