"""Tag to digest over the OCI distribution API."""

from bot.model.image_reference import Reference, parse_reference
from bot.registry.client import RegistryClient
from bot.registry.credentials import Credentials

__all__ = ["Credentials", "Reference", "RegistryClient", "parse_reference"]
