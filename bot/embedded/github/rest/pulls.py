"""Pull requests, their files and reviews."""

from bot.embedded.github.render import commits
from bot.embedded.github.render import pulls as render
from bot.embedded.github.state.changes import changes
from bot.embedded.github.state.records import Pull

from .call import Answer, Call, Routes, paged

ROUTES = Routes()
PULLS = "/repos/{owner}/{repo}/pulls"
_SORT = {"created": lambda p: (p.created_at, p.number), "updated": lambda p: (p.updated_at, p.number)}


@ROUTES.get(PULLS, "pull_requests:read")
def list_pulls(call: Call) -> Answer:
    query, repository = call.query, call.repository
    state = query.get("state", "open")
    results = [p for p in call.world.pulls(repository) if state in ("all", p.state)]
    if base := query.get("base"):
        results = [p for p in results if p.base_ref == base]
    if head := query.get("head"):
        results = [p for p in results if _head_label(call, p) == head]
    sort = query.get("sort", "created")
    # without a sort, and sorted by creation, the newest come first; every other order begins with the oldest
    direction = query.get("direction", "desc" if sort == "created" else "asc")
    results.sort(key=_SORT.get(sort, _SORT["created"]), reverse=direction == "desc")
    return paged(call, results, lambda p: render.simple(call.world, repository, p))


def _head_label(call: Call, pull: Pull) -> str:
    source = call.world.state.repositories.get(pull.head_repository_id or 0)
    return f"{source.owner if source else ''}:{pull.head_ref}"


def _pull(call: Call) -> Pull:
    return call.world.pull(call.repository, call.number("number"))


@ROUTES.get(f"{PULLS}/{{number}}", "pull_requests:read")
def get_pull(call: Call) -> Answer:
    return Answer(render.full(call.world, call.repository, _pull(call)))


@ROUTES.get(f"{PULLS}/{{number}}/files", "pull_requests:read")
def pull_files(call: Call) -> Answer:
    pull, repository, objects = _pull(call), call.repository, call.world.git(call.repository)
    origin = objects.merge_base(pull.base_sha, pull.head_sha)
    before = objects.commits[origin].tree if origin else None
    changed = changes(objects, before, objects.commits[pull.head_sha].tree)
    return paged(call, changed, lambda c: commits.file(call.world, repository, pull.head_sha, c))


@ROUTES.get(f"{PULLS}/{{number}}/commits", "pull_requests:read")
def pull_commits(call: Call) -> Answer:
    pull, objects = _pull(call), call.world.git(call.repository)
    commits_of_pull = objects.between(pull.base_sha, pull.head_sha)
    return paged(call, commits_of_pull, lambda c: commits.commit(call.world, call.repository, c))


@ROUTES.get(f"{PULLS}/{{number}}/reviews", "pull_requests:read")
def pull_reviews(call: Call) -> Answer:
    pull, repository = _pull(call), call.repository
    return paged(call, pull.reviews, lambda r: render.review(call.world, repository, pull, r))
