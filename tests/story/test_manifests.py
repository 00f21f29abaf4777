"""The shop with Kustomize and with Helm, rendered by the real programs."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from bot.cluster.client.kinds import CONFIG_MAP, DEPLOYMENT, JOB, SECRET
from bot.embedded.samples import AUTUMN, SPRING, Files, helm_shop_files, kustomize_shop_files, restyle
from tests.story.conftest import Scenario, Site, new_scenario

pytestmark = pytest.mark.tools


@pytest.mark.parametrize("sample", [kustomize_shop_files, helm_shop_files], ids=["kustomize", "helm"])
async def test_preview_is_rendered_and_follows_a_push(site: Site, sample: Callable[[str], Files]) -> None:
    async with new_scenario(site) as scenario:
        files = sample(scenario.world.registry_host)
        await scenario.create(scenario.ours(files))
        number = await scenario.open("spring", scenario.ours(restyle(files, SPRING)))
        comment = await scenario.wait_until_ready(number)
        assert "✅ `smoke`" in comment
        assert "Basil" in (await scenario.page(number)).text
        await small(scenario, number)
        await scenario.push("spring", scenario.ours(restyle(files, AUTUMN)))
        await scenario.wait_until_ready(number)
        assert "Amber lamp" in (await scenario.page(number)).text
        scenario.assert_reported_once(number)


async def small(scenario: Scenario, number: int) -> None:
    """Checks that a preview runs one replica, where production runs two."""
    namespace = scenario.namespace(number)
    deployment = await scenario.world.client.get(DEPLOYMENT, "shop", namespace)
    assert deployment["spec"]["replicas"] == 1
    maps = await scenario.world.client.list(CONFIG_MAP, namespace)
    [config] = [item for item in maps.items if item["metadata"]["name"].startswith("shop")]
    assert config["data"]["PYTHONUNBUFFERED"] == "1"


async def test_helm_error_is_quoted_on_the_pull_request(site: Site) -> None:
    async with new_scenario(site) as scenario:
        files = scenario.ours(helm_shop_files(scenario.world.registry_host))
        await scenario.create(files)
        broken = files["chart/templates/shop.yaml"] + b"\n{{ fail `a shop needs a colour` }}\n"
        number = await scenario.open("broken", {**files, "chart/templates/shop.yaml": broken})
        comment = await scenario.comment_with(number, "failed", "helm template")
        assert "a shop needs a colour" in comment
        assert await scenario.namespaces() == []


_GENERATED = b"""
{{- $password := randAlphaNum 24 }}
apiVersion: v1
kind: Secret
metadata: {name: credentials}
stringData: {password: {{ $password | quote }}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: connection, annotations: {at: {{ now | quote }}}}
data: {url: "postgres://shop:{{ $password }}@db/shop"}
"""
_HOOK = b"""
apiVersion: batch/v1
kind: Job
metadata:
  name: EVENT-{{ randAlphaNum 5 | lower }}
  annotations: {helm.sh/hook: EVENT, helm.sh/hook-weight: "-1"}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: hook
          image: {{ .Values.image }}
          command: [python, -c, 'import os; print("no such table", os.environ["PASSWORD"]); exit(CODE)']
          env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: credentials, key: password}}}]
"""


def hook(event: str, code: int = 0) -> bytes:
    return _HOOK.replace(b"EVENT", event.encode()).replace(b"CODE", str(code).encode())


async def test_generated_password_and_hooks_of_a_chart(site: Site) -> None:
    async with new_scenario(site) as scenario:
        files = helm_shop_files(scenario.world.registry.host) | {
            "chart/templates/generated.yaml": _GENERATED,
            "chart/templates/install.yaml": hook("pre-install"),
            "chart/templates/upgrade.yaml": hook("pre-upgrade"),
            "chart/templates/test.yaml": hook("test", 1),
        }
        await scenario.create(scenario.ours(files))
        number = await scenario.open("spring", scenario.ours(restyle(files, SPRING)))
        await scenario.wait_until_ready(number)
        password, jobs = await generated(scenario, number)
        assert jobs == {"pre-install"}

        await scenario.push("spring", scenario.ours(restyle(files, AUTUMN)))
        await scenario.wait_until_ready(number)
        assert await generated(scenario, number) == (password, {"pre-upgrade"})

        broken = {**restyle(files, SPRING), "chart/templates/upgrade.yaml": hook("pre-upgrade", 3)}
        await scenario.push("spring", scenario.ours(broken))
        comment = await scenario.comment_with(number, "The hook `pre-upgrade-", "exit code 3")
        assert "no such table" in comment
        assert password not in comment


async def generated(scenario: Scenario, number: int) -> tuple[str, set[str]]:
    """The password, which is the same everywhere, and the hooks that ran."""
    namespace, client = scenario.namespace(number), scenario.world.client
    secret = await client.get(SECRET, "credentials", namespace)
    connection = await client.get(CONFIG_MAP, "connection", namespace)
    password = base64.b64decode(secret["data"]["password"]).decode()
    assert connection["data"]["url"] == f"postgres://shop:{password}@db/shop"
    jobs = (await client.list(JOB, namespace)).items
    return password, {
        name.rpartition("-")[0] for job in jobs for name in [job["metadata"]["name"]] if "pre-" in name
    }
