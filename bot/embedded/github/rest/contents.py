"""Commits, trees, comparisons, files and archives."""

import base64
import gzip
import io
import secrets
import tarfile

from bot.embedded.github.errors import GitHubError, not_found
from bot.embedded.github.render import commits, pulls
from bot.embedded.github.render import repositories as render
from bot.embedded.github.render.basics import Json
from bot.embedded.github.state.objects import DIRECTORY, EXECUTABLE, SYMLINK, Commit, Entry, Objects
from bot.embedded.github.state.records import Pull, Repository

from .call import Answer, Call, Routes, paged

ROUTES = Routes()
REPO = "/repos/{owner}/{repo}"
ARCHIVES = "/_codeload"


def _commit(call: Call, ref: str) -> Commit:
    return call.world.git(call.repository).commits[call.world.commit_sha(call.repository, ref)]


@ROUTES.get(f"{REPO}/commits", "contents:read")
def list_commits(call: Call) -> Answer:
    objects = call.world.git(call.repository)
    start = _commit(call, call.query.get("sha") or call.repository.default_branch)
    path = call.query.get("path", "").strip("/")
    ancestors = [
        objects.commits[sha] for sha in objects.ancestors(start.sha) if not path or objects.touched(sha, path)
    ]
    return paged(call, ancestors, lambda c: commits.commit(call.world, call.repository, c))


@ROUTES.get(f"{REPO}/activity", "contents:read")
def list_activities(call: Call) -> Answer:
    """The newest first; REF names one branch."""
    branch = call.query.get("ref", "").removeprefix("refs/heads/")
    pushes = [push for push in call.repository.pushes if branch in ("", push.branch)]
    return paged(call, reversed(pushes), lambda push: commits.activity(call.world, push))


@ROUTES.get(f"{REPO}/commits/{{ref:path}}", "contents:read")
def get_commit(call: Call) -> Answer:
    commit = _commit(call, call.params["ref"])
    if "vnd.github.sha" in call.accept:
        return Answer(commit.sha.encode(), media_type="application/vnd.github.sha; charset=utf-8")
    return Answer(commits.full_commit(call.world, call.repository, commit))


@ROUTES.get(f"{REPO}/commits/{{ref:path}}/pulls", "pull_requests:read")
def pulls_of_commit(call: Call) -> Answer:
    """Merged pull requests that brought the commit; open ones only while the default branch lacks it."""
    repository = call.repository
    sha, objects = _commit(call, call.params["ref"]).sha, call.world.git(repository)
    on_default_branch = sha in objects.ancestors(repository.branches[repository.default_branch])

    def has(pull: Pull, tip: str) -> bool:
        return any(commit.sha == sha for commit in objects.between(pull.base_sha, tip))

    def brought(pull: Pull) -> bool:
        if not pull.merged_at:
            return pull.state == "open" and not on_default_branch and has(pull, pull.head_sha)
        return any(has(pull, tip) for tip in (pull.merge_commit_sha, pull.head_sha) if tip)

    matching_pulls = [pull for pull in call.world.pulls(repository) if brought(pull)]
    return paged(call, matching_pulls, lambda p: pulls.simple(call.world, repository, p))


@ROUTES.get(f"{REPO}/git/commits/{{sha}}", "contents:read")
def git_commit(call: Call) -> Answer:
    commit = call.world.git(call.repository).commits.get(call.params["sha"])
    if commit is None:
        raise not_found()
    return Answer(commits.git_commit(call.world, call.repository, commit))


@ROUTES.get(f"{REPO}/git/tags/{{sha}}", "contents:read")
def git_tag(call: Call) -> Answer:
    """An annotated tag; a plain tag has no object."""
    tag = call.world.git(call.repository).tags.get(call.params["sha"])
    if tag is None:
        raise not_found()
    return Answer(commits.git_tag(call.world, call.repository, tag))


@ROUTES.get(f"{REPO}/compare/{{basehead:path}}", "contents:read")
def compare(call: Call) -> Answer:
    base, dots, head = call.params["basehead"].partition("...")
    if not dots:
        raise not_found()
    repository = call.repository
    # either side may be written OWNER:BRANCH for a fork
    sides = [_side(call, repository, side) for side in (base, head)]
    answer = commits.comparison(call.world, repository, *sides)
    if answer is None:
        raise GitHubError(404, f"No common ancestor between {base} and {head}.")
    return Answer(answer)


def _side(call: Call, repository: Repository, side: str) -> str:
    owner, colon, ref = side.partition(":")
    source = repository
    if colon:
        forks = call.world.state.repositories.values()
        matching = [r for r in forks if r.network == repository.network and r.owner.lower() == owner.lower()]
        source = next(iter(matching), repository)
    sha = call.world.resolve(source, ref if colon else side)
    if sha is None:
        raise not_found()
    return sha


@ROUTES.get(f"{REPO}/contents", "contents:read")
@ROUTES.get(f"{REPO}/contents/{{path:path}}", "contents:read")
def contents(call: Call) -> Answer:
    """A file (raw or as base64), a symlink, or the list of a folder."""
    repository, path = call.repository, call.params.get("path", "").strip("/")
    ref = call.query.get("ref") or repository.default_branch
    sha = call.world.resolve(repository, ref)
    if sha is None:
        raise GitHubError(404, f"No commit found for the ref {ref}")
    objects = call.world.git(repository)
    entry = objects.entry(objects.commits[sha].tree, path)
    if entry is None:
        raise not_found()
    if entry.mode == DIRECTORY:
        children = objects.trees[entry.sha].items()
        prefix = f"{path}/" if path else ""
        return Answer([_content(call, objects, prefix + name, child, ref) for name, child in children])
    content = objects.blobs[entry.sha]
    if "raw" in call.accept:
        return Answer(content, media_type="application/vnd.github.raw+json; charset=utf-8")
    item = _content(call, objects, path, entry, ref)
    if entry.mode == SYMLINK:
        return Answer(item | {"target": content.decode()})
    return Answer(item | {"content": base64.encodebytes(content).decode(), "encoding": "base64"})


def _content(call: Call, objects: Objects, path: str, entry: Entry, ref: str) -> Json:
    api, web = render.url(call.world, call.repository), render.page(call.world, call.repository)
    folder = entry.mode == DIRECTORY
    kind = "dir" if folder else "symlink" if entry.mode == SYMLINK else "file"
    url = f"{api}/contents/{path}?ref={ref}"
    git = f"{api}/git/{'trees' if folder else 'blobs'}/{entry.sha}"
    html = f"{web}/{'tree' if folder else 'blob'}/{ref}/{path}"
    return {
        "type": kind,
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": entry.sha,
        "size": 0 if folder else len(objects.blobs[entry.sha]),
        "url": url,
        "html_url": html,
        "git_url": git,
        "download_url": None if folder else f"{web}/raw/{ref}/{path}",
        "_links": {"self": url, "git": git, "html": html},
    }


@ROUTES.get(f"{REPO}/tarball", "contents:read")
@ROUTES.get(f"{REPO}/tarball/{{ref:path}}", "contents:read")
def tarball(call: Call) -> Answer:
    """Sends the caller to the archive, which needs no more than the address."""
    repository = call.repository
    ref = call.params.get("ref") or repository.default_branch
    if call.world.resolve(repository, ref) is None:
        raise not_found()
    token = call.github.archive_tokens.setdefault(repository.id, secrets.token_urlsafe(20))
    path = f"{ARCHIVES}/{repository.full_name}/legacy.tar.gz/{ref}?token={token}"
    return Answer(b"", 302, {"Location": call.world.web + path})


def archive(objects: Objects, repository: Repository, sha: str) -> bytes:
    """The commit as a gzipped tar with one folder on top, as git's own archive makes it."""
    commit = objects.commits[sha]
    top = f"{repository.owner}-{repository.name}-{sha[:7]}"
    moment = int(commit.committer.at.timestamp())
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": sha}
    ) as tar:
        root = tarfile.TarInfo(f"{top}/")
        root.type, root.mode, root.mtime = tarfile.DIRTYPE, 0o775, moment
        tar.addfile(root)
        for path, entry in objects.walk(commit.tree):
            info = tarfile.TarInfo(f"{top}/{path}")
            info.mtime, info.mode = moment, 0o775 if entry.mode in (DIRECTORY, EXECUTABLE) else 0o664
            if entry.mode == DIRECTORY:
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            elif entry.mode == SYMLINK:
                info.type, info.linkname = tarfile.SYMTYPE, objects.blobs[entry.sha].decode()
                tar.addfile(info)
            else:
                info.size = len(objects.blobs[entry.sha])
                tar.addfile(info, io.BytesIO(objects.blobs[entry.sha]))
    return gzip.compress(buffer.getvalue(), compresslevel=6, mtime=0)
