"""Certificates: who this end is (identity), whom it trusts (trust_store), whether a chain is what it claims (verify),
and names.

Nothing here knows a handshake. Every module that needs the `cryptography` package imports it when it is itself first
loaded, which the first configuration does.
"""
