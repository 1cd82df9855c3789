"""`tlscore --version`: what a bug report needs to say about this build and this machine."""

import platform

AEADS = ("aes_gcm", "chacha20_poly1305")


def version_text() -> str:
    """Version first, on a line of its own; then one fact a line."""
    from tlscore import _core

    facts = dict(_core.build_facts())
    lines = [f"tlscore {facts.pop('version', _core.__version__)}"]
    lines.append(f"backend     Rust, providers linked in: {facts.pop('providers', 'unknown')}")
    for aead in AEADS:
        lines.append(f"{aead.replace('_', '-'):<18}{facts.pop(aead, 'unknown')}")
    lines.append(f"CPU path    {facts.pop('cpu', 'unknown')}")
    lines.append(f"build       {', '.join(f'{name} {value}' for name, value in sorted(facts.items()))}")
    lines.append(f"Python      {platform.python_implementation()} {platform.python_version()}")
    lines.append(f"certificates  {_certificates()}")
    lines.append(f"system      {platform.system()} {platform.release()} {platform.machine()}")
    width = max(len(line.split("  ")[0]) for line in lines[1:])
    return "\n".join([lines[0], *(_aligned(line, width) for line in lines[1:])])


def _aligned(line: str, width: int) -> str:
    name, _, value = line.partition("  ")
    return f"  {name:<{width}}  {value.strip()}"


def _certificates() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"cryptography {version('cryptography')}"
    except PackageNotFoundError:
        return "cryptography is missing: pip install cryptography"
