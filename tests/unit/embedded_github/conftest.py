"""A running GitHub with one organisation, two users and one repository."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from bot.embedded.github import AppCredentials, GitHubServer, new_credentials
from tests.unit.embedded_github.receiver import Receiver


class Client:
    """Calls the API as the App's installation, or as the App itself."""

    def __init__(self, github: GitHubServer) -> None:
        self._github = github
        self.http = httpx.Client(base_url=github.api_url + "/", trust_env=False, verify=False)

    def jwt(self, **changed: object) -> str:
        now = int(self._github.world.clock().timestamp())
        claims = {"iss": str(self._github.credentials.app_id), "iat": now - 30, "exp": now + 300} | changed
        return jwt.encode(claims, self._github.credentials.private_key, algorithm="RS256")

    def as_app(self, method: str, path: str, token: str | None = None, **how: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.jwt()}"}
        return self.http.request(method, path.lstrip("/"), headers=headers, **how)

    def mint(self, **body: object) -> str:
        [installation] = self._github.world.state.installations
        answer = self.as_app("POST", f"app/installations/{installation}/access_tokens", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["token"]

    def authorize(self) -> None:
        self.http.headers["Authorization"] = f"Bearer {self.mint()}"

    def get(self, path: str, **how: Any) -> httpx.Response:
        return self.http.get(path.lstrip("/"), **how)

    def post(self, path: str, **json: object) -> httpx.Response:
        return self.http.post(path.lstrip("/"), json=json)

    def patch(self, path: str, **json: object) -> httpx.Response:
        return self.http.patch(path.lstrip("/"), json=json)

    def delete(self, path: str) -> httpx.Response:
        return self.http.delete(path.lstrip("/"))


@pytest.fixture(scope="session")
def credentials() -> AppCredentials:
    return new_credentials("greenroom")


@pytest.fixture
def github(credentials: AppCredentials) -> Iterator[GitHubServer]:
    with GitHubServer(credentials=credentials) as server:
        server.accounts.create_user("ada", name="Ada Winter")
        server.accounts.create_user("ben", name="Ben Sommer")
        server.accounts.create_organization("acme", admins=("ada",))
        files = {"README.md": "# Shop\n", "deploy/web.yaml": "kind: Deployment\n", "src/app.py": "print(1)\n"}
        server.repositories.create("acme/shop", files)
        server.repositories.set_role("acme/shop", "ben", "write")
        yield server


@pytest.fixture
def client(github: GitHubServer) -> Iterator[Client]:
    """An installation's token, on all of acme's repositories."""
    github.apps.install("acme", by="ada")
    client = Client(github)
    client.authorize()
    yield client
    client.http.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def pull(github: GitHubServer) -> int:
    """An open pull request with one commit; its number."""
    github.repositories.push("acme/shop", "price", {"src/app.py": "print(2)\n"}, by="ben", message="Raise it")
    return github.pulls.open("acme/shop", "price", by="ben", title="Raise the price").number
