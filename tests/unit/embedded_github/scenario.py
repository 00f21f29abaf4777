"""A scenario that sends each webhook of the App at least once."""

from __future__ import annotations

import json
from typing import Any

from bot.embedded.github.core import GitHub

SHOP = "larkfield/greengrocer"


def play(github: GitHub) -> None:
    """Go from the first ping to the end of the installation."""
    github.accounts.create_user("marta-lund", name="Marta Lund")
    github.accounts.create_user("tomasz-wolny", name="Tomasz Wolny")
    for organization in ("larkfield", "larkfield-archive"):
        github.accounts.create_organization(organization, admins=("marta-lund",))
    files = {
        "README.md": "# Greengrocer\n\nFruit and vegetables, from seed to shelf.\n",
        ".greenroom.yml": "version: 1\n",
        "deploy/web.yaml": "apiVersion: apps/v1\nkind: Deployment\n",
        "src/greengrocer/seed.py": 'CATALOGUE = {"apple": 40, "pear": 55}\n',
    }
    github.repositories.create(SHOP, files)
    github.repositories.set_role(SHOP, "tomasz-wolny", "write")
    github.apps.set_webhook("https://greenroom.example.com/webhooks")
    installed = github.apps.install("larkfield", by="marta-lund").id
    github.apps.install("larkfield-archive", by="marta-lund")
    number = _pull_request(github)
    _reports(github, number)
    github.pulls.queue(SHOP, number, by="marta-lund")
    github.pulls.close(SHOP, number, by="tomasz-wolny")
    github.pulls.reopen(SHOP, number, by="tomasz-wolny")
    github.pulls.merge(SHOP, number, by="marta-lund", method="squash", delete_branch=True)
    _owners(github, installed)


def _pull_request(github: GitHub) -> int:
    author = "tomasz-wolny"
    seed = 'CATALOGUE = {"apple": 40, "pear": 55, "quince": 90}\n'
    github.repositories.push(
        SHOP, "add-quince", {"src/greengrocer/seed.py": seed}, by=author, message="Sell quinces"
    )
    body = "Quinces are in season.\n\nPlease look at the preview before it is merged."
    number = github.pulls.open(
        SHOP, "add-quince", by=author, title="Sell quince", body=body, draft=True
    ).number
    github.pulls.set_draft(SHOP, number, False, by=author)
    github.pulls.edit(SHOP, number, by=author, title="Sell quinces")
    github.pulls.label(SHOP, number, "preview", by=author)
    cheaper = seed.replace("90", "75")
    github.repositories.push(
        SHOP, "add-quince", {"src/greengrocer/seed.py": cheaper}, by=author, message="Make them cheaper"
    )
    github.pulls.unlabel(SHOP, number, "preview", by="marta-lund")
    github.pulls.set_draft(SHOP, number, True, by=author)
    github.pulls.set_draft(SHOP, number, False, by=author)
    github.pulls.request_review(SHOP, number, "marta-lund", by=author)
    comment = github.comments.create(SHOP, number, "/preview", by="marta-lund")
    github.comments.edit(comment.id, "/preview refresh", by="marta-lund")
    github.comments.delete(comment.id, by="marta-lund")
    return number


def _reports(github: GitHub, number: int) -> None:
    app = github.apps.app
    sha, bot = github.pulls.get(SHOP, number).head_sha, app.bot_login
    output = {"title": "Waiting for the artifact", "summary": "The registry does not have this commit yet."}
    fields: dict[str, Any] = {"status": "in_progress", "output": output}
    run = github.checks.create_run(SHOP, sha, "greenroom", app=app.slug, by=bot, fields=fields)
    ready = {"title": "Ready in 6.2 s", "summary": "Every phase is done."}
    github.checks.update_run(run, {"conclusion": "success", "output": ready}, by=bot)
    github.checks.rerequest(run.id, by="tomasz-wolny")
    github.checks.rerequest_suite(run.suite_id, by="tomasz-wolny")
    github.checks.set_status(
        SHOP,
        sha,
        "success",
        by="tomasz-wolny",
        description="Built in 41 s",
        target_url="https://ci.example.com/builds/318",
    )


def _owners(github: GitHub, installed: int) -> None:
    owner = "marta-lund"
    github.apps.suspend(installed, by=owner)
    github.apps.unsuspend(installed, by=owner)
    github.apps.accept_permissions(installed, by=owner)
    github.repositories.create("larkfield/orchard-map", by=owner)
    github.repositories.archive("larkfield/orchard-map", by=owner)
    github.repositories.delete("larkfield/orchard-map", by=owner)
    github.repositories.rename(SHOP, "corner-shop", by=owner)
    github.repositories.transfer("larkfield/corner-shop", "larkfield-archive", by=owner)
    github.apps.uninstall(installed, by=owner)
    github.repositories.create("larkfield/seed-bank", by=owner)
    chosen = github.apps.install("larkfield", by=owner, repositories=("larkfield/seed-bank",))
    github.repositories.create("larkfield/cellar", by=owner)
    github.apps.add_repository(chosen.id, "larkfield/cellar", by=owner)
    github.apps.remove_repository(chosen.id, "larkfield/cellar", by=owner)


def last_payloads(github: GitHub) -> dict[str, Any]:
    """The last payload of each `EVENT.ACTION`, or `EVENT` where there is no action."""
    payloads = {}
    for delivery in github.world.state.deliveries.values():
        name = f"{delivery.event}.{delivery.action}" if delivery.action else delivery.event
        payloads[name] = json.loads(delivery.request_body)
    return payloads
