"""The applications of the gallery from preview to close: push, promotion and rollback in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx
import pytest

from bot.cluster.client.kinds import POD
from bot.embedded.world import DOMAIN
from bot.model.naming import host_label
from tests.gallery import gallery_files
from tests.story.conftest import Scenario, Site, new_scenario
from tests.story.stages import Stages, staged

pytestmark = pytest.mark.long

_FIRST, _SECOND = b"first version", b"second version"


@dataclass(frozen=True)
class Application:
    name: str
    pages: Mapping[str, str]
    """The role that answers at each host prefix and path, such as `admin--/`."""
    builds: Sequence[str] = ()
    """Folders with further images."""


APPLICATIONS = (
    Application("two-front-ends", {"/": "store", "/api/x": "api", "admin--/": "admin"}),
    Application("chart", {"/": "shop"}),
    Application("overlays", {"/": "web"}),
    Application("root", {"/": "site"}),
    Application("node-port", {"/": "frontend"}),
    Application("custom-resources", {"/": "orders"}),
    Application("own-ingress", {"/": "blog", "/comments": "comments"}),
    Application("worker", {}),
    Application("monorepo", {"/": "web"}, ("web", "orders", "mail")),
    Application("grpc", {}),
)
_TOOLS = {"chart", "overlays"}
_ON_NODE = {"root", "node-port", "custom-resources", "grpc"}
"""What containers, a kubelet and a real network can change."""
_ONLY_ON_NODE = {"grpc"}
"""The embedded gateway has no GRPCRoutes."""


def _places() -> list[object]:
    """Each application with the clusters that can show it."""
    places: list[object] = []
    for application in APPLICATIONS:
        marks = [pytest.mark.tools] if application.name in _TOOLS else []
        if application.name not in _ONLY_ON_NODE:
            places.append(pytest.param("embedded", application, marks=marks, id=application.name))
        if application.name in _ON_NODE:
            node = [pytest.mark.node, pytest.mark.timeout(300)]
            places.append(pytest.param("node", application, marks=node, id=f"{application.name}-node"))
    return places


@pytest.mark.parametrize(("site", "application"), _places(), indirect=["site"])
async def test_application_from_preview_to_close(site: Site, application: Application) -> None:
    async with new_scenario(site, application.name) as scenario:
        await scenario.create(_files(scenario, application, _FIRST))
        async with staged(scenario, None) as stages:
            number = await _open(scenario, application, _FIRST)
            await _serves(scenario, application, number, _FIRST)
            await _promote(scenario, stages, number)
            assert await _on_stage(stages, application, _FIRST)

            sha = await scenario.push("change", _files(scenario, application, _SECOND))
            await _build(scenario, application, sha, _SECOND)
            await scenario.wait_until_ready(number)
            await _serves(scenario, application, number, _SECOND)
            await stages.comment(number, "/promote staging")
            await stages.deployed("staging", "inactive", "success")
            assert await _on_stage(stages, application, _SECOND)

            await stages.comment(number, "/rollback staging")
            await stages.comment_with(number, "rolled **staging** back")
            assert await _on_stage(stages, application, _FIRST)
            await scenario.close(number)
            await scenario.no_preview(number)


async def _open(scenario: Scenario, application: Application, version: bytes) -> int:
    files = {**_files(scenario, application, version), "notes.txt": b"A change."}
    number = await scenario.open("change", files)
    await _build(scenario, application, scenario.head(number), version)
    await scenario.wait_until_ready(number)
    return number


async def _promote(scenario: Scenario, stages: Stages, number: int) -> None:
    await stages.comment(number, "/promote staging")
    await stages.comment_with(number, "✅ Release", "**staging**")


async def _build(scenario: Scenario, application: Application, sha: str, version: bytes) -> None:
    """What CI does besides the image of the root."""
    files = _files(scenario, application, version)
    for part in application.builds:
        folder = f"services/{part}/"
        own = {path.removeprefix(folder): text for path, text in files.items() if path.startswith(folder)}
        await scenario.world.build(f"{scenario.repository.lower()}/{part}", sha, own)


def _files(scenario: Scenario, application: Application, version: bytes) -> dict[str, bytes]:
    """The application with the images of this repository, in a version."""
    theirs = f"ghcr.io/acme/{application.name}".encode()
    ours = f"{scenario.world.registry_host}/{scenario.repository.lower()}".encode()
    files = {
        path: text.replace(theirs, ours).replace(_FIRST, version)
        for path, text in gallery_files(application.name).items()
    }
    # CI in this world builds an image from the root of every repository.
    return {"Dockerfile": b"FROM scratch\nUSER 10001\n", **files}


async def _serves(scenario: Scenario, application: Application, number: int, version: bytes) -> None:
    """Every route reaches its workload in this version; without one, all pods run."""
    label = host_label(*scenario._names(number))
    for place, role in application.pages.items():
        prefix, _, path = place.rpartition("/") if place.endswith("--/") else ("", "", place[1:])
        host = f"{prefix}{label}.{DOMAIN}:{scenario.world.gateway_port}"

        async def answer(host: str = host, path: str = path) -> httpx.Response:
            async with httpx.AsyncClient(trust_env=False) as client:
                address = f"http://{scenario.world.gateway_address}/{path}"
                return await client.get(address, headers={"Host": host})

        response = await answer()
        assert response.json() == {"sentence": version.decode(), "path": f"/{path}", "role": role}
    if not application.pages:
        pods = (await scenario.world.client.list(POD, scenario.namespace(number))).items
        live = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        assert [pod["status"]["phase"] for pod in live] == ["Running"]


async def _on_stage(stages: Stages, application: Application, version: bytes) -> bool:
    if not application.pages:
        return True
    response = await stages.page("staging")
    return response.json()["sentence"] == version.decode()
