"""Path building and verification: from a peer's certificates to a trust anchor, by RFC 5280 section 6.

facts.py reads one certificate once; certificate_rules.py judges it by its octets alone; candidates.py finds issuers by
name, builder.py climbs through them and goes back where a path fails; signing.py checks signatures; constraints.py and
policy_tree.py are name constraints and certificate policies; path_rules.py is the table of all rules over a whole path;
diagnosis.py says why no path was found. Every loop is paid from one budget (budget.py).
"""
