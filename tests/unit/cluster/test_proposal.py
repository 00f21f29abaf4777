"""What `greenroom init` concludes from files: places, images, the Service behind the URL, Compose."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from bot.cluster.manifests import read
from bot.cluster.proposal.compose import lacking_services
from bot.cluster.proposal.images import own_images
from bot.cluster.proposal.places import places
from bot.cluster.proposal.published import published_services
from bot.cluster.proposal.routes import candidates
from tests.unit.cluster.manifests import Object, config_map, deployment, files, service

CHART = "apiVersion: v2\nname: {}\nversion: 1.0.0\n"


def chart(folder: str, name: str, workloads: int = 1, dependencies: str = "") -> dict[str, bytes]:
    template = "kind: Deployment\nmetadata: {name: {{ .Release.Name }}}\n---\n" * workloads
    return {
        f"{folder}/Chart.yaml": (CHART.format(name) + dependencies).encode(),
        f"{folder}/templates/all.yaml": template.encode(),
    }


def titles(contents: dict[str, bytes]) -> list[str]:
    return [place.title for place in places(contents)]


def test_a_chart_of_the_repositorys_charts_is_the_application():
    dependencies = "".join(
        f"- {{name: {name}, version: 1.0.0, repository: 'file://../{name}'}}\n" for name in ("cart", "ui")
    )
    contents = {
        **chart("charts/cart", "cart"),
        **chart("charts/ui", "ui", 3),
        **chart("charts/shop", "shop", 0, f"dependencies:\n{dependencies}"),
    }
    assert titles(contents) == ["helm: charts/shop"]


def test_charts_that_depend_on_each_other_end_the_search():
    dependency = "dependencies:\n- {{name: {0}, version: 1.0.0, repository: 'file://../{0}'}}\n"
    contents = {
        **chart("a", "a", 1, dependency.format("b")),
        **chart("b", "b", 1, dependency.format("a")),
        **chart("c", "c", 1, dependency.format("a")),
    }
    assert titles(contents) == ["helm: c"]


def test_a_chart_whose_templates_are_in_a_library_is_not_a_part():
    included = {f"shop/charts/{name}/Chart.yaml": CHART.format(name).encode() for name in ("a", "b", "c")}
    contents = {
        **chart("shop", "shop", 0),
        **included,
        **files(deployment(), deployment("b"), path="openshift/all.yaml"),
    }
    assert titles(contents) == ["helm: shop", "plain: openshift"]


@pytest.mark.parametrize("folder", ["extras/cloudsql", "legacy", "docs/examples", "training/part-1"])
def test_folders_for_other_purposes_are_last(folder: str):
    contents = {
        **files(deployment(), path=f"{folder}/all.yaml"),
        **files(deployment(), path="manifests/all.yaml"),
    }
    assert titles(contents)[0] == "plain: manifests"


def test_folders_of_the_same_name_in_each_component_are_the_application():
    contents = {
        **files(deployment("cart"), config_map("shared"), path="cart/k8s/all.yaml"),
        **files(deployment("orders"), config_map("shared"), path="orders/k8s/all.yaml"),
        **files(deployment("db"), path="k8s/db.yaml"),
        **files(deployment("agent"), path="monitoring/agent.yaml"),
    }
    assert places(contents)[0].section == {"plain": ["cart/k8s", "k8s", "orders/k8s"]}
    assert "plain: monitoring" in titles(contents)


def test_components_that_define_the_same_object_are_not_joined():
    contents = {
        **files(deployment("db"), path="cart/k8s/all.yaml"),
        **files(deployment("db", hostname="db"), path="orders/k8s/all.yaml"),
    }
    assert titles(contents) == ["plain: cart/k8s", "plain: orders/k8s"]


DOCKERFILES = ["src/front/Dockerfile", "src/contacts/Dockerfile"]


@pytest.mark.parametrize(
    ("references", "built", "names"),
    [
        # An image of the same owner is the repository's own, also without a Dockerfile.
        (
            ["acme/front:1", "acme/contacts:1", "acme/ledger:1", "redis:7"],
            DOCKERFILES,
            "front contacts ledger",
        ),
        (["gcr.io/acme/front:1", "gcr.io/acme/ledger:1"], ["Dockerfile"], "front ledger"),
        (["registry.k8s.io/redis:1", "gcr.io/google-samples/gb:1"], [], "gb"),
        (["${REGISTRY}/front:${TAG}", "datadog/agent:7"], DOCKERFILES, "front"),
        (["<IMAGE>", "acme/contacts"], DOCKERFILES, "image contacts"),
        (["registry.example.com/<NAME>/game-1:latest"], [], "game-1"),
        (["redis:7"], [], "redis"),
        (["not an image"], [], ""),
    ],
)
def test_own_images(references: list[str], built: list[str], names: str):
    images = own_images(references, built, "OWNER", "shop")
    assert [image.key for image in images] == names.split()


def test_the_repository_of_a_placeholder_is_a_guess():
    [image] = own_images(["registry.example.com/<NAME>/game"], [], "acme", "shop")
    assert (image.repository, image.name) == ("ghcr.io/acme/shop", "registry.example.com/<NAME>/game")


def route(kind: str, **spec: Any) -> Object:
    return {"apiVersion": "example.com/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}


BACKEND = [{"name": "page", "port": 80}]


@pytest.mark.parametrize(
    ("manifest", "leads"),
    [
        (route("Ingress", defaultBackend={"service": {"name": "page"}}), True),
        (route("Ingress", backend={"serviceName": "page"}), True),
        (
            route("Ingress", rules=[{"http": {"paths": [{"backend": {"service": {"name": "page"}}}]}}]),
            True,
        ),
        (route("HTTPRoute", rules=[{"backendRefs": BACKEND}]), True),
        (route("HTTPRoute", parentRefs=[{"kind": "Service"}], rules=[{"backendRefs": BACKEND}]), False),
        (
            route(
                "VirtualService",
                gateways=["shop"],
                http=[{"route": [{"destination": {"host": "page.shop.svc"}}]}],
            ),
            True,
        ),
        (route("VirtualService", http=[{"route": [{"destination": {"host": "page"}}]}]), False),
        (route("Route", to={"kind": "Service", "name": "page"}), True),
        (route("Ingress", rules="page"), False),
    ],
)
def test_the_service_behind_a_route_of_the_repository_is_what_users_open(manifest: Object, leads: bool):
    contents = files(manifest, path="networking/route.yaml")
    assert published_services(contents) == ({"page"} if leads else set())
    sources = read(files(*(service(name) for name in ("details", "page"))), ["deploy"])
    best = candidates(sources, (), published_services(contents))[0]
    assert best.service == ("page" if leads else "details")


def compose(**services: Any) -> dict[str, bytes]:
    return {"docker-compose.yml": yaml.safe_dump({"services": services}).encode()}


def test_only_what_the_manifests_lack_is_named():
    contents = compose(
        queue={"image": "rabbitmq:4"},
        db={"image": "postgres:17"},
        cart={"image": "acme/cart", "build": "."},
        shop={"image": "acme/shop-dev"},
        metrics={"image": "prom/prometheus"},
    )
    sources = read(files(deployment(), service()), ["deploy"])
    assert lacking_services(contents, sources, ["postgres:16"]) == ["queue"]
