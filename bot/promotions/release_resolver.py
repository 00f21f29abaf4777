"""Resolves a promotion's release: the one that a preview ran, or CI's build of the default branch."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.config.schema import Configuration
from bot.environments.commit_files import with_files
from bot.environments.ports import Clock, Renderer
from bot.environments.render_request import manifests_request
from bot.model.ci import CiState
from bot.model.manifest import Bundle
from bot.model.naming import namespace_name
from bot.model.promotion import Promotion
from bot.model.pull_request import PullRequest
from bot.model.release import Image, Origin, PromotableRelease
from bot.promotions.approvals import is_release_name
from bot.promotions.facts import ResolvedRelease
from bot.promotions.ports import GitHubReaders, ImageResolver, ReleaseStore
from bot.promotions.provenance import built_from_fork, source
from bot.promotions.reasons import BuildCause, DefaultBranchBuild, SameContent, TagNamed
from bot.promotions.refusals import AmbiguousRelease, NoRelease, Refusal, ReleaseProblem, UnknownPullRequest

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
class ReleaseResolver:
    github: GitHubReaders
    registry: ImageResolver
    renderer: Renderer
    releases: ReleaseStore
    clock: Clock

    async def resolve(
        self, promotion: Promotion, configuration: Configuration, seen: PromotableRelease | None = None
    ) -> ResolvedRelease | None:
        """The release; None while CI builds it. Raises Refusal when no release can be promoted.

        `seen`: the release of the head that the requester saw, if the caller has read it.
        """
        if promotion.requested_release is not None:
            return await self._by_name(promotion, promotion.requested_release, configuration)
        if promotion.commit is not None:
            return await self._of_commit(promotion, promotion.commit, configuration)
        if promotion.number is None:
            raise Refusal(NoRelease(ReleaseProblem.NO_PULL_REQUEST))
        pull = await self.github.pull_requests.pull_request(promotion.repository, promotion.number)
        if pull is None:
            raise Refusal(UnknownPullRequest(promotion.number))
        if pull.merged and pull.merge_commit is not None:
            from_fork = built_from_fork(pull.merge_commit, [pull])
            return await self._merged(promotion, pull, pull.merge_commit, configuration, from_fork)
        return await self._unmerged(promotion, pull, seen)

    async def _by_name(
        self, promotion: Promotion, name: str, configuration: Configuration
    ) -> ResolvedRelease | None:
        """Resolves a release's id, a tag, or a full commit SHA."""
        repository = promotion.repository
        release = await self.releases.get(repository.id, name)
        if release is not None:
            return ResolvedRelease(await self._with_tree(promotion, release))
        tagged = None if _COMMIT.fullmatch(name) else await self.github.commits.tag(repository, name)
        commit = tagged or name
        if not _COMMIT.fullmatch(commit):
            raise Refusal(NoRelease(ReleaseProblem.UNKNOWN, requested=name))
        existing = await self.releases.of_commit(repository.id, commit)
        if existing is None and not await self.github.commits.in_default_branch(repository, commit):
            requested = name if tagged else ""
            raise Refusal(NoRelease(ReleaseProblem.NOT_IN_HISTORY, commit, requested))
        resolved = await self._of_commit(promotion, commit, configuration)
        if resolved is None:
            return None
        note = resolved.note
        assert not isinstance(note, TagNamed), "only this method resolves tags"
        # The promotion was not requested on the pull request that brought the commit.
        return replace(resolved, number=None, note=TagNamed(name, commit, note) if tagged else note)

    async def _of_commit(
        self, promotion: Promotion, commit: str, configuration: Configuration
    ) -> ResolvedRelease | None:
        """The reviewed release of a commit of the default branch, where a pull request brought it."""
        repository = promotion.repository
        existing = await self.releases.of_commit(repository.id, commit)
        if existing is not None and existing.origin is Origin.PREVIEW:
            return ResolvedRelease(await self._with_tree(promotion, existing), number=existing.number)
        # Not the pull request on which the command was typed: it may have nothing to do with the commit.
        pulls = await self.github.commits.pull_requests(repository, commit)
        pull, from_fork = source(commit, pulls), built_from_fork(commit, pulls)
        if existing is not None:
            number = pull.number if pull is not None else None
            return ResolvedRelease(await self._with_tree(promotion, existing), number=number)
        if pull is not None and pull.merged:
            resolved = await self._merged(promotion, pull, commit, configuration, from_fork)
            return replace(resolved, number=pull.number) if resolved is not None else None
        release = await self._built(promotion, commit, configuration, None, from_fork)
        if release is None:
            return None
        return ResolvedRelease(release, DefaultBranchBuild(BuildCause.NO_PULL_REQUEST, commit))

    async def _unmerged(
        self, promotion: Promotion, pull: PullRequest, seen: PromotableRelease | None
    ) -> ResolvedRelease:
        if not pull.open:
            raise Refusal(NoRelease(ReleaseProblem.CLOSED))
        if promotion.head is not None and promotion.head != pull.head_sha:
            raise Refusal(NoRelease(ReleaseProblem.HEAD_MOVED, promotion.head, current=pull.head_sha))
        release = seen if seen is not None and seen.commit == pull.head_sha else None
        release = release or await self.releases.of_commit(pull.repository.id, pull.head_sha)
        if release is None:
            raise Refusal(NoRelease(ReleaseProblem.NO_PREVIEW, pull.head_sha))
        return ResolvedRelease(await self._with_tree(promotion, release))

    async def _merged(
        self,
        promotion: Promotion,
        pull: PullRequest,
        merge: str,
        configuration: Configuration,
        from_fork: bool,
    ) -> ResolvedRelease | None:
        """The reviewed release if merging left its content unchanged, otherwise CI's build of the merge."""
        seen = await self.releases.of_commit(pull.repository.id, pull.head_sha)
        cause, trees = BuildCause.NO_PREVIEW, ("", "")
        if seen is not None:
            seen = await self._with_tree(promotion, seen)
            tree = await self.github.commits.tree(pull.repository, merge)
            if not seen.from_fork and seen.tree == tree:
                return ResolvedRelease(seen, SameContent(merge, pull.base_ref, tree))
            cause = BuildCause.FORK if seen.from_fork else BuildCause.CONTENT_CHANGED
            trees = (seen.tree, tree)
        main = pull.default_branch
        note = DefaultBranchBuild(cause, merge, main, pull.head_sha, trees)
        if pull.base_ref != main and not await self.github.commits.in_default_branch(pull.repository, merge):
            raise Refusal(NoRelease(ReleaseProblem.OTHER_BRANCH, merge, branches=(pull.base_ref, main)))
        release = await self._built(promotion, merge, configuration, pull.number, from_fork)
        if release is None:
            return None
        return ResolvedRelease(release, note)

    async def _built(
        self,
        promotion: Promotion,
        commit: str,
        configuration: Configuration,
        number: int | None,
        from_fork: bool,
    ) -> PromotableRelease | None:
        repository = promotion.repository
        existing = await self.releases.of_commit(repository.id, commit)
        if existing is not None:
            return existing
        sources = configuration.images
        digests = await asyncio.gather(
            *(self.registry.resolve(image.repository, image.tag_for(commit)) for image in sources.values())
        )
        images = {
            name: Image(source.repository, digest)
            for (name, source), digest in zip(sources.items(), digests, strict=True)
            if digest is not None
        }
        if len(images) < len(sources):
            ci = await self.github.checks.ci(repository, commit)
            if ci.state is CiState.FAILED:
                raise Refusal(NoRelease(ReleaseProblem.CI_FAILED, commit, failed=tuple(ci.failed)))
            return None

        async def render(files: Mapping[str, bytes]) -> Bundle:
            request = manifests_request(
                configuration,
                environment=promotion.stage,
                repository=repository,
                namespace=namespace_name(promotion.stage, repository),
                commit=commit,
                images=images,
                files=files,
            )
            return await self.renderer.render(request)

        bundle = await with_files(self.github.contents, repository, commit, configuration, render)
        made = PromotableRelease(
            repository_id=repository.id,
            commit=commit,
            images=images,
            manifests_digest=bundle.manifests_digest,
            origin=Origin.DEFAULT_BRANCH,
            number=number,
            from_fork=from_fork,
            made_at=self.clock(),
            tree=await self.github.commits.tree(repository, commit),
        )
        await self.releases.keep(made)
        return made

    async def _with_tree(self, promotion: Promotion, release: PromotableRelease) -> PromotableRelease:
        if release.tree:
            return release
        tree = await self.github.commits.tree(promotion.repository, release.commit)
        return replace(release, tree=tree)  # stored with the promotion


async def require_one_release(releases: ReleaseStore, promotion: Promotion, named: str) -> None:
    """Raises Refusal when an approval names a commit, or its first digits, of several releases."""
    name, release = named.lower(), promotion.release
    if release is None or name == release.id or not is_release_name(name):
        return
    ids = await releases.named(release.repository_id, name)
    if len(ids) > 1:
        raise Refusal(AmbiguousRelease(promotion.stage.name, named, tuple(ids)))
