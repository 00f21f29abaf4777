"""Reads and changes what a rollout needs on the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    GRPC_ROUTE,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    JOB,
    POD_DISRUPTION_BUDGET,
    SECRET,
    SERVICE,
    Kind,
    kind_of,
)
from bot.cluster.names import ENVIRONMENT, RELEASE, TRACK, candidate_name
from bot.cluster.render.tracks import scaled, untracked
from bot.cluster.render.transforms.sealed_secrets import KIND as SEALED
from bot.cluster.rollouts.candidate import candidate, require_unchanged_seals, routed
from bot.cluster.rollouts.size import at_size, bounds
from bot.cluster.rollouts.weights import serving, weight_of, weighted
from bot.environments.ports import Fence
from bot.model.errors import Rejected, Unavailable
from bot.model.manifest import Bundle, CandidateRequest, Manifest, StableSide, Wave
from bot.model.rollout import Backend, Side

Object = dict[str, Any]

_ROUTES = (HTTP_ROUTE, GRPC_ROUTE)
_CANDIDATES = (
    *_ROUTES,
    HORIZONTAL_POD_AUTOSCALER,
    POD_DISRUPTION_BUDGET,
    DEPLOYMENT,
    SERVICE,
    JOB,
    CONFIG_MAP,
    SECRET,
)
"""Kinds of a candidate's objects, in the order of their deletion."""
_IS_CANDIDATE = f"{TRACK}={Side.CANDIDATE}"
_ATTEMPTS = 3
_SERVER_FIELDS = frozenset(("apiVersion", "kind", "metadata", "status"))


class KubernetesRollouts:
    """Raises Unavailable when the API server does not answer, Rejected when it refuses."""

    def __init__(self, api: KubernetesApi, kinds: Iterable[Kind] = ()) -> None:
        """`kinds` are those that the operator allows: a candidate has SealedSecrets of its own."""
        self._api = api
        self._candidates = (*(kind for kind in kinds if kind.name == SEALED), *_CANDIDATES)

    async def stable(self, namespace: str, bundle: Bundle) -> StableSide:
        """The revision that serves now, among the Deployments behind the bundle's routes."""
        behind = routed(bundle)
        names = {manifest["metadata"]["name"] for manifest in behind.deployments}
        deployments, services = await asyncio.gather(
            self._api.list(DEPLOYMENT, namespace, labels=ENVIRONMENT),
            self._api.list(SERVICE, namespace, labels=ENVIRONMENT),
        )
        live = [item for item in deployments.items if item["metadata"]["name"] in names]
        in_front = [item for item in services.items if item["metadata"]["name"] in behind.service_names]
        replicas = {item["metadata"]["name"]: int(item["spec"].get("replicas", 1)) for item in live}
        tracked = all(_has_label(_labels(item)) for item in live)
        selected = all(_has_label(item["spec"].get("selector")) for item in in_front)
        releases = {_labels(item).get(RELEASE) for item in live}
        return StableSide(
            exists=bool(live and in_front),
            tracked=tracked and selected,
            current=releases == {bundle.release.id},
            replicas=replicas,
        )

    def backends(self, bundle: Bundle) -> Sequence[Backend]:
        """The Services behind the routes with their ports."""
        names = routed(bundle).service_names
        backends = {
            Backend(ref["name"], int(ref["port"]))
            for route in bundle.waves.get(Wave.ROUTE, ())
            for rule in route["spec"]["rules"]
            for ref in rule.get("backendRefs") or []
            if ref["name"] in names
        }
        return sorted(backends, key=lambda backend: (backend.service, backend.port))

    def candidate_backends(self, bundle: Bundle, suffix: str) -> Sequence[Backend]:
        """The candidate's Services in place of them."""
        return [
            Backend(candidate_name(backend.service, suffix), backend.port)
            for backend in self.backends(bundle)
        ]

    async def candidate(self, namespace: str, bundle: Bundle, request: CandidateRequest) -> Bundle:
        """The bundle that runs the candidate beside the stable revision."""
        kinds = {kind_of(manifest) for objects in bundle.waves.values() for manifest in objects}
        ordered = sorted(kinds, key=lambda kind: kind.name)
        lists = await asyncio.gather(
            *(self._api.list(kind, namespace, labels=f"{ENVIRONMENT},!{TRACK}") for kind in ordered)
        )
        existing = {
            (kind.name, item["metadata"]["name"])
            for kind, collection in zip(ordered, lists, strict=True)
            for item in collection.items
        }
        seals = {
            item["metadata"]["name"]: item
            for kind, collection in zip(ordered, lists, strict=True)
            if kind.name == SEALED
            for item in collection.items
        }
        require_unchanged_seals(bundle, seals)
        return await asyncio.to_thread(candidate, bundle, request, existing)

    def untracked(self, objects: Sequence[Manifest]) -> Sequence[Manifest]:
        """The objects with selectors that also match pods without the label of a side."""
        return untracked(objects)

    async def weights(self, namespace: str, bundle: Bundle, suffix: str) -> set[int]:
        """The candidate's shares of the traffic in all rules of all routes, in percent."""
        names = routed(bundle).service_names
        routes = await self._routes(namespace)
        return {
            share
            for _, route in routes
            for share in weight_of(route["spec"].get("rules") or [], names, suffix)
        }

    async def shift(self, namespace: str, bundle: Bundle, suffix: str, weight: int, fence: Fence) -> None:
        """Gives the candidate this share of the traffic, one route after another.

        If one cannot be changed, those before it return to their rules.
        """
        names, release = routed(bundle).service_names, bundle.release.id
        moved: list[tuple[Kind, str, Object, list[Object]]] = []
        try:
            for kind, route in await self._routes(namespace):
                header = release if kind is HTTP_ROUTE else ""
                rules = weighted(route["spec"].get("rules") or [], names, suffix, weight, header)
                if rules != (route["spec"].get("rules") or []):
                    before = await self._replace_rules(kind, route, names, suffix, weight, header, fence)
                    moved.append((kind, route["metadata"]["name"], route, before))
        except Exception:
            for kind, name, _, before in reversed(moved):
                await fence()
                body = [{"op": "replace", "path": "/spec/rules", "value": before}]
                await self._api.patch(kind, name, body, namespace, style="json-patch")
            raise

    async def candidate_size(self, namespace: str, bundle: Bundle, suffix: str) -> Mapping[str, int]:
        """The pods of the candidate by the name of the stable Deployment."""
        deployments = await self._api.list(DEPLOYMENT, namespace, labels=f"{ENVIRONMENT},{_IS_CANDIDATE}")
        pods = {item["metadata"]["name"]: int(item["spec"].get("replicas", 1)) for item in deployments.items}
        names = [manifest["metadata"]["name"] for manifest in routed(bundle).deployments]
        return {name: pods[own] for name in names if (own := candidate_name(name, suffix)) in pods}

    def at_size(self, bundle: Bundle, replicas: Mapping[str, int]) -> Bundle:
        """The bundle whose autoscaled Deployments have at least these numbers of pods."""
        return at_size(bundle, replicas)

    async def keep_size(self, namespace: str, replicas: Mapping[str, int], fence: Fence) -> None:
        """Raises the bounds of autoscalers, which without traffic would shrink the stable revision.

        Smaller Deployments of theirs grow at once.
        """
        labels = f"{ENVIRONMENT},!{TRACK}"
        scalers = await self._api.list(HORIZONTAL_POD_AUTOSCALER, namespace, labels=labels)
        needed = {name: replicas[name] for item in scalers.items if (name := scaled(item)) in replicas}
        for scaler in scalers.items:
            if (pods := needed.get(scaled(scaler), 0)) > int(scaler["spec"].get("minReplicas", 1)):
                await fence()
                name, body = scaler["metadata"]["name"], {"spec": bounds(scaler, pods)}
                await self._api.patch(HORIZONTAL_POD_AUTOSCALER, name, body, namespace)
        if not needed:
            return
        deployments = await self._api.list(DEPLOYMENT, namespace, labels=labels)
        for deployment in deployments.items:
            name = deployment["metadata"]["name"]
            if needed.get(name, 0) > int(deployment["spec"].get("replicas", 1)):
                await fence()
                await self._api.patch(DEPLOYMENT, name, {"spec": {"replicas": needed[name]}}, namespace)

    async def withdraw(self, namespace: str, fence: Fence) -> None:
        """Returns all traffic to the stable revision, whatever candidate has some.

        A route that cannot be changed does not keep the others from returning.
        """
        failure: Rejected | Unavailable | None = None
        for kind, route in await self._routes(namespace):
            rules = route["spec"].get("rules") or []
            if weighted(rules, (), "", 0, "") != rules:
                try:
                    await self._replace_rules(kind, route, (), "", 0, "", fence)
                except (Rejected, Unavailable) as error:
                    failure = failure or error
        if failure is not None:
            raise failure

    async def changed(self, namespace: str, bundle: Bundle) -> Sequence[Manifest]:
        """The candidate's objects in the bundle that another client changed or deleted."""
        waves = (Wave.CONFIGURATION, Wave.WORKLOADS, Wave.ROUTE)
        own = [
            manifest
            for wave in waves
            for manifest in bundle.waves.get(wave, ())
            if (manifest["metadata"].get("labels") or {}).get(TRACK) == Side.CANDIDATE
        ]
        autoscaled = {scaled(manifest) for manifest in own if kind_of(manifest) == HORIZONTAL_POD_AUTOSCALER}
        changes = await asyncio.gather(*(self._is_changed(namespace, item, autoscaled) for item in own))
        return [manifest for manifest, changed in zip(own, changes, strict=True) if changed]

    async def _is_changed(self, namespace: str, manifest: Manifest, autoscaled: Collection[str]) -> bool:
        name = manifest["metadata"]["name"]
        live = await self._api.find(kind_of(manifest), name, namespace)
        if live is None:
            return True
        try:
            applied = await self._api.apply(manifest, dry_run=True)
        except Refused:
            return False  # it cannot be restored either
        return _content(applied, autoscaled) != _content(live, autoscaled)

    async def leftovers(self, namespace: str, suffix: str = "") -> Sequence[Manifest]:
        """The objects of candidates without traffic other than the one with this suffix."""
        lists = await asyncio.gather(
            *(
                self._api.list(kind, namespace, labels=f"{ENVIRONMENT},{_IS_CANDIDATE}")
                for kind in self._candidates
            )
        )
        rules = [
            rule for _, route in await self._routes(namespace) for rule in route["spec"].get("rules") or []
        ]
        kept = (*serving(rules), *([f"-{suffix}"] if suffix else []))
        return [
            item
            for collection in lists
            for item in collection.items
            if not item["metadata"]["name"].endswith(kept) and not item["metadata"].get("deletionTimestamp")
        ]

    async def _replace_rules(
        self,
        kind: Kind,
        route: Object,
        names: Sequence[str],
        suffix: str,
        weight: int,
        release: str,
        fence: Fence,
    ) -> list[Object]:
        """Replaces the rules unless they changed since they were read; returns those before."""
        name, namespace = route["metadata"]["name"], route["metadata"]["namespace"]
        for _ in range(_ATTEMPTS):
            before = route["spec"].get("rules") or []
            rules = weighted(before, names, suffix, weight, release)
            body = [
                {"op": "test", "path": "/spec/rules", "value": before},
                {"op": "replace", "path": "/spec/rules", "value": rules},
            ]
            await fence()
            try:
                await self._api.patch(kind, name, body, namespace, style="json-patch")
            except Refused as error:
                if error.status not in (409, 422):
                    raise
                routes = {item["metadata"]["name"]: item for _, item in await self._routes(namespace)}
                if name not in routes:
                    raise
                route = routes[name]
                continue
            return list(before)
        raise Unavailable(f"{kind.name}/{name} is changed by another client at the same time.")

    async def _routes(self, namespace: str) -> list[tuple[Kind, Object]]:
        """The routes of the environment, without those that only match the header."""
        lists = await asyncio.gather(
            *(self._api.list(kind, namespace, labels=f"{ENVIRONMENT},!{TRACK}") for kind in _ROUTES)
        )
        return [
            (kind, item) for kind, collection in zip(_ROUTES, lists, strict=True) for item in collection.items
        ]


def _content(item: Object, autoscaled: Collection[str]) -> Object:
    """What an object declares; the number of pods belongs to an autoscaler where there is one."""
    content = {key: value for key, value in item.items() if key not in _SERVER_FIELDS}
    if item["metadata"]["name"] in autoscaled and isinstance(content.get("spec"), dict):
        content["spec"] = {key: value for key, value in content["spec"].items() if key != "replicas"}
    return content


def _labels(deployment: Object) -> dict[str, str]:
    labels: dict[str, str] = deployment["spec"]["template"]["metadata"].get("labels") or {}
    return labels


def _has_label(labels: dict[str, str] | None) -> bool:
    return (labels or {}).get(TRACK) == Side.STABLE
