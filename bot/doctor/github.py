"""Checks the GitHub App: credentials, permissions and webhook."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from bot.doctor.checks import CheckFailed
from bot.github.client.connection import Connection
from bot.github.client.failures import NotFound, Unauthorized
from bot.github.client.github_client import GitHubClient
from bot.github.resources.permissions import missing_permissions
from bot.settings import Settings


class GitHubChecks:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection = Connection(
            settings.github_api_url,
            settings.github_app_id,
            settings.github_private_key.get_secret_value(),
            _now,
            settings.github_ca_file,
        )
        self.client = GitHubClient(self._connection, _now)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()

    async def app(self) -> str:
        try:
            app = (await self.client.get(None, "/app")).json()
        except NotFound:
            raise CheckFailed(
                "GitHub has no such App. Compare GREENROOM_GITHUB_APP_ID with the App's settings page."
            ) from None
        except Unauthorized as error:
            advice = "Generate a new private key on the App's settings page; check the clock of this machine."
            raise CheckFailed(f"{error}. {advice}") from None
        return f"signed in as {app['name']}"

    async def permissions(self) -> str:
        problems = await missing_permissions(self.client)
        if problems:
            raise CheckFailed("\n".join(problems))
        return "complete for the App and its installations"

    async def webhook(self) -> str:
        hook = (await self.client.get(None, "/app/hook/config")).json()
        expected = f"{self._settings.public_url}/webhooks"
        url = hook.get("url") or "no URL"
        if url.rstrip("/") != expected:
            raise CheckFailed(
                f"GitHub sends deliveries to {url}. Correct GREENROOM_PUBLIC_URL, "
                f"or set the webhook URL on the App's settings page to {expected}."
            )
        if hook.get("content_type") != "json":
            raise CheckFailed(
                "Set the webhook's content type on the App's settings page to application/json."
            )
        return f"GitHub sends deliveries to {expected}"


def _now() -> datetime:
    return datetime.now(UTC)
