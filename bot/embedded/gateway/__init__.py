"""A gateway: a reverse proxy for the HTTPRoutes of the Gateway API on loopback."""

from bot.embedded.gateway.gateway import CONTROLLER_NAME, Gateway

__all__ = ["CONTROLLER_NAME", "Gateway"]
