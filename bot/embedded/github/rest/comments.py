"""Comments on pull requests and reactions to them."""

from __future__ import annotations

from typing import TypedDict

from bot.embedded.github.errors import not_found
from bot.embedded.github.render import comments as render
from bot.embedded.github.state.records import Comment

from .call import Answer, Call, Routes, paged

ROUTES = Routes()
ISSUES = "/repos/{owner}/{repo}/issues"
READ = ("issues:read", "pull_requests:read")
WRITE = ("issues:write", "pull_requests:write")


class CommentBody(TypedDict):
    body: str


class ReactionBody(TypedDict):
    content: str


def _comment(call: Call) -> Comment:
    found = call.world.state.comments.get(call.number("comment_id"))
    if found is None or found.repository_id != call.repository.id:
        raise not_found()
    return found


@ROUTES.get(f"{ISSUES}/{{number}}/comments", *READ)
def list_comments(call: Call) -> Answer:
    repository, number = call.repository, call.number("number")
    call.world.pull(repository, number)
    found = call.github.comments.on(repository.full_name, number)
    return paged(call, found, lambda c: render.comment(call.world, repository, c))


@ROUTES.post(f"{ISSUES}/{{number}}/comments", *WRITE)
def create_comment(call: Call) -> Answer:
    repository, actor = call.repository, call.actor
    body = call.body(CommentBody)["body"]
    made = call.github.comments.create(
        repository.full_name, call.number("number"), body, by=actor.login, app=actor.app
    )
    answer = render.comment(call.world, repository, made)
    return Answer(answer, 201, {"Location": answer["url"]})


@ROUTES.get(f"{ISSUES}/comments", *READ)
def list_repository_comments(call: Call) -> Answer:
    repository = call.repository
    found = [c for c in call.world.state.comments.values() if c.repository_id == repository.id]
    return paged(call, found, lambda c: render.comment(call.world, repository, c))


@ROUTES.get(f"{ISSUES}/comments/{{comment_id}}", *READ)
def get_comment(call: Call) -> Answer:
    return Answer(render.comment(call.world, call.repository, _comment(call)))


@ROUTES.patch(f"{ISSUES}/comments/{{comment_id}}", *WRITE)
def update_comment(call: Call) -> Answer:
    body, comment = call.body(CommentBody)["body"], _comment(call)
    changed = call.github.comments.edit(comment.id, body, by=call.actor.login)
    return Answer(render.comment(call.world, call.repository, changed))


@ROUTES.delete(f"{ISSUES}/comments/{{comment_id}}", *WRITE)
def delete_comment(call: Call) -> Answer:
    call.github.comments.delete(_comment(call).id, by=call.actor.login)
    return Answer(status=204)


@ROUTES.get(f"{ISSUES}/comments/{{comment_id}}/reactions", *READ)
def list_reactions(call: Call) -> Answer:
    found = call.github.comments.reactions(_comment(call).id)
    if wanted := call.query.get("content"):
        found = [r for r in found if r.content == wanted]
    return paged(call, found, lambda r: render.reaction(call.world, r))


@ROUTES.post(f"{ISSUES}/comments/{{comment_id}}/reactions", *WRITE)
def create_reaction(call: Call) -> Answer:
    content = call.body(ReactionBody)["content"]
    made, new = call.github.comments.react(_comment(call).id, content, by=call.actor.login)
    return Answer(render.reaction(call.world, made), status=201 if new else 200)


@ROUTES.delete(f"{ISSUES}/comments/{{comment_id}}/reactions/{{reaction_id}}", *WRITE)
def delete_reaction(call: Call) -> Answer:
    comment, reaction_id = _comment(call), call.number("reaction_id")
    found = call.world.state.reactions.get(reaction_id)
    if found is None or found.comment_id != comment.id:
        raise not_found()
    del call.world.state.reactions[reaction_id]
    return Answer(status=204)
