"""`lookup` in charts, with the real Helm: it sees what earlier releases applied, and nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from bot.cluster.render.generated_values import fill
from bot.cluster.render.renderer import ManifestRenderer
from bot.cluster.render.tools import Tools
from bot.model.errors import ManifestRefused
from bot.model.manifest import Bundle, Manifest
from tests.unit.cluster.manifests import POLICY
from tests.unit.cluster_tools.test_charts import of_chart

pytestmark = [pytest.mark.tools, pytest.mark.usefixtures("real_tools")]

_CHART = b"apiVersion: v2\nname: shop\nversion: 1.0.0\n"
_SECRET = b"""
{{- $current := lookup "v1" "Secret" .Release.Namespace "shop" }}
apiVersion: v1
kind: Secret
metadata: {name: shop}
data:
  password: {{ if $current }}{{ $current.data.password }}{{ else }}{{ randAlphaNum 24 | b64enc }}{{ end }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: shop}
data:
  url: postgres://shop:{{ if $current }}{{ $current.data.password | b64dec }}{{ end }}@db/shop
  capable: {{ .Capabilities.APIVersions.Has "networking.k8s.io/v1" | quote }}
  version: {{ .Capabilities.KubeVersion.Version | quote }}
"""
_CERTIFICATE = b"""
{{- $current := lookup "v1" "Secret" .Release.Namespace "shop-ca" }}
{{- $ca := genCA "shop" 365 }}
{{- if $current }}
{{- $ca = buildCustomCert (index $current.data "ca.crt") (index $current.data "ca.key") }}
{{- end }}
apiVersion: v1
kind: Secret
metadata: {name: shop-ca}
data:
  ca.crt: {{ $ca.Cert | b64enc }}
  ca.key: {{ $ca.Key | b64enc }}
"""


def _chart(*templates: bytes) -> dict[str, bytes]:
    files = {f"chart/templates/{number}.yaml": text for number, text in enumerate(templates)}
    return {"chart/Chart.yaml": _CHART, **files}


async def _rendered(files: Mapping[str, bytes], live: Sequence[Manifest] = (), **changes: Any) -> Bundle:
    async def read() -> Sequence[Manifest]:
        return live

    return await ManifestRenderer(POLICY, Tools()).render(of_chart(files, live=read, images={}, **changes))


def _objects(bundle: Bundle) -> list[Manifest]:
    return [manifest for wave in bundle.waves.values() for manifest in wave]


def _live(bundle: Bundle) -> list[Manifest]:
    """The bundle as an API server returns it after the first deployment."""
    return _objects(fill(bundle, {}).bundle)


async def test_the_cluster_is_read_for_charts_with_lookup_only() -> None:
    reads = 0

    async def read() -> Sequence[Manifest]:
        nonlocal reads
        reads += 1
        return ()

    plain = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\n"
    for template, expected in ((plain, 0), (_SECRET, 1)):
        await ManifestRenderer(POLICY, Tools()).render(of_chart(_chart(template), live=read, images={}))
        assert reads == expected


async def test_a_looked_up_value_stays_a_placeholder_in_digests() -> None:
    first = await _rendered(_chart(_SECRET))
    live = _live(first)
    second = await _rendered(_chart(_SECRET), live)
    secret = next(manifest for manifest in live if manifest["kind"] == "Secret")
    password = base64.b64decode(secret["data"]["password"]).decode()
    assert password not in str(_objects(second))
    assert list(second.generated.values()) == [password]
    assert second.manifests_digest == first.manifests_digest
    by_name = {(item["kind"], item["metadata"]["name"]): item for item in live}
    filled = {item["kind"]: item for item in _objects(fill(second, by_name).bundle)}
    assert filled["Secret"]["data"] == secret["data"]
    assert filled["ConfigMap"]["data"]["url"] == f"postgres://shop:{password}@db/shop"


async def test_a_chart_sees_the_same_cluster_with_and_without_objects() -> None:
    first = await _rendered(_chart(_SECRET))
    second = await _rendered(_chart(_SECRET), _live(first))
    before, after = (
        next(item["data"] for item in _objects(bundle) if item["kind"] == "ConfigMap")
        for bundle in (first, second)
    )
    assert before["capable"] == after["capable"] == "true"
    assert before["version"] == after["version"]


async def test_a_certificate_is_taken_over_with_its_key() -> None:
    first = await _rendered(_chart(_CERTIFICATE))
    live = _live(first)
    second = await _rendered(_chart(_CERTIFICATE), live)
    assert second.digests == first.digests
    filled = _objects(fill(second, {("Secret", "shop-ca"): live[0]}).bundle)
    assert filled[0]["data"] == live[0]["data"]


async def test_other_kinds_namespaces_and_lists_are_empty_or_listed() -> None:
    probe = b"""
{{- $all := lookup "v1" "Secret" .Release.Namespace "" }}
apiVersion: v1
kind: ConfigMap
metadata: {name: seen}
data:
  secrets: {{ range $all.items }}{{ .metadata.name }}{{ end }}
  elsewhere: {{ lookup "v1" "Secret" "kube-system" "shop" | toJson | quote }}
  namespace: {{ lookup "v1" "Namespace" "" "kube-system" | toJson | quote }}
  unknown: {{ lookup "example.com/v1" "Widget" "" "" | toJson | quote }}
  missing: {{ lookup "v1" "Secret" .Release.Namespace "other" | toJson | quote }}
"""
    live = _live(await _rendered(_chart(_SECRET)))
    bundle = await _rendered(_chart(probe), live)
    data = _objects(bundle)[0]["data"]
    assert data == {
        "secrets": "shop",
        "elsewhere": "{}",
        "namespace": "{}",
        "unknown": "{}",
        "missing": "{}",
    }


async def test_custom_kinds_of_a_chart_can_be_rendered_with_objects() -> None:
    monitor = b"""
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: shop}
spec: {selector: {}, endpoints: []}
"""
    live = _live(await _rendered(_chart(_SECRET)))
    bundle = await _rendered(_chart(_SECRET, monitor), live)
    assert {item["kind"] for item in _objects(bundle)} == {"Secret", "ConfigMap"}


async def test_helm_gets_no_credentials_of_the_bot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the server, the variables of a pod would lead Helm to the cluster."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    live = _live(await _rendered(_chart(_SECRET)))
    bundle = await _rendered(_chart(_SECRET), live)
    assert bundle.generated


async def test_a_missing_field_of_a_found_object_is_an_error_of_the_chart() -> None:
    broken = _SECRET.replace(
        b"$current.data.password }}{{ else", b'required "no key" $current.data.key }}{{ else'
    )
    live = _live(await _rendered(_chart(_SECRET)))
    with pytest.raises(ManifestRefused) as refused:
        await _rendered(_chart(broken), live)
    assert "no key" in refused.value.detail
