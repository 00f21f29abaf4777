"""Providers of secrets, one module for each. A secret is granted to named repositories.

A provider implements `SecretProvider` of `bot/environments/secret_ports.py`; docs/secrets.md explains how to
add one.
"""
