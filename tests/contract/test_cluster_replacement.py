"""Objects whose immutable fields changed: replaced where that is allowed, and never their data."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bot.cluster.client.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    PERSISTENT_VOLUME_CLAIM,
    ROLE_BINDING,
    SERVICE,
    STATEFUL_SET,
    Kind,
)
from bot.model.errors import ImmutableField, Rejected, Unavailable
from bot.model.manifest import Bundle
from tests.contract.cluster_harness import Harness, eventually, open_fence
from tests.contract.test_cluster_apply import ACCOUNT, BINDING, CLAIM, ROLE
from tests.unit.cluster.manifests import config_map, deployment, service, stateful_set

Object = dict[str, Any]


def relabelled(manifest: Object) -> Object:
    """The object with another selector."""
    labels = {"app": manifest["metadata"]["name"], "tier": "web"}
    manifest["spec"]["selector"] = {"matchLabels": labels}
    manifest["spec"]["template"]["metadata"]["labels"] = labels
    return manifest


def with_claims(size: str) -> Object:
    manifest = stateful_set()
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }
    manifest["spec"]["volumeClaimTemplates"] = [claim]
    return manifest


OTHER_BINDING: Object = copy.deepcopy(BINDING)
OTHER_BINDING["roleRef"]["name"] = "writer"

CHANGES: dict[str, tuple[Kind, tuple[Object, ...], tuple[Object, ...]]] = {
    "the selector of a Deployment": (DEPLOYMENT, (deployment(),), (relabelled(deployment()),)),
    "the selector of a StatefulSet": (STATEFUL_SET, (stateful_set(),), (relabelled(stateful_set()),)),
    "the claims of a StatefulSet": (STATEFUL_SET, (with_claims("1Gi"),), (with_claims("2Gi"),)),
    "the address of a Service": (SERVICE, (service(),), (service(clusterIP="None"),)),
    "an immutable ConfigMap": (
        CONFIG_MAP,
        ({**config_map(A="1"), "immutable": True},),
        ({**config_map(A="2"), "immutable": True},),
    ),
    "the role of a RoleBinding": (
        ROLE_BINDING,
        (ROLE, {**ROLE, "metadata": {"name": "writer"}}, ACCOUNT, BINDING),
        (
            ROLE,
            {**ROLE, "metadata": {"name": "writer"}},
            ACCOUNT,
            OTHER_BINDING,
        ),
    ),
}


def render(harness: Harness, *manifests: Object) -> Bundle:
    return harness.render(*manifests, backend=None, images={})


async def apply(harness: Harness, bundle: Bundle, *, replaces: bool) -> None:
    """Repeats while an object is being deleted, as phases do."""
    for objects in bundle.waves.values():

        async def applied(objects: Any = objects) -> bool:
            try:
                await harness.workloads.apply(harness.namespace, objects, open_fence, replaces=replaces)
            except Unavailable:
                return False
            return True

        await eventually(applied)


@pytest.mark.parametrize("change", CHANGES)
async def test_immutable_field_replaces_the_object_only_where_allowed(harness: Harness, change: str) -> None:
    kind, before, after = CHANGES[change]
    await harness.prepare()
    await harness.apply(render(harness, *before))
    name = before[-1]["metadata"]["name"]
    old = await harness.observer.get(kind, name, harness.namespace)
    changed = render(harness, *after)
    with pytest.raises(ImmutableField) as refused:
        await apply(harness, changed, replaces=False)
    assert (refused.value.kind, refused.value.name) == (kind.name, name)
    assert refused.value.fields
    assert (await harness.observer.get(kind, name, harness.namespace))["metadata"]["uid"] == old["metadata"][
        "uid"
    ]
    await apply(harness, changed, replaces=True)
    new = await harness.observer.get(kind, name, harness.namespace)
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert "deletionTimestamp" not in new["metadata"]
    await apply(harness, changed, replaces=False)


async def test_volume_claim_is_never_replaced(harness: Harness) -> None:
    await harness.prepare()
    await harness.apply(render(harness, CLAIM))
    old = await harness.observer.get(PERSISTENT_VOLUME_CLAIM, "files", harness.namespace)
    other: Object = copy.deepcopy(CLAIM)
    other["spec"]["accessModes"] = ["ReadWriteMany"]
    with pytest.raises(ImmutableField):
        await apply(harness, render(harness, other), replaces=True)
    now = await harness.observer.get(PERSISTENT_VOLUME_CLAIM, "files", harness.namespace)
    assert now["metadata"]["uid"] == old["metadata"]["uid"]
    assert "deletionTimestamp" not in now["metadata"]


async def test_claims_survive_replacement_of_their_stateful_set(harness: Harness) -> None:
    await harness.prepare()
    await harness.apply(render(harness, with_claims("1Gi")))
    owner = await harness.observer.get(STATEFUL_SET, "db", harness.namespace)
    reference = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "name": "db",
        "uid": owner["metadata"]["uid"],
    }

    async def claimed() -> bool:
        claims = await harness.observer.list(PERSISTENT_VOLUME_CLAIM, harness.namespace)
        return any(claim["metadata"]["name"] == "data-db-0" for claim in claims.items)

    await eventually(claimed)
    # What its controller does for `whenDeleted: Delete`.
    owned = {"metadata": {"ownerReferences": [reference]}}
    await harness.observer.patch(PERSISTENT_VOLUME_CLAIM, "data-db-0", owned, harness.namespace)
    claim = await harness.observer.get(PERSISTENT_VOLUME_CLAIM, "data-db-0", harness.namespace)
    await apply(harness, render(harness, with_claims("2Gi")), replaces=True)
    kept = await harness.observer.get(PERSISTENT_VOLUME_CLAIM, "data-db-0", harness.namespace)
    assert kept["metadata"]["uid"] == claim["metadata"]["uid"]
    assert "deletionTimestamp" not in kept["metadata"]
    uids = {reference["uid"] for reference in kept["metadata"].get("ownerReferences") or []}
    assert owner["metadata"]["uid"] not in uids


async def test_object_with_another_error_is_not_deleted(harness: Harness) -> None:
    await harness.prepare()
    await harness.apply(render(harness, deployment()))
    old = await harness.observer.get(DEPLOYMENT, "shop", harness.namespace)
    broken = relabelled(deployment())
    broken["spec"]["replicas"] = -1
    with pytest.raises(Rejected) as refused:
        await apply(harness, render(harness, broken), replaces=True)
    assert not isinstance(refused.value, ImmutableField)
    live = await harness.observer.get(DEPLOYMENT, "shop", harness.namespace)
    assert live["metadata"]["uid"] == old["metadata"]["uid"]


async def test_foreign_object_is_not_deleted(harness: Harness) -> None:
    await harness.prepare()
    bundle = render(harness, relabelled(deployment()))
    foreign = deployment()
    foreign["metadata"]["namespace"] = harness.namespace
    foreign["spec"]["template"]["spec"]["containers"][0]["image"] = "ghcr.io/acme/other"
    await harness.observer.create(DEPLOYMENT, foreign)
    with pytest.raises(Rejected):
        await apply(harness, bundle, replaces=True)
    assert await harness.observer.find(DEPLOYMENT, "shop", harness.namespace) is not None
