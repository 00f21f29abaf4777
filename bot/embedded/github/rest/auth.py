"""Authentication, permissions and rate limits."""

import math
import secrets
from dataclasses import dataclass
from datetime import datetime

import jwt

from bot.embedded.github.core import GitHub
from bot.embedded.github.errors import GitHubError, not_found
from bot.embedded.github.faults import Fault
from bot.embedded.github.render.basics import Json
from bot.embedded.github.state.apps import Installation, Token
from bot.embedded.github.state.records import ROLES, Repository

from .call import Auth, Call, Entry, Principal

MAX_JWT_SECONDS = 600
_LEVELS = ("none", "read", "write", "admin")


def authenticate(github: GitHub, header: str | None, auth: Auth) -> Principal:
    """The caller, by `Authorization: Bearer …` (an App's JWT, or a token). Raises GitHubError 401 or 403."""
    if auth == "none":
        return Principal("nobody", "nobody", "")
    scheme, _, value = (header or "").partition(" ")
    if scheme.lower() not in ("bearer", "token") or not value:
        raise GitHubError(401, "Requires authentication")
    if value.count(".") == 2:
        principal = _app(github, value)
        if auth == "token":
            raise GitHubError(
                403, "You must authenticate with an installation access token to use this endpoint."
            )
        return principal
    if auth == "app":
        raise GitHubError(401, "A JSON web token could not be decoded")
    return _bearer(github, value)


def _app(github: GitHub, encoded: str) -> Principal:
    credentials = github.credentials
    try:
        claims = jwt.decode(
            encoded,
            credentials.public_key,
            algorithms=["RS256"],
            options={
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
                "verify_aud": False,
                "verify_iss": False,
            },
        )
    except jwt.PyJWTError as error:
        raise GitHubError(401, "A JSON web token could not be decoded") from error
    if str(claims.get("iss")) not in (str(credentials.app_id), credentials.client_id):
        raise GitHubError(404, "Integration not found")
    now = github.world.clock().timestamp()
    expires, issued = claims.get("exp"), claims.get("iat")
    if not isinstance(expires, int) or expires <= now:
        message = (
            "'Expiration time' claim ('exp') must be a numeric value representing the future time "
            "at which the assertion expires"
        )
        raise GitHubError(401, message)
    if expires - now > MAX_JWT_SECONDS:
        raise GitHubError(401, "'Expiration time' claim ('exp') is too far in the future")
    if not isinstance(issued, int | float) or issued > now + 1:
        message = (
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
        )
        raise GitHubError(401, message)
    return Principal("app", "app", credentials.slug)


def _bearer(github: GitHub, value: str) -> Principal:
    if github.faults.take("revoke_tokens"):
        github.apps.revoke_tokens()
    token = github.world.state.tokens.get(value)
    if token is None or (token.expires_at and token.expires_at <= github.world.clock()):
        raise GitHubError(401, "Bad credentials")
    if token.installation_id is None:
        return Principal("user", f"user:{token.login}", token.login)
    installation = github.world.state.installations.get(token.installation_id)
    if installation is None:
        raise GitHubError(401, "Bad credentials")
    if installation.suspended_at:
        raise GitHubError(403, "This installation has been suspended")
    ids = None if token.repository_ids is None else frozenset(token.repository_ids)
    key = f"installation ID {installation.id}"
    return Principal("installation", key, token.login, installation, token.permissions, ids)


def mint(
    github: GitHub, installation: Installation, permissions: dict[str, str], ids: list[int] | None
) -> Json:
    """Create an installation token; returns it with its expiry."""
    value = "ghs_" + secrets.token_urlsafe(27).replace("-", "x").replace("_", "y")
    expires: datetime = github.world.clock() + github.settings.token_lifetime
    login = github.world.app(installation.app).bot_login
    github.world.state.tokens[value] = Token(login, installation.id, expires, permissions, ids)
    return {"token": value, "expires_at": expires}


def visible(call: Call, repository: Repository) -> bool:
    """Whether the caller may know that the repository is there."""
    principal = call.principal
    if not repository.private and call.method == "GET":
        return True
    if principal.kind == "user":
        return call.world.role(repository, principal.login) != "none"
    return _selected(call, repository)


def _selected(call: Call, repository: Repository) -> bool:
    installation, ids = call.principal.installation, call.principal.repository_ids
    if installation is None or (ids is not None and repository.id not in ids):
        return False
    return repository in call.world.installed(installation)


def authorize(call: Call, entry: Entry) -> None:
    """Raises GitHubError when the caller may not do this."""
    principal, repository = call.principal, call.target
    if principal.kind == "app":
        return
    if repository is not None and not visible(call, repository):
        raise not_found()
    if not entry.needs:
        return
    if principal.kind == "user":
        if repository is not None and call.method != "GET":
            role = call.world.role(repository, principal.login)
            if ROLES.index(role) < ROLES.index("write"):
                raise GitHubError(403, "Must have write access to repository.")
        return
    public_read = repository is not None and call.method == "GET" and not _selected(call, repository)
    if public_read or any(_granted(principal, need) for need in entry.needs):
        return
    accepted = "; ".join(need.replace(":", "=") for need in entry.needs)
    headers = {"X-Accepted-GitHub-Permissions": accepted}
    raise GitHubError(403, "Resource not accessible by integration", headers=headers)


def _granted(principal: Principal, need: str) -> bool:
    name, _, level = need.partition(":")
    return _LEVELS.index(principal.permissions.get(name, "none")) >= _LEVELS.index(level)


WINDOW = 3_600


@dataclass
class Window:
    resets_at: float
    used: int = 0


class Limits:
    def __init__(self, github: GitHub) -> None:
        self._github = github
        self._windows: dict[str, Window] = {}

    def window(self, key: str) -> Window:
        now = self._github.world.clock().timestamp()
        window = self._windows.get(key)
        if window is None or window.resets_at <= now:
            window = self._windows[key] = Window(math.ceil(now) + WINDOW)
        return window

    def take(self, key: str, method: str, path: str) -> None:
        """Count a request. Raises GitHubError when there is no room for it."""
        faults, window = self._github.faults, self.window(key)
        if fault := faults.take("secondary_limit", method=method, path=path):
            raise _secondary(fault)
        if fault := faults.take("rate_limit", method=method, path=path):
            window.used = self._github.settings.rate_limit
            window.resets_at = self._github.world.clock().timestamp() + (fault.seconds or WINDOW)
            raise self._primary(key, fault.status)
        if window.used >= self._github.settings.rate_limit:
            raise self._primary(key, 403)
        window.used += 1

    def refund(self, key: str) -> None:
        """A 304 costs nothing."""
        self.window(key).used -= 1

    def headers(self, key: str) -> dict[str, str]:
        window, limit = self.window(key), self._github.settings.rate_limit
        return {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(limit - window.used, 0)),
            "X-RateLimit-Reset": str(math.ceil(window.resets_at)),
            "X-RateLimit-Used": str(window.used),
            "X-RateLimit-Resource": "core",
        }

    def _primary(self, key: str, status: int) -> GitHubError:
        # the real one names the moment of the reset in the headers, and sends no Retry-After
        return GitHubError(429 if status == 429 else 403, f"API rate limit exceeded for {key}.")


def _secondary(fault: Fault) -> GitHubError:
    message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    headers = {"Retry-After": str(math.ceil(fault.seconds or 60))}
    return GitHubError(429 if fault.status == 429 else 403, message, headers=headers)
