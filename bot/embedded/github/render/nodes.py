"""Objects of the GraphQL API."""

import json

from bot.embedded.github.errors import GitHubError
from bot.embedded.github.state.records import Comment, Pull
from bot.embedded.github.state.results import CheckRun, Deployment

from .basics import Json, node_id, stamp

LARGEST_PAGE = 100


def check_run(run: CheckRun) -> Json:
    return {
        "id": node_id("CheckRun", run.id),
        "databaseId": run.id,
        "name": run.name,
        "externalId": run.external_id,
        "status": run.status.upper(),
        "conclusion": run.conclusion.upper() if run.conclusion else None,
    }


def comment(comment: Comment) -> Json:
    return {"id": node_id("IssueComment", comment.id), "databaseId": comment.id, "body": comment.body}


def pull_request(pull: Pull) -> Json:
    def timeline_items(
        _info: object,
        *,
        first: int | None = None,
        last: int | None = None,
        itemTypes: list[str] | None = None,  # noqa: N803  # GitHub's name
    ) -> Json:
        size = first if last is None else last
        if size is None or not 1 <= size <= LARGEST_PAGE:
            raise GitHubError(422, "You must provide a `first` or `last` value of 1 to 100.")
        kinds = itemTypes and {_type_name(name) for name in itemTypes}
        events = [event for event in pull.timeline if event.kind and (not kinds or event.kind in kinds)]
        page = events[:size] if last is None else events[-size:]
        return {"nodes": [{"__typename": event.kind, "createdAt": stamp(event.at)} for event in page]}

    return {"id": node_id("PullRequest", pull.id), "number": pull.number, "timelineItems": timeline_items}


def _type_name(item_type: str) -> str:
    """The type of an item of `PullRequestTimelineItemsItemType`."""
    return "".join(word.capitalize() for word in item_type.split("_"))


def deployment(deployment: Deployment) -> Json:
    return {
        "id": node_id("Deployment", deployment.id),
        "databaseId": None,  # GitHub's Int ends at 2 147 483 647, and its ids do not
        "environment": deployment.environment,
    }


def listed_deployment(listed: Deployment) -> Json:
    status = listed.statuses[-1] if listed.statuses else None
    return deployment(listed) | {
        "createdAt": stamp(listed.created_at),
        "payload": json.dumps(listed.payload),
        # As on GitHub, the logins of bots have no suffix here.
        "creator": {
            "__typename": "Bot" if listed.app else "User",
            "login": listed.author.removesuffix("[bot]"),
        },
        "latestStatus": status
        and {"id": node_id("DeploymentStatus", status.id), "state": status.state.upper()},
    }
