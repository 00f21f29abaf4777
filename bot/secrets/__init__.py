"""Places that secrets come from: `environment` and `kubernetes`, each for the repositories that it names.

A provider fulfils `SecretProvider` of `bot/environments/ports.py`. docs/secrets.md tells how to add one.
"""
