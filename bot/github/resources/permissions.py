"""Permissions and events that the App needs, and which are missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import items, text
from bot.github.resources.app_manifest import events, permissions
from bot.github.resources.installations import Installations, permission_levels

PERMISSIONS: Mapping[str, str] = permissions()
"""Minimum level by permission."""

PURPOSES: Mapping[str, str] = {
    "actions": "read the rules of GitHub Environments before a promotion",
    "checks": "report previews on commits; read CI's results",
    "contents": "read .greenroom.yml and manifests",
    "deployments": "show previews and stages as deployments",
    "issues": "receive comments, which contain commands; report drift of stages in an issue",
    "members": "check whether an approver is a member of a required team",
    "merge_queues": "receive the commits of merge queues, which need the checks of previews",
    "metadata": "mandatory for every App",
    "pull_requests": "read pull requests, comment, answer commands",
    "statuses": "read CI's results",
}

EVENTS = frozenset(events())
"""Events to subscribe to. GitHub sends events about installations to every App."""

_LEVELS = ("none", "read", "write", "admin")


def missing_rights(where: str, permissions: Mapping[str, str], events: Collection[str]) -> Sequence[str]:
    """One sentence for each missing permission or event."""
    problems = []
    for name, level in PERMISSIONS.items():
        given = permissions.get(name, "none")
        if given not in _LEVELS or _LEVELS.index(given) < _LEVELS.index(level):
            problems.append(f"{where} lacks the permission {name}: {level} ({PURPOSES[name]}).")
    problems += [f"{where} is not subscribed to the event {event}." for event in sorted(EVENTS - set(events))]
    return problems


async def missing_permissions(client: GitHubClient) -> Sequence[str]:
    """Missing permissions and events of the App and its installations, one sentence each, with advice."""
    app = (await client.get(None, "/app")).json()
    problems = [
        f"{problem} Change it in the App's settings."
        for problem in missing_rights(
            "The App", permission_levels(app), [str(event) for event in items(app, "events")]
        )
    ]
    installations = await Installations(client).list_all()
    if not installations:
        problems.append(f"The App is not installed. Install it from {text(app, 'html_url')}.")
    for installation in installations:
        where = f"The installation on {installation.account}"
        if installation.suspended:
            problems.append(f"{where} is suspended. An owner of {installation.account} must unsuspend it.")
            continue
        lacking = missing_rights(where, installation.permissions, installation.events)
        problems += [f"{problem} An owner of {installation.account} must accept it." for problem in lacking]
    return problems
