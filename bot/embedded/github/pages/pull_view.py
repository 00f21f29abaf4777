"""The content of a pull request page. Pure functions of the world."""

from dataclasses import dataclass, field
from datetime import datetime

from markupsafe import Markup

from bot.embedded.github.core import GitHub
from bot.embedded.github.pages.markdown import render
from bot.embedded.github.state.changes import Change, changes
from bot.embedded.github.state.objects import Commit
from bot.embedded.github.state.records import ROLES, Pull, Repository
from bot.embedded.github.state.results import CheckRun, Deployment
from bot.embedded.github.state.world import World

EMOJI = {
    "+1": "👍",
    "-1": "👎",
    "laugh": "😄",
    "hooray": "🎉",
    "confused": "😕",
    "heart": "❤️",
    "rocket": "🚀",
    "eyes": "👀",
}
_MARKS = {
    "success": "good",
    "failure": "bad",
    "error": "bad",
    "timed_out": "bad",
    "action_required": "bad",
    "cancelled": "bad",
    "neutral": "quiet",
    "skipped": "quiet",
    "stale": "quiet",
    "inactive": "quiet",
}


@dataclass(frozen=True)
class Item:
    """One entry of the timeline: a comment, a commit or an event."""

    kind: str
    at: datetime
    actor: str
    anchor: str = ""
    html: Markup = field(default_factory=Markup)
    text: str = ""
    sha: str = ""
    by_app: bool = False
    edited: bool = False
    reactions: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Check:
    """A check run or commit status; `mark` is good, bad, quiet or running."""

    name: str
    app: str
    mark: str
    title: str
    seconds: int | None
    html: Markup
    url: str


@dataclass(frozen=True)
class Rights:
    """Which forms a person gets."""

    comment: bool
    push: bool
    close: bool
    merge: bool


def timeline(github: GitHub, repository: Repository, pull: Pull) -> list[Item]:
    """Everything since the pull request was opened, oldest first."""
    world = github.world
    opening = Item("comment", pull.created_at, pull.author, "description", render(pull.body))
    items = []
    for commit in commits(world, repository, pull):
        signature = commit.author.login or commit.author.name
        title = commit.message.partition("\n")[0]
        at = max(commit.committer.at, pull.created_at)
        items.append(Item("commit", at, signature, text=title, sha=commit.sha))
    for comment in github.comments.on(repository.full_name, pull.number):
        given = [r.content for r in github.comments.reactions(comment.id)]
        items.append(
            Item(
                "comment",
                comment.created_at,
                comment.author,
                f"issuecomment-{comment.id}",
                render(comment.body),
                by_app=comment.app is not None,
                edited=comment.updated_at != comment.created_at,
                reactions=tuple((EMOJI[c], given.count(c)) for c in EMOJI if c in given),
            )
        )
    for event in pull.timeline:
        items.append(Item("event", event.at, event.actor, text=event.text))
    return [opening, *sorted(items, key=lambda item: item.at)]


def commits(world: World, repository: Repository, pull: Pull) -> list[Commit]:
    return world.git(repository).between(pull.base_sha, pull.head_sha)


def changed_files(world: World, repository: Repository, pull: Pull) -> list[Change]:
    objects = world.git(repository)
    origin = objects.merge_base(pull.base_sha, pull.head_sha)
    before = objects.commits[origin].tree if origin else None
    return changes(objects, before, objects.commits[pull.head_sha].tree)


def mark(state: str | None) -> str:
    return _MARKS.get(state or "", "running")


def checks(github: GitHub, repository: Repository, sha: str) -> list[Check]:
    """The latest check run of each App and name, then the latest status of each context."""
    latest: dict[tuple[str, str], CheckRun] = {}
    for run in github.checks.runs(repository.full_name, sha):
        latest[run.app, run.name] = run
    results = [_check(github.world, repository, run) for run in latest.values()]
    statuses = {
        s.context: s for s in github.world.state.statuses if s.repository_id == repository.id and s.sha == sha
    }
    for status in statuses.values():
        title, url = status.description or status.state, status.target_url or ""
        results.append(Check(status.context, status.author, mark(status.state), title, None, Markup(), url))
    return results


def _check(world: World, repository: Repository, run: CheckRun) -> Check:
    seconds = None
    if run.started_at and run.completed_at:
        seconds = int((run.completed_at - run.started_at).total_seconds())
    state = (run.conclusion or run.status).replace("_", " ")
    html = render("\n\n".join(part for part in (run.output.summary, run.output.text) if part))
    page = f"/{repository.full_name}/runs/{run.id}"
    title = run.output.title or state
    return Check(run.name, world.app(run.app).name, mark(run.conclusion), title, seconds, html, page)


def deployments(github: GitHub, repository: Repository, pull: Pull) -> list[Deployment]:
    """The newest deployment of each environment that ever got a commit of this pull request."""
    shas = {commit.sha for commit in commits(github.world, repository, pull)}
    shas |= {pull.head_sha, pull.merge_commit_sha or ""}
    mine = [d for d in github.deployments.of(repository.id) if d.sha in shas]
    return list({d.environment: d for d in mine}.values())


def rights(world: World, repository: Repository, pull: Pull, login: str | None) -> Rights:
    if login is None:
        return Rights(comment=False, push=False, close=False, merge=False)
    rank = ROLES.index(world.role(repository, login))
    source = world.state.repositories.get(pull.head_repository_id or 0)
    may_push = source is not None and ROLES.index(world.role(source, login)) >= ROLES.index("write")
    is_open = pull.state == "open"
    return Rights(
        comment=rank >= ROLES.index("read") or login == pull.author,
        push=may_push and pull.merged_at is None,
        close=pull.merged_at is None and (login == pull.author or rank >= ROLES.index("triage")),
        merge=is_open and not pull.draft and rank >= ROLES.index("write"),
    )
