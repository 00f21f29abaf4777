"""Everything that the bot does in a cluster, as steps that each need some of its rights."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

from bot.cluster.apply import apply_all
from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import HTTP_ROUTE as ROUTE
from bot.cluster.client.kinds import (
    IN_MANIFESTS,
    LIMIT_RANGE,
    NAMESPACE,
    RESOURCE_QUOTA,
    ROLE,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
    Kind,
)
from bot.cluster.guard.roles import grantable
from bot.cluster.health.diagnostics import DiagnosticsReader
from bot.cluster.health.services import KubernetesServices
from bot.cluster.infrastructure.objects import guard_objects
from bot.cluster.names import ENVIRONMENT, ENVIRONMENT_ROLE
from bot.cluster.rights import ENVIRONMENT_RIGHTS, Right, missing_rights
from bot.cluster.routing.gateway_check import gateway_problem
from bot.cluster.watch import Watcher
from bot.model.data import DataRecord
from bot.model.manifest import Bundle, Manifest
from bot.model.routing import RouteProtocol, Routing, ServiceRoute
from tests.contract.cluster_harness import APP_ID, Harness, eventually, open_fence
from tests.contract.test_cluster_apply import EVERYTHING
from tests.unit.cluster.manifests import SHOP_BACKEND, job, service

Step = Callable[[], Awaitable[object]]

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "once"},
    "spec": {"containers": [{"name": "once", "image": "ghcr.io/acme/shop:1.0"}]},
}
_ROUTES = Routing(
    (
        ServiceRoute("shop", SHOP_BACKEND),
        ServiceRoute("grpc", SHOP_BACKEND, host="grpc", protocol=RouteProtocol.GRPC),
    )
)
_WATCH_SECONDS = 0.3


class Refusals:
    """Telemetry of the client: shows that the cluster refused a call."""

    def __init__(self) -> None:
        self.seen = asyncio.Event()

    def cluster_call(self, method: str, status: int | None) -> None:
        if status == 403:
            self.seen.set()


@dataclass(frozen=True)
class Exercise:
    """The bot in a namespace that it prepared some time ago: new rights there are in effect."""

    harness: Harness
    refusals: Refusals
    bundle: Bundle
    rest: Bundle
    """A bundle with few of the objects, so that pruning deletes the others."""

    @classmethod
    async def of(cls, harness: Harness, refusals: Refusals) -> Exercise:
        await harness.prepare()

        async def in_effect() -> bool:
            return not await missing_rights(harness.api, ENVIRONMENT_RIGHTS, harness.namespace)

        await eventually(in_effect)
        everything = harness.render(*EVERYTHING, POD, seed=job(), checks=(job("smoke"),), routing=_ROUTES)
        kinds = {manifest["kind"] for manifest in (*_objects(everything), *everything.checks.values())}
        assert {kind.name for kind in IN_MANIFESTS} <= kinds, "a note drops one of the manifests"
        return cls(harness, refusals, everything, harness.render(service(), backend=None, images={}))

    async def is_refused(self) -> bool:
        """Whether the cluster refuses a step; runs the steps until it does."""
        await self._clean()
        for step in self._steps():
            if await self._refused(step):
                return True
        return await self._fresh_namespace_fails()

    async def role_is_refused(self) -> bool:
        """Whether the bot cannot create a Role with every right that a manifest may grant."""
        namespace = self.harness.namespace
        await self.harness.observer.delete(ROLE, "everything", namespace)
        return await self._refused(lambda: self.harness.api.apply(granting_role(namespace)))

    def _steps(self) -> Iterable[Step]:
        harness, namespace = self.harness, self.harness.namespace
        yield self._watch
        yield harness.namespaces.owned_namespaces
        yield lambda: gateway_problem(harness.api, harness.policy)
        yield harness.prepare
        yield lambda: harness.apply(self.bundle)
        yield lambda: harness.workloads.apply(namespace, list(self.bundle.checks.values()), open_fence)
        yield lambda: harness.workloads.inject(
            namespace, harness.key, harness.repository, {"TOKEN": "t"}, open_fence
        )
        yield lambda: harness.data.record_data(namespace, harness.key, DataRecord(0, "c"), open_fence)
        yield lambda: harness.health.observe(namespace, _objects(self.bundle))
        yield lambda: KubernetesServices(harness.api, in_cluster=False).services(
            namespace, _objects(self.bundle)
        )
        yield lambda: DiagnosticsReader(harness.api, APP_ID).look(namespace, harness.key, 10)
        yield lambda: _log(harness.api, namespace)
        yield lambda: apply_all(harness.api, [self._terraform_role()], open_fence)
        yield lambda: harness.workloads.prune(namespace, self.rest, open_fence)
        yield lambda: harness.data.reset_data(namespace, harness.key, open_fence)

    def _terraform_role(self) -> Manifest:
        guards = guard_objects(self.harness.namespace, self.harness.key, ())
        return next(manifest for manifest in guards if manifest["kind"] == ROLE.name)

    async def _watch(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WATCH_SECONDS):
                await Watcher(self.harness.api).run(lambda key: None)

    async def _fresh_namespace_fails(self) -> bool:
        """Refusals are expected until the rights in it are in effect, so only an error counts."""
        harness = replace(self.harness, namespace=f"gr-test-{secrets.token_hex(4)}-pr-7")
        try:
            await harness.prepare()
            await harness.namespaces.delete_namespace(harness.namespace, harness.key, open_fence)
        except Refused:
            return True
        finally:
            await harness.observer.delete(NAMESPACE, harness.namespace)
        return False

    async def _refused(self, step: Step) -> bool:
        """Whether the cluster refuses a call of the step. Does not wait for the retries of the call."""
        self.refusals.seen.clear()
        running = asyncio.ensure_future(step())
        refused = asyncio.ensure_future(self.refusals.seen.wait())
        await asyncio.wait((running, refused), return_when=asyncio.FIRST_COMPLETED)
        if not self.refusals.seen.is_set():
            await running
        for task in (running, refused):
            task.cancel()
        await asyncio.gather(running, refused, return_exceptions=True)
        return self.refusals.seen.is_set()

    async def _clean(self) -> None:
        """Deletes everything that the bot applied, so that it is created again."""
        namespace, observer = self.harness.namespace, self.harness.observer
        kinds = (*IN_MANIFESTS, ROUTE, LIMIT_RANGE, RESOURCE_QUOTA)

        async def gone() -> bool:
            left = 0
            for kind in kinds:
                for live in (await observer.list(kind, namespace, labels=ENVIRONMENT)).items:
                    name = live["metadata"]["name"]
                    if (kind, name) not in ((ROLE_BINDING, "greenroom"), (SERVICE_ACCOUNT, "default")):
                        left += 1
                        await observer.delete(kind, name, namespace, grace_seconds=0)
            return left == 0

        await eventually(gone)


def granting_role(namespace: str) -> Manifest:
    rules = [
        {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
        for group, resource, verb in sorted(grantable())
    ]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "everything", "namespace": namespace},
        "rules": rules,
    }


@contextlib.asynccontextmanager
async def without(
    harness: Harness, role: str, rights: frozenset[Right]
) -> AsyncIterator[Callable[[Right], Awaitable[None]]]:
    """Takes one right at a time from a ClusterRole, and waits until that is in effect."""
    kind = Kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", namespaced=False)
    namespace = harness.namespace if role == ENVIRONMENT_ROLE else ""

    before: frozenset[Right] = frozenset()

    async def write(removed: frozenset[Right]) -> None:
        nonlocal before
        rules = [
            {
                "apiGroups": [right.group],
                "resources": [right.resource],
                "verbs": [right.verb],
                **({"resourceNames": [right.name]} if right.name else {}),
            }
            for right in sorted(rights - removed)
        ]
        await harness.observer.patch(kind, role, {"rules": rules})

        async def in_effect() -> bool:
            return set(await missing_rights(harness.api, before | removed, namespace)) == removed

        await eventually(in_effect)
        before = removed

    try:
        yield lambda right: write(frozenset([right]))
    finally:
        await write(frozenset())


async def _log(api: KubernetesApi, namespace: str) -> None:
    with contextlib.suppress(Refused):
        await api.log(namespace, "absent", "absent", lines=1, previous=False)


def _objects(bundle: Bundle) -> list[Manifest]:
    return [manifest for wave in bundle.waves.values() for manifest in wave]
