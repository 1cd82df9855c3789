"""Reading identities from whatever file somebody has: what a file is comes from its content, never from its name.

`sniff` tells formats apart, `passwords` asks for secrets at most once, `material` takes certificates and keys out of
any format, `order` puts a chain in order, `neighbours` looks for the file that would have fitted, `permissions` looks
at who else can read a key, `lint` says what will go wrong later. Every refusal is a ConfigError that names the path and
the PEM block.
"""
