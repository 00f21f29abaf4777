"""Reads the facts for the next step of a promotion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from bot.config.loader import CONFIG_FILE, host_objection, parse_configuration
from bot.config.stages import Stage
from bot.environments.ports import Clock, Fence
from bot.environments.stage_plans import PlannedStage, StagePlan, StagePlanner
from bot.model.clusters import ONE_CLUSTER, ClusterGrants, NotGranted, Placement
from bot.model.drift import DriftRecord
from bot.model.environment import Environment
from bot.model.errors import ConfigurationError, Rejected, Unavailable
from bot.model.hosts import NO_HOSTS, HostGrants
from bot.model.parity import Comparison
from bot.model.promotion import PENDING, Approval, Promotion
from bot.model.protection import Branch, Protection
from bot.model.reason import Reported
from bot.model.release import Origin, PromotableRelease
from bot.promotions.approvals import (
    Approver,
    Approvers,
    is_approved,
    is_confirmed,
    is_operator,
    requirement,
    valid_approvals,
)
from bot.promotions.facts import ConfigurationSnapshot, Facts, PreviewChecks
from bot.promotions.gates.infrastructure import may_plan
from bot.promotions.parity_service import ParityService
from bot.promotions.pipeline import (
    infrastructure_in,
    is_admissible,
    policy,
    stage_in,
    stage_namespace,
    stages_by_name,
)
from bot.promotions.ports import DriftReader, GitHubReaders, PromotionStore
from bot.promotions.provenance import Provenance, corrected, merged_as, source
from bot.promotions.provenance_reader import ProvenanceReader, or_none
from bot.promotions.reasons import ServiceUnavailable
from bot.promotions.refusals import NoConfiguration, Refusal
from bot.promotions.release_resolver import ReleaseResolver
from bot.promotions.rollout_progress import rollout_progress

log = structlog.get_logger()

OUTAGE_RETRY = timedelta(seconds=30)
_MOST_APPROVERS = 50
"""Approvals beyond this number do not count: each needs requests to GitHub."""


def planned_stage(promotion: Promotion, environment: Environment | None, cluster: str) -> PlannedStage | None:
    """What the promotion would bring its stage to; None without infrastructure."""
    text, release = promotion.configuration, promotion.release
    if not text or release is None or infrastructure_in(text, promotion.stage) is None:
        return None
    present = environment.namespace if environment is not None else ""
    running = environment.overrides.target if environment is not None else None
    return PlannedStage(
        promotion.id,
        promotion.stage,
        promotion.repository,
        release.commit,
        parse_configuration(text),
        stage_namespace(text, promotion, present, running),
        cluster,
    )


@dataclass(frozen=True, slots=True)
class FactsReader:
    promotions: PromotionStore
    github: GitHubReaders
    release_resolver: ReleaseResolver
    parity_service: ParityService
    clock: Clock
    host_grants: HostGrants = NO_HOSTS
    """Hosts that stages may use."""
    cluster_grants: ClusterGrants = ONE_CLUSTER
    drifts: DriftReader | None = None
    """None where nothing is compared."""
    planner: StagePlanner | None = None
    """None where no stage has infrastructure."""

    async def facts(
        self,
        promotion: Promotion,
        environment: Environment | None,
        seen: PromotableRelease | None,
        fence: Fence,
    ) -> tuple[Facts, datetime | None]:
        """Facts, and when to read again what could not be read.

        `environment` is the stage's, `seen` the release of the head that the requester saw.
        """
        if promotion.state not in PENDING:
            return Facts(progress=rollout_progress(environment)), None
        try:
            facts = await self._read(promotion, seen)
            target = environment.overrides.target if environment is not None else None
            present = environment.cluster if environment is not None and target is not None else ""
            facts = replace(facts, placement=self._placement(promotion, facts.configuration, present))
            if target is not None:
                behind = await self._behind(promotion, facts, target.release)
                facts = replace(facts, behind=behind, drift=await self._drift(promotion))
            return replace(facts, plan=await self._plan(promotion, facts, environment, fence)), None
        except (Rejected, Unavailable) as error:
            log.warning("facts unavailable", reason=str(error))
            retry_at = error.retry_at if isinstance(error, Unavailable) else None
            return Facts(unavailable=ServiceUnavailable(str(error))), retry_at or self.clock() + OUTAGE_RETRY

    async def _plan(
        self, promotion: Promotion, facts: Facts, environment: Environment | None, fence: Fence
    ) -> StagePlan | None:
        """The Terraform plan, which is made only when the other requirements are met."""
        snapshot, placement = facts.configuration, facts.placement
        if self.planner is None or snapshot is None or not isinstance(placement, Placement):
            return None
        text, current = promotion.configuration, snapshot.text
        if text != current or not may_plan(promotion.gates):
            return None
        stage = planned_stage(promotion, environment, placement.cluster)
        return await self.planner.plan(stage, fence) if stage is not None else None

    async def discard_plan(self, promotion: Promotion, environment: Environment | None, fence: Fence) -> None:
        """Deletes what the plan of an ended promotion left."""
        if self.planner is None or not promotion.configuration:
            return
        stage = stage_in(promotion.configuration, promotion.stage.name)
        kind = promotion.stage.kind
        cluster = self.cluster_grants.choose(promotion.repository, kind, stage.cluster)
        planned = None
        if not isinstance(cluster, NotGranted):
            planned = planned_stage(promotion, environment, cluster)
        if planned is not None:
            await self.planner.discard(planned, fence)

    async def _drift(self, promotion: Promotion) -> DriftRecord | None:
        return await self.drifts.get(promotion.stage) if self.drifts is not None else None

    async def _read(self, promotion: Promotion, seen: PromotableRelease | None) -> Facts:
        # A promotion is never judged by a cached configuration.
        self.github.contents.forget(promotion.repository)
        closed = False
        if promotion.number is not None:
            pull = await self.github.pull_requests.pull_request(promotion.repository, promotion.number)
            closed = pull is not None and not pull.open and not pull.merged
        text = await self.github.contents.default_branch_file(promotion.repository, CONFIG_FILE)
        if text is None:
            return Facts(refusal=NoConfiguration())
        try:
            snapshot = ConfigurationSnapshot(text, parse_configuration(text))
        except ConfigurationError as error:
            return Facts(refusal=Reported(str(error)))
        facts = Facts(snapshot, closed=closed)
        if promotion.release is not None:
            return await self._read_release(promotion, promotion.release, policy(promotion), facts)
        stage = snapshot.configuration.find_stage(promotion.stage)
        if stage is None:
            return facts
        try:
            resolved = await self.release_resolver.resolve(promotion, snapshot.configuration, seen)
        except Refusal as refusal:
            return replace(facts, refusal=refusal.reason)
        except Rejected as error:
            return replace(facts, refusal=Reported(str(error)))
        if resolved is None:
            return facts
        return await self._read_release(promotion, resolved.release, stage, replace(facts, resolved=resolved))

    async def _read_release(
        self, promotion: Promotion, release: PromotableRelease, stage: Stage, facts: Facts
    ) -> Facts:
        """Reads about the release's pull request and commit; what GitHub does not show stays None."""
        github, repository = self.github, promotion.repository
        provenance = await ProvenanceReader(github, self.promotions).read(
            repository, release, with_reviews=stage.protected or bool(stage.required.reviews)
        )
        release = corrected(release, provenance)
        resolved = replace(facts.resolved, release=release) if facts.resolved is not None else None
        protection = await or_none(github.protections.protection(repository, promotion.stage.name))
        branch = None
        if protection is not None and protection.restricts_branches:
            branch = await or_none(self._branch(promotion, release, provenance))
        checks = (
            await or_none(github.checks.check_states(repository, release.commit))
            if stage.required.checks
            else None
        )
        return replace(
            facts,
            resolved=resolved,
            provenance=provenance,
            protection=protection,
            branch=branch,
            approvers=await self._approvers(promotion, protection),
            checks=checks,
            preview_checks=await self._preview_checks(promotion, release, provenance, facts.configuration),
            host_objection=self._host(promotion, facts.configuration),
            parity=await self._parity(promotion, release, stage, facts.configuration),
        )

    async def _approvers(self, promotion: Promotion, protection: Protection | None) -> Approvers:
        """Those whose approvals suffice, read anew: each may have lost the role or left a team."""
        promotion = replace(promotion, protection=protection or promotion.protection)
        needed, now = requirement(promotion), self.clock()
        approvers: dict[str, Approver | None] = {}
        if needed is None or not is_approved(promotion, now):
            return approvers
        for approval in valid_approvals(promotion, needed, now)[:_MOST_APPROVERS]:
            if is_confirmed(promotion, approvers, now):
                break
            if not is_operator(approval.by):
                approver = await or_none(self._approver(promotion, approval))
                approvers[approval.by.lower()] = approver
        return approvers

    async def _approver(self, promotion: Promotion, approval: Approval) -> Approver:
        collaborators, repository, by = self.github.collaborators, promotion.repository, approval.by
        role = await collaborators.role(repository, by)
        teams = [team for team in approval.teams if await collaborators.in_team(repository, team, by)]
        return Approver(role.may_write, tuple(teams))

    async def _preview_checks(
        self,
        promotion: Promotion,
        release: PromotableRelease,
        provenance: Provenance | None,
        snapshot: ConfigurationSnapshot | None,
    ) -> PreviewChecks | None:
        """Those of the release, or for a build of the default branch those of its pull request's head."""
        if snapshot is None or (provenance is None and release.origin is Origin.DEFAULT_BRANCH):
            return None
        text = promotion.policy or snapshot.text
        names = [check.title for check in parse_configuration(text).preview.checks]
        if not names:
            return PreviewChecks(release.commit)
        releases, repository = self.release_resolver.releases, release.repository_id
        pull = provenance.pull if provenance is not None else None
        if release.origin is Origin.DEFAULT_BRANCH and pull is not None:
            reviewed = await releases.of_commit(repository, pull.head_sha)
            release = reviewed or release
        return PreviewChecks.of(release.commit, names, await releases.checks(repository, release.id))

    async def _behind(self, promotion: Promotion, facts: Facts, running: PromotableRelease) -> int:
        """How many commits of the running release this one lacks; the content of a merge counts as merged."""
        resolved = facts.resolved.release if facts.resolved is not None else None
        release = promotion.release or resolved
        if release is None or facts.provenance is None or release.commit == running.commit:
            return 0
        repository, commits = promotion.repository, self.github.commits
        pulls = await or_none(commits.pull_requests(repository, running.commit))
        if pulls is None:
            return 0
        there = merged_as(running.commit, source(running.commit, pulls))
        here = merged_as(release.commit, facts.provenance.pull)
        return await or_none(commits.behind(repository, here, there)) or 0

    async def _parity(
        self,
        promotion: Promotion,
        release: PromotableRelease,
        stage: Stage,
        snapshot: ConfigurationSnapshot | None,
    ) -> tuple[Comparison, ...]:
        """Comparisons with the previous stages, of a first stage with previews.

        None where the gate `after` rejects.
        """
        if snapshot is None or snapshot.configuration.find_stage(promotion.stage) is None:
            return ()
        if not stage.after.names:
            return await self.parity_service.compare_with_preview(promotion, release, snapshot)
        records = stages_by_name(await self.promotions.stages(promotion.repository.id))
        if not is_admissible(stage, records, release.id):
            return ()
        return await self.parity_service.compare_with_previous(promotion, stage, release, snapshot, records)

    def _host(self, promotion: Promotion, snapshot: ConfigurationSnapshot | None) -> str:
        """Why the stage cannot use its host; "" when it can."""
        if snapshot is None:
            return ""
        configured = snapshot.configuration, snapshot.text
        return host_objection(*configured, promotion.stage, promotion.repository, self.host_grants) or ""

    def _placement(
        self, promotion: Promotion, snapshot: ConfigurationSnapshot | None, present: str
    ) -> Placement | NotGranted | None:
        stage = snapshot.configuration.find_stage(promotion.stage) if snapshot is not None else None
        if stage is None:
            return None
        kind = promotion.stage.kind
        chosen = self.cluster_grants.choose(promotion.repository, kind, stage.cluster)
        return chosen if isinstance(chosen, NotGranted) else Placement(chosen, present)

    async def _branch(
        self, promotion: Promotion, release: PromotableRelease, provenance: Provenance | None
    ) -> Branch:
        """The release's branch; the base branch only when merging left the content unchanged."""
        github, repository = self.github, promotion.repository
        if provenance is None:
            raise Rejected("GitHub does not show the release's pull request.")
        pull = provenance.pull
        merged = pull.merge_commit if pull is not None and pull.merged else None
        if release.origin is Origin.DEFAULT_BRANCH:
            name = pull.base_ref if pull is not None and merged is not None else None
            return await github.protections.branch(repository, name)
        if pull is None:
            raise Rejected("GitHub does not show the release's pull request.")
        if release.from_fork:
            return Branch("")
        if (
            merged is not None
            and release.tree
            and await github.commits.tree(repository, merged) == release.tree
        ):
            return await github.protections.branch(repository, pull.base_ref)
        return await github.protections.branch(repository, pull.head_ref)
