"""The values that the API server fills in where a manifest leaves them out."""

from bot.embedded.kubernetes.defaults.kinds import apply_defaults

__all__ = ["apply_defaults"]
