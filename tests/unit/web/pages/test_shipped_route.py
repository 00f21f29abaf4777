"""The route in deploy/ matches every address of the pages, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import pytest
from starlette.routing import BaseRoute, Mount, Route

from bot.github.messages.promotion_reasons import describe
from bot.model.environment import EnvironmentKey
from bot.promotions import stage_actions
from bot.promotions.stage_aggregate import StageAggregate
from bot.web.pages.routes import unconfigured_routes
from bot.web.pages.site import HERE, Site
from tests.unit.deploy.manifests import single
from tests.unit.environments.test_desired_state import PULL
from tests.unit.promotions.stage_fixtures import PIPELINE, promotion
from tests.unit.web.pages.conftest import ADA, GITHUB, SHOP, URL, WebFixture
from tests.unit.web.pages.test_environments import ready

_LINK = re.compile(r'(?:href|src|action)="([^"]+)"')
_IN_TEMPLATE = re.compile(r'"\{\{ base \}\}(/[^"]*)"')
_PARAMETER = re.compile(r"\{\{?[^}]*\}?\}")


def is_routed(path: str) -> bool:
    """Whether the shipped HTTPRoute matches a path, as the Gateway API defines its matches."""
    (rule,) = single("HTTPRoute", name="greenroom")["spec"]["rules"]
    for match in rule["matches"]:
        kind, value = match["path"]["type"], match["path"]["value"]
        if path == value or (kind == "PathPrefix" and path.startswith(f"{value.rstrip('/')}/")):
            return True
    return False


def unrouted(routes: Iterable[BaseRoute]) -> list[str]:
    paths = [
        f"{route.path}/style.css" if isinstance(route, Mount) else _PARAMETER.sub("7", route.path)
        for route in routes
        if isinstance(route, Mount | Route)
    ]
    assert paths
    return [path for path in paths if not is_routed(path)]


async def test_every_page_is_routed(web: WebFixture) -> None:
    assert unrouted(web.pages) == []


async def test_every_page_without_sign_in_is_routed(web: WebFixture) -> None:
    assert unrouted(unconfigured_routes(Site(URL, GITHUB, web.clock))) == []


def test_every_link_in_a_template_is_routed() -> None:
    sources = "\n".join(file.read_text() for file in (HERE / "templates").glob("*.html"))
    paths = [_PARAMETER.sub("7", path) for path in _IN_TEMPLATE.findall(sources)]
    assert len(paths) > 10
    assert [path for path in paths if not is_routed(path.partition("?")[0])] == []


async def test_every_link_of_a_rendered_page_is_routed_and_found(web: WebFixture) -> None:
    """Follows the links between our pages, beginning at the two lists."""

    def requested(aggregate: StageAggregate) -> StageAggregate:
        aggregate = replace(aggregate, describe=describe)
        return stage_actions.request(
            aggregate, promotion("integration", "ada", "p1", web.clock()), web.clock()
        )

    await web.environment(ready(web.clock))
    await web.store.promotions.change(EnvironmentKey.stage(SHOP.id, "integration"), SHOP, requested)
    web.github.readers, web.github.configuration = {SHOP.id: {"ada"}}, PIPELINE
    web.github.pulls[7] = replace(PULL, number=7)
    browser = await web.signed_in(ADA)
    todo, visited = ["/", f"/stages/{SHOP.id}"], {"/sign-out"}
    while todo:
        path = todo.pop()
        visited.add(path)
        answer = await browser.get(path)
        assert (is_routed(path), answer.status_code) == (True, 200), path
        links = {link for link in _LINK.findall(answer.text) if link.startswith("/")}
        todo += sorted(links - visited - set(todo))
    assert any(path.startswith("/environments/") for path in visited)
    assert any(path.startswith(f"/stages/{SHOP.id}/") for path in visited)


@pytest.mark.parametrize("path", ["/webhooks", "/sign-in/callback"])
def test_addresses_of_github_are_routed(path: str) -> None:
    assert is_routed(path)


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/webhooks/1", "/sign-out/1", "/environment", "/stagesx"]
)
def test_other_addresses_are_not_routed(path: str) -> None:
    assert not is_routed(path)
