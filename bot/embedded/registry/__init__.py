"""A registry on loopback: the OCI distribution read API and a CI that builds images for it."""

from bot.embedded.registry.builder import BaseLayer, Builder, BuildError
from bot.embedded.registry.server import RegistryServer

__all__ = ["BaseLayer", "BuildError", "Builder", "RegistryServer"]
