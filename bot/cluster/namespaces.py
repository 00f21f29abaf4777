"""The namespaces of environments: created, prepared and deleted by label; others are never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.cluster.account import environment_binding, own_account
from bot.cluster.apply import apply_all
from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import NAMESPACE
from bot.cluster.guard_rails import guard_rails
from bot.cluster.guard_rails import namespace_object as namespace_object
from bot.cluster.names import (
    APP,
    ENVIRONMENT,
    GENERATION,
    INSTALLATION,
    MANAGED_BY,
    MANAGER,
    REPOSITORY,
    SNAPSHOT,
)
from bot.cluster.policy import ClusterPolicy
from bot.environments.ports import Fence
from bot.environments.snapshots import SnapshotReader
from bot.model.environment import DEFAULT_CLUSTER, EnvironmentKey
from bot.model.errors import Rejected, Superseded, Unavailable
from bot.model.manifest import Manifest, NamespaceState, NamespaceView, OwnedNamespace
from bot.model.repository import Repository
from bot.model.size import Size

Object = dict[str, Any]

_QUOTA_RETRY = timedelta(seconds=1)
_BLOCKERS = (
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionContentFailure",
    "NamespaceFinalizersRemaining",
    "NamespaceContentRemaining",
)


def view(live: Object | None, environment: EnvironmentKey, app_id: int) -> NamespaceView:
    """The state of a namespace from the point of view of an environment; `live` is None when it is absent."""
    if live is None:
        return NamespaceView(NamespaceState.ABSENT)
    if not _is_ours(live, environment, app_id):
        return NamespaceView(NamespaceState.FOREIGN)
    if live["metadata"].get("deletionTimestamp"):
        return NamespaceView(NamespaceState.TERMINATING, blockers(live))
    return NamespaceView(NamespaceState.OURS)


class KubernetesNamespaces:
    """Raises Unavailable when the API server does not answer, Rejected when it refuses.

    `snapshots`: what a new namespace records for the case that the store is lost.
    """

    def __init__(
        self,
        api: KubernetesApi,
        policy: ClusterPolicy,
        app_id: int,
        snapshots: SnapshotReader | None = None,
        cluster: str = DEFAULT_CLUSTER,
    ) -> None:
        self._api = api
        self._policy = policy
        self._app_id = app_id
        self._snapshots = snapshots
        self._cluster = cluster
        self._account: dict[str, str] | None = None

    async def namespace(self, name: str, environment: EnvironmentKey) -> NamespaceView:
        return self._view(await self._api.find(NAMESPACE, name), environment)

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
        """Creates or updates the namespace, the bot's rights in it, and its guard rails.

        Superseded when the namespace was prepared for a newer generation; Unavailable until Kubernetes has
        counted the objects for the quota, because it refuses further ones until then.
        """
        policy = self._policy.within(fork)
        body = namespace_object(name, environment, repository, generation, policy, self._app_id)
        self._account = self._account or await own_account(self._api)
        live = await self._api.find(NAMESPACE, name)
        state = self._view(live, environment).state
        await fence()
        if live is None:
            taken = await self._snapshots.take(environment) if self._snapshots is not None else None
            if taken is not None:
                body["metadata"]["annotations"][SNAPSHOT] = taken[1]
            await create_namespace(self._api, body)
        elif state is NamespaceState.FOREIGN:
            raise _foreign(name)
        elif state is NamespaceState.TERMINATING:
            raise Unavailable(f"Namespace {name} is still being deleted.")
        else:
            _not_newer(live, generation)
            body["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
            await self._api.apply(body)
        self._api.expect_rights(name)
        await apply_all(self._api, [environment_binding(name, environment, self._account)], fence)
        rails = self._rails(name, environment, repository, size, policy)
        await self._apply_guard_rails(name, rails, fence)

    def _rails(
        self,
        name: str,
        environment: EnvironmentKey,
        repository: Repository,
        size: Size,
        policy: ClusterPolicy,
    ) -> Sequence[Manifest]:
        networks, pull_secrets = policy.networks_of(repository), policy.pull_secrets_of(repository)
        return guard_rails(name, environment, size, policy, networks, pull_secrets)

    async def declared(
        self, name: str, environment: EnvironmentKey, repository: Repository, size: Size, *, fork: bool
    ) -> Sequence[Manifest]:
        """What `prepare` applies; of the namespace without annotations, which change while it exists."""
        policy = self._policy.within(fork)
        body = namespace_object(name, environment, repository, 0, policy, self._app_id)
        labels = body["metadata"]["labels"]
        self._account = self._account or await own_account(self._api)
        return (
            {**body, "metadata": {"name": name, "labels": labels}},
            environment_binding(name, environment, self._account),
            *self._rails(name, environment, repository, size, policy),
        )

    async def _apply_guard_rails(self, name: str, rails: Sequence[Manifest], fence: Fence) -> None:
        """Raises Unavailable until Kubernetes has counted the objects for a new quota."""
        await apply_all(self._api, rails, fence)
        await fence()
        quota = await self._api.apply(rails[0])
        counted = (quota.get("status") or {}).get("hard") or {}
        if not quota["spec"]["hard"].keys() <= counted.keys():
            at = datetime.now(UTC) + _QUOTA_RETRY
            raise Unavailable(f"Kubernetes has not counted the objects of namespace {name} yet.", at)

    async def keep_snapshot(
        self, name: str, environment: EnvironmentKey, snapshot: str, fence: Fence
    ) -> None:
        """Writes the annotation. No-op when the namespace is absent, being deleted or not ours."""
        live = await self._api.find(NAMESPACE, name)
        if live is None or self._view(live, environment).state is not NamespaceState.OURS:
            return
        metadata = live["metadata"]
        if APP not in metadata["labels"] or (metadata.get("annotations") or {}).get(SNAPSHOT) == snapshot:
            return
        await fence()
        changed = {"uid": metadata["uid"], "annotations": {SNAPSHOT: snapshot}}
        await self._api.patch(NAMESPACE, name, {"metadata": changed})

    async def delete_namespace(self, name: str, environment: EnvironmentKey, fence: Fence) -> None:
        """Starts the deletion of exactly the namespace that was read and found to be ours."""
        live = await self._api.find(NAMESPACE, name)
        state = self._view(live, environment).state
        if live is None or state is NamespaceState.TERMINATING:
            return
        if state is NamespaceState.FOREIGN:
            raise _foreign(name)
        await fence()
        metadata = live["metadata"]
        if APP not in metadata["labels"]:
            claimed = {"resourceVersion": metadata["resourceVersion"], "labels": {APP: str(self._app_id)}}
            metadata = (await self._api.patch(NAMESPACE, name, {"metadata": claimed}))["metadata"]
        # The version is a precondition too: a label may have changed since the read.
        preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        await self._api.delete(NAMESPACE, name, preconditions=preconditions)

    async def owned_namespaces(self) -> Sequence[OwnedNamespace]:
        """All namespaces of our App, except those with an invalid label or annotation."""
        namespaces = await self._api.list(NAMESPACE, labels=f"{MANAGED_BY}={MANAGER},{ENVIRONMENT}")
        parsed = [self._owned(live) for live in namespaces.items if _is_of_app(live, self._app_id)]
        return [namespace for namespace in parsed if namespace is not None]

    async def owned_namespace(self, name: str) -> OwnedNamespace | None:
        """The namespace of that name; None when it is absent or does not belong to our App."""
        live = await self._api.find(NAMESPACE, name)
        return self._owned(live) if live and _is_of_app(live, self._app_id) else None

    def _owned(self, live: Object) -> OwnedNamespace | None:
        owned = _owned(live)
        return replace(owned, cluster=self._cluster) if owned is not None else None

    def _view(self, live: Object | None, environment: EnvironmentKey) -> NamespaceView:
        return view(live, environment, self._app_id)


def _owned(live: Object) -> OwnedNamespace | None:
    metadata = live["metadata"]
    annotations = metadata.get("annotations") or {}
    owner, slash, repository = str(annotations.get(REPOSITORY, "")).partition("/")
    try:
        environment = EnvironmentKey.parse(metadata["labels"][ENVIRONMENT])
        installation = int(annotations.get(INSTALLATION, ""))
    except ValueError:
        return None
    if not slash:
        return None
    return OwnedNamespace(
        metadata["name"],
        environment,
        Repository(environment.repository_id, installation, owner, repository),
        terminating=bool(metadata.get("deletionTimestamp")),
        generation=_generation(live),
        snapshot=str(annotations.get(SNAPSHOT, "")),
        has_app=APP in metadata["labels"],
    )


async def create_namespace(api: KubernetesApi, body: Object) -> None:
    """Creates rather than applies, so that a namespace created concurrently by others is not adopted."""
    try:
        await api.create(NAMESPACE, body)
    except Refused as error:
        if error.reason != "AlreadyExists":
            raise
        name = body["metadata"]["name"]
        raise Unavailable(f"Namespace {name} was created by another client at the same time.") from None


def _is_ours(live: Object, environment: EnvironmentKey, app_id: int) -> bool:
    return _is_of_app(live, app_id) and live["metadata"]["labels"][ENVIRONMENT] == environment.label


def _is_of_app(live: Object, app_id: int) -> bool:
    """Whether our App created the namespace. Earlier versions did not record the App."""
    labels = live["metadata"].get("labels") or {}
    app = labels.get(APP, str(app_id))
    return labels.get(MANAGED_BY) == MANAGER and ENVIRONMENT in labels and app == str(app_id)


def _not_newer(live: Object, generation: int) -> None:
    if (newer := _generation(live)) > generation:
        raise Superseded(f"the namespace has generation {newer}, newer than {generation}")


def _generation(live: Object) -> int:
    text = str((live["metadata"].get("annotations") or {}).get(GENERATION, ""))
    return int(text) if text.isascii() and text.isdecimal() else 0


def _foreign(name: str) -> Rejected:
    return Rejected(
        f"Namespace {name} exists and does not belong to this environment, so it is not changed. "
        "The operator of the cluster must delete it."
    )


def blockers(live: Object) -> str:
    """The reasons that the namespace controller reports for an unfinished deletion."""
    conditions = {
        condition.get("type"): condition for condition in (live.get("status") or {}).get("conditions") or []
    }
    messages = [
        str(conditions[kind].get("message", ""))
        for kind in _BLOCKERS
        if kind in conditions and conditions[kind].get("status") == "True"
    ]
    if finalizers := live["metadata"].get("finalizers"):
        messages.append(f"The namespace has finalizers: {', '.join(finalizers)}")
    return "\n".join(text for text in messages if text)
