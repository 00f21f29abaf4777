"""Tag to digest over the OCI distribution API."""

from bot.registry.client import RegistryClient
from bot.registry.credentials import Credentials
from bot.registry.reference import Reference, parse_reference

__all__ = ["Credentials", "Reference", "RegistryClient", "parse_reference"]
