"""Registration of an App from its manifest: GitHub's page, and the exchange of its code for credentials."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from bot.github.client.connection import Connection
from bot.github.client.failures import NotFound
from bot.github.client.json_fields import required_number, required_text, text
from bot.model.errors import Rejected, Unavailable


@dataclass(frozen=True, slots=True)
class RegisteredApp:
    """A new App with its credentials, which GitHub shows once."""

    id: int
    name: str
    slug: str
    url: str
    """The App's public page."""
    client_id: str
    client_secret: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    private_key: str = field(repr=False)

    @property
    def installation_url(self) -> str:
        """The page on which owners install the App."""
        return f"{self.url}/installations/new"


def registration_page(web: str, organization: str | None, state: str) -> str:
    """URL to which a browser sends the manifest in a form. `web` is that of GitHub's web interface."""
    owner = f"/organizations/{quote(organization, safe='')}" if organization else ""
    return f"{web}{owner}/settings/apps/new?{urlencode({'state': state})}"


async def exchange_code(connection: Connection, code: str) -> RegisteredApp:
    """The App of a code, which is valid once and for an hour.

    Raises Unavailable when GitHub does not answer, and Rejected when it does not accept the code.
    """
    try:
        reply = await connection.send("POST", f"/app-manifests/{quote(code, safe='')}/conversions", "")
    except NotFound:
        raise Rejected("GitHub does not accept the code: it was used before or expired.") from None
    except Unavailable as error:
        raise Unavailable(str(error).replace(code, "CODE")) from None
    except Rejected as error:
        raise Rejected(str(error).replace(code, "CODE")) from None
    app = reply.json()
    return RegisteredApp(
        id=required_number(app, "id"),
        name=required_text(app, "name"),
        slug=required_text(app, "slug"),
        url=required_text(app, "html_url"),
        client_id=required_text(app, "client_id"),
        client_secret=required_text(app, "client_secret"),
        webhook_secret=text(app, "webhook_secret"),
        private_key=required_text(app, "pem"),
    )
