"""The real Helm with charts as applications have them: generated values, and charts of repositories."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from bot.cluster.render.generated_values import fill
from bot.cluster.render.renderer import ManifestRenderer
from bot.cluster.render.tools import Tools
from bot.embedded.registry.layout import MANIFEST, Layout
from bot.embedded.registry.server import RegistryServer
from bot.model.environment import EnvironmentKey
from bot.model.errors import ManifestRefused
from bot.model.manifest import Bundle, RenderRequest, Tool
from bot.model.notes import Effect
from bot.model.routing import Hosts
from bot.registry.charts import open_charts
from tests.kubernetes import debian
from tests.unit.cluster.manifests import POLICY, request

pytestmark = [pytest.mark.tools, pytest.mark.usefixtures("real_tools")]

_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

SHOP = {
    "chart/Chart.yaml": b"apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    "chart/templates/secret.yaml": b"""
{{- $password := randAlphaNum 24 }}
{{- $ca := genCA "shop" 365 }}
apiVersion: v1
kind: Secret
metadata: {name: shop}
data:
  password: {{ $password | b64enc }}
  ca.crt: {{ $ca.Cert | b64enc }}
  ca.key: {{ $ca.Key | b64enc }}
stringData:
  htpasswd: {{ htpasswd "admin" "fixed" | quote }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: shop}
data:
  url: postgres://shop:{{ $password }}@db/shop
  started: {{ now | date "2006-01-02" | quote }}
  ca.crt: |
    {{- $ca.Cert | nindent 4 }}
""",
    "chart/templates/web.yaml": b"""
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata:
      labels: {app: shop}
      annotations:
        checksum/config: {{ include (print $.Template.BasePath "/secret.yaml") . | sha256sum }}
        rollme: {{ randAlphaNum 5 | quote }}
    spec:
      containers:
        - name: shop
          image: ghcr.io/acme/shop:1
          envFrom: [{configMapRef: {name: shop}}, {secretRef: {name: shop}}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: setup-{{ randAlphaNum 5 | lower }}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: setup, image: ghcr.io/acme/shop:1}]
""",
}
DATABASE = {
    "database/Chart.yaml": b"apiVersion: v2\nname: database\nversion: 1.4.2\n",
    "database/values.yaml": b"port: 5432\n",
    "database/templates/service.yaml": b"""
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}-database}
spec: {ports: [{port: {{ .Values.port }}}], selector: {app: database}}
""",
}


def of_chart(files: Mapping[str, bytes], **changes: Any) -> RenderRequest:
    return replace(request(files=files, directory="chart", tool=Tool.HELM, backend=None), **changes)


def objects(bundle: Bundle) -> dict[str, Any]:
    manifests = [manifest for wave in bundle.waves.values() for manifest in wave]
    return {manifest["kind"]: manifest for manifest in manifests}


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


def helm(folder: Path, *arguments: str) -> None:
    environment = {**os.environ, "HOME": str(folder)}
    done = subprocess.run(
        ["helm", *arguments], cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


async def test_renderings_at_other_times_are_equal() -> None:
    renderer = ManifestRenderer(POLICY, Tools())
    bundle = await renderer.render(of_chart(SHOP))
    await asyncio.sleep(1.1)
    again = await renderer.render(of_chart(SHOP))
    assert again == replace(bundle, generated=again.generated)
    assert again.generated != bundle.generated
    elsewhere = await renderer.render(of_chart(SHOP, namespace="gr-shop-staging"))
    assert elsewhere.manifests_digest == bundle.manifests_digest
    assert (await renderer.comparable(of_chart(SHOP))) == (await renderer.comparable(of_chart(SHOP)))


async def test_notes_list_what_is_generated() -> None:
    bundle = await ManifestRenderer(POLICY, Tools()).render(of_chart(SHOP))
    fields = {(note.object, note.field) for note in bundle.notes if note.effect is Effect.GENERATED}
    assert fields == {
        ("Secret/shop", "data.password"),
        ("Secret/shop", 'data["ca.crt"]'),
        ("Secret/shop", 'data["ca.key"]'),
        ("Secret/shop", "stringData.htpasswd"),
        ("ConfigMap/shop", "data.url"),
        ("ConfigMap/shop", "data.started"),
        ("ConfigMap/shop", 'data["ca.crt"]'),
        ("Deployment/shop", 'spec.template.metadata.annotations["checksum/config"]'),
        ("Deployment/shop", "spec.template.metadata.annotations.rollme"),
        ("Job/setup", "metadata.name"),
    }


async def test_running_values_are_kept_in_a_later_commit() -> None:
    renderer = ManifestRenderer(POLICY, Tools())
    first = fill(await renderer.render(of_chart(SHOP)), {}).bundle
    live = {(kind, manifest["metadata"]["name"]): manifest for kind, manifest in objects(first).items()}
    later = {
        **SHOP,
        "chart/templates/secret.yaml": SHOP["chart/templates/secret.yaml"].replace(
            b"stringData:", b'stringData:\n  again: {{ printf "x:%s" $password | b64enc }}'
        ),
    }
    second = fill(await renderer.render(of_chart(later)), live).bundle
    before, after = objects(first), objects(second)
    assert after["Secret"]["data"] == before["Secret"]["data"]
    assert after["ConfigMap"]["data"] == before["ConfigMap"]["data"]
    encoded = before["Secret"]["data"]["password"]
    password = base64.b64decode(encoded).decode()
    assert base64.b64decode(after["Secret"]["stringData"]["again"]).decode() == f"x:{password}"
    annotations = [
        side["Deployment"]["spec"]["template"]["metadata"]["annotations"] for side in (before, after)
    ]
    assert annotations[0]["checksum/config"] != annotations[1]["checksum/config"]


async def test_values_are_set_by_type() -> None:
    files = {
        **SHOP,
        "chart/templates/web.yaml": b"""
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data:
  host: {{ .Values.ingress.host | quote }}
  text: {{ kindOf .Values.text | quote }}
  number: {{ kindOf .Values.number | quote }}
  flag: {{ kindOf .Values.flag | quote }}
  third: {{ (index .Values.items 0).name | quote }}
  dotted: {{ index .Values.labels "a.b" | quote }}
""",
    }
    settings = {
        "ingress.host": "a,b=c.example.com",
        "text": "true",
        "number": 3,
        "flag": True,
        "items[0].name": "x",
        r"labels.a\.b": "y",
    }
    marked = await Tools().sources(of_chart(files, helm_settings=settings))
    [web_map] = [source.manifest for source in marked.sources if source.manifest["metadata"]["name"] == "web"]
    assert web_map["data"] == {
        "host": "a,b=c.example.com",
        "text": "string",
        "number": "float64",
        "flag": "bool",
        "third": "x",
        "dotted": "y",
    }


async def test_settings_contain_the_environments_own_address() -> None:
    files = {
        "chart/Chart.yaml": b"apiVersion: v2\nname: shop\nversion: 1.0.0\n",
        "chart/templates/map.yaml": b"""apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {host: "{{ .Values.host }}", url: "{{ .Values.url }}", number: "{{ .Values.number }}"}
""",
    }
    settings = {"host": "{host}", "url": "{url}/login", "number": "{number}"}
    chart = of_chart(files, helm_settings=settings, images={})
    renderer = ManifestRenderer(POLICY, Tools())
    bundle = await renderer.render(chart)
    data = objects(bundle)["ConfigMap"]["data"]
    host = chart.hosts.own
    assert data == {"host": host, "url": f"https://{host}/login", "number": chart.environment.name}
    stage = replace(chart, environment=EnvironmentKey.stage(1, "staging"), hosts=Hosts("shop.example.com"))
    promoted = await renderer.render(stage)
    assert objects(promoted)["ConfigMap"]["data"]["host"] == "shop.example.com"
    assert promoted.manifests_digest == bundle.manifests_digest


@pytest.fixture
async def repository(tmp_path: Path) -> AsyncIterator[str]:
    """The URL of an HTTP repository with the database, packaged and indexed by Helm."""
    folder = write(tmp_path / "repository", DATABASE)
    helm(folder, "package", "database")
    helm(folder, "repo", "index", ".")
    application = web.Application()
    application.router.add_static("/", folder)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield site.name
    await runner.cleanup()


async def locked(tmp_path: Path, repository: str) -> dict[str, bytes]:
    """The shop with the database as dependency, locked by Helm."""
    dependencies = [
        {
            "name": "database",
            "version": ">=1.0.0 <2.0.0",
            "repository": repository,
            "condition": "database.enabled",
            "tags": ["data"],
            "import-values": [{"child": "port", "parent": "databasePort"}],
        },
        {"name": "local", "version": "*", "repository": "file://../local", "alias": "other"},
    ]
    content = {"apiVersion": "v2", "name": "shop", "version": "1.0.0", "dependencies": dependencies}
    files = {
        "chart/Chart.yaml": yaml.safe_dump(content, sort_keys=False).encode(),
        "local/Chart.yaml": b"apiVersion: v2\nname: local\nversion: 0.1.0\n",
    }
    folder = write(tmp_path / "application", files)
    await asyncio.to_thread(helm, folder, "dependency", "update", "chart")
    return {**files, "chart/Chart.lock": (folder / "chart/Chart.lock").read_bytes()}


async def rendered(
    files: Mapping[str, bytes], *hosts: str, settings: Mapping[str, object] | None = None
) -> list[str]:
    async with open_charts(None, (), hosts) as charts:
        tools = Tools(hosts, charts=charts)
        marked = await tools.sources(of_chart(files, helm_settings=settings or {}))
    return [source.manifest["metadata"]["name"] for source in marked.sources]


async def test_locked_chart_comes_from_an_http_repository(repository: str, tmp_path: Path) -> None:
    files, host = await locked(tmp_path, repository), repository.removeprefix("http://")
    assert await rendered(files, host) == ["shop-database"]
    assert await rendered(files, settings={"database.enabled": False}) == []
    with pytest.raises(ManifestRefused, match=f"add {host} to GREENROOM_RENDER_HOSTS"):
        await rendered(files)
    changed = {**files, "chart/Chart.yaml": files["chart/Chart.yaml"].replace(b"<2.0.0", b"<3.0.0")}
    with pytest.raises(ManifestRefused, match="the lock of 'database' is out of date"):
        await rendered(changed, host)


def with_registry(registry: str) -> dict[str, bytes]:
    dependency = {"name": "database", "version": "1.4.2", "repository": f"oci://{registry}/charts"}
    content = {"apiVersion": "v2", "name": "shop", "version": "1.0.0", "dependencies": [dependency]}
    return {"chart/Chart.yaml": yaml.safe_dump(content).encode()}


async def test_chart_comes_from_a_registry_with_tokens(tmp_path: Path) -> None:
    folder = write(tmp_path / "work", DATABASE)
    await asyncio.to_thread(helm, folder, "package", "database")
    layout = Layout(tmp_path / "registry", "charts/database")
    layer = layout.put(_LAYER, (folder / "database-1.4.2.tgz").read_bytes())
    config = layout.put_json("application/vnd.cncf.helm.config.v1+json", {"name": "database"})
    content = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.as_json(),
        "layers": [layer.as_json()],
    }
    layout.tag(layout.put_json(MANIFEST, content), "1.4.2")
    async with RegistryServer(tmp_path / "registry") as server:
        assert await rendered(with_registry(server.host), server.host) == ["shop-database"]
        assert server.tokens.issued > 0
        absent = {path: text.replace(b"1.4.2", b"1.4.3") for path, text in with_registry(server.host).items()}
        with pytest.raises(ManifestRefused, match=r"has no .*charts/database:1\.4\.3"):
            await rendered(absent, server.host)


@pytest.fixture
def docker_registry(tmp_path: Path) -> Iterator[str]:
    """A registry of Debian's package, with the database pushed by Helm."""
    program = debian.program("docker-registry", "docker-registry")
    configuration = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "storage")}},
        "http": {"addr": "127.0.0.1:0"},
    }
    file = tmp_path / "registry.yml"
    file.write_text(yaml.safe_dump(configuration))
    process = subprocess.Popen(
        [program, "serve", str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "listening on" in line)
        yield line.partition("listening on ")[2].split('"')[0].strip().replace("[::]", "127.0.0.1")
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        if process.stderr is not None:
            process.stderr.close()


async def test_chart_comes_from_the_reference_registry(docker_registry: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "work", DATABASE)
    await asyncio.to_thread(helm, folder, "package", "database")
    target = f"oci://{docker_registry}/charts"
    await asyncio.to_thread(helm, folder, "push", "database-1.4.2.tgz", target, "--plain-http")
    assert await rendered(with_registry(docker_registry), docker_registry) == ["shop-database"]
