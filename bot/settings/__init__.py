"""The settings of the bot. docs/settings.md describes each one."""

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
