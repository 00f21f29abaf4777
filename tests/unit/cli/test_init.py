"""`greenroom init`: what it asks, writes, leaves alone, and cannot decide."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bot.cli import init
from bot.cluster.proposal.places import places
from bot.config.loader import CONFIG_FILE
from tests.unit.cli.runner import greenroom
from tests.unit.cluster.manifests import Object, config_map, deployment, files, service


def write(folder: Path, *manifests: object, path: str = "deploy/all.yaml", **more: str) -> Path:
    everything = {**files(*manifests, path=path), **{name: text.encode() for name, text in more.items()}}
    for name, content in everything.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def in_namespace(name: str, manifest: Object) -> Object:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": name}}


def everything_in(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def proposed(folder: Path) -> str:
    result = greenroom("init", str(folder), "--yes")
    assert result.exit_code == 0, result.stderr
    return (folder / CONFIG_FILE).read_text()


def test_existing_file_is_never_changed(tmp_path: Path) -> None:
    folder = write(tmp_path, deployment(), service())
    (folder / CONFIG_FILE).write_text("mine")
    result = greenroom("init", str(folder), "--yes")
    assert (result.exit_code, (folder / CONFIG_FILE).read_text()) == (1, "mine")
    assert "exists and is not changed" in result.stderr


def test_link_in_its_place_is_never_followed(tmp_path: Path) -> None:
    folder = write(tmp_path / "shop", deployment(), service())
    (folder / CONFIG_FILE).symlink_to(tmp_path / "elsewhere")
    assert greenroom("init", str(folder), "--yes").exit_code == 1
    assert not (tmp_path / "elsewhere").exists()


def test_without_a_terminal_it_requires_yes(tmp_path: Path) -> None:
    folder = write(tmp_path, deployment(), service())
    result = greenroom("init", str(folder))
    assert (result.exit_code, "--yes" in result.stderr) == (2, True)
    assert not (folder / CONFIG_FILE).exists()


@pytest.mark.parametrize(("answers", "written"), [("2\ny\n", True), ("2\nn\n", False)])
def test_terminal_chooses_the_place_and_confirms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: str, written: bool
) -> None:
    folder = write(tmp_path, deployment(), service(), path="deploy/production/all.yaml")
    write(tmp_path, deployment(), service(), path="other/all.yaml")
    monkeypatch.setattr(init, "_is_terminal", lambda: True)
    result = greenroom("init", str(folder), answers=answers)
    assert result.exit_code == (0 if written else 1), result.stderr
    assert (folder / CONFIG_FILE).exists() is written
    assert "plain: other" in result.stdout
    assert "There are manifests in other places as well: plain: deploy/production." in result.stdout


def test_folder_without_manifests_is_refused(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {web: {image: nginx}}\n")
    result = greenroom("init", str(tmp_path), "--yes")
    assert (result.exit_code, "no manifest of a workload" in result.stderr) == (1, True)


def test_missing_objects_and_compose_services_are_named(tmp_path: Path) -> None:
    web = deployment(volumes=[{"name": "a", "secret": {"secretName": "tls"}}])
    compose = "services: {db: {image: 'postgres:17'}, web: {build: .}}\n"
    folder = write(tmp_path, web, service(), **{"compose.yaml": compose, "Dockerfile": "FROM scratch\n"})
    text = proposed(folder)
    assert "# Nothing creates `Secret/tls`." in text
    assert "# Compose runs `db`, but the manifests do not." in text
    assert "shop: ghcr.io/acme/shop\n" in text


def test_manifests_that_are_refused_are_reported(tmp_path: Path) -> None:
    bad = deployment(hostNetwork=True)
    result = greenroom("init", str(write(tmp_path, bad, service(), config_map())), "--yes")
    assert result.exit_code == 1
    assert "do not render yet" in result.stderr
    assert "hostNetwork" in result.stderr
    assert (tmp_path / CONFIG_FILE).exists()


def test_production_is_preferred_and_tests_are_last(tmp_path: Path) -> None:
    folder = write(tmp_path, deployment(), service(), path="k8s/dev/all.yaml")
    write(tmp_path, deployment(), service(), path="k8s/production/all.yaml")
    assert "plain: k8s/production" in proposed(folder)


def test_place_that_does_not_render_is_left_for_the_next(tmp_path: Path) -> None:
    folder = write(tmp_path, deployment(hostNetwork=True), service(), path="k8s/production/all.yaml")
    write(tmp_path, deployment(), service(), path="other/all.yaml")
    text = proposed(folder)
    assert "plain: other" in text
    assert "plain: k8s/production." in text


def test_name_of_the_folder_need_not_be_one_of_a_registry(tmp_path: Path) -> None:
    web = deployment()
    web["spec"]["template"]["spec"]["containers"][0]["image"] = "web"
    folder = write(tmp_path / "My App+1", web, service())
    assert "repository: ghcr.io/owner/my-app-1\n" in proposed(folder)


def test_file_with_everything_is_preferred_to_a_folder_with_alternatives(tmp_path: Path) -> None:
    everything = (deployment(), service(), deployment("worker"))
    folder = write(tmp_path, *everything, path="deploy/all-in-one.yaml")
    write(tmp_path, deployment(), path="deploy/parts/shop.yaml")
    write(tmp_path, service(), path="deploy/parts/service.yaml")
    text = proposed(folder)
    assert "plain: deploy/all-in-one.yaml" in text
    assert "plain: deploy/parts." in text


def test_the_place_with_the_whole_application_is_preferred_to_a_part(tmp_path: Path) -> None:
    everything = (deployment(), service(), deployment("worker"), deployment("mail"))
    folder = write(tmp_path, *everything, path="deploy/all.yaml")
    write(
        tmp_path,
        deployment("worker"),
        path="src/worker/production/worker.yaml",
        **{"src/worker/production/kustomization.yaml": "resources: [worker.yaml]"},
    )
    assert "plain: deploy\n" in proposed(folder)


def test_a_part_does_not_replace_an_application_that_does_not_render(tmp_path: Path) -> None:
    refused = deployment("mail", hostNetwork=True)
    folder = write(tmp_path, deployment(), deployment("worker"), refused, path="deploy/all.yaml")
    write(tmp_path, deployment("agent"), path="monitoring/agent.yaml")
    result = greenroom("init", str(folder), "--yes")
    assert result.exit_code == 1
    assert "hostNetwork" in result.stderr
    assert "plain: deploy\n" in (folder / CONFIG_FILE).read_text()


def test_services_that_production_exposes_get_a_host_each(tmp_path: Path) -> None:
    exposed = [service(name) for name in ("admin", "shop")]
    for front_end in exposed:
        front_end["spec"]["type"] = "LoadBalancer"
    folder = write(tmp_path, deployment(), service("cache"), *exposed)
    text = proposed(folder)
    assert "- name: shop\n  service: shop\n  port: 80\n" in text
    assert "  host: admin\n" in text
    assert "cache" not in text


def test_a_placeholder_for_ci_is_the_name_of_an_image(tmp_path: Path) -> None:
    template = deployment("worker")
    template["spec"]["template"]["spec"]["containers"][0]["image"] = "<REGISTRY>/worker:1"
    text = proposed(write(tmp_path / "shop", template, service()))
    assert "  worker:\n    repository: ghcr.io/owner/shop\n    name: <REGISTRY>/worker\n" in text
    assert "is a guess" in text


def test_parts_that_are_refused_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path, deployment(), service(), path="deploy/shop.yaml")
    write(tmp_path, deployment("worker"), path="deploy/worker.yaml")
    write(tmp_path, deployment("mail", hostNetwork=True), path="deploy/mail.yaml")
    write(tmp_path, in_namespace("kube-system", deployment("other")), path="deploy/other.yaml")
    write(tmp_path, in_namespace("shop", config_map()), path="deploy/a.yaml")
    write(tmp_path, in_namespace("shop", config_map("b")), path="deploy/b.yaml")
    text = proposed(folder)
    assert "# `plain` omits what Greenroom refuses: `deploy/mail.yaml`, `deploy/other.yaml`." in text
    chosen = [f"deploy/{name}.yaml" for name in ("a", "b", "shop", "worker")]
    assert yaml.safe_load(text)["manifests"] == {"plain": chosen}


def test_parts_of_the_proposal_are_no_other_places(tmp_path: Path) -> None:
    folder = write(tmp_path, deployment(), service(), path="shop/k8s/all.yaml")
    write(tmp_path, deployment("worker"), path="worker/k8s/all.yaml")
    text = proposed(folder)
    assert yaml.safe_load(text)["manifests"] == {"plain": ["shop/k8s", "worker/k8s"]}
    assert "other places" not in text


def test_roles_with_more_rights_are_left_out(tmp_path: Path) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "scaler"},
        "rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"]}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "scaler"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "scaler"},
        "subjects": [{"kind": "ServiceAccount", "name": "default"}],
    }
    text = proposed(write(tmp_path, deployment(), service(), role, binding))
    assert yaml.safe_load(text)["manifests"]["ignore"] == ["Role", "RoleBinding"]
    assert "# Roles of the manifests ask for rights that no environment gives" in text


def test_an_application_that_is_mostly_refused_is_proposed_as_a_whole(tmp_path: Path) -> None:
    folder = write(tmp_path, deployment(), service(), path="deploy/shop.yaml")
    for name in ("mail", "worker"):
        write(tmp_path, deployment(name, hostNetwork=True), path=f"deploy/{name}.yaml")
    result = greenroom("init", str(folder), "--yes")
    assert (result.exit_code, "hostNetwork" in result.stderr) == (1, True)
    assert "plain: deploy\n" in (folder / CONFIG_FILE).read_text()


def test_manifests_with_a_mistake_are_not_proposed_in_part(tmp_path: Path) -> None:
    folder = write(tmp_path, deployment(), service(), path="deploy/shop.yaml")
    write(tmp_path, path="deploy/worker.yaml", **{"deploy/mail.yaml": "kind: A\nkind: B\n"})
    result = greenroom("init", str(folder), "--yes")
    assert (result.exit_code, "duplicate key 'kind'" in result.stderr) == (1, True)
    text = (folder / CONFIG_FILE).read_text()
    assert "# The manifests do not render, so `images` and the route are unknown." in text
    assert "plain: deploy\n" in text


def test_files_of_workflows_are_no_manifests_of_the_application(tmp_path: Path) -> None:
    folder = write(tmp_path, deployment(), service(), path="other/all.yaml")
    write(tmp_path, deployment(), path=".github/production/all.yaml")
    assert ".github" not in proposed(folder)


def test_a_compose_file_alone_is_a_beginning(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {web: {image: nginx}}\n")
    assert "kompose convert" in greenroom("init", str(tmp_path), "--yes").stderr


def test_images_of_a_replication_controller_are_proposed(tmp_path: Path) -> None:
    controller = {**deployment(), "apiVersion": "v1", "kind": "ReplicationController"}
    controller["spec"] = {"replicas": 1, "template": controller["spec"]["template"]}
    text = proposed(write(tmp_path, controller, service()))
    assert "shop: ghcr.io/acme/shop" in text
    assert "ignore" not in text


def test_a_list_of_overlays_is_no_place(tmp_path: Path) -> None:
    overlay = "resources: [../base]\n"
    folder = write(
        tmp_path,
        deployment(),
        service(),
        path="base/shop.yaml",
        **{
            "kustomization.yaml": "resources: [staging, production]\n",
            "base/kustomization.yaml": "resources: [shop.yaml]\n",
            "staging/kustomization.yaml": overlay,
            "production/kustomization.yaml": overlay,
        },
    )
    assert [place.path for place in places(everything_in(folder))] == ["production", "staging"]


def test_of_alternatives_in_one_folder_those_with_short_names_are_proposed(tmp_path: Path) -> None:
    folder = write(tmp_path, deployment(), path="deploy/shop-quay.yaml")
    write(tmp_path, deployment(), path="deploy/shop.yaml")
    write(tmp_path, service(), path="deploy/service.yaml")
    text = proposed(folder)
    assert "  plain:\n  - deploy/service.yaml\n  - deploy/shop.yaml\n" in text
    assert "# `plain` lists parts of `deploy`. Check that they are what production runs." in text


def test_a_monorepo_of_many_images_is_proposed(tmp_path: Path) -> None:
    workloads = [deployment(f"service-{number}") for number in range(45)]
    for manifest in workloads:
        [container] = manifest["spec"]["template"]["spec"]["containers"]
        container["image"] = f"ghcr.io/acme/{manifest['metadata']['name']}:1"
    assert proposed(write(tmp_path, *workloads, service())).count(": ghcr.io/acme/service-") == 45


def test_the_size_that_production_requests_is_proposed(tmp_path: Path) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "200Gi"}}},
    }
    folder = write(tmp_path, deployment(), service(), claim)
    text = proposed(folder)
    assert "preview:\n  size:\n    storage: 204800Mi\n" in text
    assert "# Production requests more storage than a preview has by default." in text
    assert greenroom("render", str(folder), "--environment", "preview").exit_code == 0


def test_folders_of_one_component_each_are_proposed_together(tmp_path: Path) -> None:
    folder = write(tmp_path, deployment(), service(), path="base/shop/shop.yaml")
    write(tmp_path, deployment("orders"), path="base/orders/orders.yaml")
    write(tmp_path, config_map("rules"), path="base/rules/rules.yaml")
    assert "  plain:\n  - base/orders\n  - base/rules\n  - base/shop\n" in proposed(folder)


def test_folders_with_the_same_objects_are_alternatives(tmp_path: Path) -> None:
    folder = write(tmp_path, deployment(), service(), path="k8s/eu/shop.yaml")
    write(tmp_path, deployment(), service(), path="k8s/us/shop.yaml")
    assert "  plain: k8s/eu\n" in proposed(folder)
