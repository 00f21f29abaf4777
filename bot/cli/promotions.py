"""`greenroom promote`, `rollback`, `approve`, …: the stage commands of pull requests, for operators.

They pass the same gates as commands on GitHub, and the running bot does the work. The actor is recorded as
NAME@command-line, which no GitHub login can be.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bot.cli.common import (
    Json,
    RepositoryName,
    StageName,
    fail,
    find_repository,
    github_app,
    load_settings,
    print_result,
    with_store,
)

if TYPE_CHECKING:
    from bot.model.promotion import Promotion
    from bot.promotions.service import PromotionService, Requester
    from bot.store import Store

Reason = Annotated[str, typer.Option("--why", help="Reason, shown to other users.")]

T = TypeVar("T")


def promote(
    repository: RepositoryName,
    stage: StageName,
    pull: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Promote the release of this pull request.", min=1)
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(
            metavar="RELEASE", help="Promote this release: an id from `release list`, a tag or a commit."
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Recreate objects whose immutable fields changed.")
    ] = False,
    move: Annotated[
        bool, typer.Option("--move", help="Move the stage to the cluster that .greenroom.yml names.")
    ] = False,
    now: Annotated[
        bool, typer.Option("--now", help="Skip the remaining analysis of the rollout in progress.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Promote a release to a stage or demo. Requires one of --pull, --release and --now."""
    if now:
        if (pull, release, replace, move) != (None, None, False, False):
            fail("--now applies to the rollout in progress and takes no other option.")
        _show(
            run(
                repository,
                lambda service, requester: service.skip_analysis(requester, stage, may_skip=True),
                pull,
            ),
            as_json,
        )
        return
    if (pull is None) == (release is None):
        fail("Name the release: either --pull NUMBER or --release ID.")
    _show(
        run(
            repository,
            lambda service, requester: service.promote(
                requester, stage, release, replaces_objects=replace, moves=move
            ),
            pull,
        ),
        as_json,
    )


def rollback(repository: RepositoryName, stage: StageName, as_json: Json = False) -> None:
    """Return a stage to its previous verified release, with the configuration of that release."""
    _show(run(repository, lambda service, requester: service.rollback(requester, stage)), as_json)


def approve(
    repository: RepositoryName,
    stage: StageName,
    release: Annotated[
        str,
        typer.Option(
            metavar="RELEASE", help="The release to approve: its id, or at least 7 digits of its commit."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Approve the waiting promotion. Approvals of teams or reviewers require a comment on GitHub."""
    _show(
        run(
            repository, lambda service, requester: service.approve(requester, stage, service.clock(), release)
        ),
        as_json,
    )


def reject(repository: RepositoryName, stage: StageName, reason: Reason = "", as_json: Json = False) -> None:
    """Reject the waiting promotion of a stage."""
    _show(run(repository, lambda service, requester: service.reject(requester, stage, reason)), as_json)


def abort(repository: RepositoryName, stage: StageName, reason: Reason = "", as_json: Json = False) -> None:
    """Abort the promotion of a stage and undo its changes."""
    _show(run(repository, lambda service, requester: service.abort(requester, stage, reason)), as_json)


def pause(repository: RepositoryName, stage: StageName, as_json: Json = False) -> None:
    """Pause the promotion of a stage."""
    _show(run(repository, lambda service, requester: service.pause(requester, stage)), as_json)


def resume(repository: RepositoryName, stage: StageName, as_json: Json = False) -> None:
    """Resume the paused promotion of a stage."""
    _show(run(repository, lambda service, requester: service.resume(requester, stage)), as_json)


COMMANDS = (promote, rollback, approve, reject, abort, pause, resume)


def run(
    repository_name: str,
    action: Callable[[PromotionService, Requester], Awaitable[T]],
    pull: int | None = None,
) -> T:
    """The result of the action. Exits with 1 and the reason when the service refuses it."""
    import getpass
    import secrets

    from bot.github.messages.promotion_reasons import describe
    from bot.promotions.service import PromotionService, Requester
    from bot.store.store import utc_now

    settings = load_settings("error")

    async def act(store: Store) -> T:
        repository = await find_repository(store, repository_name)
        github = github_app(settings)
        try:
            service = PromotionService(
                store.promotions, store.releases, github.promotion_readers, utc_now, describe
            )
            source = f"command-line/{secrets.token_hex(8)}"
            requester = Requester(repository, f"{getpass.getuser()}@command-line", source, pull)
            return await action(service, requester)
        finally:
            await github.close()

    return with_store(settings, act)


def _show(promotion: Promotion, as_json: bool) -> None:
    name = promotion.repository.full_name
    place = f"on {name}#{promotion.number}" if promotion.number else f"by `greenroom audit {name}`"
    text = (
        f"Promotion {promotion.id} to {promotion.stage.name} is {promotion.state}. "
        f"Its progress is shown {place}."
    )
    print_result(promotion, text, as_json)
