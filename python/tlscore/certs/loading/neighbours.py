"""Where the right file is, when the wrong one was named: the files of the same directory are looked at.

Only for the text of an error. Files that are encrypted, large or unreadable are passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from tlscore.certs.loading import material, order, sniff
from tlscore.certs.loading.passwords import Secret
from tlscore.certs.reading import Source
from tlscore.errors import ConfigError

_FILES = 200
_OCTETS = 256 * 1024


def key_for(public: Any, path: str | None) -> str | None:
    """The name of a file beside `path` that holds the private key of `public`."""
    for name, source in _beside(path):
        try:
            held = material.keys(source, Secret(None))
        except ConfigError:
            continue
        if any(one.value.public_key() == public for one in held):
            return name
    return None


def certificate_for(public: Any, path: str | None) -> str | None:
    """The name of a file beside `path` that holds a certificate for `public`."""
    for name, source in _beside(path):
        try:
            held = material.certificates(source, "a search")
        except ConfigError:
            continue
        if any(order.public_key(one.value) == public for one in held):
            return name
    return None


def _beside(path: str | None) -> Iterator[tuple[str, Source]]:
    if path is None:
        return
    directory = os.path.dirname(os.path.abspath(path))
    try:
        names = sorted(os.listdir(directory))[:_FILES]
    except OSError:
        return
    for name in names:
        other = os.path.join(directory, name)
        try:
            if not os.path.isfile(other) or os.path.getsize(other) > _OCTETS:
                continue
            with open(other, "rb") as file:
                source = Source(file.read(_OCTETS), other, other)
        except OSError:
            continue
        if sniff.kind_of(source.data) in ("pem", "certificate", "pkcs7", *sniff.KEY_KINDS):
            yield name, source
