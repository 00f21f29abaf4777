"""Images of a release that nothing in the environment would run."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.config.loader import parse_configuration
from bot.environments.render_request import manifests_request
from bot.model.environment import EnvironmentKey
from bot.model.errors import ManifestRefused
from bot.model.release import Image
from tests.unit.cluster.manifests import (
    KEY,
    NAMESPACE,
    REPOSITORY,
    SHOP,
    Object,
    deployment,
    files,
    job,
    render,
    request,
    stateful_set,
)

WORKER = Image("acme/worker", "sha256:" + "b" * 64)
TWO = {"shop": SHOP, "worker": WORKER}


def refusal(*manifests: Object, **changes: Any) -> str:
    with pytest.raises(ManifestRefused) as caught:
        render(request(*manifests, backend=None, images=TWO, **changes))
    return str(caught.value)


def with_image(image: str) -> Object:
    manifest = deployment("worker")
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return manifest


def test_unused_image_names_the_images_of_the_manifests():
    assert refusal(deployment(), stateful_set()) == (
        ".greenroom.yml, images.worker: no container and no Job uses acme/worker. "
        "The images in the manifests are: ghcr.io/acme/shop:1.0, postgres:17. "
        "Write the same name in both places, or add `name` to the image."
    )


@pytest.mark.parametrize(
    "image", ["worker:1", "ghcr.io/acme/worker", "acme/worker-tools", "acme", "quay.io/acme/worker:1"]
)
def test_similar_names_are_other_images(image: str):
    assert image in refusal(deployment(), with_image(image))


@pytest.mark.parametrize(
    "image",
    [
        "acme/worker",
        "docker.io/acme/worker:7",
        "index.docker.io/acme/worker",
        f"acme/worker@sha256:{'c' * 64}",
    ],
)
def test_names_compare_as_registries_do(image: str):
    bundle = render(request(deployment(), with_image(image), backend=None, images=TWO))
    images = [
        container["image"]
        for objects in bundle.waves.values()
        for manifest in objects
        for container in manifest["spec"]["template"]["spec"]["containers"]
    ]
    assert sorted(images) == sorted([SHOP.reference, WORKER.reference])


def test_init_containers_and_jobs_of_any_environment_use_images():
    init = deployment(initContainers=[{"name": "i", "image": "acme/worker:1"}])
    assert render(request(init, backend=None, images=TWO))
    for image in ("worker", "docker.io/acme/worker:1"):
        assert render(request(deployment(), backend=None, images=TWO, job_images=(image,)))
    assert refusal(deployment(), job_images=("shop", "postgres:17"))
    for jobs in ({"seed": job("seed", image="worker")}, {"checks": (job("smoke", image="worker"),)}):
        assert render(request(deployment(), backend=None, images=TWO, **jobs))
    assert refusal(deployment(), seed=job("seed", image="shop"))


def test_two_builds_of_one_repository_are_ambiguous():
    second = Image(SHOP.repository, WORKER.digest)
    with pytest.raises(ManifestRefused, match=r"images\.shop: no container and no Job uses"):
        render(request(deployment(), backend=None, images={"shop": SHOP, "second": second}))


_JOB = "{image: worker, command: [run]}"


@given(
    st.sampled_from(
        [
            f"data: {{seed: {_JOB}}}",
            f"data: {{migrate: {_JOB}}}",
            f"preview: {{checks: [{{job: {_JOB}}}]}}",
            f"stages: {{staging: {{checks: [{{job: {_JOB}}}]}}}}",
            f"demo: {{sales: {{checks: [{{job: {_JOB}}}]}}}}",
        ]
    )
)
def test_jobs_of_the_configuration_count_in_every_environment(more: str):
    images = "{shop: ghcr.io/acme/shop, worker: acme/worker}"
    text = f"version: 1\nimages: {images}\nmanifests: {{plain: deploy}}\n{more}"
    for environment in (KEY, EnvironmentKey.stage(KEY.repository_id, "staging")):
        made = manifests_request(
            parse_configuration(text),
            environment=environment,
            repository=REPOSITORY,
            namespace=NAMESPACE,
            commit="c" * 40,
            images=TWO,
            files=files(deployment()),
        )
        assert render(made)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("${REGISTRY}/worker", "${REGISTRY}/worker:${TAG}"),
        ("<REGISTRY>/worker", "<REGISTRY>/worker:latest"),
        ("IMAGE", "IMAGE"),
        ("$(REGISTRY)/worker", "$(REGISTRY)/worker"),
        ("#{IMAGE}#", "#{IMAGE}#"),
    ],
)
def test_placeholder_that_ci_completes_becomes_the_image_of_the_release(name: str, image: str):
    worker = with_image(image)
    worker["spec"]["template"]["spec"]["initContainers"] = [{"name": "check", "image": image}]
    bundle = render(request(deployment(), worker, backend=None, images=TWO, image_names={"worker": name}))
    [changed] = [
        manifest
        for wave in bundle.waves.values()
        for manifest in wave
        if manifest["metadata"]["name"] == "worker"
    ]
    pod = changed["spec"]["template"]["spec"]
    containers = [*pod["containers"], *pod["initContainers"]]
    assert {container["image"] for container in containers} == {WORKER.reference}
    path = "spec.template.spec"
    assert [(note.field, note.value) for note in bundle.notes] == [
        (f"{path}.initContainers[0].image", WORKER.repository),
        (f"{path}.containers[0].image", WORKER.repository),
    ]


def test_placeholder_without_an_image_is_refused_with_the_way_out():
    message = refusal(deployment(), with_image("${REGISTRY}/other:1"), image_names={"worker": "IMAGE"})
    assert "give it as `name` to one of `images`" in message


@pytest.mark.parametrize("name", ["${REGISTRY}/worker", "<IMAGE>", "IMAGE", "$(REGISTRY)/worker", "%IMAGE%"])
def test_the_name_of_an_image_may_be_a_placeholder(name: str):
    images = {"worker": {"repository": "ghcr.io/acme/worker", "name": name}}
    text = yaml.safe_dump({"version": 1, "images": images, "manifests": {"plain": "deploy"}})
    assert parse_configuration(text).images["worker"].name == name
