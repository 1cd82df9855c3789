"""One CRL: parsed once, its flaws found once, its entries found fast.

`cryptography` checks the structure of the whole list when it loads it, 5 ms for 100,000 entries, and makes an object of
an entry when asked. An entry is first looked for as octets (its serial number is a DER INTEGER, so octets that are not
there mean an entry that is not there) and after some lookups through a set of serial numbers. Only a hit is parsed.

    { { version, algorithm, issuer, thisUpdate, nextUpdate, [entries], {0: extensions} }, algorithm, signature }
                                                             ^ self._entries

Where entries of an indirect CRL name other issuers, every entry is read: the issuer of one that names none is that of
the entry before.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from tlscore.certs.peer import PARSE_ERRORS
from tlscore.certs.revocation import der, names
from tlscore.certs.revocation.problems import Problem, Unreadable
from tlscore.certs.revocation.signed import SignatureProblem, check_signature, open_signed

# Lookups by octets before the set of serial numbers is made: a client asks once or twice, a server for every client.
_LOOKUPS_BEFORE_INDEX: Final = 4
# Keys whose signature over a CRL was checked: its issuer's, and those of namesakes.
_KEPT_KEYS: Final = 8
_CRITICAL_TRUE: Final = b"\x01\x01\xff"
_LONGEST_OID: Final = 64

_UNDERSTOOD: Final = frozenset(
    (ExtensionOID.ISSUING_DISTRIBUTION_POINT, ExtensionOID.DELTA_CRL_INDICATOR, ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
)
_UNDERSTOOD_OF_ENTRIES: Final = frozenset(
    (CRLEntryExtensionOID.CRL_REASON, CRLEntryExtensionOID.INVALIDITY_DATE, CRLEntryExtensionOID.CERTIFICATE_ISSUER)
)
# RFC 5280 6.3.3: "all-reasons" is every reason that a list can be partitioned by.
ALL_REASONS: Final = frozenset(x509.ReasonFlags) - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}


class Entry(NamedTuple):
    """A certificate that the list names."""

    date: datetime
    reason: x509.ReasonFlags


class Scope(NamedTuple):
    """The issuingDistributionPoint (RFC 5280 5.2.5), or what holds without one."""

    names: frozenset[object] | None = None
    users_only: bool = False
    authorities_only: bool = False
    attributes_only: bool = False
    reasons: frozenset[x509.ReasonFlags] = ALL_REASONS
    indirect: bool = False


class Crl:
    """A certificate revocation list.

    `flaw` is the Problem that keeps the whole list from being used, whoever asks; None for a sound one.
    """

    __slots__ = (
        "_checked",
        "_entries",
        "_index",
        "_lookups",
        "_signed",
        "base_number",
        "data",
        "flaw",
        "issuer",
        "key_identifier",
        "next_update",
        "number",
        "origin",
        "parsed",
        "scope",
        "this_update",
    )

    def __init__(self, data: bytes, origin: str = "the CRL") -> None:
        """Parse DER. Raises Unreadable."""
        self.data, self.origin = data, origin
        self.flaw: Problem | None = None
        self._checked: dict[bytes, str] = {}
        self._index: frozenset[int] | dict[names.Normal, dict[int, x509.RevokedCertificate]] | None = None
        self._lookups = 0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CryptographyDeprecationWarning)
                self.parsed = x509.load_der_x509_crl(data)
                self._signed = open_signed(data)
                self._entries = self._place_of_entries()
                self._read()
                if self.flaw is None:
                    self._read_entries()
        except PARSE_ERRORS as failure:
            raise Unreadable(f"no CRL in DER can be read ({str(failure)[:200]})") from None

    @property
    def is_delta(self) -> bool:
        return self.base_number is not None

    def _place_of_entries(self) -> der.Value | None:
        parts = der.members(self.data, der.members(self.data)[0])
        # RFC 5280 5.1.2.2: the algorithm inside "MUST contain the same algorithm identifier" as that of the signature.
        algorithm = parts[1] if parts[0].tag == 0x02 else parts[0]
        if algorithm.whole(self.data) != self._signed.algorithm:
            raise Unreadable("the two algorithm identifiers differ")
        lists = [one for one in parts if one.tag == 0x30]
        return lists[2] if len(lists) > 2 else None

    def _read(self) -> None:
        parsed = self.parsed
        self.issuer = names.normal(parsed.issuer)
        self.this_update: datetime = parsed.last_update_utc
        self.next_update: datetime | None = parsed.next_update_utc
        self.number: int | None = None
        self.base_number: int | None = None
        self.key_identifier: bytes | None = None
        self.scope = Scope()
        for extension in parsed.extensions:
            value: Any = extension.value
            if extension.oid == ExtensionOID.CRL_NUMBER:
                self.number = value.crl_number
                if extension.critical:
                    self._flawed("CRL_NUMBER", "marks its CRL number critical", "RFC 5280 5.2.3")
            elif extension.oid == ExtensionOID.DELTA_CRL_INDICATOR:
                self.base_number = value.crl_number
            elif extension.oid == ExtensionOID.AUTHORITY_KEY_IDENTIFIER:
                self.key_identifier = value.key_identifier
            elif extension.oid == ExtensionOID.ISSUING_DISTRIBUTION_POINT:
                self.scope = self._scope(value)
            if extension.critical and extension.oid not in _UNDERSTOOD and extension.oid != ExtensionOID.CRL_NUMBER:
                # RFC 5280 5.2: "If a CRL contains a critical extension that the application cannot process, then the
                # application MUST NOT use that CRL to determine the status of certificates."
                self._flawed(
                    "CRL_CRITICAL_EXTENSION",
                    f"has the critical extension {extension.oid.dotted_string}, which is unknown",
                    "RFC 5280 5.2",
                )
        if self.number is None:
            # RFC 5280 5.2.3: "CRL issuers conforming to this profile MUST include this extension in all CRLs"
            self._flawed("CRL_NUMBER", "has no CRL number", "RFC 5280 5.2.3")
        if self.next_update is None:
            # RFC 5280 5.1.2.5: "Conforming CRL issuers MUST include the nextUpdate field in all CRLs."
            self._flawed("CRL_NO_NEXT_UPDATE", "does not say until when it holds", "RFC 5280 5.1.2.5")

    def _scope(self, point: x509.IssuingDistributionPoint) -> Scope:
        return Scope(
            names.point_names(point.full_name, point.relative_name, [self.parsed.issuer]),
            point.only_contains_user_certs,
            point.only_contains_ca_certs,
            point.only_contains_attribute_certs,
            point.only_some_reasons or ALL_REASONS,
            point.indirect_crl,
        )

    def _flawed(self, code: str, text: str, section: str) -> None:
        if self.flaw is None:
            self.flaw = Problem(
                f"TLS-{code}", f"{self.origin} {text}", "get a CRL that follows RFC 5280 from the CA", section, 50
            )

    # -- entries -------------------------------------------------------------------------------------------------------

    def _read_entries(self) -> None:
        """Refuse entries that cannot be understood; index those of an indirect list."""
        # Without a critical extension no entry names another issuer: an indirect list is then read like a direct one.
        if self._entries is None or not self._has_critical_octets():
            return
        if self.scope.indirect:
            self._index = self._by_issuer()
        else:
            for entry in self.parsed:
                self._check_entry(entry.extensions)

    def _has_critical_octets(self) -> bool:
        """Whether a critical extension may stand in an entry: `06 length oid 01 01 ff` somewhere. Never misses one."""
        data, entries = self.data, self._entries
        assert entries is not None
        at = data.find(_CRITICAL_TRUE, entries.body, entries.end)
        while at >= 0:
            if any(
                data[at - length - 2] == 0x06 and data[at - length - 1] == length
                for length in range(1, min(_LONGEST_OID, at - entries.body - 1))
            ):
                return True
            at = data.find(_CRITICAL_TRUE, at + 1, entries.end)
        return False

    def _check_entry(self, extensions: Iterable[x509.Extension[Any]]) -> None:
        for extension in extensions:
            if not extension.critical:
                continue
            if extension.oid not in _UNDERSTOOD_OF_ENTRIES:
                # RFC 5280 5.3: "If a CRL contains a critical CRL entry extension that the application cannot process,
                # then the application MUST NOT use that CRL to determine the status of any certificates."
                self._flawed(
                    "CRL_CRITICAL_ENTRY",
                    f"has an entry with the critical extension {extension.oid.dotted_string}, which is unknown",
                    "RFC 5280 5.3",
                )
            elif extension.oid == CRLEntryExtensionOID.CERTIFICATE_ISSUER and not self.scope.indirect:
                self._flawed(
                    "CRL_CRITICAL_ENTRY",
                    "names other issuers in its entries, but does not say that it is indirect",
                    "RFC 5280 5.3.3",
                )

    def _by_issuer(self) -> dict[names.Normal, dict[int, x509.RevokedCertificate]]:
        # RFC 5280 5.3.3: "If this extension is not present on the first entry in an indirect CRL, the certificate
        # issuer defaults to the CRL issuer. On subsequent entries [...] the certificate issuer for the entry is the
        # same as that for the preceding entry."
        found: dict[names.Normal, dict[int, x509.RevokedCertificate]] = {self.issuer: {}}
        listed = [found[self.issuer]]
        for entry in self.parsed:
            for extension in entry.extensions:
                if extension.critical:
                    self._check_entry((extension,))
                if extension.oid == CRLEntryExtensionOID.CERTIFICATE_ISSUER:
                    value: Any = extension.value
                    issuers = [names.normal(one) for one in value.get_values_for_type(x509.DirectoryName)]
                    listed = [found.setdefault(issuer, {}) for issuer in issuers]
            for serials in listed:
                serials[entry.serial_number] = entry
        return found

    def entry(self, issuer: names.Normal, serial: int, serial_octets: bytes) -> Entry | None:
        """The entry for a certificate; None where the list does not name it. Call it for a list without flaw only."""
        if self._entries is None:
            return None
        index = self._index
        if isinstance(index, dict):
            known = index.get(issuer, {}).get(serial)
            return _entry(known) if known is not None else None
        if issuer != self.issuer:
            return None  # no entry names another issuer
        if index is not None:
            listed = serial in index
        else:
            listed = self.data.find(serial_octets, self._entries.body, self._entries.end) >= 0
            self._lookups += 1
            if self._lookups == _LOOKUPS_BEFORE_INDEX:
                self._index = self._serials()
        if not listed:
            return None
        found = self.parsed.get_revoked_certificate_by_serial_number(serial)
        return _entry(found) if found is not None else None

    def _serials(self) -> frozenset[int] | None:
        try:
            return frozenset(one.serial_number for one in self.parsed)
        except CryptographyDeprecationWarning:  # zero or less, where warnings are errors: look by octets as before
            return None

    # -- judgements ----------------------------------------------------------------------------------------------------

    def time_problem(self, now: datetime, skew: timedelta) -> Problem | None:
        """Whether the list is too old, or from the future."""
        if self.this_update > now + skew:
            return Problem(
                "TLS-CRL_NOT_YET_VALID",
                f"{self.origin} holds from {self.this_update:%Y-%m-%d %H:%M:%S} UTC, which is still to come",
                "check the clock of this machine, then that of the CA",
                "RFC 5280 5.1.2.4",
                80,
            )
        if self.next_update is None or self.next_update < now - skew:
            until = f"{self.next_update:%Y-%m-%d %H:%M:%S} UTC" if self.next_update is not None else "an unknown date"
            return Problem(
                "TLS-CRL_STALE",
                f"{self.origin} is stale: a newer one was due by {until}",
                "fetch the CA's current CRL and put it in place of the old one; it is picked up without a restart",
                "RFC 5280 6.3.3",
                81,
            )
        return None

    def signature_problem(self, key: Any, key_octets: bytes) -> Problem | None:
        """Whether `key` did not sign the list; each key is tried once."""
        known = self._checked.get(key_octets)
        if known is None:
            known = self._try(key)
            if len(self._checked) < _KEPT_KEYS:
                self._checked[key_octets] = known
        if not known:
            return None
        weak = known.startswith("weak:")
        return Problem(
            "TLS-CRL_WEAK_SIGNATURE" if weak else "TLS-CRL_BAD_SIGNATURE",
            f"{self.origin} cannot be trusted: {known.removeprefix('weak:')}",
            "have the CA sign its CRLs with SHA-256 or better"
            if weak
            else "get the CRL again: this one was changed, or another CA of the same name made it",
            "RFC 9155 4" if weak else "RFC 5280 6.3.3",
            72,
        )

    def _try(self, key: Any) -> str:
        try:
            check_signature(key, self._signed)
        except SignatureProblem as problem:
            return ("weak:" if problem.weak else "") + str(problem)
        except der.DerError:
            return "its signature algorithm has damaged parameters"
        return ""

    def __repr__(self) -> str:
        kind = "delta " if self.is_delta else ""
        return f"<{kind}Crl {self.parsed.issuer.rfc4514_string()!r} number {self.number} from {self.origin}>"


def _extension(extensions: x509.Extensions, oid: x509.ObjectIdentifier) -> Any:
    return next((one.value for one in extensions if one.oid == oid), None)


def _entry(entry: x509.RevokedCertificate) -> Entry:
    try:
        reason = _extension(entry.extensions, CRLEntryExtensionOID.CRL_REASON)
        value = reason.reason if reason is not None else x509.ReasonFlags.unspecified
    except PARSE_ERRORS:  # a reason that does not exist: the certificate is revoked all the same
        value = x509.ReasonFlags.unspecified
    return Entry(entry.revocation_date_utc, value)
