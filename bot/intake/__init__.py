"""Webhooks without I/O: signature, parsing and effects."""
