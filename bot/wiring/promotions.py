"""Builds what reads and changes stages."""

from __future__ import annotations

from bot.environments.stage_plans import StagePlanner
from bot.github.app import GitHubApp
from bot.github.messages import promotion_reasons
from bot.promotions.default_branch import DefaultBranchFollower
from bot.promotions.demo_pins import DemoPins
from bot.promotions.facts_reader import FactsReader
from bot.promotions.parity_service import ParityService
from bot.promotions.promotion_reconciler import PromotionReconciler
from bot.promotions.release_resolver import ReleaseResolver
from bot.promotions.service import PromotionService
from bot.promotions.view_reader import StageViewReader
from bot.store import Store
from bot.store.store import utc_now
from bot.wiring.dependencies import Dependencies
from bot.wiring.policy import policy
from bot.worker import Handler


def promotion_handlers(dependencies: Dependencies) -> dict[str, Handler]:
    store, github, hosts = dependencies.store, dependencies.github, dependencies.host_grants
    clusters = dependencies.clusters
    readers = github.promotion_readers
    service = promotion_service(dependencies)
    release_resolver = ReleaseResolver(
        readers, dependencies.ports.registry, clusters.default.renderer, store.releases, utc_now
    )
    parity_service = ParityService(
        github.contents, lambda name: clusters.get(name).renderer, clusters.default.name
    )
    facts_reader = FactsReader(
        store.promotions,
        readers,
        release_resolver,
        parity_service,
        utc_now,
        hosts,
        clusters.grants,
        store.drifts,
        StagePlanner(clusters.entering(dependencies.ports), policy(dependencies)),
    )
    pins = DemoPins(service, release_resolver)
    return {
        "promotion": PromotionReconciler(service, facts_reader, github.reporter),
        "pipeline": DefaultBranchFollower(store.deliveries, service, pins),
    }


def promotion_service(dependencies: Dependencies) -> PromotionService:
    store, readers = dependencies.store, dependencies.github.promotion_readers
    return PromotionService(store.promotions, store.releases, readers, utc_now, promotion_reasons.describe)


def view_reader(store: Store, github: GitHubApp) -> StageViewReader:
    return StageViewReader(
        store.promotions,
        store.environments,
        store.releases,
        store.audit,
        github.contents,
        store.drifts,
        utc_now,
    )
