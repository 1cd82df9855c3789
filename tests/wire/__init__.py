"""Tests of the wire room: messages, extensions, and what they cost."""
