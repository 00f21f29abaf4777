"""The GraphQL API as far as the bot uses it: five mutations, `viewer`, Deployments, and changes of bases."""

import asyncio
import base64
import binascii
import contextlib
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from graphql import ExecutionResult, GraphQLError, build_schema, graphql_sync
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .core import GitHub
from .errors import GitHubError
from .render import nodes
from .render.basics import Json, node_id
from .rest.api import broken, refused, respond
from .rest.auth import Limits, authenticate, authorize
from .rest.call import Answer, Call, Entry, Principal
from .state.records import Pull, Repository

SCHEMA = build_schema(Path(__file__).with_name("schema.graphql").read_text())
PATH = "/api/graphql"
"""The path on Enterprise Server."""
LOGGED = "/graphql"
"""The path in faults and in the request log."""

_TYPES = {403: "FORBIDDEN", 404: "NOT_FOUND"}
_COMMENTS = ("issues:write", "pull_requests:write")


class GraphQL:
    def __init__(self, github: GitHub, stopping: asyncio.Event) -> None:
        self._github = github
        self._stopping = stopping
        self._limits = Limits(github)

    def routes(self) -> list[Route]:
        return [Route(PATH, self._endpoint, methods=["POST"])]

    async def _endpoint(self, request: Request) -> Response:
        faults = self._github.faults
        if hang := faults.take("hang", method="POST", path=LOGGED):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), hang.seconds)
        if error := faults.take("error", method="POST", path=LOGGED):
            return broken(error.status)
        body = await request.body()
        try:
            response = self._answer(request.headers.get("authorization"), body)
        except GitHubError as refusal:
            response = refused(refusal)
        if error_after := faults.take("error_after", method="POST", path=LOGGED):
            return broken(error_after.status)
        response.headers["X-GitHub-Request-Id"] = uuid.uuid4().hex[:20].upper()
        return response

    def _answer(self, authorization: str | None, body: bytes) -> Response:
        with self._github.world.lock:
            principal = authenticate(self._github, authorization, "token")
            try:
                self._limits.take(principal.key, "POST", LOGGED)
            except GitHubError as error:
                if "secondary" in error.message:
                    raise
                # Over GraphQL, the primary limit is reported with status 200.
                answer: Json = {"errors": [{"type": "RATE_LIMITED", "message": error.message}]}
                return self._respond(answer, principal)
            asked = _read(body)
            root = Root(self._github, principal, self._limits)
            done = graphql_sync(
                SCHEMA, asked["query"], root.fields(), variable_values=asked.get("variables") or {}
            )
            return self._respond(_rendered(done), principal)

    def _respond(self, answer: Json, principal: Principal) -> Response:
        response = respond(Answer(answer))
        response.headers.update(self._limits.headers(principal.key) | {"X-RateLimit-Resource": "graphql"})
        return response


class Root:
    """Does what the mutations ask for, as the caller and with the caller's rights."""

    def __init__(self, github: GitHub, principal: Principal, limits: Limits) -> None:
        self._github = github
        self._world = github.world
        self._principal = principal
        self._limits = limits

    def fields(self) -> dict[str, Callable[..., Json]]:
        return {
            "viewer": lambda _info: {"login": self._principal.login},
            "repository": self._repository,
            "createCheckRun": self._create_check_run,
            "updateCheckRun": self._update_check_run,
            "addComment": self._add_comment,
            "updateIssueComment": self._update_comment,
            "createDeploymentStatus": self._create_deployment_status,
        }

    def _repository(self, _info: object, owner: str, name: str) -> Json:
        try:
            repository = self._world.repository(f"{owner}/{name}")
            identity = node_id("Repository", repository.id)
            self._allowed(repository, identity)
        except GitHubError as error:
            if error.status != 404:
                raise
            message = f"Could not resolve to a Repository with the name '{owner}/{name}'."
            raise GitHubError(404, message) from None

        def deployments(
            _info: object, *, first: int | None = None, after: str | None = None, **order: Json
        ) -> Json:
            self._allowed(repository, identity, "deployments:read")
            if first is None or not 1 <= first <= nodes.LARGEST_PAGE:
                raise GitHubError(422, "You must provide a `first` value of 1 to 100 on `deployments`.")
            every = self._github.deployments.of(repository.id)
            every.sort(key=lambda d: (d.created_at, d.id), reverse=order["orderBy"]["direction"] == "DESC")
            cursors = [base64.b64encode(f"deployment:{d.id}".encode()).decode() for d in every]
            if after is not None and after not in cursors:
                raise GitHubError(422, f"`{after}` does not appear to be a valid cursor.")
            start = cursors.index(after) + 1 if after is not None else 0
            page = cursors[start : start + first]
            return {
                "nodes": [nodes.listed_deployment(d) for d in every[start : start + first]],
                "pageInfo": {
                    "hasNextPage": start + first < len(every),
                    "endCursor": page[-1] if page else None,
                },
                "totalCount": len(every),
            }

        def pull_request(_info: object, *, number: int) -> Json:
            self._allowed(repository, identity, "pull_requests:read")
            pull = self._world.state.pulls.get(repository.id, {}).get(number)
            if pull is None:
                message = f"Could not resolve to a PullRequest with the number of {number}."
                raise GitHubError(404, message)
            return nodes.pull_request(pull)

        return {"id": identity, "deployments": deployments, "pullRequest": pull_request}

    def _create_check_run(self, _info: object, input: Json) -> Json:
        repository = self._node(input["repositoryId"], "Repository", self._world.state.repositories)
        call = self._allowed(repository, input["repositoryId"], "checks:write")
        if call.actor.app is None:
            raise GitHubError(403, "You must authenticate via a GitHub App.")
        run = self._github.checks.create_run(
            repository.full_name,
            input["headSha"],
            input["name"],
            app=call.actor.app,
            by=call.actor.login,
            fields=_check_fields(input),
        )
        return {"checkRun": nodes.check_run(run)} | _echo(input)

    def _update_check_run(self, _info: object, input: Json) -> Json:
        run = self._node(input["checkRunId"], "CheckRun", self._world.state.runs)
        repository = self._node(input["repositoryId"], "Repository", self._world.state.repositories)
        if run.repository_id != repository.id:
            raise _unresolved(input["checkRunId"])
        call = self._allowed(repository, input["checkRunId"], "checks:write")
        if run.app != call.actor.app:
            raise GitHubError(403, "Check run can only be modified by the GitHub App that created it.")
        self._github.checks.update_run(run, _check_fields(input), by=call.actor.login)
        return {"checkRun": nodes.check_run(run)} | _echo(input)

    def _add_comment(self, _info: object, input: Json) -> Json:
        pulls = {pull.id: pull for here in self._world.state.pulls.values() for pull in here.values()}
        pull: Pull = self._node(input["subjectId"], "PullRequest", pulls)
        repository = self._world.repository(pull.repository_id)
        call = self._allowed(repository, input["subjectId"], *_COMMENTS)
        made = self._github.comments.create(
            repository.full_name, pull.number, input["body"], by=call.actor.login, app=call.actor.app
        )
        return {"commentEdge": {"node": nodes.comment(made)}} | _echo(input)

    def _update_comment(self, _info: object, input: Json) -> Json:
        comment = self._node(input["id"], "IssueComment", self._world.state.comments)
        repository = self._world.repository(comment.repository_id)
        call = self._allowed(repository, input["id"], *_COMMENTS)
        changed = self._github.comments.edit(comment.id, input["body"], by=call.actor.login)
        return {"issueComment": nodes.comment(changed)} | _echo(input)

    def _create_deployment_status(self, _info: object, input: Json) -> Json:
        deployment = self._node(input["deploymentId"], "Deployment", self._world.state.deployments)
        repository = self._world.repository(deployment.repository_id)
        call = self._allowed(repository, input["deploymentId"], "deployments:write")
        fields = {_snake(name): value for name, value in input.items() if value is not None}
        fields["state"] = input["state"].lower()
        made = self._github.deployments.add_status(deployment, call.actor, fields)
        text = {
            "id": node_id("DeploymentStatus", made.id),
            "state": made.state.upper(),
            "deployment": nodes.deployment(deployment),
        }
        return {"deploymentStatus": text} | _echo(input)

    def _node(self, global_id: str, kind: str, current: dict[int, Any]) -> Any:
        """The record of a node id of that kind. Raises GitHubError 404."""
        try:
            decoded = base64.b64decode(global_id, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise _unresolved(global_id) from None
        match = re.fullmatch(rf"\d{{3}}:{kind}(\d+)", decoded)
        value = current.get(int(match[1])) if match else None
        if value is None:
            raise _unresolved(global_id)
        return value

    def _allowed(self, repository: Repository, global_id: str, *needs: str) -> Call:
        call = Call(
            github=self._github,
            principal=self._principal,
            method="POST",
            url=self._world.web + PATH,
            params={},
            query={},
            accept="",
            raw_body=b"",
            target=repository,
        )
        try:
            authorize(call, Entry("POST", PATH, lambda _call: Answer(), needs, "token"))
        except GitHubError as error:
            raise _unresolved(global_id) if error.status == 404 else error from None
        return call


def _read(body: bytes) -> Json:
    try:
        asked = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise GitHubError(400, "Problems parsing JSON") from None
    if not isinstance(asked, dict) or not isinstance(asked.get("query"), str):
        raise GitHubError(400, "A query attribute must be specified and must be a string.")
    return asked


def _rendered(done: ExecutionResult) -> Json:
    answer: Json = {} if done.data is None else {"data": done.data}
    if done.errors:
        answer["errors"] = [_error(error) for error in done.errors]
    return answer


def _error(error: GraphQLError) -> Json:
    fields: Json = {"message": error.message}
    if error.locations:
        fields["locations"] = [
            {"line": location.line, "column": location.column} for location in error.locations
        ]
    if error.path:
        fields["path"] = error.path
    if isinstance(error.original_error, GitHubError):
        return {"type": _TYPES.get(error.original_error.status, "UNPROCESSABLE")} | fields
    undefined = error.message.startswith("Cannot query field")
    return fields | {
        "extensions": {"code": "undefinedField" if undefined else "argumentLiteralsIncompatible"}
    }


def _unresolved(global_id: str) -> GitHubError:
    return GitHubError(404, f"Could not resolve to a node with the global id of '{global_id}'.")


def _check_fields(input: Json) -> Json:
    taken = ("name", "detailsUrl", "externalId", "status", "conclusion", "output")
    fields = {_snake(name): input[name] for name in taken if input.get(name) is not None}
    for name in ("status", "conclusion"):
        if name in fields:
            fields[name] = fields[name].lower()
    return fields


def _echo(input: Json) -> Json:
    return {"clientMutationId": input.get("clientMutationId")}


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), name)
