"""A gateway: an HTTP reverse proxy that serves the Gateway API's HTTPRoutes on loopback."""

from bot.embedded.gateway.gateway import CONTROLLER_NAME, Gateway

__all__ = ["CONTROLLER_NAME", "Gateway"]
