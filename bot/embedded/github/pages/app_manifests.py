"""Registers an App from a manifest, and installs it on an account."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlencode, urlsplit

import msgspec
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot.embedded.github.errors import GitHubError, not_found
from bot.embedded.github.operations.apps import RequestedApp
from bot.embedded.github.pages.site import Site, back, same_origin
from bot.embedded.github.state.records import Account

NEW = "/settings/apps/new"
_INSTALL = "/apps/{slug}/installations/new"


class _Hook(msgspec.Struct):
    url: str
    active: bool = True


class _Manifest(msgspec.Struct):
    url: str
    redirect_url: str
    name: str = ""
    hook_attributes: _Hook | None = None
    callback_urls: list[str] = []
    default_permissions: dict[str, str] = {}
    default_events: list[str] = []


class AppManifests:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._github = site.github

    def routes(self) -> list[Route]:
        forms = {
            NEW: self.ask,
            "/organizations/{owner}" + NEW: self.ask,
            "/settings/apps/manifest": self.register,
            _INSTALL: self.install,
        }
        return [
            Route(_INSTALL, self.choose, methods=["GET"]),
            *(Route(path, self._form(form), methods=["POST"]) for path, form in forms.items()),
        ]

    def _form(
        self, form: Callable[[Request, FormData], Response]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            data = await request.form()
            with self._github.world.lock:
                try:
                    return form(request, data)
                except GitHubError as error:
                    return self._site.refusal(request, error)

        return endpoint

    def ask(self, request: Request, data: FormData) -> Response:
        """Show what the manifest asks for. The form comes from another site, so it changes nothing yet."""
        text = str(data.get("manifest", ""))
        manifest, owner = _read(text), request.path_params.get("owner", "")
        if owner and self._github.world.account(owner).kind != "Organization":
            raise not_found()
        return self._site.page(
            request,
            "register-app.html",
            manifest=manifest,
            text=text,
            owner=owner,
            state=request.query_params.get("state", ""),
            owners=self._registrants(owner),
        )

    def _registrants(self, organization: str) -> Sequence[str]:
        """The users who may register an App of the organisation, or of their own without one."""
        people = self._github.accounts.people()
        if not organization:
            return [person.login for person in people]
        members = self._github.world.account(organization).members
        return [person.login for person in people if members.get(person.login.lower()) == "admin"]

    def register(self, request: Request, data: FormData) -> Response:
        owner, login = str(data.get("owner", "")), str(data.get("login", ""))
        if not same_origin(request) or login not in self._registrants(owner):
            raise GitHubError(403, "You may not register an App here.")
        manifest = _read(str(data.get("manifest", "")))
        hook = manifest.hook_attributes
        requested = RequestedApp(
            name=str(data.get("name", "")).strip(),
            hook_url=hook.url if hook and hook.active else None,
            default_permissions=manifest.default_permissions,
            default_events=manifest.default_events,
        )
        code = self._github.apps.register(requested, owner or login)
        answer = {"code": code} | ({"state": str(data["state"])} if data.get("state") else {})
        separator = "&" if urlsplit(manifest.redirect_url).query else "?"
        return RedirectResponse(manifest.redirect_url + separator + urlencode(answer), 303)

    async def choose(self, request: Request) -> Response:
        with self._github.world.lock:
            app = self._github.world.state.apps.get(request.path_params["slug"])
            if app is None:
                return self._site.refusal(request, not_found())
            accounts = [(account.login, self._owner(account)) for account in self._accounts()]
            return self._site.page(request, "install-app.html", app=app, accounts=accounts)

    def install(self, request: Request, data: FormData) -> Response:
        account = next((a for a in self._accounts() if a.login == data.get("account")), None)
        if account is None or not same_origin(request):
            raise GitHubError(403, "You may not install an App here.")
        if request.path_params["slug"] != self._github.credentials.slug:
            raise not_found()
        self._github.apps.install(account.login, by=self._owner(account))
        return back(request, "/")

    def _accounts(self) -> Sequence[Account]:
        """The accounts on which a user can install an App."""
        owners = {r.owner.lower() for r in self._github.world.state.repositories.values()}
        accounts = self._github.world.state.accounts
        return [accounts[owner] for owner in sorted(owners) if self._owner(accounts[owner])]

    def _owner(self, account: Account) -> str:
        """A user who administrates the account; "" when there is none."""
        if account.kind == "User":
            return account.login
        return next(iter(self._registrants(account.login)), "")


def _read(text: str) -> _Manifest:
    """Raises GitHubError 422 for an invalid manifest."""
    try:
        manifest = msgspec.json.decode(text, type=_Manifest)
    except msgspec.DecodeError as error:
        raise GitHubError(422, f"The manifest is not valid: {error}") from None
    urls = [manifest.url, manifest.redirect_url, *manifest.callback_urls]
    urls += [manifest.hook_attributes.url] if manifest.hook_attributes else []
    if not all(re.match(r"https?://[^/]", url) for url in urls):
        raise GitHubError(422, "The manifest is not valid: every URL must begin with http:// or https://.")
    return manifest
