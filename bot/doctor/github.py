"""Does GitHub know the App, give it what it needs, and know where to send deliveries?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from bot.doctor.findings import CheckFailed
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
            advice = "compare GREENROOM_GITHUB_APP_ID with the App's page"
            raise CheckFailed(f"GitHub knows no such App: {advice}.") from None
        except Unauthorized as error:
            advice = (
                "Is the private key this App's? Make a new one on its page. Is this machine's clock right?"
            )
            raise CheckFailed(f"{error}. {advice}") from None
        return f"signed in as {app['name']}"

    async def permissions(self) -> str:
        problems = await missing_permissions(self.client)
        if problems:
            raise CheckFailed("\n".join(problems))
        return "the App and its installations have what is needed"

    async def webhook(self) -> str:
        hook = (await self.client.get(None, "/app/hook/config")).json()
        wanted = f"{self._settings.public_url}/webhooks"
        url = hook.get("url") or "nowhere"
        if url.rstrip("/") != wanted:
            advice = f"set the webhook's URL on the App's page to {wanted}, or correct GREENROOM_PUBLIC_URL"
            raise CheckFailed(f"GitHub sends deliveries to {url}: {advice}.")
        if hook.get("content_type") != "json":
            raise CheckFailed("Set the webhook's content type on the App's page to application/json.")
        return f"GitHub sends deliveries to {wanted}"


def _now() -> datetime:
    return datetime.now(UTC)
