"""The payload of each webhook about the App itself: installations and the ping."""

from __future__ import annotations

from bot.embedded.github.render.accounts import installation, selected_repository, user
from bot.embedded.github.render.basics import Json, stamp
from bot.embedded.github.state.apps import App, Installation
from bot.embedded.github.state.records import Repository
from bot.embedded.github.state.world import World


def installation_changed(
    world: World, record: Installation, action: str, sender: str, repositories: list[Repository]
) -> None:
    payload = {
        "action": action,
        "installation": installation(world, record),
        "repositories": [selected_repository(r) for r in repositories],
        "requester": None,
        "sender": user(world, sender),
    }
    world.deliver("installation", action, None, payload)


def selection_changed(
    world: World, record: Installation, sender: str, added: list[Repository], removed: list[Repository]
) -> None:
    action = "added" if added else "removed"
    payload = {
        "action": action,
        "installation": installation(world, record),
        "repository_selection": record.selection,
        "repositories_added": [selected_repository(r) for r in added],
        "repositories_removed": [selected_repository(r) for r in removed],
        "requester": None,
        "sender": user(world, sender),
    }
    world.deliver("installation_repositories", action, None, payload)


def ping(world: World, app: App, hook_id: int) -> None:
    hook: Json = {
        "type": "App",
        "id": hook_id,
        "name": "web",
        "active": True,
        "events": list(app.events),
        "config": {"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": app.hook_url},
        "updated_at": stamp(app.created_at),
        "created_at": stamp(app.created_at),
        "app_id": app.id,
        "deliveries_url": f"{world.api}/app/hook/deliveries",
    }
    world.deliver("ping", None, None, {"zen": "Keep it logically awesome.", "hook_id": hook_id, "hook": hook})
