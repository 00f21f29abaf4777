"""The writes of one report as one GraphQL document, and the result of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.github.client.github_client import GraphQLResult
from bot.github.client.json_fields import dig, text
from bot.github.reporter.pending_writes import WriteKind
from bot.github.reporter.subject import Subject, Write
from bot.model.errors import GreenroomError, Rejected, Unavailable


@dataclass(frozen=True, slots=True)
class Mutation:
    field: str
    id_path: tuple[str, ...]
    """Path of the written object's id in the payload."""
    permission: str

    @property
    def input_type(self) -> str:
        return f"{self.field[0].upper()}{self.field[1:]}Input"

    @property
    def selection(self) -> str:
        return " { ".join(self.id_path) + " }" * (len(self.id_path) - 1)


_CREATE_CHECK = Mutation("createCheckRun", ("checkRun", "id"), "checks: write")
_UPDATE_CHECK = Mutation("updateCheckRun", ("checkRun", "id"), "checks: write")
_ADD_COMMENT = Mutation("addComment", ("commentEdge", "node", "id"), "pull_requests: write")
_UPDATE_COMMENT = Mutation("updateIssueComment", ("issueComment", "id"), "pull_requests: write")
_DEPLOYMENT_STATUS = Mutation("createDeploymentStatus", ("deploymentStatus", "id"), "deployments: write")


def mutation(subject: Subject, write: Write) -> tuple[Mutation, Mapping[str, Any]]:
    """The mutation and its input. A Deployment must exist: only REST creates it for an exact commit."""
    slot, fields = write.slot, dict(write.fields)
    if slot.kind is WriteKind.DEPLOYMENT:
        return _DEPLOYMENT_STATUS, {**fields, "deploymentId": write.id}
    assert subject.pull is not None, "comments and check runs need a pull request"
    if slot.kind is WriteKind.COMMENT:
        if write.id is None:
            return _ADD_COMMENT, {**fields, "subjectId": subject.pull.node_id}
        return _UPDATE_COMMENT, {**fields, "id": write.id}
    fields["repositoryId"] = subject.pull.repository_node_id
    if write.id is not None:
        return _UPDATE_CHECK, {**fields, "checkRunId": write.id}
    created = {"name": slot.name, "headSha": slot.commit, "externalId": subject.external_id(slot)}
    return _CREATE_CHECK, {**fields, **created}


def document(mutations: Sequence[tuple[Mutation, Mapping[str, Any]]]) -> tuple[str, Mapping[str, Any]]:
    """The document and its variables; mutation N has the alias `wN`."""
    declared = ", ".join(
        f"$i{index}: {mutation.input_type}!" for index, (mutation, _) in enumerate(mutations)
    )
    body = " ".join(
        f"w{index}: {mutation.field}(input: $i{index}) {{ {mutation.selection} }}"
        for index, (mutation, _) in enumerate(mutations)
    )
    variables = {f"i{index}": fields for index, (_, fields) in enumerate(mutations)}
    return f"mutation({declared}) {{ {body} }}", variables


@dataclass(frozen=True, slots=True)
class Deleted:
    """Result of an update whose object no longer exists on GitHub."""


def outcome(
    write: Write, mutation: Mutation, index: int, executed: GraphQLResult
) -> str | Deleted | GreenroomError:
    """The id of the written object, or why it was not written."""
    alias = f"w{index}"
    errors = [error for error in executed.errors if _alias(error) == alias]
    written = dig(executed.data.get(alias), *mutation.id_path)
    if isinstance(written, str) and not errors:
        return written
    kinds = {text(error, "type") for error in errors}
    if "NOT_FOUND" in kinds and write.id is not None:
        return Deleted()
    messages = "; ".join(text(error, "message") for error in errors)[:500]
    if "FORBIDDEN" in kinds:
        return Rejected(
            f"GitHub refused {mutation.field}: {messages}. "
            f"The App needs the permission {mutation.permission}."
        )
    if kinds - {"", "INTERNAL", "SERVICE_UNAVAILABLE", "MAX_NODE_LIMIT_EXCEEDED"}:
        return Rejected(f"GitHub refused {mutation.field}: {messages}")
    return Unavailable(f"GitHub did not execute {mutation.field}: {messages or 'no reason given'}")


def _alias(error: Mapping[str, Any]) -> str:
    path = error.get("path")
    return str(path[0]) if isinstance(path, list) and path else ""
