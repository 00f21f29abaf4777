"""The confirmation of a button, and what it sends: a command of the signed-in user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qsl, quote

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.commands.grammar import Command, digest, parse
from bot.commands.outcome import Outcome
from bot.commands.table import COMMANDS, Verb, allowed, required_role
from bot.model.command import PageCommand, RecordedCommand
from bot.model.environment import Environment, EnvironmentKey, EnvironmentKind
from bot.model.errors import GreenroomError
from bot.model.person import Person
from bot.model.promotion import StageRecord
from bot.model.pull_request import PullRequest
from bot.model.repository import Repository
from bot.model.role import Role
from bot.promotions.views import StageView
from bot.web.pages.access import Access
from bot.web.pages.actions import confirmation
from bot.web.pages.actions.buttons import BUTTONS, VERBS_BY_SLUG
from bot.web.pages.actions.confirmation import Confirmation, is_same_origin, new_confirmation
from bot.web.pages.actions.proposal import Proposal, preview_proposal, stage_proposal
from bot.web.pages.attention import place
from bot.web.pages.parameters import NAME, REPOSITORY
from bot.web.pages.session import Sessions
from bot.web.pages.site import Site

_log = structlog.get_logger(__name__)
_MAX_FORM = 8_192
_MAX_ARGUMENT = 200
_CHANGED = "What you confirmed has changed since. Review it and confirm again."


class CommandPoster(Protocol):
    async def post(self, command: RecordedCommand) -> None:
        """Records a command from a page, once, and enqueues its key."""

    async def get(self, comment_id: int) -> tuple[RecordedCommand, Outcome | None] | None: ...


class EnvironmentReader(Protocol):
    async def get(self, key: EnvironmentKey) -> Environment | None: ...


class PullRequestReader(Protocol):
    async def pull_request(self, repository: Repository, number: int) -> PullRequest | None: ...


class StageReader(Protocol):
    async def stage(self, repository: Repository, name: str) -> StageView | None: ...


class StageRecords(Protocol):
    async def stages(self, repository_id: int) -> Sequence[StageRecord]: ...


@dataclass(frozen=True, slots=True)
class ActionPorts:
    commands: CommandPoster
    environments: EnvironmentReader
    pull_requests: PullRequestReader
    stages: StageReader
    promotions: StageRecords


class Refused(Exception):
    """Status and reason for the error page."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Shown:
    """A proposal with what was read to make it."""

    key: EnvironmentKey
    proposal: Proposal
    pull_request: PullRequest


@dataclass(frozen=True, slots=True)
class ActionPages:
    site: Site
    sessions: Sessions
    access: Access
    ports: ActionPorts
    clock: Callable[[], datetime]

    def routes(self) -> list[Route]:
        path = f"/actions/{{verb}}/{{kind}}/{REPOSITORY}/{NAME}"
        return [
            Route(path, self.confirm, methods=["GET"]),
            Route(path, self.execute, methods=["POST"]),
        ]

    async def confirm(self, request: Request) -> Response:
        """Names what the button does, and asks for confirmation."""
        person = self.sessions.person(request)
        address = self.site.relative(request)
        if person is None:
            return self.site.redirect(f"/sign-in?next={quote(address, safe='')}")
        try:
            shown = await self._propose(request, person)
        except Refused as refused:
            return self.site.error_page(person, refused.status, "Not possible", refused.reason)
        return self._confirmation(person, shown, address)

    async def execute(self, request: Request) -> Response:
        """Records the command; whether it is executed is decided as for a comment."""
        person = self.sessions.person(request)
        if person is None:
            return self.site.redirect("/sign-in")
        if not is_same_origin(request, self.site):
            return self.site.error_page(
                person, HTTPStatus.FORBIDDEN, "Not possible", "The form was not sent from this site."
            )
        form = await self._form(request)
        address = self.site.relative(request)
        confirmed = confirmation.read(form.get("token", ""), self.sessions, person)
        try:
            shown = await self._propose(request, person)
        except Refused as refused:
            return self.site.error_page(person, refused.status, "Not possible", refused.reason)
        head = shown.pull_request.head_sha if COMMANDS[shown.proposal.verb].bound else ""
        if (
            confirmed is None
            or confirmed.address != address
            or (confirmed.binding, confirmed.head) != (confirmation.digest(shown.proposal.binding), head)
        ):
            return self._confirmation(person, shown, address, _CHANGED, HTTPStatus.CONFLICT)
        argument = " ".join(form.get("argument", "").split())[:_MAX_ARGUMENT]
        text = shown.proposal.text(argument)
        if not _is_command(text, shown.proposal.verb):
            problem = f"`{text[:200]}` is not a complete command. Correct the input."
            return self._confirmation(person, shown, address, problem, HTTPStatus.BAD_REQUEST)
        await self._record(person, shown.proposal, confirmed, text)
        return self.site.redirect(f"{place(shown.key)}?command={-confirmed.id}")

    async def _form(self, request: Request) -> Mapping[str, str]:
        """The fields of the form; none when the body is too long or is not a form."""
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > _MAX_FORM:
                return {}
        try:
            return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=10))
        except ValueError:
            return {}

    async def _propose(self, request: Request, person: Person) -> Shown:
        """Reads role, pull request and state now. Raises Refused."""
        verb, key = _target(request)
        query = request.query_params
        if key.kind is EnvironmentKind.PREVIEW:
            environment = await self.ports.environments.get(key)
            if environment is None or not await self.access.may_read(environment.repository, person):
                raise _not_found()
            pull = await self._pull_request(environment.repository, int(key.name))
            fork_author = pull.from_fork and pull.author.lower() == person.login.lower()
            await self._require_role(verb, environment.repository, person, fork_author=fork_author)
            proposal = preview_proposal(verb, environment, pull.head_sha, query.get("to", ""))
        else:
            repository, stage = await self._stage(key, person)
            await self._require_role(verb, repository, person)
            proposal = stage_proposal(
                verb, stage, repository, query.get("promotion", ""), query.get("to", "")
            )
            if isinstance(proposal, Proposal):
                pull = await self._pull_request(repository, proposal.number)
        if isinstance(proposal, str):
            raise Refused(HTTPStatus.CONFLICT, proposal)
        return Shown(key, proposal, pull)

    async def _stage(self, key: EnvironmentKey, person: Person) -> tuple[Repository, StageView]:
        records = await self.ports.promotions.stages(key.repository_id)
        if not records or not await self.access.may_read(records[0].repository, person):
            raise _not_found()
        repository = records[0].repository
        stage = await self.ports.stages.stage(repository, key.name)
        if stage is None or stage.key != key:
            raise _not_found()
        return repository, stage

    async def _pull_request(self, repository: Repository, number: int) -> PullRequest:
        try:
            pull = await self.ports.pull_requests.pull_request(repository, number)
        except GreenroomError as error:
            _log.warning("pull request unavailable", repository=repository.full_name, reason=str(error))
            pull = None
        if pull is None:
            raise Refused(HTTPStatus.BAD_GATEWAY, f"GitHub does not show pull request #{number}. Try again.")
        return pull

    async def _require_role(
        self, verb: Verb, repository: Repository, person: Person, *, fork_author: bool = False
    ) -> None:
        try:
            role = await self.access.current_role(repository, person)
        except GreenroomError as error:
            _log.warning("role unavailable", repository=repository.full_name, reason=str(error))
            reason = "GitHub did not return your role, so nothing was changed. Try again."
            raise Refused(HTTPStatus.BAD_GATEWAY, reason) from None
        if role is Role.NONE:
            raise _not_found()
        if not allowed(verb, role, fork_author=fork_author):
            reason = f"This requires the role {required_role(verb)}; you have {role}."
            raise Refused(HTTPStatus.FORBIDDEN, reason)

    async def _record(self, person: Person, proposal: Proposal, confirmed: Confirmation, text: str) -> None:
        command = RecordedCommand(
            repository=proposal.repository,
            number=proposal.number,
            comment_id=confirmed.id,
            digest=digest(text),
            received_at=self.clock(),
            head=confirmed.head or None,
            head_since=confirmed.shown_at,
            answer=None,
            finished=False,
            page=PageCommand(person, text, confirmed.shown_at),
        )
        await self.ports.commands.post(command)
        _log.info(
            "command from a page", by=person.login, command=text, repository=proposal.repository.full_name
        )

    def _confirmation(
        self,
        person: Person,
        shown: Shown,
        address: str,
        problem: str = "",
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        proposal, pull = shown.proposal, shown.pull_request
        head = pull.head_sha if COMMANDS[proposal.verb].bound else ""
        token = confirmation.sign(
            new_confirmation(address, proposal.binding, head, self.clock()), self.sessions, person
        )
        return self.site.page(
            "action.html",
            person,
            status,
            entry=BUTTONS[proposal.verb],
            proposal=proposal,
            pull=pull,
            back=place(shown.key),
            address=address,
            token=token,
            problem=problem,
        )


def _is_command(text: str, verb: Verb) -> bool:
    """Whether a comment with this line would be this command. Short: the input is limited before."""
    parsed = parse(text)
    return parsed is not None and isinstance(parsed.first, Command) and parsed.first.verb is verb


def _target(request: Request) -> tuple[Verb, EnvironmentKey]:
    path = request.path_params
    verb = VERBS_BY_SLUG.get(path["verb"])
    if verb is None or path["kind"] not in set(EnvironmentKind):
        raise _not_found()
    kind, name = EnvironmentKind(path["kind"]), path["name"]
    if kind is EnvironmentKind.PREVIEW and not name.isdecimal():
        raise _not_found()
    return verb, EnvironmentKey(kind, path["repository"], name)


def _not_found() -> Refused:
    reason = "The environment does not exist, or you cannot read its repository on GitHub."
    return Refused(HTTPStatus.NOT_FOUND, reason)
