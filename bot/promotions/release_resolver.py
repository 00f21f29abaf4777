"""Which release a promotion is about: the one that a preview ran, or the default branch's own build."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace

from bot.config.schema import Configuration
from bot.environments.ports import Clock, Renderer
from bot.environments.render_request import manifests_request
from bot.model.ci import CiState
from bot.model.errors import Rejected
from bot.model.naming import namespace_name
from bot.model.promotion import Promotion
from bot.model.pull_request import PullRequest
from bot.model.release import Image, Origin, PromotableRelease
from bot.promotions.facts import ResolvedRelease
from bot.promotions.ports import GitHubReaders, ImageResolver, ReleaseStore

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
class ReleaseResolver:
    github: GitHubReaders
    registry: ImageResolver
    renderer: Renderer
    releases: ReleaseStore
    clock: Clock

    async def resolve(self, promotion: Promotion, configuration: Configuration) -> ResolvedRelease | None:
        """None while it is being built. Rejected says why there can be none."""
        if promotion.requested_release is not None:
            return await self._wanted(promotion, promotion.requested_release, configuration)
        if promotion.commit is not None:
            return await self._of_commit(promotion, promotion.commit, configuration)
        if promotion.number is None:
            raise Rejected("There is no pull request to take the release from; name a release.")
        pull = await self.github.pull_requests.pull_request(promotion.repository, promotion.number)
        if pull is None:
            raise Rejected(f"There is no pull request #{promotion.number}.")
        if pull.merged and pull.merge_commit is not None:
            return await self._merged(promotion, pull, pull.merge_commit, configuration)
        return await self._unmerged(promotion, pull)

    async def _wanted(
        self, promotion: Promotion, wanted: str, configuration: Configuration
    ) -> ResolvedRelease | None:
        """By a release's id, a tag, or a full commit SHA."""
        repository = promotion.repository
        release = await self.releases.get(repository.id, wanted)
        if release is not None:
            return ResolvedRelease(await self._with_tree(promotion, release))
        tagged = None if _COMMIT.fullmatch(wanted) else await self.github.commits.tag(repository, wanted)
        commit = tagged or wanted
        if not _COMMIT.fullmatch(commit):
            raise Rejected(f"There is no release and no tag {wanted}.")
        known = await self.releases.of_commit(repository.id, commit)
        if known is None and not await self.github.commits.in_default_branch(repository, commit):
            named = f"The tag {wanted} names {commit[:7]}, which" if tagged else commit[:7]
            raise Rejected(
                f"{named} is not in the history of the default branch, and no preview of it was ready, so "
                "nothing tells what would run."
            )
        found = await self._of_commit(promotion, commit, configuration)
        if found is None:
            return None
        found = replace(found, number=None)  # that pull request did not ask for it
        if tagged is None:
            return found
        note = f"the tag {wanted} names {commit[:7]}"
        return replace(found, note=f"{note}, and {found.note}" if found.note else note)

    async def _of_commit(
        self, promotion: Promotion, commit: str, configuration: Configuration
    ) -> ResolvedRelease | None:
        """What reviewers saw of a commit of the default branch, where a pull request brought it."""
        repository = promotion.repository
        known = await self.releases.of_commit(repository.id, commit)
        if known is not None:
            return ResolvedRelease(await self._with_tree(promotion, known), number=known.number)
        number = promotion.number or await self.github.commits.merged_by(repository, commit)
        pull = (
            await self.github.pull_requests.pull_request(repository, number) if number is not None else None
        )
        if pull is not None and pull.merged:
            found = await self._merged(promotion, pull, commit, configuration)
            return replace(found, number=pull.number) if found is not None else None
        release = await self._built(promotion, commit, configuration, None)
        if release is None:
            return None
        why = f"no pull request brought {commit[:7]}, so it is the default branch's own build"
        return ResolvedRelease(release, why)

    async def _unmerged(self, promotion: Promotion, pull: PullRequest) -> ResolvedRelease:
        if not pull.open:
            raise Rejected("The pull request was closed without being merged.")
        if promotion.head is not None and promotion.head != pull.head_sha:
            raise Rejected(
                f"You saw {promotion.head[:7]}, and by now the head is {pull.head_sha[:7]}: look at that "
                "one, and promote it."
            )
        release = await self.releases.of_commit(pull.repository.id, pull.head_sha)
        if release is None:
            raise Rejected(
                f"The preview of {pull.head_sha[:7]} has not been ready yet, so nobody could see what would "
                "be promoted."
            )
        return ResolvedRelease(await self._with_tree(promotion, release))

    async def _merged(
        self, promotion: Promotion, pull: PullRequest, merge: str, configuration: Configuration
    ) -> ResolvedRelease | None:
        """The release that reviewers saw, if merging left the content as it was; else what CI built of it."""
        seen = await self.releases.of_commit(pull.repository.id, pull.head_sha)
        why = f"no preview of {pull.head_sha[:7]} was ready"
        if seen is not None:
            seen = await self._with_tree(promotion, seen)
            tree = await self.github.commits.tree(pull.repository, merge)
            if seen.from_fork:
                why = f"{pull.head_sha[:7]} was built for a fork"
            elif seen.tree == tree:
                told = f"{merge[:7]} on {pull.base_ref} has the content that reviewers saw (tree {tree[:7]})"
                return ResolvedRelease(seen, told)
            else:
                why = f"merging changed the content (tree {seen.tree[:7]} became {tree[:7]})"
        main = pull.default_branch
        if pull.base_ref != main and not await self.github.commits.in_default_branch(pull.repository, merge):
            raise Rejected(
                f"{why[:1].upper()}{why[1:]}, and {merge[:7]} is on {pull.base_ref} only: "
                f"what {main} gets of it can be promoted when it is there."
            )
        release = await self._built(promotion, merge, configuration, pull.number)
        if release is None:
            return None
        return ResolvedRelease(release, f"{why}, so it is {main}'s own build of {merge[:7]}")

    async def _built(
        self, promotion: Promotion, commit: str, configuration: Configuration, number: int | None
    ) -> PromotableRelease | None:
        repository = promotion.repository
        known = await self.releases.of_commit(repository.id, commit)
        if known is not None:
            return known
        sources = configuration.images
        digests = await asyncio.gather(
            *(self.registry.resolve(each.repository, each.tag_for(commit)) for each in sources.values())
        )
        images = {
            name: Image(source.repository, digest)
            for (name, source), digest in zip(sources.items(), digests, strict=True)
            if digest is not None
        }
        if len(images) < len(sources):
            ci = await self.github.checks.ci(repository, commit)
            if ci.state is CiState.FAILED:
                raise Rejected(f"CI failed for {commit[:7]} ({', '.join(ci.failed)}), so there is no image.")
            return None
        request = manifests_request(
            configuration,
            environment=promotion.stage,
            repository=repository,
            namespace=namespace_name(promotion.stage, repository),
            commit=commit,
            images=images,
            files=await self.github.contents.files(repository, commit),
        )
        bundle = await self.renderer.render(request)
        made = PromotableRelease(
            repository_id=repository.id,
            commit=commit,
            images=images,
            manifests_digest=bundle.manifests_digest,
            origin=Origin.DEFAULT_BRANCH,
            number=number,
            from_fork=False,
            made_at=self.clock(),
            tree=await self.github.commits.tree(repository, commit),
        )
        await self.releases.keep(made)
        return made

    async def _with_tree(self, promotion: Promotion, release: PromotableRelease) -> PromotableRelease:
        if release.tree:
            return release
        tree = await self.github.commits.tree(promotion.repository, release.commit)
        return await self.releases.learn_tree(release, tree)
