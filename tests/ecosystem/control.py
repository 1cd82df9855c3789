"""Stands for the package tlscore where a program of the suite runs on the standard library: `from … import ssl`."""

import ssl as ssl
