"""Drift: compares live objects with what the last successful deployment applied."""
