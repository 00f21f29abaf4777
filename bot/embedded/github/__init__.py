"""A GitHub Enterprise Server in memory, with one App: REST, webhooks, pages and faults."""

from .core import PreparedPush, Settings
from .credentials import AppCredentials, new_credentials
from .errors import GitHubError
from .faults import Fault
from .operations.deployments import Actor
from .server import GitHubServer
from .state.objects import EXECUTABLE, SYMLINK, File

__all__ = [
    "EXECUTABLE",
    "SYMLINK",
    "Actor",
    "AppCredentials",
    "Fault",
    "File",
    "GitHubError",
    "GitHubServer",
    "PreparedPush",
    "Settings",
    "new_credentials",
]
