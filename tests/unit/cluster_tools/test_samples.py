"""Kustomize and Helm on the sample shop and on hostile variants of it."""

from __future__ import annotations

from typing import Any

import pytest

from bot.cluster.names import CONFIG
from bot.cluster.render.renderer import render
from bot.cluster.render.tools import Tools
from bot.config.loader import parse_configuration
from bot.embedded.samples import Files, helm_shop_files, kustomize_shop_files
from bot.model.errors import ManifestRefused
from bot.model.manifest import Bundle
from tests.unit.cluster.manifests import POLICY, request

pytestmark = [pytest.mark.tools, pytest.mark.usefixtures("real_tools")]


async def rendered(files: Files) -> Bundle:
    manifests = parse_configuration(files[".greenroom.yml"].decode()).manifests
    request_ = request(
        files=files,
        tool=manifests.tool,
        directory=manifests.directory,
        values=manifests.values,
        paths=manifests.plain or (),
    )
    return render(request_, await Tools().sources(request_), POLICY)


async def refusal(files: Files) -> ManifestRefused:
    with pytest.raises(ManifestRefused) as caught:
        await rendered(files)
    return caught.value


def by_name(bundle: Bundle) -> dict[str, Any]:
    manifests = [manifest for wave in bundle.waves.values() for manifest in wave]
    return {f"{manifest['kind']}/{manifest['metadata']['name']}": manifest for manifest in manifests}


@pytest.mark.parametrize("files", [kustomize_shop_files, helm_shop_files], ids=["kustomize", "helm"])
async def test_sample_renders_the_shop_with_pinned_images(files: Any) -> None:
    objects = by_name(await rendered(files()))
    assert {name for name in objects if not name.startswith("ConfigMap/")} == {
        "Deployment/shop",
        "HTTPRoute/greenroom-route",
        "Service/catalogue",
        "Service/shop",
        "StatefulSet/catalogue",
    }
    [config] = [manifest for name, manifest in objects.items() if name.startswith("ConfigMap/shop")]
    assert config["data"] == {"PORT": "28080", "PYTHONUNBUFFERED": "1"}
    spec = objects["Deployment/shop"]["spec"]
    assert spec["replicas"] == 1
    [container] = spec["template"]["spec"]["containers"]
    assert container["image"] == "ghcr.io/acme/shop@sha256:" + "a" * 64
    names = [source["configMapRef"]["name"] for source in container["envFrom"]]
    assert names == [config["metadata"]["name"], CONFIG]
    assert container["resources"]["requests"] == {"cpu": "10m", "memory": "64Mi"}
    assert "config.kubernetes.io/origin" not in str(objects)


@pytest.mark.parametrize("files", [kustomize_shop_files, helm_shop_files], ids=["kustomize", "helm"])
async def test_sample_renders_deterministically(files: Any) -> None:
    assert await rendered(files()) == await rendered(files())


async def test_refusal_names_the_file_of_the_base() -> None:
    files = kustomize_shop_files()
    shop = files["deploy/base/shop.yaml"].decode()
    line = 1 + shop[: shop.index("automountServiceAccountToken")].count("\n")
    files["deploy/base/shop.yaml"] = shop.replace(
        "automountServiceAccountToken: false", "hostNetwork: true"
    ).encode()
    message = str(await refusal(files))
    assert message.startswith(
        f"deploy/base/shop.yaml:{line} (as rendered by Kustomize), Deployment/shop, spec."
    )


async def test_refusal_names_the_template() -> None:
    files = helm_shop_files()
    files["chart/templates/catalogue.yaml"] = files["chart/templates/catalogue.yaml"].replace(
        b"emptyDir: {}", b"hostPath: {path: /}"
    )
    message = str(await refusal(files))
    assert message.startswith("chart/templates/catalogue.yaml:")
    assert "(as rendered by Helm), StatefulSet/catalogue, spec.template.spec.volumes[0].hostPath" in message


async def test_refusal_quotes_the_tools_error() -> None:
    kustomize = kustomize_shop_files()
    kustomize["deploy/preview/small.yaml"] = b"- {op: replace, path: /spec/absent/x, value: 1}"
    message = await refusal(kustomize)
    assert str(message) == "`kustomize build` failed."
    assert "absent" in message.detail
    helm = helm_shop_files()
    helm["chart/templates/shop.yaml"] += b'\n{{ required "a colour is needed" .Values.colour }}\n'
    message = await refusal(helm)
    advice = "The chart requires other values: set them with `values` or `set` of `manifests.helm`."
    assert str(message) == f"`helm template` failed. {advice}"
    assert "a colour is needed" in message.detail
    assert "greenroom-render-" not in message.detail


@pytest.mark.parametrize(
    "escape",
    [
        '{{ .Files.Get "../../../../etc/passwd" }}',
        '{{ .Files.Get "/etc/passwd" }}',
        '{{ range $path, $_ := .Files.Glob "/etc/*" }}{{ $path }}{{ end }}',
        '{{ range $path, $_ := .Files.Glob "../../**" }}{{ $path }}{{ end }}',
        '{{ range $name, $_ := lookup "v1" "Secret" "kube-system" "" }}{{ $name }}{{ end }}',
        '{{ getHostByName "localhost" }}',
    ],
)
async def test_template_reads_only_its_chart(escape: str) -> None:
    files = helm_shop_files()
    files["chart/templates/escape.yaml"] = (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: escape}}\ndata:\n  found: 'none{escape}'\n"
    ).encode()
    assert by_name(await rendered(files))["ConfigMap/escape"]["data"] == {"found": "none"}


@pytest.mark.parametrize("escape", ['{{ env "HOME" }}', '{{ expandenv "$PATH" }}'])
async def test_template_cannot_read_the_bots_environment(escape: str) -> None:
    files = helm_shop_files()
    files["chart/templates/escape.yaml"] = escape.encode()
    assert "not defined" in (await refusal(files)).detail


async def test_endless_template_times_out() -> None:
    files = helm_shop_files()
    files["chart/templates/bomb.yaml"] = (
        b"{{- range until 100000 }}{{- range until 100000 }}\n# xxxxxxxxxx\n{{- end }}{{- end }}"
    )
    message = str(await refusal(files))
    assert message.startswith("`helm template` ")


async def test_template_that_needs_much_memory_is_refused_without_a_stack() -> None:
    files = helm_shop_files()
    files["chart/templates/bomb.yaml"] = b"{{- range until 100000000 }}{{- end }}"
    refused = await refusal(files)
    assert str(refused) == "`helm template` needs more than 768 MiB of memory."
    assert refused.detail == ""


@pytest.mark.parametrize(
    "text",
    [
        "configMapGenerator: [{name: a, files: [../../../../../../../../etc/passwd]}]",
        "configMapGenerator: [{name: a, files: [../../chart/secret.txt]}]",
        "transformers: ['{apiVersion: someteam.example.com/v1, kind: Evil, metadata: {name: x}}']",
        "generators: ['{apiVersion: builtin, kind: ConfigMapGenerator, metadata: {name: x}, "
        "files: [/etc/passwd]}']",
        "generators: [run.yaml]",
    ],
)
async def test_kustomization_reads_and_runs_nothing_outside(text: str) -> None:
    files = kustomize_shop_files()
    files["chart/secret.txt"] = b"x"
    files["deploy/preview/run.yaml"] = b"""
apiVersion: example.com/v1
kind: Evil
metadata:
  name: evil
  annotations: {config.kubernetes.io/function: "exec: {path: ./run.sh}"}
"""
    files["deploy/preview/run.sh"] = b"#!/bin/sh\ncat /etc/passwd\n"
    files["deploy/preview/kustomization.yaml"] = f"resources: [../base]\n{text}".encode()
    message = await refusal(files)
    assert "root:" not in f"{message}{message.detail}"
