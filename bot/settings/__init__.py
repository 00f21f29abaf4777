"""The settings of the bot. docs/settings.md describes each one."""

from bot.settings.kinds import CustomKind
from bot.settings.manifests import ManifestSettings, PodSecurity
from bot.settings.networks import GatewaySource
from bot.settings.settings import (
    PREFIX,
    LogLevel,
    Settings,
    SettingsError,
    read_manifest_settings,
    read_settings,
    value_problem,
    variable,
)
from bot.settings.unknown import unknown_variables
from bot.settings.values import Domain

__all__ = [
    "PREFIX",
    "CustomKind",
    "Domain",
    "GatewaySource",
    "LogLevel",
    "ManifestSettings",
    "PodSecurity",
    "Settings",
    "SettingsError",
    "read_manifest_settings",
    "read_settings",
    "unknown_variables",
    "value_problem",
    "variable",
]
