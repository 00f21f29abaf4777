"""What the operator decides, and the settings that follow from it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from bot.github.resources.app_manifest import LONGEST_NAME
from bot.github.resources.registration import RegisteredApp
from bot.github.resources.sign_in import api_url
from bot.settings import value_problem, variable

GITHUB = "https://github.com"
_ORGANIZATION = re.compile(r"[A-Za-z0-9](-?[A-Za-z0-9]){0,38}")


@dataclass(frozen=True, slots=True)
class Answers:
    github_url: str
    """URL of GitHub's web interface."""
    organization: str | None
    """Owner of the App; None for the user who signs in."""
    name: str
    public_url: str
    gateway: str
    base_domain: str
    github_ca_file: str | None = None

    @property
    def problems(self) -> list[str]:
        """Invalid answers, one line each with what to do."""
        given = {
            "--public-url": ("public_url", self.public_url),
            "--gateway": ("gateway", self.gateway),
            "--base-domain": ("base_domain", self.base_domain),
        }
        if self.github_ca_file is not None:
            given["--github-ca"] = ("github_ca_file", self.github_ca_file)
        problems = [
            problem.replace(variable(field), option, 1)
            for option, (field, text) in given.items()
            if (problem := value_problem(field, text))
        ]
        if value_problem("github_api_url", self.github_url):
            problems.append("--github-url is invalid: expected a URL such as https://github.example.com.")
        if self.organization is not None and not _ORGANIZATION.fullmatch(self.organization):
            problems.append(
                "--organization is invalid: expected the name of an organization, as in its URL on GitHub."
            )
        if not 1 <= len(self.name) <= LONGEST_NAME:
            problems.append(f"The App's name must have 1 to {LONGEST_NAME} characters. Set --name.")
        if not problems and self._is_public_github and _is_local(self.public_url):
            problems.append(
                f"GitHub cannot send webhooks to {self.public_url}. Set --public-url to an address that is "
                "reachable from the internet, such as that of a tunnel."
            )
        return problems

    @property
    def _is_public_github(self) -> bool:
        return api_url(self.github_url) != f"{self.github_url.rstrip('/')}/api/v3"

    def settings(self, app: RegisteredApp) -> Mapping[str, str]:
        """The variables without secrets."""
        values = {
            "github_app_id": str(app.id),
            "github_client_id": app.client_id,
            "public_url": self.public_url.rstrip("/"),
            "gateway": self.gateway,
            "base_domain": self.base_domain,
        }
        if self.github_url.rstrip("/") != GITHUB:
            values["github_api_url"] = api_url(self.github_url)
        if self.github_ca_file is not None:
            values["github_ca_file"] = self.github_ca_file
        return {variable(field): value for field, value in values.items()}


def secrets(app: RegisteredApp) -> Mapping[str, str]:
    """The secret variables."""
    return {
        variable("github_private_key"): app.private_key,
        variable("github_client_secret"): app.client_secret,
        variable("webhook_secret"): app.webhook_secret,
    }


def default_name(organization: str | None) -> str:
    """Names of Apps are unique on a GitHub."""
    return f"greenroom-{organization}"[:LONGEST_NAME] if organization else "greenroom"


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal", ".svc"))
