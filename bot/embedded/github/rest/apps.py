"""The App itself: its installations, tokens, webhook and deliveries."""

from typing import NotRequired, TypedDict

from bot.embedded.github.errors import GitHubError, not_found
from bot.embedded.github.operations.apps import Apps
from bot.embedded.github.render import accounts
from bot.embedded.github.render import repositories as render
from bot.embedded.github.render.basics import Json, stamp
from bot.embedded.github.state.apps import Delivery, Installation

from .auth import mint
from .call import Answer, Call, Routes, link, page_size, paged
from .repositories import REPO

ROUTES = Routes()
_LEVELS = ("read", "write", "admin")


class TokenBody(TypedDict):
    repositories: NotRequired[list[str]]
    repository_ids: NotRequired[list[int]]
    permissions: NotRequired[dict[str, str]]


def _installation(call: Call) -> Installation:
    installation = call.world.state.installations.get(call.number("installation_id"))
    if installation is None:
        raise not_found()
    return installation


@ROUTES.get("/app", auth="app")
def get_app(call: Call) -> Answer:
    apps: Apps = call.github.apps
    count = sum(i.app == apps.app.slug for i in call.world.state.installations.values())
    return Answer(accounts.app(call.world, apps.app) | {"installations_count": count})


@ROUTES.post("/app-manifests/{code}/conversions", auth="none")
def convert_manifest(call: Call) -> Answer:
    credentials = call.github.apps.exchange(call.params["code"])
    app = accounts.app(call.world, call.world.app(credentials.slug))
    secret = {
        "client_secret": credentials.client_secret,
        "webhook_secret": credentials.webhook_secret,
        "pem": credentials.private_key,
    }
    return Answer(app | secret, status=201)


@ROUTES.get("/app/installations", auth="app")
def list_installations(call: Call) -> Answer:
    installations = call.world.state.installations.values()
    return paged(call, installations, lambda i: accounts.installation(call.world, i))


@ROUTES.get("/app/installations/{installation_id}", auth="app")
def get_installation(call: Call) -> Answer:
    return Answer(accounts.installation(call.world, _installation(call)))


@ROUTES.get(f"{REPO}/installation", auth="app")
def get_repository_installation(call: Call) -> Answer:
    installation = call.world.installation(call.github.apps.app, call.repository)
    if installation is None:
        raise not_found()
    return Answer(accounts.installation(call.world, installation))


@ROUTES.post("/app/installations/{installation_id}/access_tokens", auth="app")
def create_token(call: Call) -> Answer:
    installation, body = _installation(call), call.body(TokenBody)
    if installation.suspended_at:
        raise GitHubError(403, "This installation has been suspended")
    permissions = _permissions(installation, body.get("permissions"))
    ids = _repository_ids(call, installation, body)
    token = mint(call.github, installation, permissions, ids)
    answer: Json = {
        "token": token["token"],
        "expires_at": stamp(token["expires_at"]),
        "permissions": permissions,
        "repository_selection": installation.selection if ids is None else "selected",
    }
    if ids is not None:
        answer["repositories"] = [render.repository(call.world, call.world.repository(i)) for i in ids]
    return Answer(answer, status=201)


def _permissions(installation: Installation, requested: dict[str, str] | None) -> dict[str, str]:
    if requested is None:
        return dict(installation.permissions)
    for name, level in requested.items():
        granted = installation.permissions.get(name)
        if level not in _LEVELS or granted is None or _LEVELS.index(granted) < _LEVELS.index(level):
            raise GitHubError(422, "The permissions requested are not granted to this installation.")
    return {"metadata": "read"} | requested


def _repository_ids(call: Call, installation: Installation, body: TokenBody) -> list[int] | None:
    if "repositories" not in body and "repository_ids" not in body:
        return None
    seen = {r.name.lower(): r.id for r in call.world.installed(installation)}
    requested: list[int | None] = [seen.get(name.lower()) for name in body.get("repositories", [])]
    requested += [i if i in seen.values() else None for i in body.get("repository_ids", [])]
    ids = [i for i in requested if i is not None]
    if len(ids) != len(requested):
        message = (
            "There is at least one repository that does not exist or is not accessible "
            "to the parent installation."
        )
        raise GitHubError(422, message)
    return ids


@ROUTES.get("/installation/repositories", "metadata:read")
def installation_repositories(call: Call) -> Answer:
    installation, ids = call.principal.installation, call.principal.repository_ids
    if installation is None:
        raise GitHubError(403, "You must authenticate with an installation access token.")
    results = [r for r in call.world.installed(installation) if ids is None or r.id in ids]
    answer = paged(call, results, lambda r: render.full(call.world, r, "none"), key="repositories")
    if isinstance(answer.body, dict):
        answer.body["repository_selection"] = installation.selection
    return answer


def _hook_config(call: Call) -> Answer:
    url = call.github.apps.app.hook_url or ""
    return Answer({"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": url})


@ROUTES.get("/app/hook/config", auth="app")
def get_hook(call: Call) -> Answer:
    return _hook_config(call)


def _summary(delivery: Delivery) -> Json:
    return {
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": stamp(delivery.delivered_at),
        "redelivery": delivery.redelivery,
        "duration": delivery.duration,
        "status": delivery.status,
        "status_code": delivery.status_code,
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": delivery.installation_id,
        "repository_id": delivery.repository_id,
        "throttled_at": None,
    }


@ROUTES.get("/app/hook/deliveries", auth="app")
def list_deliveries(call: Call) -> Answer:
    """Newest first; the cursor is the id of the delivery that a page begins after."""
    newest_first = sorted(call.world.state.deliveries.values(), key=lambda d: d.id, reverse=True)
    if call.github.faults.take("empty_lists", path=call.url):
        newest_first = []
    if call.query.get("status") in ("success", "failure"):
        good = call.query["status"] == "success"
        newest_first = [d for d in newest_first if (200 <= d.status_code < 300) == good]
    cursor = call.query.get("cursor", "").removeprefix("v1_")
    if cursor:
        if not cursor.isdecimal():
            raise GitHubError(422, "Invalid cursor.")
        newest_first = [d for d in newest_first if d.id < int(cursor)]
    size = page_size(call)
    page = newest_first[:size]
    headers = {}
    if len(newest_first) > size:
        headers["Link"] = link(call, {"next": {"cursor": f"v1_{page[-1].id}"}})
    return Answer([_summary(d) for d in page], headers=headers)


def _delivery(call: Call) -> Delivery:
    delivery = call.world.state.deliveries.get(call.number("delivery_id"))
    if delivery is None:
        raise not_found()
    return delivery


@ROUTES.post("/app/hook/deliveries/{delivery_id}/attempts", auth="app")
def redeliver(call: Call) -> Answer:
    call.github.deliveries.redeliver(_delivery(call))
    return Answer({}, status=202)
