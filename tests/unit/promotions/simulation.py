"""Stages and their workers on a real store, with GitHub and the cluster in memory; workers can be killed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta

from bot.cluster.manifests import read
from bot.cluster.render.renderer import manifests_digest
from bot.cluster.routing.routes import service_addresses
from bot.environments.handler import EnvironmentHandler as EnvironmentHandler
from bot.environments.policy import Policy
from bot.environments.port_set import Ports as EnvironmentPorts
from bot.environments.ports import Fence, SaveReceipt
from bot.environments.snapshots import SnapshotKeeper
from bot.environments.stage_plans import StagePlanner
from bot.github.messages import environment_reasons, promotion_reasons
from bot.model.ci import CiState
from bot.model.commit import Authors, Commit, UnknownAuthor
from bot.model.environment import EnvironmentKey, EnvironmentState
from bot.model.errors import GreenroomError, Rejected, Superseded, Unavailable
from bot.model.hosts import NO_HOSTS, HostGrants
from bot.model.manifest import (
    Bundle,
    Condition,
    Manifest,
    NamespaceState,
    NamespaceView,
    ObjectState,
    RenderRequest,
    RunningContainer,
    Wave,
)
from bot.model.parity import Comparable
from bot.model.promotion import Promotion
from bot.model.protection import UNPROTECTED, Branch, Protection
from bot.model.pull_request import PullRequest, Review
from bot.model.release import PromotableRelease, Release
from bot.model.repository import Repository
from bot.model.role import Role
from bot.model.size import Size
from bot.model.work import Claim
from bot.promotions.default_branch import DefaultBranchFollower
from bot.promotions.demo_pins import DemoPins
from bot.promotions.facts_reader import FactsReader
from bot.promotions.parity_service import ParityService
from bot.promotions.ports import GitHubReaders
from bot.promotions.promotion_reconciler import PromotionReconciler
from bot.promotions.release_resolver import ReleaseResolver
from bot.promotions.service import PromotionService, Requester
from bot.store import Store
from bot.worker import Handler
from tests.stores import ManualClock
from tests.unit.environments import fakes
from tests.unit.environments.terraform import FakeTerraform
from tests.unit.environments.test_desired_state import PULL
from tests.unit.promotions.stage_fixtures import FILES, SHOP, release

STAGES = ("integration", "security", "staging", "production")
PIPELINE = """
version: 1
images: {shop: ghcr.io/acme/shop}
manifests: {plain: deploy/}
stages:
  integration: {}
  security: {after: [integration], automatic: true, ephemeral: true}
  staging: {after: [integration], automatic: true, parity: block}
  production: {namespace: shop, protected: true, approvals: {count: 1}, soak: 10m}
"""
UNREVIEWED, OWN, FORK = "d", "e", "f"
"""Without a review; reviewed by a second author; reviewed by grace, but built for a fork."""
UNFIT = frozenset({UNREVIEWED, OWN, FORK})
RELEASES = {commit: release(commit, fork=commit == FORK) for commit in ("a", "b", *sorted(UNFIT))}
SILENT = Unavailable("GitHub does not answer.")
REFUSES = Rejected("GitHub does not show it.")


class Fuse:
    """Kills the worker after a number of steps."""

    def __init__(self) -> None:
        self.left = 0

    def burn(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise asyncio.CancelledError


class GitHub(fakes.FakeGitHub):
    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self.fuse = fuse
        self.configuration = PIPELINE
        self.cached: str | None = None
        """The configuration that reads return until they are made to ask again."""
        self.away = False
        """It returns no files."""
        self.pushed = "a"
        """The pull request's head."""
        self.base = "main"
        """Base branch of the pull requests."""
        self.main = ["0" * 40]
        """The history of the default branch, the newest last."""
        self.changed = Commit("0" * 40, "ada", Authors(("ada",)))
        """The last commit that changed the configuration."""
        self.forks: set[int] = set()
        """Pull requests from forks."""
        self.opened = {7}
        """Open pull requests, and those that were merged."""
        self.reviewed_on: int | None = None
        """The only pull request with reviews; None for all."""
        self.roles: dict[str, Role] = {}
        """Roles of users whose role is not `write`."""
        self.unread: set[str] = set()
        """Users whose role it refuses to show."""
        self.members: dict[str, set[str]] = {}
        """Members of teams."""
        self.reviewed_at: datetime | None = None
        self.base_changed_at: datetime | None = None
        self.merged: dict[str, int] = {}
        """Pull requests by the commit that they became."""
        self.tags: dict[str, str] = {}
        self.rules = UNPROTECTED
        """Rules of all GitHub Environments."""
        self.trees: dict[str, str] = {}
        """Trees of commits whose content is that of another one."""
        self.ci_states: dict[str, CiState] = {}
        """State of CI for all commits."""
        self.modules: dict[str, str] = {}
        """Terraform modules by commit."""
        self.module_tags: dict[str, str] = {}
        """Commits of the tags of other repositories with modules."""
        self.unknown: tuple[UnknownAuthor, ...] = ()
        """Unknown authors of all commits."""
        self.trouble: GreenroomError | None = None
        self.unseen = ""
        """A resource that it refuses to show."""
        self.reports: list[str] = []
        """Reported states of promotions."""

    def _check(self, resource: str) -> None:
        if self.trouble is not None:
            raise self.trouble
        if self.unseen == resource:
            raise REFUSES

    async def default_branch_file(self, repository: Repository, path: str) -> str | None:
        self._check("file")
        if self.cached is not None:
            return self.cached
        return await super().default_branch_file(repository, path)

    def forget(self, repository: Repository) -> None:
        self.cached = None

    async def pull_request(self, repository: Repository, number: int) -> PullRequest | None:
        self._check("pull")
        merge = next((commit for commit, pull in self.merged.items() if pull == number), None)
        pull = replace(PULL, repository=SHOP, number=number, head_sha=self.pushed * 40, author="ada")
        pull = replace(pull, base_ref=self.base, default_branch="main")
        if number in self.forks:
            pull = replace(pull, head_repository_id=SHOP.id + 1)
        is_open = merge is None and number in self.opened
        return replace(pull, open=is_open, merged=merge is not None, merge_commit=merge)

    async def files(
        self, repository: Repository, commit: str, folders: Collection[str]
    ) -> Mapping[str, bytes]:
        self._check("files")
        if self.away:
            raise Unavailable("GitHub is away.")
        if "infra" in folders:
            return {"infra/main.tf": self.modules[commit].encode()}
        return FILES

    async def find(self, repository: Repository, name: str) -> Repository:
        owner, _, short = name.partition("/")
        return Repository(99, repository.installation_id, owner, short)

    async def tagged(self, repository: Repository, tag: str) -> str:
        return self.module_tags[tag]

    async def head(self, repository: Repository) -> Commit | None:
        self._check("head")
        return await self.commit(repository, self.main[-1])

    async def last_change(self, repository: Repository, path: str) -> Commit | None:
        self._check("change")
        return self.changed

    async def commit(self, repository: Repository, sha: str) -> Commit:
        self._check("commit")
        return Commit(sha, "ada", Authors(("ada",), self.unknown))

    async def merged_by(self, repository: Repository, sha: str) -> int | None:
        self._check("merged")
        return self.merged.get(sha)

    async def pull_requests(self, repository: Repository, sha: str) -> Sequence[PullRequest]:
        """Those that have the commit as their merge commit or head; closed ones are not listed."""
        self._check("merged")
        numbers = {*self.merged.values(), *self.opened}
        pulls = [await self.pull_request(repository, number) for number in sorted(numbers)]
        return [pull for pull in pulls if pull is not None and sha in (pull.merge_commit, pull.head_sha)]

    async def tag(self, repository: Repository, name: str) -> str | None:
        self._check("tag")
        return self.tags.get(name)

    async def in_default_branch(self, repository: Repository, sha: str) -> bool:
        self._check("branch")
        return sha in self.main

    async def behind(self, repository: Repository, sha: str, other: str) -> int:
        self._check("behind")
        return max(self.main.index(other) - self.main.index(sha), 0) if {sha, other} <= set(self.main) else 0

    async def tree(self, repository: Repository, commit: str) -> str:
        self._check("tree")
        return self.trees.get(commit, commit)

    async def reviews(self, repository: Repository, number: int) -> Sequence[Review]:
        self._check("reviews")
        if self.reviewed_on not in (None, number):
            return ()
        by = {UNREVIEWED: (), OWN: ("eve",)}.get(self.pushed, ("grace",))
        return tuple(
            Review(reviewer, True, self.pushed * 40, self.reviewed_at, self.base_changed_at)
            for reviewer in by
        )

    async def authors(self, repository: Repository, subject: int | str) -> Authors:
        """Authors of a pull request or of a commit."""
        self._check("authors")
        return Authors(("ada", "eve") if isinstance(subject, int) else ("ada",), self.unknown)

    async def check_states(self, repository: Repository, commit: str) -> Mapping[str, CiState]:
        self._check("checks")
        return self.ci_states

    async def protection(self, repository: Repository, environment: str) -> Protection:
        self._check("protection")
        return self.rules

    async def branch(self, repository: Repository, name: str | None) -> Branch:
        return Branch(name or "main")

    async def role(self, repository: Repository, login: str) -> Role:
        self._check("approvers")
        if login in self.unread:
            raise REFUSES
        return self.roles.get(login, Role.WRITE)

    async def in_team(self, repository: Repository, team: str, login: str) -> bool:
        self._check("approvers")
        return login in self.members.get(team, ())

    async def report_promotion(
        self,
        promotion: Promotion,
        pull: PullRequest | None,
        receipt: str,
        fence: Fence,
        save: SaveReceipt,
        *,
        deferrable: bool = False,
        ends: bool = False,
    ) -> None:
        self._check("report")
        if deferrable and self.busy_until is not None:
            raise Unavailable("Other reports come first.", self.busy_until)
        self.fuse.burn()
        await fence()
        await save(promotion.state.value)
        self.reports.append(promotion.state.value)


class Cluster(fakes.FakeCluster):
    """One Deployment per namespace: its image is what was applied last."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self.fuse = fuse
        self.pods: dict[str, str] = {}
        self.snapshots: dict[str, str] = {}
        self.broken: set[str] = set()
        self.left: list[str] = []
        """Images of pods that still terminate."""
        self.ran: list[tuple[str, str]] = []
        """Every namespace and image that ever ran."""
        self.shaky = False
        """Pods restart repeatedly."""

    async def render(self, request: RenderRequest) -> Bundle:
        [image] = request.images.values()
        deployment = {"kind": "Deployment", "metadata": {"name": "shop"}, "image": image.reference}
        made = Release(request.commit, request.images, str(request.config))
        digests = {Wave.WORKLOADS: image.digest}
        of_commit = manifests_digest(read(request.files, request.paths))
        return Bundle(
            made,
            {Wave.WORKLOADS: (deployment,)},
            addresses=tuple(service_addresses(request.routing.routes, request.hosts)),
            digests=digests,
            manifests_digest=of_commit,
        )

    async def comparable(self, request: RenderRequest) -> Comparable:
        return Comparable({})

    async def namespace(self, name: str, environment: EnvironmentKey) -> NamespaceView:
        return NamespaceView(NamespaceState.OURS if name in self.pods else NamespaceState.ABSENT)

    async def prepare(
        self,
        name: str,
        environment: EnvironmentKey,
        repository: Repository,
        generation: int,
        size: Size,
        fence: Fence,
        *,
        fork: bool,
    ) -> None:
        await fence()
        self.fuse.burn()
        self.pods.setdefault(name, "")

    async def apply(
        self, namespace: str, objects: Sequence[Manifest], fence: Fence, *, replaces: bool = False
    ) -> None:
        await fence()
        self.fuse.burn()
        self.pods[namespace] = str(objects[0]["image"])
        self.ran.append((namespace, self.pods[namespace]))
        self.fuse.burn()

    async def observe(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[ObjectState]:
        fails = self.pods[namespace].partition("@")[2] in self.broken
        condition = Condition.PROGRESSING if self.shaky else Condition.FAILED if fails else Condition.READY
        return [ObjectState("Deployment", "shop", condition, "it crashes" if fails else "")]

    async def delete_namespace(self, name: str, environment: EnvironmentKey, fence: Fence) -> None:
        await fence()
        self.fuse.burn()
        del self.pods[name]

    async def keep_snapshot(
        self, name: str, environment: EnvironmentKey, snapshot: str, fence: Fence
    ) -> None:
        if name in self.pods:
            await fence()
            self.fuse.burn()
            self.snapshots[name] = snapshot

    async def running(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[RunningContainer]:
        expected = {str(manifest["image"]) for manifest in objects}
        return [
            RunningContainer("shop-1", "shop", image, image.partition("@")[2], image * (image in expected))
            for image in (self.pods[namespace], *self.left)
        ]


_POLICY = Policy()


class PromotionSimulation:
    def __init__(
        self,
        store: Store,
        clock: ManualClock,
        *,
        policy: Policy = _POLICY,
        hosts: HostGrants = NO_HOSTS,
        terraform: FakeTerraform | None = None,
    ) -> None:
        """`hosts` are granted at the gates, those of the policy at the rollout."""
        self.store, self.clock, self.fuse = store, clock, Fuse()
        self.github, self.cluster = GitHub(self.fuse), Cluster(self.fuse)
        github = self.github
        readers = GitHubReaders(github, github, github, github, github, github)
        self.service = PromotionService(
            store.promotions, store.releases, readers, clock, promotion_reasons.describe
        )
        self.gateway = fakes.FakeGateway()
        self.asked = 0
        self.configured: list[tuple[datetime, str]] = []
        """When the default branch got which configuration."""
        self.registry = registry = fakes.FakeRegistry()
        self.environment_ports = environment_ports = EnvironmentPorts(
            environments=store.environments,
            registry=registry,
            renderer=self.cluster,
            namespaces=self.cluster,
            workloads=self.cluster,
            data=self.cluster,
            health=self.cluster,
            services=self.cluster,
            gateway=self.gateway,
            secrets={},
            clock=clock,
            describe=environment_reasons.describe,
            infrastructure=terraform,
            modules=github,
            **fakes.github_ports(github),
        )
        release_resolver = ReleaseResolver(readers, registry, self.cluster, store.releases, clock)
        parity_service = ParityService(self.github, lambda cluster: self.cluster)
        facts_reader = FactsReader(
            store.promotions, readers, release_resolver, parity_service, clock, hosts, policy.clusters
        )
        if terraform is not None:
            planner = StagePlanner(lambda name: nullcontext(environment_ports), policy)
            facts_reader = replace(facts_reader, planner=planner)
        promoter = PromotionReconciler(self.service, facts_reader, github)
        self.handlers: Mapping[str, Handler] = {
            "environment": EnvironmentHandler(environment_ports, policy),
            "promotion": promoter,
            "snapshot": SnapshotKeeper(store.snapshots, lambda name: nullcontext(self.cluster), clock),
            "pipeline": DefaultBranchFollower(
                store.deliveries, self.service, DemoPins(self.service, release_resolver)
            ),
        }

    def configure(self, text: str) -> None:
        """Change the configuration on the default branch."""
        self.github.configuration = text
        self.configured.append((self.clock(), text))

    async def begin(self) -> None:
        for known_release in RELEASES.values():
            await self.store.releases.keep(known_release)

    def requester(self, by: str) -> Requester:
        self.asked += 1
        return Requester(SHOP, by, f"comment/{self.asked}", 7)

    async def command(self, action: str, stage: str, by: str, commit: str) -> None:
        """Run a command of a user; refusals are ignored."""
        service, requester = self.service, self.requester(by)
        actions: Mapping[str, Callable[[], Awaitable[object]]] = {
            "promote": lambda: service.promote(requester, stage, RELEASES[commit].id),
            "promote what is there": lambda: service.promote(replace(requester, head=commit * 40), stage),
            "rollback": lambda: service.rollback(requester, stage),
            "approve": lambda: service.approve(requester, stage, self.clock() + timedelta(seconds=1)),
            "reject": lambda: service.reject(requester, stage, ""),
            "abort": lambda: service.abort(requester, stage, ""),
            "pause": lambda: service.pause(requester, stage),
            "resume": lambda: service.resume(requester, stage),
            "lock": lambda: service.lock(requester, stage, None, ""),
            "unlock": lambda: service.unlock(requester, stage, may_take=by == "bea"),
            "hold": lambda: service.hold(requester, stage, ""),
            "unhold": lambda: service.unhold(requester, stage),
        }
        with contextlib.suppress(GreenroomError):
            await actions[action]()

    async def work(self, turns: int) -> None:
        for _ in range(turns):
            claims = await self.store.queue.claim("test", 1, 60)
            if not claims:
                return
            await self._run(claims[0])

    async def kill_after(self, steps: int) -> None:
        """Kill a worker after a number of steps; another one continues."""
        self.fuse.left = steps
        await self.work(10)
        self.fuse.left = 0

    async def _run(self, claim: Claim) -> None:
        try:
            again = await self.handlers[claim.key.kind](claim)
        except asyncio.CancelledError:
            await self.store.queue.void_leases()
        except Superseded:
            await self.store.queue.finish(claim)
        except GreenroomError as error:
            await self.store.queue.fail(claim, str(error))
        else:
            await self.store.queue.finish(claim, again)

    async def check_pods_match_store(self) -> None:
        """Compare the pods of each stage that is ready or deleted with the store."""
        for record in await self.store.promotions.stages(SHOP.id):
            environment = await self.store.environments.get(record.key)
            if environment is None:
                continue
            assert record.target == environment.overrides.target
            pods = self.cluster.pods.get(environment.namespace)
            if environment.observed_generation != environment.generation:
                continue
            if environment.status.state is EnvironmentState.READY:
                assert record.target is not None
                assert pods == _image(record.target.release)
            if environment.status.state is EnvironmentState.GONE:
                assert pods is None

    async def check_images_were_targets(self) -> None:
        """Each image that ever ran on a stage belongs to a release that was its target."""
        for record in await self.store.promotions.stages(SHOP.id):
            entries = await self.store.audit.entries(SHOP.id, stage=record.name, limit=10_000)
            ids = {entry.after for entry in entries if entry.action == "target"} - {"nothing"}
            releases = [await self.store.releases.get(SHOP.id, id) for id in ids]
            targets = {_image(release) for release in releases if release is not None}
            ran = {image for namespace, image in self.cluster.ran if namespace == record.namespace}
            assert ran <= targets


def _image(about: PromotableRelease) -> str:
    [image] = about.images.values()
    return image.reference
