"""Applications with several front ends, paths and hosts, and with Ingresses of their own."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.story.conftest import Scenario

_FRONT_ENDS = """
routes:
  - {name: web, service: hello, port: 80}
  - {name: api, service: api, port: 80, paths: [/api]}
  - {name: admin, host: admin, service: admin, port: 80}
preview:
  checks: [{name: admin, http: {path: /, route: admin}}]
"""

_INGRESS = b"""
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  annotations: {nginx.ingress.kubernetes.io/rewrite-target: /}
spec:
  tls: [{hosts: [shop.example.com], secretName: shop-tls}]
  rules:
    - host: shop.example.com
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: hello, port: {number: 80}}}}
          - {path: /api, pathType: Prefix, backend: {service: {name: api, port: {name: http}}}}
    - host: admin.example.com
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: admin, port: {number: 80}}}}
"""

_SERVE = b"""
import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        names = sorted(name for name in os.environ if name.startswith("GREENROOM_URL"))
        shown = [f"{name}={os.environ[name]}" for name in names]
        self.wfile.write(" ".join([os.environ["NAME"], self.path, *shown]).encode())

    def log_message(self, *_):
        pass


HTTPServer((os.environ.get("HOST", ""), int(os.environ["PORT"])), Handler).serve_forever()
"""


def _application(scenario: Scenario, routes: str) -> dict[str, bytes]:
    """Two front ends and an API, each a Deployment with a Service."""
    files = scenario.hello()
    configuration = files[".greenroom.yml"].decode().replace("route: {service: hello, port: 80}\n", routes)
    manifests = [
        files["deploy/hello.yaml"]
        .decode()
        .replace("hello", name)
        .replace("28080", str(port))
        .replace("ports: [{port: 80,", "ports: [{name: http, port: 80,")
        .replace("          ports:", f"          env: {_variables(name, port)}\n          ports:")
        for name, port in (("hello", 28080), ("api", 28081), ("admin", 28082))
    ]
    image = f"{scenario.world.registry_host}/{scenario.repository.lower()}:1"
    joined = "\n---\n".join(manifests)
    assert joined.count(image) == 3
    return {
        **files,
        ".greenroom.yml": configuration.encode(),
        "serve.py": _SERVE,
        "deploy/hello.yaml": joined.encode(),
    }


def _variables(name: str, port: int) -> str:
    return json.dumps([{"name": "NAME", "value": name}, {"name": "PORT", "value": str(port)}])


async def _visit(scenario: Scenario, number: int, path: str = "/", further: str = "") -> str:
    host = (await scenario.page(number)).request.headers["Host"]
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"Host": f"{further}--{host}" if further else host}
        url = f"http://{scenario.world.gateway_address}{path}"
        return (await client.get(url, headers=headers)).text


@pytest.mark.long
async def test_comment_lists_every_address_of_two_front_ends_and_an_api(small: Scenario) -> None:
    files = _application(small, _FRONT_ENDS)
    await small.push("main", files)
    number = await small.open("spring", {"sentence.txt": b"Spring."})
    comment = await small.comment_with(number, "is ready", "✅ `admin`")
    host = (await small.page(number)).request.headers["Host"]
    for url in (f"http://{host}", f"http://{host}/api", f"http://admin--{host}"):
        assert f"]({url})" in comment
    [deployment] = small.deployments()
    assert deployment.statuses[-1].environment_url == f"http://{host}"
    web = await _visit(small, number)
    assert web.startswith("hello / ")
    assert f"GREENROOM_URL_ADMIN=http://admin--{host} GREENROOM_URL_API=http://{host}/api" in web
    assert (await _visit(small, number, "/api/orders")).startswith("api /api/orders ")
    assert (await _visit(small, number, further="admin")).startswith("admin / ")


@pytest.mark.long
async def test_ingress_of_the_manifests_is_served(small: Scenario) -> None:
    files = {**_application(small, "routes: manifests\n"), "deploy/ingress.yaml": _INGRESS}
    await small.push("main", files)
    number = await small.open("autumn", {"sentence.txt": b"Autumn."})
    comment = await small.comment_with(number, "is ready")
    host = (await small.page(number)).request.headers["Host"]
    for url in (f"http://{host}", f"http://{host}/api", f"http://admin--{host}"):
        assert f"]({url})" in comment
    assert (await _visit(small, number, "/api/orders")).startswith("api /api/orders ")
    assert (await _visit(small, number, further="admin")).startswith("admin / ")
    await small.close(number)
    await small.no_page(number)
