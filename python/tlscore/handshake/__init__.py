"""The handshakes of TLS 1.3, as one table of states and messages.

machine.py holds the table and `step`; client13.py and server13.py fill it, in the order of the RFC's flights;
post_handshake.py adds what may follow. negotiation.py selects, certificate_auth.py proves and checks identities,
cookie.py makes HelloRetryRequest stateless, plans.py keeps what is the same for every connection of a configuration,
output.py carries the effects to the record layer, proofs.py holds the types without which no application data flows.
"""
