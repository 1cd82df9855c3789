#!/usr/bin/env python3
"""The program that BoGo, the protocol tester of BoringSSL, starts once for each of its tests.

The runner says by flags which end to be, what to offer and what to expect, listens on a port of loopback and misbehaves
on the connection. The shim leaves with 0 where the connection went as the flags say, 1 where it failed (the cause
stands on stderr), and 89 for what tlscore does not have: the runner passes over the test then. Every flag is in one of
the tables below or unknown, and unknown means 89. This file reads the flags alone, so that the thousands of tests that
are out of scope cost no import of the library; shim_driver.py does the rest.
"""

import sys
from collections.abc import Iterator
from typing import Any

UNIMPLEMENTED = 89
TLS10, TLS11, TLS12, TLS13 = 0x0301, 0x0302, 0x0303, 0x0304


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Flags without a value: those that mean something here, and those that change nothing in TLS 1.3 or in this library.
SWITCHES = _names(
    "server ipv6 async shim-writes-first shim-shuts-down check-close-notify key-update key-update-before-read no-tls12 "
    "no-tls1 no-tls11 no-tls13 legacy-tier tls-unique expect-extended-master-secret expect-secure-renegotiation "
    "require-any-client-certificate verify-peer enable-grease permute-extensions server-preference decline-alpn "
    "reject-alpn use-export-context expect-hrr expect-no-hrr expect-no-peer-cert write-different-record-sizes "
    "read-with-unfinished-write expect-no-server-name must-match-issuer"
)
IGNORED_SWITCHES = _names(
    "no-ticket implicit-handshake handshake-twice no-op-extra-handshake use-early-callback "
    "install-ddos-callback use-old-client-cert-callback use-custom-verify-callback expect-verify-result "
    "partial-write cbc-record-splitting false-start allow-false-start-without-alpn renegotiate-once renegotiate-freely "
    "renegotiate-ignore renegotiate-explicit forbid-renegotiation-after-handshake expect-no-session "
    "expect-session-miss no-legacy-server-connect use-exporter-between-reads expect-no-session-id"
)
NUMBERS = _names(
    "port shim-id resume-count expect-version min-version max-version export-keying-material read-size max-cert-list "
    "repeat-shim-initial-write expect-peer-signature-algorithm expect-curve-id expect-cipher expect-cipher-aes "
    "expect-selected-credential expect-total-renegotiations"
)
TEXTS = _names(
    "cert-file key-file trust-cert host-name expect-server-name advertise-alpn expect-alpn select-alpn export-label "
    "export-context expect-peer-cert-file shim-initial-write use-client-ca-list expect-client-ca-list cipher"
)
# What the peer offered, and traces of BoringSSL's own: tlscore does not show them.
IGNORED_TEXTS = _names(
    "write-settings expect-early-data-reason expect-msg-callback expect-peer-verify-pref expect-advertised-alpn"
)
NUMBER_LISTS = _names("verify-prefs curves key-shares signing-prefs")
CREDENTIAL_FLAGS = _names("cert-file key-file signing-prefs must-match-issuer")


class Unimplemented(Exception):
    """The test needs what tlscore does not have."""


class Flags:
    """The flags of one test; `credentials` are groups of flags that describe one certificate each."""

    def __init__(self, arguments: list[str]) -> None:
        self.values: dict[str, Any] = {}
        self.credentials: list[dict[str, Any]] = []
        rest = iter(arguments)
        for argument in rest:
            name = argument.lstrip("-")
            if name.startswith("on-initial-"):
                name = name.removeprefix("on-initial-")
            elif name.startswith(("on-resume-", "on-retry-", "on-shim-", "on-handshaker-")):
                raise Unimplemented(f"{argument}: a second connection")
            self._take(name, rest)

    def _take(self, name: str, rest: Iterator[str]) -> None:
        if name == "new-x509-credential":
            self.credentials.append({})
            return
        own = self.credentials[-1] if self.credentials and name in CREDENTIAL_FLAGS else self.values
        if name in SWITCHES:
            own[name] = True
        elif name in NUMBERS:
            own[name] = int(next(rest))
        elif name in TEXTS:
            own[name] = next(rest)
        elif name in NUMBER_LISTS:
            text = next(rest)
            own[name] = (*own.get(name, ()), *([int(text)] if text else []))
        elif name in IGNORED_TEXTS:
            next(rest)
        elif name not in IGNORED_SWITCHES:
            raise Unimplemented(f"-{name}: an unknown flag")

    def on(self, name: str) -> bool:
        return name in self.values

    def number(self, name: str, default: int = 0) -> int:
        return self.values.get(name, default)

    def text(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)

    def codes(self, name: str) -> tuple[int, ...] | None:
        return self.values.get(name)


def versions_of(flags: Flags) -> tuple[int, ...]:
    """The versions that the flags leave, newest first.

    -legacy-tier is no flag of the runner: whoever runs it gives it to all tests at once (README.md says to which), and
    they run in the legacy tier.
    """
    lowest, highest = flags.number("min-version"), flags.number("max-version", TLS13)
    off = {TLS10: "no-tls1", TLS11: "no-tls11", TLS12: "no-tls12", TLS13: "no-tls13"}
    left = tuple(code for code in (TLS13, TLS12, TLS11, TLS10) if lowest <= code <= highest and not flags.on(off[code]))
    if flags.on("legacy-tier"):
        return tuple(code for code in left if code != TLS13)
    return tuple(code for code in left if code >= TLS12)


def check_scope(flags: Flags) -> None:
    """Leave what is out of scope at once."""
    if flags.number("resume-count") or flags.number("expect-total-renegotiations"):
        raise Unimplemented("resumption and renegotiation")
    versions = versions_of(flags)
    if not versions or (flags.number("expect-version") or versions[0]) not in versions:
        raise Unimplemented("none of the versions is in this tier")
    for name in ("use-client-ca-list", "expect-client-ca-list"):
        if flags.text(name) not in ("", "<EMPTY>", "<NULL>"):
            raise Unimplemented(f"-{name}: lists of authorities that are not those of a trust store")


def main(arguments: list[str]) -> int:
    if "-is-handshaker-supported" in arguments:
        print("No")
        return 0
    try:
        flags = Flags(arguments)
        check_scope(flags)
        from shim_driver import run

        return run(flags)
    except Unimplemented as failure:
        print(failure, file=sys.stderr)
        return UNIMPLEMENTED


if __name__ == "__main__":
    # The driver imports this module by its name: it must not be loaded twice.
    sys.modules["shim"] = sys.modules["__main__"]
    sys.exit(main(sys.argv[1:]))
