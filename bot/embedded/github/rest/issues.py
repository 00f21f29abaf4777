"""Issues."""

from typing import NotRequired, TypedDict

from bot.embedded.github.errors import GitHubError
from bot.embedded.github.render import pulls
from bot.embedded.github.render.basics import Json
from bot.embedded.github.state.records import Issue, Pull

from .call import Answer, Call, Routes, paged

ROUTES = Routes()
ISSUES = "/repos/{owner}/{repo}/issues"


class IssueBody(TypedDict):
    title: str
    body: NotRequired[str | None]


class IssueChange(TypedDict):
    title: NotRequired[str]
    body: NotRequired[str]
    state: NotRequired[str]


@ROUTES.get(ISSUES, "issues:read", "pull_requests:read")
def list_issues(call: Call) -> Answer:
    """Pull requests are issues, too. Newest first; open ones by default."""
    repository, state = call.repository, call.query.get("state", "open")
    issues: list[Issue | Pull] = [*call.github.issues.of(repository.full_name)]
    issues += call.world.pulls(repository)
    creator = call.query.get("creator", "").lower()
    selected = [
        issue
        for issue in sorted(issues, key=lambda issue: issue.number, reverse=True)
        if state in ("all", issue.state) and creator in ("", issue.author.lower())
    ]

    def rendered(issue: Issue | Pull) -> Json:
        if isinstance(issue, Pull):
            return pulls.issue(call.world, repository, issue)
        return pulls.plain_issue(call.world, repository, issue)

    return paged(call, selected, rendered)


@ROUTES.post(ISSUES, "issues:write")
def create_issue(call: Call) -> Answer:
    body, actor = call.body(IssueBody), call.actor
    issue = call.github.issues.create(
        call.repository.full_name, body["title"], body.get("body"), by=actor.login, app=actor.app
    )
    answer = pulls.plain_issue(call.world, call.repository, issue)
    return Answer(answer, 201, {"Location": answer["url"]})


@ROUTES.get(f"{ISSUES}/{{number}}", "issues:read", "pull_requests:read")
def get_issue(call: Call) -> Answer:
    number = call.number("number")
    pull = call.world.state.pulls.get(call.repository.id, {}).get(number)
    if pull is not None:
        return Answer(pulls.issue(call.world, call.repository, pull))
    issue = call.github.issues.get(call.repository.full_name, number)
    return Answer(pulls.plain_issue(call.world, call.repository, issue))


@ROUTES.patch(f"{ISSUES}/{{number}}", "issues:write")
def update_issue(call: Call) -> Answer:
    number, body = call.number("number"), call.body(IssueChange)
    if number in call.world.state.pulls.get(call.repository.id, {}):
        raise GitHubError(501, "The embedded server changes pull requests by their own endpoint only.")
    issue = call.github.issues.update(call.repository.full_name, number, **body)
    return Answer(pulls.plain_issue(call.world, call.repository, issue))
