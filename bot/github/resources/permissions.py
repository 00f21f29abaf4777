"""What the App needs to be allowed and told. `app.yml` says the same; a test compares them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import items, text
from bot.github.resources.installations import Installations, permission_levels

PERMISSIONS: Mapping[str, str] = {
    "actions": "read",
    "checks": "write",
    "contents": "read",
    "deployments": "write",
    "issues": "read",
    "members": "read",
    "metadata": "read",
    "pull_requests": "write",
    "statuses": "read",
}
"""Permission to the least level that is needed."""

PURPOSES: Mapping[str, str] = {
    "actions": "to read what an environment on GitHub asks for before something is promoted to it",
    "checks": "to report each preview on its commit, and to see whether CI built it",
    "contents": "to read .greenroom.yml and the manifests",
    "deployments": "to show the preview on the pull request",
    "issues": "to be told of comments, in which commands are typed",
    "members": "to see whether whoever approves a promotion is in the team that has to",
    "metadata": "GitHub gives it to every App",
    "pull_requests": "to read pull requests, to comment on them and to answer commands",
    "statuses": "to see whether CI built the commit",
}

EVENTS = frozenset(
    {"check_run", "check_suite", "issue_comment", "pull_request", "push", "repository", "status"}
)
"""Events to subscribe to. Those about installations are sent to every App."""

_LEVELS = ("none", "read", "write", "admin")


def missing_rights(where: str, permissions: Mapping[str, str], events: Collection[str]) -> Sequence[str]:
    """One sentence for each permission or event that is needed and not there."""
    told = []
    for name, level in PERMISSIONS.items():
        given = permissions.get(name, "none")
        if given not in _LEVELS or _LEVELS.index(given) < _LEVELS.index(level):
            told.append(f"{where} lacks the permission {name}: {level} ({PURPOSES[name]}).")
    told += [f"{where} is not told of the event {event}." for event in sorted(EVENTS - set(events))]
    return told


async def missing_permissions(client: GitHubClient) -> Sequence[str]:
    """What the App and each of its installations lack, in sentences that say what to do."""
    app = (await client.get(None, "/app")).json()
    told = [
        f"{problem} Change it in the App's settings."
        for problem in missing_rights(
            "The App", permission_levels(app), [str(event) for event in items(app, "events")]
        )
    ]
    installations = await Installations(client).all()
    if not installations:
        told.append(f"The App is not installed anywhere: install it from {text(app, 'html_url')}.")
    for installation in installations:
        where = f"The installation on {installation.account}"
        if installation.suspended:
            told.append(f"{where} is suspended: an owner of {installation.account} has to unsuspend it.")
            continue
        lacking = missing_rights(where, installation.permissions, installation.events)
        told += [f"{problem} An owner of {installation.account} has to accept it." for problem in lacking]
    return told
