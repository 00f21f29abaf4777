"""Secret providers: `environment` and `kubernetes`. Each secret is granted to named repositories.

A provider implements `SecretProvider` of `bot/environments/ports.py`; docs/secrets.md explains how to
add one.
"""
