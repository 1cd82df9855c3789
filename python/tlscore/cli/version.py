"""`tlscore --version`: what a bug report needs to say about this build and this machine."""

import platform

AEADS = ("aes_gcm", "chacha20_poly1305")


def version_text() -> str:
    """Version first, on a line of its own; then one fact a line."""
    from tlscore import _core

    facts = dict(_core.build_facts())
    first = f"tlscore {facts.pop('version', _core.__version__)}"
    pairs = [("backend", f"Rust, providers linked in: {facts.pop('providers', 'unknown')}")]
    pairs += [(aead.replace("_", "-"), facts.pop(aead, "unknown")) for aead in AEADS]
    pairs += [
        ("CPU path", facts.pop("cpu", "unknown")),
        ("build", ", ".join(f"{name} {value}" for name, value in sorted(facts.items()))),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("certificates", _certificates()),
        ("system", f"{platform.system()} {platform.release()} {platform.machine()}"),
    ]
    width = max(len(name) for name, _ in pairs)
    return "\n".join([first, *(f"  {name:<{width}}  {value}" for name, value in pairs)])


def _certificates() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"cryptography {version('cryptography')}"
    except PackageNotFoundError:
        return "cryptography is missing: pip install cryptography"
