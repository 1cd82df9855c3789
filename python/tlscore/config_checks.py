"""Checks of settings against each other: a contradiction is refused, never resolved in silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tlscore import danger, settings
from tlscore.errors import ConfigError, escape
from tlscore.iana import ProtocolVersion, SignatureScheme

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.certs.trust_store import TrustStore
    from tlscore.certs.watch import IdentityFile
    from tlscore.suites import Suite

    AnyIdentity = Identity | IdentityFile

_NO_SIGNATURE = "has a keyUsage without digitalSignature"


def client_flags(values: dict[str, Any], given: dict[str, Any]) -> None:
    """A client's settings that are on or off."""
    flags = ("grease", "shuffle_extensions", "post_handshake_auth", "confirm_client_auth")
    for field in (*flags, "send_certificate_authorities", "require_renegotiation_info"):
        values[field] = settings.flag(field, given[field])
    for field in ("post_handshake_auth", "confirm_client_auth"):
        if values[field] and not values["identities"]:
            raise ConfigError(
                f"{field} is on, but there is no identity to authenticate with",
                remedy=f"use ClientConfig.mutual(identity=...), or leave {field} out",
            )
    if values["post_handshake_auth"]:
        _needs_tls13(values, "post_handshake_auth is on", "leave post_handshake_auth out")


def _needs_tls13(values: dict[str, Any], what: str, remedy: str) -> None:
    if ProtocolVersion.TLS13 not in values["versions"]:
        raise ConfigError(
            f"{what}, but TLS 1.3 is not enabled, and nothing older has it",
            remedy=f"{remedy}, or add 1.3 to versions",
            code="TLS-CONFIG-CONTRADICTION",
        )


def server_choices(values: dict[str, Any], given: dict[str, Any]) -> None:
    """A server's settings that are functions, one of a few words, or on or off."""
    for field, takes in (
        ("resolver", "a ClientHelloInfo and gives an Identity or None"),
        ("authorize", "a PeerIdentity and gives True or False"),
    ):
        values[field] = settings.callback(field, given[field], takes)
    for field, known in (
        ("client_auth", ("none", "optional", "required", "post_handshake")),
        ("advertise_cas", (True, False, "auto")),
        ("prefer", ("server", "client")),
    ):
        values[field] = settings.choice(field, given[field], known)
    if values["client_auth"] == "post_handshake":
        _needs_tls13(values, 'client_auth is "post_handshake"', 'use client_auth="optional"')
    for field in ("strict_sni", "hello_retry_cookie", "confirm_client_auth", "require_alpn"):
        values[field] = settings.flag(field, given[field])


def no_identities(owner: str, given: dict[str, Any], remedy: str = "") -> None:
    """The named constructors say `identity=`, for one and for several."""
    if "identities" in given:
        raise ConfigError(
            f"{owner} does not take identities=",
            remedy=remedy or "give identity=, which takes one identity or a list of them",
            code="TLS-CONFIG-UNKNOWN_NAME",
        )


def has_no_name(values: dict[str, Any]) -> None:
    """A server that nobody can verify answers to every name."""
    if values["strict_sni"]:
        raise ConfigError(
            "strict_sni refuses unknown names, and a server with accept_any_peer answers to every name",
            remedy="leave strict_sni out, or leave unauthenticated out",
            code="TLS-CONFIG-CONTRADICTION",
        )


def client_trust(client_auth: str, trust: TrustStore | None, advertise_cas: object) -> TrustStore | None:
    if client_auth == "none":
        if trust is not None:
            raise ConfigError(
                'client_trust is given, but client_auth is "none": it would be ignored',
                remedy="use ServerConfig.mutual(identity=..., client_trust=...), or leave client_trust out",
            )
        if advertise_cas is True:
            raise ConfigError(
                "advertise_cas needs client_trust", remedy="use ServerConfig.mutual(..., client_trust=...)"
            )
        return None
    if trust is None:
        raise ConfigError(
            f'client_auth is "{client_auth}", but there is no client_trust to verify clients against',
            remedy='add client_trust=TrustStore.from_file("clients.pem")',
            code="TLS-CONFIG-NO_TRUST",
        )
    return settings.trust_store("client_trust", trust)


def without_clients(values: dict[str, Any]) -> None:
    """Without client authentication nobody is there to authorize or to confirm."""
    for field, asked in (("authorize", ("none",)), ("confirm_client_auth", ("none", "post_handshake"))):
        if values[field] and values["client_auth"] in asked:
            raise ConfigError(
                f'{field} is given, but client_auth is "{values["client_auth"]}": it would be ignored',
                remedy="use ServerConfig.mutual(identity=..., client_trust=...)",
                code="TLS-CONFIG-CONTRADICTION",
            )


def verifies_nobody(values: dict[str, Any]) -> None:
    """A client that accepts any peer has nothing that says whom to verify, or how."""
    from tlscore.certs.revocation.policy import Revocation

    for field, given in (
        ("authorize", values["authorize"] is not None),
        ("send_certificate_authorities", values["send_certificate_authorities"]),
        ("certificate_policy", values["certificate_policy"] != values["policy"].certificate_policy),
        ("revocation", values["revocation"] != Revocation()),
    ):
        if given:
            raise ConfigError(
                f"{field} needs a trust store, and accept_any_peer has none",
                remedy=f"leave {field} out, or use ClientConfig.simple(trust=...)",
                code="TLS-CONFIG-CONTRADICTION",
            )


def named_identities(value: object, strict: bool) -> tuple[tuple[str, AnyIdentity], ...]:
    from tlscore.certs.names import DnsName, ServerName

    if not isinstance(value, (Mapping, tuple, list)):
        raise ConfigError("names is no mapping", remedy='give names={"example.org": identity}')
    found: list[tuple[str, AnyIdentity]] = []
    for name, identity in value.items() if isinstance(value, Mapping) else value:
        wildcard = isinstance(name, str) and name.startswith("*.")
        parsed = ServerName.parse(name[2:] if wildcard else name)
        if not isinstance(parsed, DnsName):
            raise ConfigError("names holds an IP address, which clients never send", remedy="name it by DNS name")
        found.append((("*." if wildcard else "") + parsed.text, settings.identities("names", (identity,), strict)[0]))
    return tuple(found)


def client_identities(values: dict[str, Any]) -> None:
    """Whatever a client's certificate is shown for, its key signs."""
    _may_sign("ClientConfig", values["identities"])


def server_identities(values: dict[str, Any]) -> tuple[AnyIdentity, ...]:
    identities: tuple[AnyIdentity, ...] = values["identities"] or tuple(
        dict.fromkeys(one for _, one in values["names"])
    )
    if not identities and values["unauthenticated"] is not None:
        from tlscore.certs.ephemeral import ephemeral_identity

        return (ephemeral_identity(),)
    if not identities and values["resolver"] is not None:
        return ()
    if not identities:
        raise ConfigError(
            "ServerConfig has no identity: no client could ever connect",
            remedy='add identity=Identity.load("chain.pem", "key.pem")',
            code="TLS-CONFIG-NO_IDENTITY",
        )
    if values["legacy"] is not None:
        _serve_the_tier(values, identities)
        _serve_every_name(values, identities)
        return identities
    _may_sign("ServerConfig", identities)
    makes = {scheme for one in identities for scheme in _makes(one.current, values["versions"])}
    if makes.isdisjoint(values["schemes"]):
        raise ConfigError(
            "no identity can sign with any of the schemes of this configuration",
            remedy="leave schemes out, or add " + ", ".join(sorted(map(SignatureScheme.name_of, makes))),
        )
    _serve_every_name(values, identities)
    return identities


def _makes(identity: Identity, versions: tuple[int, ...]) -> tuple[int, ...]:
    """The schemes that an identity can sign with in the versions that are enabled."""
    newer = identity.schemes if ProtocolVersion.TLS13 in versions else ()
    return newer + (identity.schemes12 if ProtocolVersion.TLS12 in versions else ())


def _may_sign(owner: str, identities: tuple[AnyIdentity, ...]) -> None:
    """One identity at least must be allowed to sign; those that are not are passed over in every handshake."""
    if identities and not any("digitalSignature" in one.current.uses for one in identities):
        told = "; ".join([f"{_who(number, one.current)} {_NO_SIGNATURE}" for number, one in enumerate(identities, 1)])
        raise ConfigError(
            f"no identity of this {owner} may sign a handshake: {told}",
            remedy="have the certificate issued with keyUsage = digitalSignature, or without keyUsage",
            section="RFC 9846 4.5.1.2",
            code="TLS-CONFIG-KEY_USAGE",
        )


def _serve_the_tier(values: dict[str, Any], identities: tuple[AnyIdentity, ...]) -> None:
    """One identity at least must serve one suite of the legacy tier."""
    parts: tuple[Suite, ...] = values["legacy"].parts()
    if any(one.authentication == "anon" for one in parts):
        return
    misfits = []
    for number, one in enumerate(identities, 1):
        why = _misfit(one.current, parts, values["versions"], values["schemes"])
        if not why:
            return
        misfits.append(f"{_who(number, one.current)} {why}")
    needed = " or ".join(dict.fromkeys(one.authentication for one in parts))
    raise ConfigError(
        f"no identity serves any of Legacy.suites, which need a key for {needed}: {'; '.join(misfits)}",
        remedy="add suites for the key and the keyUsage of the identity, or an identity that these suites can use",
        section="RFC 5246 7.4.2",
        code="TLS-CONFIG-NOT_AVAILABLE",
    )


def _serve_every_name(values: dict[str, Any], identities: tuple[AnyIdentity, ...]) -> None:
    """For each of `names` one identity at least must serve: one that stands there, or one that is for the name too."""
    # As ServerConfig.identities_for chooses them: a name that has identities never falls back on the others.
    held: dict[str, list[AnyIdentity]] = {}
    for pattern, one in values["names"]:
        held.setdefault(pattern, []).append(one)
    problems = {one: _problem(one.current, values) for one in dict.fromkeys(one for _, one in values["names"])}
    for pattern, named in held.items():
        parent = "*." + pattern.partition(".")[2]
        tried = [*named, *(one for one in held.get(parent, ()) if one not in named)]
        if not all(problems[one] for one in tried):
            continue
        # No host has this label, so that a wildcard is served by what is for all of its names alone.
        name = pattern.replace("*", "_")
        tried += [one for one in identities if one not in tried and one.current.matches_name(name)]
        misfits = [(one.current, problems.get(one) or _problem(one.current, values)) for one in tried]
        if all(why for _, why in misfits):
            told = "; ".join([f"{_who(number, one)} {why}" for number, (one, why) in enumerate(misfits, 1)])
            raise ConfigError(
                f"every client that asks for {pattern}, one of names, would fail: {told}",
                remedy="give an identity for it that serves, or leave the name out",
                section="RFC 5246 7.4.2" if values["legacy"] is not None else "RFC 9846 4.5.1.2",
                code="TLS-CONFIG-KEY_USAGE" if _NO_SIGNATURE in told else "TLS-CONFIG-NOT_AVAILABLE",
            )


def _problem(identity: Identity, values: dict[str, Any]) -> str:
    """Why an identity serves no handshake of a configuration; empty where it serves one."""
    if values["legacy"] is not None:
        parts: tuple[Suite, ...] = values["legacy"].parts()
        anonymous = any(one.authentication == "anon" for one in parts)
        return "" if anonymous else _misfit(identity, parts, values["versions"], values["schemes"])
    if "digitalSignature" not in identity.uses:
        return _NO_SIGNATURE
    fits = set(_makes(identity, values["versions"])).intersection(values["schemes"])
    return "" if fits else "signs with none of the schemes of this configuration"


def _misfit(identity: Identity, parts: tuple[Suite, ...], versions: tuple[int, ...], schemes: tuple[int, ...]) -> str:
    """Why an identity serves none of some suites of the legacy tier; empty where it serves one."""
    from tlscore.certs import legacy_signatures as old

    fitting = [one for one in parts if one.authentication == identity.kind]
    if not fitting:
        return f"is for {identity.kind or 'TLS 1.3 alone'}"
    why = []
    for part in fitting:
        if part.key_exchange == "RSA":
            reason = old.exchange_problem(identity)
        elif any(_signs_in(old.able(identity, one), one, schemes) for one in versions if part.usable_in(one)):
            reason = ""
        else:
            may_sign = "digitalSignature" in identity.uses
            reason = "signs with none of the schemes of these versions" if may_sign else _NO_SIGNATURE
        if not reason:
            return ""
        why.append(reason)
    return " and ".join(dict.fromkeys(why))


def _signs_in(able: tuple[int, ...], version: int, schemes: tuple[int, ...]) -> bool:
    # Before TLS 1.2 the schemes go without saying.
    return bool(able) and (version < ProtocolVersion.TLS12 or not set(schemes).isdisjoint(able))


def _who(number: int, identity: Identity) -> str:
    from tlscore.certs.peer import subject_text

    return f"identity {number} ({escape(subject_text(identity.certificate), 80) or 'no subject'})"


def encryption_only_alone(owner: str, accept: object, given: dict[str, Any], contradictions: tuple[str, ...]) -> None:
    """Encryption only excludes every setting that says whom to verify."""
    if not isinstance(accept, danger.AcceptAnyPeer):
        raise ConfigError(
            f"{owner}.encryption_only got {type(accept).__name__}",
            remedy=f"say that it accepts everybody: {owner}.encryption_only(danger.accept_any_peer)",
            code="TLS-CONFIG-DANGEROUS",
        )
    for name in contradictions:
        if name in given and given[name] not in (None, "none", False, ()):
            raise ConfigError(
                f"{owner}.encryption_only verifies nobody, and {name} says whom to verify",
                remedy=f"leave {name} out, or use {owner}.simple or .mutual",
                code="TLS-CONFIG-CONTRADICTION",
            )
