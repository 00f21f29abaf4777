"""Applications that fetch secrets themselves: each way is allowed for a repository, and never for forks."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from bot.cluster.client.kinds import DEPLOYMENT
from tests.story.conftest import Scenario, Site, operated, organize, real_only
from tests.story.operators import Administrator

pytestmark = real_only

ALLOWED = {"GREENROOM_RUNTIME_SECRETS": "runtime/*=vault-agent,runtime/*=csi,runtime/*=audience:vault"}
SERVE = b"""
import base64, json, os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        with open(os.environ["LOGIN"]) as file:
            payload = file.read().split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps([claims["aud"], claims["sub"]]).encode())

    def log_message(self, *_):
        pass


HTTPServer((os.environ["HOST"], 28080), Handler).serve_forever()
"""
AGENT = b"""
    metadata:
      annotations: {vault.hashicorp.com/agent-inject: "true", vault.hashicorp.com/role: shop}
      labels: {app: hello}
"""
LOGIN = b"""
      volumes:
        - {name: login, projected: {sources: [{serviceAccountToken: {audience: AUDIENCE, path: token}}]}}
"""
STORE = b"""
      volumes:
        - {name: store, csi: {driver: secrets-store.csi.k8s.io, readOnly: true}}
"""


def files(scenario: Scenario, volumes: bytes, metadata: bytes = b"") -> dict[str, bytes]:
    """The application with a volume, which it mounts as `/login`."""
    hello = scenario.hello()
    manifest = hello["deploy/hello.yaml"]
    manifest = manifest.replace(b"    metadata: {labels: {app: hello}}\n", metadata.lstrip(b"\n") or AGENT)
    name = volumes.partition(b"name: ")[2].partition(b",")[0]
    mount = b"          env: [{name: LOGIN, value: /login/token}]\n"
    mount += b"          volumeMounts: [{name: %s, mountPath: /login}]\n          image:" % name
    manifest = manifest.replace(b"          image:", mount, 1)
    manifest = manifest.replace(b"      containers:", volumes.lstrip(b"\n") + b"      containers:", 1)
    return {**hello, "deploy/hello.yaml": manifest, "serve.py": SERVE}


@pytest.fixture(scope="module")
async def allowed(site: Site) -> AsyncIterator[Site]:
    await asyncio.to_thread(organize, site.world, "runtime")
    Administrator(site).allow(site, **ALLOWED)
    async with operated(site, **ALLOWED) as allowed:
        yield allowed


@pytest.fixture
async def shop(allowed: Site) -> AsyncIterator[Scenario]:
    scenario = Scenario(allowed, f"runtime/shop-{secrets.token_hex(3)}")
    await scenario.create(scenario.hello())
    yield scenario
    await scenario.end()


VAULT = LOGIN.replace(b"AUDIENCE", b"vault")


async def test_each_way_is_refused_with_what_to_do_before_anything_is_applied(small: Scenario) -> None:
    number = await small.open("token", files(small, VAULT))
    comment = await small.comment_with(number, "`GREENROOM_RUNTIME_SECRETS` (`audience:vault`)")
    assert "`GREENROOM_RUNTIME_SECRETS` (`vault-agent`)" in comment
    await small.push("token", files(small, STORE))
    comment = await small.comment_with(number, small.head(number)[:7], "`GREENROOM_RUNTIME_SECRETS` (`csi`)")
    assert "ask the operator to allow it for this repository" in comment
    assert await small.namespaces() == []


async def test_allowed_application_gets_a_token_for_the_audience_alone(shop: Scenario) -> None:
    number = await shop.open("token", files(shop, VAULT))
    await shop.wait_until_ready(number)
    namespace = shop.namespace(number)
    account = f"system:serviceaccount:{namespace}:default"
    assert (await shop.page(number)).json() == [["vault"], account]
    live = await shop.world.client.get(DEPLOYMENT, "hello", namespace)
    annotations = live["spec"]["template"]["metadata"]["annotations"]
    assert annotations["vault.hashicorp.com/agent-inject"] == "true", "the injector's webhook acts on it"

    await shop.push("token", files(shop, LOGIN.replace(b"AUDIENCE", b"another")))
    await shop.comment_with(number, shop.head(number)[:7], "`GREENROOM_RUNTIME_SECRETS` (`audience:another`)")
    assert (await shop.page(number)).json() == [["vault"], account], "what runs keeps running"


async def test_allowed_volume_of_the_secrets_store_driver_reaches_the_node(shop: Scenario) -> None:
    number = await shop.open("store", files(shop, STORE))
    await shop.comment_with(
        number, shop.head(number)[:7], "volumes of type csi are not supported by this node"
    )
    live = await shop.world.client.get(DEPLOYMENT, "hello", shop.namespace(number))
    [volume] = live["spec"]["template"]["spec"]["volumes"]
    assert volume["csi"]["driver"] == "secrets-store.csi.k8s.io"


async def test_fork_gets_no_way_that_its_repository_has(shop: Scenario) -> None:
    application = files(shop, VAULT + STORE.partition(b"volumes:\n")[2])
    number = await shop.fork(application)
    await shop.comment_with(number, "This pull request has no preview")
    await shop.world.builder.build(shop.repository, shop.head(number), application)
    await shop.comment(number, "/preview")
    comment = await shop.comment_with(number, "environments of forks get no secrets")
    for way in (
        "the Vault agent injector",
        "the Secrets Store CSI driver",
        "other services accept this token",
    ):
        assert way in comment
    assert "ask the operator" not in comment
    assert await shop.namespaces() == []
