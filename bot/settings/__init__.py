"""What the operator decides, and how it is read. docs/settings.md explains each setting."""

from bot.settings.settings import (
    PREFIX,
    LogLevel,
    PodSecurity,
    Settings,
    SettingsError,
    read_settings,
    variable,
)
from bot.settings.values import Domain

__all__ = [
    "PREFIX",
    "Domain",
    "LogLevel",
    "PodSecurity",
    "Settings",
    "SettingsError",
    "read_settings",
    "variable",
]
