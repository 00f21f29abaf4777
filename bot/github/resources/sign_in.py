"""Sign-in with GitHub: the App's web flow. The user's token is used once and not stored."""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit

from bot.github.client.connection import Connection
from bot.github.client.json_fields import required_number, required_text, text
from bot.model.errors import Rejected
from bot.model.person import Person


def web_url(api_url: str) -> str:
    """URL of the web interface for an API URL: github.com, GHE.com or an Enterprise Server."""
    parts = urlsplit(api_url)
    host = re.sub(r"^api\.(?=github\.com$|[^.]+\.ghe\.com$)", "", parts.netloc)
    return f"{parts.scheme}://{host}{parts.path.rstrip('/').removesuffix('/api/v3')}"


def api_url(web: str) -> str:
    """URL of the REST API for the URL of the web interface: the opposite of `web_url`."""
    parts = urlsplit(web.rstrip("/"))
    if re.fullmatch(r"github\.com|[^.]+\.ghe\.com", parts.netloc):
        return f"{parts.scheme}://api.{parts.netloc}"
    return f"{parts.scheme}://{parts.netloc}{parts.path}/api/v3"


class SignIn:
    """Raises Unavailable when GitHub does not answer, Rejected when it rejects the code or secret."""

    def __init__(self, connection: Connection, web: str, client_id: str, client_secret: str) -> None:
        self._connection = connection
        self._web = web
        self._client_id = client_id
        self._client_secret = client_secret

    def address(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        """URL of GitHub's sign-in page."""
        query = {
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._web}/login/oauth/authorize?{urlencode(query)}"

    async def person(self, *, code: str, verifier: str, redirect_uri: str) -> Person:
        """The user who returned with this code."""
        form = {
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        }
        answer = await self._connection.send(
            "POST",
            f"{self._web}/login/oauth/access_token",
            "",
            headers={"Accept": "application/json"},
            form=form,
        )
        token = text(answer.json(), "access_token")
        if not token:
            reason = text(answer.json(), "error_description") or "the response contains no token"
            raise Rejected(f"GitHub rejected the sign-in: {reason}")
        profile = (await self._connection.send("GET", "/user", f"Bearer {token}")).json()
        return Person(required_number(profile, "id"), required_text(profile, "login"))
