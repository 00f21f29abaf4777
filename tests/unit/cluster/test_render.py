"""Rendering of a commit: transforms, waves, Jobs and the route."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cluster.policy import ClusterPolicy
from bot.model.errors import ManifestRefused
from bot.model.manifest import RELEASE_HEADER, Bundle, Wave
from bot.model.notes import Effect, Note
from bot.model.release import Image
from bot.model.routing import Backend
from bot.settings import Domain, PodSecurity
from tests.unit.cluster.manifests import (
    KEY,
    NAMESPACE,
    POLICY,
    SHOP,
    Object,
    config_map,
    deployment,
    job,
    render,
    request,
    service,
    stateful_set,
)

SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"url": "x"}}
INGRESS = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "shop"}}
HTTP_ROUTE = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "shop"}}

HOOKS = {Wave.PRE_HOOKS, Wave.POST_HOOKS}


@given(namespace=st.sampled_from(["shop", "app", "v1", "ghcr.io", "kind"]))
def test_manifests_digest_does_not_depend_on_the_namespace(namespace: str):
    other = render(request(namespace=namespace))
    assert other.manifests_digest == render(request()).manifests_digest
    changed = render(request(deployment("shop2"), service("shop2"), backend=Backend("shop2", 80)))
    assert changed.manifests_digest != other.manifests_digest


def names(bundle: Bundle, wave: Wave) -> list[str]:
    return [f"{manifest['kind']}/{manifest['metadata']['name']}" for manifest in bundle.waves[wave]]


def find(bundle: Bundle, kind: str, name: str = "") -> Any:
    manifests = [candidate for wave in bundle.waves.values() for candidate in wave]
    [manifest] = [
        candidate
        for candidate in manifests
        if candidate["kind"] == kind and candidate["metadata"]["name"].startswith(name)
    ]
    return manifest


def pod(manifest: Any) -> Any:
    return manifest["spec"]["template"]["spec"]


def changed(manifest: Object, **container: object) -> Object:
    copied = copy.deepcopy(manifest)
    copied["spec"]["template"]["spec"]["containers"][0].update(container)
    return copied


def test_waves_order_configuration_before_the_route():
    bundle = render(
        request(
            deployment(),
            service(),
            stateful_set(),
            service("db", 5432),
            config_map(),
            SECRET,
            INGRESS,
            HTTP_ROUTE,
            seed=job(),
        ),
        POLICY,
    )
    assert names(bundle, Wave.CONFIGURATION) == [
        "ConfigMap/greenroom-config",
        "ConfigMap/shop",
        "Secret/db",
    ]
    assert names(bundle, Wave.DATA) == ["Service/db", "StatefulSet/db"]
    assert names(bundle, Wave.WORKLOADS) == ["Deployment/shop", "Service/shop"]
    assert names(bundle, Wave.ROUTE) == ["HTTPRoute/greenroom-route"]
    [seed] = names(bundle, Wave.SEED)
    assert seed.startswith("Job/greenroom-seed-")


def test_render_is_independent_of_file_order():
    manifests = (deployment(), service(), stateful_set())
    first = render(request(*manifests, seed=job(), checks=(job("smoke"),)), POLICY)
    again = render(request(*manifests, seed=job(), checks=(job("smoke"),)), POLICY)
    assert json.dumps(first.waves) == json.dumps(again.waves)
    assert first == again


def test_release_images_are_pinned_and_others_unchanged():
    sidecar = deployment(initContainers=[{"name": "i", "image": "ghcr.io/acme/shop"}])
    sidecar["spec"]["template"]["spec"]["containers"].append(
        {"name": "x", "image": "ghcr.io/acme/shop-tools:1"}
    )
    rendered = pod(find(render(request(sidecar, service()), POLICY), "Deployment"))
    assert [manifest["image"] for manifest in rendered["containers"]] == [
        SHOP.reference,
        "ghcr.io/acme/shop-tools:1",
    ]
    assert rendered["initContainers"][0]["image"] == SHOP.reference


@pytest.mark.parametrize(
    "image",
    ["r.example.com:5000/shop", "r.example.com:5000/shop:1", f"r.example.com:5000/shop@{SHOP.digest}"],
)
def test_pin_image_does_not_mistake_a_port_for_a_tag(image: str):
    images = {"shop": Image("r.example.com:5000/shop", SHOP.digest)}
    bundle = render(request(changed(deployment(), image=image), service(), images=images), POLICY)
    assert (
        pod(find(bundle, "Deployment"))["containers"][0]["image"] == f"r.example.com:5000/shop@{SHOP.digest}"
    )


def test_configuration_is_appended_to_env_from():
    manifest = changed(
        deployment(initContainers=[{"name": "i", "image": "x"}]), envFrom=[{"configMapRef": {"name": "own"}}]
    )
    bundle = render(
        request(manifest, service(), stateful_set(), config={"B": "2", "A": "1"}, seed=job()), POLICY
    )
    assert find(bundle, "ConfigMap", "greenroom-config")["data"] == {
        "A": "1",
        "B": "2",
        "GREENROOM_HOST": "pr-7-shop.preview.example.com",
        "GREENROOM_URL": "https://pr-7-shop.preview.example.com",
    }
    ours = {"configMapRef": {"name": "greenroom-config"}}
    for kind in ("Deployment", "StatefulSet", "Job"):
        spec = pod(find(bundle, kind))
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            assert container["envFrom"].count(ours) == 1
            assert container["envFrom"][-1] == ours
    unrouted = render(request(backend=None, host=""), POLICY)
    assert "envFrom" not in pod(find(unrouted, "Deployment"))["containers"][0]


def test_new_digest_of_secrets_restarts_pods():
    manifests = (deployment(), service(), stateful_set())
    first, second = (
        render(request(*manifests, config={"A": "1"}, secrets=mark, seed=job()), POLICY) for mark in "xy"
    )
    plain = render(request(*manifests, seed=job()), POLICY)
    ours = [{"configMapRef": {"name": "greenroom-config"}}, {"secretRef": {"name": "greenroom-secrets"}}]
    for kind in ("Deployment", "StatefulSet", "Job"):
        assert pod(find(first, kind))["containers"][0]["envFrom"] == ours
        templates = [find(bundle, kind)["spec"]["template"] for bundle in (first, second)]
        marks = {manifest["metadata"]["annotations"]["greenroom.dev/template"] for manifest in templates}
        assert len(marks) == 2
    assert (first.secrets, plain.secrets) == (True, False)
    assert not any(manifest["kind"] == "Secret" for wave in first.waves.values() for manifest in wave)


def test_database_deployment_belongs_to_the_data_wave():
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "files"}}]
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "files"}, "spec": {}}
    bundle = render(
        request(
            deployment(volumes=volumes),
            service(),
            deployment("db", volumes=volumes),
            service("db"),
            deployment("worker", volumes=volumes),
            deployment("cache"),
            service("cache"),
            claim,
        ),
        POLICY,
    )
    assert names(bundle, Wave.DATA) == ["Deployment/db", "PersistentVolumeClaim/files", "Service/db"]
    started = [name for name in names(bundle, Wave.WORKLOADS) if name.startswith("Deployment")]
    assert started == ["Deployment/cache", "Deployment/shop", "Deployment/worker"]


def test_claim_templates_get_our_labels():
    manifest = stateful_set()
    manifest["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data", "labels": {"a": "b"}}}]
    rendered = find(render(request(deployment(), service(), manifest), POLICY), "StatefulSet")
    [claim] = rendered["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["labels"] == {
        "a": "b",
        "app.kubernetes.io/managed-by": "greenroom",
        "greenroom.dev/environment": KEY.label,
    }


def test_migrations_precede_the_seed_and_have_content_names():
    migrate = job("migrations", "alembic", "upgrade", "head")
    bundle = render(request(seed=job(), migrations=migrate), POLICY)
    [migrations], [seed] = names(bundle, Wave.MIGRATIONS), names(bundle, Wave.SEED)
    assert migrations.startswith("Job/greenroom-migrations-")
    assert seed.startswith("Job/greenroom-seed-")
    waves = list(Wave)
    assert waves.index(Wave.DATA) < waves.index(Wave.MIGRATIONS) < waves.index(Wave.SEED)
    assert waves.index(Wave.SEED) < waves.index(Wave.WORKLOADS)


def test_seed_name_depends_on_its_files():
    def seed(files: dict[str, bytes]) -> tuple[str, Bundle]:
        bundle = render(request(seed=job(files=files)), POLICY)
        return names(bundle, Wave.SEED)[0], bundle

    name, bundle = seed({"seed/a.sql": b"a", "seed/b/c.sql": b"c"})
    assert name != seed({})[0]
    assert name != seed({"seed/a.sql": b"A", "seed/b/c.sql": b"c"})[0]
    assert name == seed({"seed/b/c.sql": b"c", "seed/a.sql": b"a"})[0]
    spec = pod(find(bundle, "Job"))
    [container] = spec["containers"]
    assert container["volumeMounts"] == [
        {"name": "greenroom-files", "mountPath": "/greenroom/files", "readOnly": True}
    ]
    assert {"name": "GREENROOM_FILES", "value": "/greenroom/files"} in container["env"]
    [source] = spec["volumes"][0]["projected"]["sources"]
    made = find(bundle, "ConfigMap", "greenroom-seed-files")
    assert source["configMap"]["name"] == made["metadata"]["name"]
    assert [item["path"] for item in source["configMap"]["items"]] == ["seed/a.sql", "seed/b/c.sql"]
    own = [name for name in names(bundle, Wave.CONFIGURATION) if name != "ConfigMap/greenroom-config"]
    assert own == [f"ConfigMap/{made['metadata']['name']}"]


def test_seed_files_are_split_over_config_maps():
    files = {f"seed/{number}": bytes(400 * 1024) for number in range(5)}
    bundle = render(request(seed=job(files=files)), POLICY)
    parts = [name for name in names(bundle, Wave.CONFIGURATION) if "seed-files" in name]
    assert len(parts) == 5


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"seed/dump.sql": bytes(513 * 1024)}, "seed/dump.sql has 513 KiB; the limit is 512 KiB per file"),
        ({f"{number}": bytes(500 * 1024) for number in range(5)}, "the files have 2.4 MiB in total"),
        ({f"{number}": b"" for number in range(201)}, "201 files match; the limit is 200"),
    ],
)
def test_seed_files_above_the_limits_are_refused(files: dict[str, bytes], message: str):
    with pytest.raises(ManifestRefused, match=r"data\.seed\.files") as caught:
        render(request(seed=job(files=files)), POLICY)
    assert message in str(caught.value)
    assert "into the image" in str(caught.value)


def test_reset_restarts_pods_and_jobs_in_the_same_release():
    task = {**deployment("task"), "apiVersion": "batch/v1", "kind": "Job"}
    task["spec"] = {"template": task["spec"]["template"]}
    manifests = (deployment(), service(), task)
    first = render(request(*manifests, seed=job(), checks=(job("smoke"),)), POLICY)
    again = render(request(*manifests, seed=job(), checks=(job("smoke"),), resets="1"), POLICY)
    assert first.release == again.release
    assert find(first, "Deployment") != find(again, "Deployment")
    assert find(first, "Job", "task")["metadata"]["name"] != find(again, "Job", "task")["metadata"]["name"]
    assert names(first, Wave.SEED) == names(again, Wave.SEED)
    smokes = {bundle.checks["smoke"]["metadata"]["name"] for bundle in (first, again)}
    assert len(smokes) == 2


def test_ownership_is_on_objects_and_the_commit_not_on_pods():
    bundle = render(request(deployment(), service(), stateful_set(), seed=job(), config={"A": "1"}), POLICY)
    for wave in bundle.waves.values():
        for manifest in wave:
            metadata = manifest["metadata"]
            assert metadata["namespace"] == NAMESPACE
            assert metadata["labels"]["app.kubernetes.io/managed-by"] == "greenroom"
            assert metadata["labels"]["greenroom.dev/environment"] == KEY.label
            assert metadata["annotations"]["greenroom.dev/repository"] == "acme/shop"
            assert metadata["annotations"]["greenroom.dev/pull-request"] == "7"
            assert metadata["annotations"]["greenroom.dev/commit"] == "c" * 40
            if "template" in manifest.get("spec", {}):
                assert "c" * 40 not in json.dumps(manifest["spec"])


def test_commit_without_changes_keeps_the_release():
    before = render(request(deployment(), service(), seed=job()), POLICY)
    after = render(request(deployment(), service(), seed=job(), commit="d" * 40), POLICY)
    assert after.release.id == before.release.id
    for kind in ("Deployment", "Job"):
        assert find(after, kind)["spec"] == find(before, kind)["spec"]


def test_only_pods_behind_the_route_have_the_release_label():
    bundle = render(request(deployment(), service(), deployment("worker"), stateful_set()), POLICY)
    labels = {
        name: find(bundle, kind, name)["spec"]["template"]["metadata"]["labels"]
        for kind, name in (("Deployment", "shop"), ("Deployment", "worker"), ("StatefulSet", "db"))
    }
    assert labels["shop"]["greenroom.dev/release"] == bundle.release.id
    assert "greenroom.dev/release" not in labels["worker"]
    assert "greenroom.dev/release" not in labels["db"]


def test_database_template_is_unchanged_when_only_the_shop_changes():
    before = render(request(deployment(), service(), stateful_set()), POLICY)
    after = render(request(changed(deployment(), args=["--new"]), service(), stateful_set()), POLICY)
    assert after.release.id != before.release.id
    assert find(after, "StatefulSet") == find(before, "StatefulSet")
    assert after.digests[Wave.DATA] == before.digests[Wave.DATA]
    assert after.digests[Wave.WORKLOADS] != before.digests[Wave.WORKLOADS]


def test_changed_configuration_restarts_its_readers():
    def marks(bundle: Bundle) -> tuple[str, str]:
        template = "greenroom.dev/template"
        reader, other = (find(bundle, "Deployment", name) for name in ("reader", "other"))
        return tuple(
            manifest["spec"]["template"]["metadata"]["annotations"][template] for manifest in (reader, other)
        )

    reader = changed(deployment("reader"), envFrom=[{"configMapRef": {"name": "settings"}}])
    rest = (deployment("other"), deployment(), service())
    before = marks(render(request(reader, *rest, config_map("settings", A="1")), POLICY))
    after = marks(render(request(reader, *rest, config_map("settings", A="2")), POLICY))
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_security_defaults_do_not_override_manifests():
    spec = pod(find(render(request(), POLICY), "Deployment"))
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert spec["automountServiceAccountToken"] is False
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }

    own = {
        "seccompProfile": {"type": "Localhost", "localhostProfile": "x"},
        "runAsNonRoot": True,
        "runAsUser": 5,
    }
    manifest = changed(
        deployment(securityContext=own, serviceAccountName="shop"),
        securityContext={"capabilities": {"drop": ["NET_RAW"]}, "readOnlyRootFilesystem": True},
    )
    spec = pod(find(render(request(manifest, service()), POLICY), "Deployment"))
    assert spec["securityContext"] == own
    assert "automountServiceAccountToken" not in spec
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["NET_RAW"]},
        "readOnlyRootFilesystem": True,
    }


def test_baseline_injects_no_security_context():
    policy = ClusterPolicy(POLICY.gateway_namespace, POLICY.gateway_name, POLICY.domain, PodSecurity.BASELINE)
    spec = pod(find(render(request(), policy), "Deployment"))
    assert "securityContext" not in spec
    assert "securityContext" not in spec["containers"][0]


def test_forks_are_restricted_whatever_the_setting():
    policy = replace(POLICY, pod_security=PodSecurity.BASELINE)
    root = deployment(securityContext={"runAsUser": 0})
    assert (
        pod(find(render(request(root, service()), policy), "Deployment"))["securityContext"]["runAsUser"] == 0
    )
    with pytest.raises(ManifestRefused, match="must not run as root"):
        render(request(root, service(), fork=True), policy)
    spec = pod(find(render(request(fork=True), policy), "Deployment"))
    assert spec["securityContext"]["runAsNonRoot"] is True


def test_other_fields_of_a_manifest_are_unchanged():
    manifest = deployment(terminationGracePeriodSeconds=5, dnsPolicy="Default")
    manifest["spec"]["strategy"] = {"type": "Recreate"}
    manifest["metadata"]["annotations"] = {"owner": "shop"}
    rendered = find(render(request(manifest, service()), POLICY), "Deployment")
    assert rendered["spec"]["strategy"] == {"type": "Recreate"}
    assert rendered["metadata"]["annotations"]["owner"] == "shop"
    assert pod(rendered)["terminationGracePeriodSeconds"] == 5
    assert find(render(request(), POLICY), "Service")["spec"] == service()["spec"]


def test_server_fields_of_exported_objects_are_removed():
    manifest = deployment()
    manifest["metadata"] |= {
        "uid": "1",
        "resourceVersion": "5",
        "creationTimestamp": None,
        "managedFields": [],
    }
    manifest["status"] = {"replicas": 2}
    rendered = find(render(request(manifest, service()), POLICY), "Deployment")
    assert "status" not in rendered
    assert rendered["metadata"].keys() == {"name", "namespace", "labels", "annotations"}


def test_job_name_depends_on_its_content():
    migrate = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate"},
        "spec": {"ttlSecondsAfterFinished": 60, "template": deployment()["spec"]["template"]},
    }
    other = Image(SHOP.repository, "sha256:" + "b" * 64)
    first = find(render(request(deployment(), service(), migrate), POLICY), "Job")
    second = find(render(request(deployment(), service(), migrate, images={"shop": other}), POLICY), "Job")
    assert first["metadata"]["name"].startswith("migrate-")
    assert first["metadata"]["name"] != second["metadata"]["name"]
    assert "ttlSecondsAfterFinished" not in first["spec"]


def test_route_has_backend_and_release_header():
    bundle = render(request(), POLICY)
    spec = find(bundle, "HTTPRoute")["spec"]
    assert spec["hostnames"] == ["pr-7-shop.preview.example.com"]
    [parent] = spec["parentRefs"]
    assert (parent["namespace"], parent["name"]) == ("gateways", "main")
    [rule] = spec["rules"]
    [backend] = rule["backendRefs"]
    assert (backend["name"], backend["port"]) == ("shop", 80)
    [header] = rule["filters"][0]["responseHeaderModifier"]["set"]
    assert header == {"name": RELEASE_HEADER, "value": bundle.release.id}


def test_routes_of_manifests_are_dropped():
    bundle = render(request(deployment(), service(), INGRESS, backend=None, host=""), POLICY)
    assert bundle.waves[Wave.ROUTE] == ()
    assert names(bundle, Wave.WORKLOADS) == ["Deployment/shop", "Service/shop"]


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        (
            Backend("shopp", 80),
            "route.service: the manifests have no Service 'shopp'; existing Services: db, shop.",
        ),
        (Backend("shop", 8080), "route.port: the Service 'shop' has no port 8080; it has 80."),
    ],
)
def test_route_to_missing_service_or_port_is_refused(backend: Backend, message: str):
    with pytest.raises(ManifestRefused, match=message):
        render(request(deployment(), service(), service("db"), backend=backend), POLICY)


def test_line_of_a_wrong_route_is_named():
    asked = request(deployment(), service(), backend=Backend("shopp", 80))
    [route] = asked.routing.routes
    located = replace(asked, routing=replace(asked.routing, routes=(replace(route, service_line=7),)))
    with pytest.raises(ManifestRefused, match=r"^\.greenroom\.yml, line 7, route\.service: the manifests"):
        render(located, POLICY)


def test_seed_name_changes_with_its_content():
    def seed(**changes: Any) -> str:
        fields = {"seed": job(), "config": {"A": "1"}, **changes}
        return find(render(request(**fields), POLICY), "Job")["metadata"]["name"]

    other = Image(SHOP.repository, "sha256:" + "b" * 64)
    same = seed()
    assert seed(commit="d" * 40) == same
    different = {seed(images={"shop": other}), seed(config={"A": "2"}), seed(seed=job("seed", "other"))}
    assert len(different) == 3
    assert same not in different


def test_seed_copies_settings_of_the_routed_pods():
    web = changed(
        deployment(securityContext={"runAsUser": 7}, imagePullSecrets=[{"name": "pull"}]),
        env=[{"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}}],
        envFrom=[{"configMapRef": {"name": "shop"}}],
    )
    first = changed(deployment("another"), env=[{"name": "OTHER", "value": "x"}])
    seed = pod(find(render(request(first, web, service(), seed=job()), POLICY), "Job"))
    [container] = seed["containers"]
    assert container["image"] == SHOP.reference
    assert container["command"] == ["python", "-m", "shop.seed"]
    assert [manifest["name"] for manifest in container["env"]] == ["DATABASE_URL"]
    assert container["envFrom"][0] == {"configMapRef": {"name": "shop"}}
    assert seed["securityContext"]["runAsUser"] == 7
    assert seed["imagePullSecrets"] == [{"name": "pull"}]
    assert seed["restartPolicy"] == "Never"
    assert seed["activeDeadlineSeconds"] == 300


def test_check_job_depends_on_commit_and_has_the_url():
    first, second = (
        render(request(checks=(job("smoke", "pytest"),), commit=letter * 40), POLICY) for letter in "cd"
    )
    assert first.release.id == second.release.id
    assert first.checks["smoke"]["metadata"]["name"] != second.checks["smoke"]["metadata"]["name"]
    spec = first.checks["smoke"]["spec"]
    assert spec["backoffLimit"] == 2
    [container] = spec["template"]["spec"]["containers"]
    assert {"name": "GREENROOM_URL", "value": "https://pr-7-shop.preview.example.com"} in container["env"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_job_names_fit_dns_labels():
    [check] = render(request(checks=(job("x" * 40),)), POLICY).checks.values()
    assert len(check["metadata"]["name"]) <= 63


def test_job_can_use_an_image_outside_of_the_release():
    [check] = render(request(checks=(job("smoke", image="busybox:1"),)), POLICY).checks.values()
    assert pod(check)["containers"][0]["image"] == "busybox:1"


def test_sleeping_environment_has_all_objects_and_no_replicas():
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "mail"},
        "spec": {"schedule": "0 * * * *", "jobTemplate": {"spec": {"template": pod_of_its_own()}}},
    }
    manifests = (deployment(), service(), stateful_set(), cron)
    awake = render(request(*manifests, seed=job()), POLICY)
    asleep = render(request(*manifests, seed=job(), asleep=True), POLICY)
    assert find(asleep, "Deployment")["spec"]["replicas"] == 0
    assert find(asleep, "StatefulSet")["spec"]["replicas"] == 0
    assert find(asleep, "CronJob")["spec"]["suspend"]
    assert names(asleep, Wave.SEED) == []
    assert asleep.release == awake.release
    unchanged = {wave for wave in Wave if asleep.digests[wave] == awake.digests[wave]}
    assert unchanged == {*HOOKS, Wave.CONFIGURATION, Wave.MIGRATIONS}


def test_sleeping_environment_has_no_route_and_no_autoscaler():
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "shop"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
            "minReplicas": 2,
            "maxReplicas": 4,
        },
    }
    asleep = render(request(deployment(), service(), scaler, asleep=True), POLICY)
    kinds = {manifest["kind"] for wave in asleep.waves.values() for manifest in wave}
    assert kinds & {"HTTPRoute", "HorizontalPodAutoscaler"} == set()
    assert asleep.addresses
    assert asleep.requests is not None
    assert asleep.requests.pods == "0"


def test_claims_of_a_sleeping_stateful_set_are_kept():
    policy = {"whenScaled": "Delete", "whenDeleted": "Delete"}
    database = stateful_set()
    database["spec"]["persistentVolumeClaimRetentionPolicy"] = policy
    asleep = render(request(deployment(), service(), database, asleep=True), POLICY)
    kept = find(asleep, "StatefulSet")["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert kept == {"whenScaled": "Retain", "whenDeleted": "Delete"}


def pod_of_its_own() -> Object:
    container = {"name": "mail", "image": "ghcr.io/acme/shop"}
    return {"spec": {"restartPolicy": "Never", "containers": [container]}}


def test_refresh_restarts_deployments_and_checks_only():
    manifests = (deployment(), service(), stateful_set())
    before = render(request(*manifests, seed=job(), checks=(job("smoke"),)), POLICY)
    after = render(request(*manifests, seed=job(), checks=(job("smoke"),), refreshes=1), POLICY)
    unchanged = {wave for wave in Wave if after.digests[wave] == before.digests[wave]}
    assert unchanged == {*HOOKS, Wave.CONFIGURATION, Wave.DATA, Wave.MIGRATIONS, Wave.SEED}
    assert after.release.id != before.release.id
    assert after.checks["smoke"]["metadata"]["name"] != before.checks["smoke"]["metadata"]["name"]


ACCOUNT = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {"name": "shop", "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/shop"}},
}


def with_account(**spec: object) -> Object:
    manifest = deployment()
    manifest["spec"]["template"]["spec"] |= {"serviceAccountName": "shop", **spec}
    return manifest


def test_fork_gets_no_service_account():
    manifests = (with_account(automountServiceAccountToken=True), service(), ACCOUNT)
    ours = render(request(*manifests), POLICY)
    assert pod(find(ours, "Deployment"))["serviceAccountName"] == "shop"
    theirs = render(request(*manifests, fork=True), POLICY)
    assert names(theirs, Wave.CONFIGURATION) == ["ConfigMap/greenroom-config"]
    spec = pod(find(theirs, "Deployment"))
    assert "serviceAccountName" not in spec
    assert spec["automountServiceAccountToken"] is False
    withheld = Note(Effect.LEFT_OUT, "ServiceAccount/shop", "a fork gets no service accounts")
    assert (withheld in ours.notes, withheld in theirs.notes) == (False, True)


def test_fork_with_token_volume_is_refused():
    token = {"name": "cloud", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
    with pytest.raises(ManifestRefused, match=r"Deployment/shop: volume cloud"):
        render(request(with_account(volumes=[token]), service(), fork=True), POLICY)


def test_checks_of_a_fork_use_the_domain_of_forks():
    policy = replace(POLICY, fork_domain=Domain("http", "forks.example", 8080))
    asked = request(checks=(job("smoke"),), host="pr-7-shop.forks.example", fork=True)
    [container] = pod(render(asked, policy).checks["smoke"])["containers"]
    assert {"name": "GREENROOM_URL", "value": "http://pr-7-shop.forks.example:8080"} in container["env"]


def hook(name: str, events: str, kind: str = "Job", weight: str = "0") -> Object:
    pod = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "ghcr.io/acme/shop:1"}]}
    annotations = {"helm.sh/hook": events, "helm.sh/hook-weight": weight}
    spec = {"template": {"spec": pod}} if kind == "Job" else pod
    version = {"Job": "batch/v1", "Pod": "v1"}[kind]
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "annotations": annotations},
        "spec": spec,
    }


@pytest.mark.parametrize("kind", ["Job", "Pod"])
@pytest.mark.parametrize(
    ("events", "waves"),
    [
        ("pre-install", [Wave.PRE_HOOKS]),
        ("post-upgrade", [Wave.POST_HOOKS]),
        ("post-install,pre-upgrade", [Wave.PRE_HOOKS, Wave.POST_HOOKS]),
        ("pre-rollback", [Wave.PRE_HOOKS]),
    ],
)
def test_hooks_have_waves_of_their_own(kind: str, events: str, waves: list[Wave]) -> None:
    bundle = render(request(deployment(), service(), hook("setup", events, kind)))
    placed = [wave for wave, objects in bundle.waves.items() for item in objects if item["kind"] == kind]
    assert placed == waves


@pytest.mark.parametrize("kind", ["Job", "Pod"])
def test_hook_has_another_name_in_each_deployment(kind: str) -> None:
    def name(**changes: Any) -> str:
        bundle = render(request(deployment(), service(), hook("setup", "pre-install", kind), **changes))
        [job] = bundle.waves[Wave.PRE_HOOKS]
        text: str = job["metadata"]["name"]
        return text

    names = [name(), name(refreshes=1), name(serial=2), name(config={"A": "b"})]
    assert len(set(names)) == 4
    assert all(re.fullmatch("setup-[0-9a-f]{10}", text) for text in names)
    assert name() == name(commit="d" * 40)


def test_configuration_of_hooks_is_applied_like_other_configuration() -> None:
    settings = config_map("settings")
    settings["metadata"]["annotations"] = {"helm.sh/hook": "pre-install"}
    bundle = render(request(deployment(), service(), settings))
    assert "settings" in [item["metadata"]["name"] for item in bundle.waves[Wave.CONFIGURATION]]
