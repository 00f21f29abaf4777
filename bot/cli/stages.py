"""`greenroom promote`, `stage …`, `release …` and `audit`: what people type on pull requests, for operators.

It goes through the same gates, and the running bot does the work. Whoever types here is known as
NAME@command-line, so that nobody passes for somebody on GitHub. Exit codes: 0 when it was done or told,
1 when it was refused, 2 when it could not be asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bot.cli.context import github_app, give_up, print_json, repository_called, settings, with_store
from bot.model.times import format_time

if TYPE_CHECKING:
    from bot.model.promotion import AuditEntry, Promotion, StageRecord
    from bot.model.release import PromotableRelease
    from bot.promotions.service import PromotionService, Requester
    from bot.promotions.views import PipelineView, StageView
    from bot.store import Store

stages = typer.Typer(no_args_is_help=True, help="Look at stages, lock them or hold them.")
releases = typer.Typer(no_args_is_help=True, help="Look at releases.")

Repo = Annotated[str, typer.Argument(metavar="REPOSITORY", help="Such as acme/shop.")]
Stage = Annotated[str, typer.Argument(metavar="STAGE", help="As .greenroom.yml names it.")]
Why = Annotated[str, typer.Option("--why", help="Told to others.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """What an order is carried out with."""

    asking: PromotionService
    asker: Requester


def promote(
    repository: Repo,
    stage: Stage,
    pull: Annotated[int | None, typer.Option(help="The pull request whose release it is.", min=1)] = None,
    release: Annotated[
        str | None, typer.Option(help="One of `greenroom release list`, a tag or a commit.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring a stage or demo to a pull request's release, or to one that is named."""
    if (pull is None) == (release is None):
        give_up("Say which release: either --pull NUMBER or --release ID.")
    _tell(_order(repository, lambda desk: desk.asking.promote(desk.asker, stage, release), pull), as_json)


def rollback(repository: Repo, stage: Stage, as_json: Json = False) -> None:
    """Take a stage back to what was verified there before, code and configuration together."""
    _tell(_order(repository, lambda desk: desk.asking.rollback(desk.asker, stage)), as_json)


def approve(repository: Repo, stage: Stage, as_json: Json = False) -> None:
    """Approve the promotion that waits; where teams or reviewers are named, it takes a comment on GitHub."""
    _tell(_order(repository, lambda desk: desk.asking.approve(desk.asker, stage)), as_json)


def reject(repository: Repo, stage: Stage, why: Why = "", as_json: Json = False) -> None:
    """Reject the promotion that waits on a stage."""
    _tell(_order(repository, lambda desk: desk.asking.reject(desk.asker, stage, why)), as_json)


def abort(repository: Repo, stage: Stage, why: Why = "", as_json: Json = False) -> None:
    """End a promotion, and undo what it did to the stage."""
    _tell(_order(repository, lambda desk: desk.asking.abort(desk.asker, stage, why)), as_json)


def pause(repository: Repo, stage: Stage, as_json: Json = False) -> None:
    """Let a promotion go no further for now."""
    _tell(_order(repository, lambda desk: desk.asking.pause(desk.asker, stage)), as_json)


def resume(repository: Repo, stage: Stage, as_json: Json = False) -> None:
    """Let a paused promotion go on."""
    _tell(_order(repository, lambda desk: desk.asking.resume(desk.asker, stage)), as_json)


@stages.command("list")
def list_stages(
    repository: Annotated[str | None, typer.Argument(metavar="REPOSITORY")] = None, as_json: Json = False
) -> None:
    """What was ever promoted to: what runs there, and who has locked or held it."""

    async def ask(store: Store) -> list[StageRecord]:
        id = (await repository_called(store, repository)).id if repository else None
        return await store.promotions.stages(id)

    found = with_store(settings("error"), ask)
    if as_json:
        print_json(found)
    else:
        from bot.cli.pipeline import show_stages

        show_stages(found)


@stages.command("show")
def show_stage(repository: Repo, stage: Stage, as_json: Json = False) -> None:
    """What runs on a stage or demo, who keeps it, what moves it, and what waits for what."""
    from bot.promotions.view_reader import StageViewReader
    from bot.promotions.views import PipelineView
    from bot.store.store import utc_now

    read = settings("error")

    async def ask(store: Store) -> StageView | PipelineView:
        found = await repository_called(store, repository)
        github = github_app(read)
        try:
            teller = StageViewReader(
                store.promotions, store.environments, store.releases, store.audit, github.contents, utc_now
            )
            return await teller.stage(found, stage) or await teller.pipeline(found)
        finally:
            await github.close()

    story = with_store(read, ask)
    if isinstance(story, PipelineView):
        known = ", ".join(each.name for each in story.stages) or "none"
        give_up(f"There is no stage {stage} (stages: {known}).", story.problem, code=1)
    if as_json:
        print_json(story)
    else:
        from bot.cli.stage_view import show_stage as show

        show(story)


@stages.command()
def lock(
    repository: Repo,
    stage: Stage,
    hours: Annotated[float, typer.Option(help="For how long.", min=0.1, max=336)] = 1,
    why: Why = "",
) -> None:
    """Keep a stage to yourself for a time."""
    length = timedelta(hours=hours)
    record = _order(repository, lambda desk: desk.asking.lock(desk.asker, stage, length, why))
    assert record.lock is not None, "it was just locked"
    print(f"{stage} is yours until {format_time(record.lock.until)}.")


@stages.command()
def unlock(repository: Repo, stage: Stage) -> None:
    """End a lock, whoever has it."""
    _order(repository, lambda desk: desk.asking.unlock(desk.asker, stage, may_take=True))
    print(f"{stage} is free.")


@stages.command()
def hold(repository: Repo, stage: Stage, why: Why = "") -> None:
    """Let nothing automatic move a stage."""
    _order(repository, lambda desk: desk.asking.hold(desk.asker, stage, why))
    print(f"Nothing automatic moves {stage} until somebody lifts the hold.")


@stages.command()
def unhold(repository: Repo, stage: Stage) -> None:
    """Let the pipeline move a stage again."""
    _order(repository, lambda desk: desk.asking.unhold(desk.asker, stage))
    print(f"The pipeline may move {stage} again.")


@stages.command()
def remove(
    repository: Repo,
    stage: Stage,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take away, with its data, a stage or demo that .greenroom.yml has no more."""
    if not yes and not typer.confirm(f"Delete the namespace of {stage} with all data in it?"):
        raise typer.Exit(1)
    record = _order(repository, lambda desk: desk.asking.remove(desk.asker, stage))
    print(f"It is asked for. `greenroom why '{record.repository.full_name}:{stage}'` tells how far it is.")


@releases.command("list")
def list_releases(repository: Repo, as_json: Json = False) -> None:
    """The newest releases that can be promoted."""

    async def ask(store: Store) -> list[PromotableRelease]:
        return await store.releases.newest((await repository_called(store, repository)).id)

    found = with_store(settings("error"), ask)
    if as_json:
        print_json(found)
    else:
        from bot.cli.pipeline import show_releases

        show_releases(found)


def audit(
    repository: Annotated[str | None, typer.Argument(metavar="REPOSITORY")] = None,
    stage: Annotated[str | None, typer.Option(help="Of this stage only.")] = None,
    limit: Annotated[int, typer.Option(help="How many entries.", min=1, max=100_000)] = 50,
    as_json: Json = False,
) -> None:
    """Who did what to stages, when and why, with before and after; the newest first."""

    async def ask(store: Store) -> list[AuditEntry]:
        id = (await repository_called(store, repository)).id if repository else None
        return await store.audit.entries(id, stage=stage, limit=limit)

    found = with_store(settings("error"), ask)
    if as_json:
        print_json(found)
    else:
        from bot.cli.pipeline import show_audit

        show_audit(found)


def _order(repository: str, order: Callable[[Desk], Awaitable[T]], pull: int | None = None) -> T:
    """Refused with its reason and exit code 1."""
    import getpass
    import secrets

    from bot.promotions.service import PromotionService, Requester
    from bot.promotions.stage_aggregate import Refusal
    from bot.store.store import utc_now

    read = settings("error")

    async def ask(store: Store) -> T | Refusal:
        found = await repository_called(store, repository)
        github = github_app(read)
        try:
            asking = PromotionService(store.promotions, store.releases, github.promotion_readers, utc_now)
            token = f"command-line/{secrets.token_hex(8)}"
            return await order(
                Desk(asking, Requester(found, f"{getpass.getuser()}@command-line", token, pull))
            )
        except Refusal as refusal:
            return refusal
        finally:
            await github.close()

    answer = with_store(read, ask)
    if isinstance(answer, Refusal):
        give_up(str(answer), code=1)
    return answer


def _tell(promotion: Promotion, as_json: bool) -> None:
    if as_json:
        print_json(promotion)
        return
    where = f"on {promotion.repository.full_name}#{promotion.number}" if promotion.number else "in the audit"
    print(
        f"Promotion {promotion.id} to {promotion.stage.name} is {promotion.state}. Its story is told {where}."
    )
