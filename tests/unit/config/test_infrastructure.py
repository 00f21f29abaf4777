"""The `infrastructure` sections: effective values, and mistakes with their lines."""

from __future__ import annotations

import pytest

from bot.config.infrastructure import DestroyPolicy, ModuleSource
from bot.config.loader import parse_configuration
from bot.model.environment import EnvironmentKey
from bot.model.errors import ConfigurationError
from bot.promotions.pipeline import configuration_digest

START = "version: 1\nimages: {shop: acme/shop}\nmanifests: {plain: deploy}\n"
COMMON = "infrastructure: {terraform: infra/, variables: {size: small}, outputs: {URL: url}}\n"
PREVIEW, STAGING = EnvironmentKey.preview(1, 7), EnvironmentKey.stage(1, "staging")


def test_section_of_an_environment_overrides_single_values() -> None:
    text = f"""{START}{COMMON}stages:
  staging:
    infrastructure: {{variables: {{size: large, zone: a}}, secrets: {{token: "env:TOKEN"}}, destroy: refuse}}
"""
    configuration = parse_configuration(text)
    preview, staging = configuration.infrastructure_of(PREVIEW), configuration.infrastructure_of(STAGING)
    assert preview is not None
    assert staging is not None
    assert (preview.terraform, preview.variables) == (ModuleSource(path="infra"), {"size": "small"})
    assert preview.destroy is DestroyPolicy.ALLOW
    assert (staging.terraform, staging.variables) == (
        ModuleSource(path="infra"),
        {"size": "large", "zone": "a"},
    )
    assert staging.outputs == {"URL": "url"}
    assert staging.destroy is DestroyPolicy.REFUSE


def test_only_an_environment_with_a_module_has_infrastructure() -> None:
    configuration = parse_configuration(
        f"{START}preview: {{infrastructure: {{terraform: infra}}}}\nstages: {{staging: {{}}}}\n"
    )
    assert configuration.infrastructure_of(PREVIEW) is not None
    assert configuration.infrastructure_of(STAGING) is None


def test_destructive_plans_of_stages_and_demos_need_an_approval_by_default() -> None:
    configuration = parse_configuration(f"{START}{COMMON}stages: {{staging: {{}}}}\ndemo: {{sales: {{}}}}\n")
    for key in (STAGING, EnvironmentKey.demo(1, "sales")):
        section = configuration.infrastructure_of(key)
        assert section is not None
        assert section.destroy is DestroyPolicy.APPROVE


def test_changed_infrastructure_revokes_approvals() -> None:
    stages = "stages: {staging: {}}\n"
    texts = (START + stages, START + COMMON + stages, START + COMMON.replace("small", "large") + stages)
    digests = {configuration_digest(parse_configuration(text), "staging") for text in texts}
    assert len(digests) == 3


def test_module_can_be_in_another_repository() -> None:
    text = "infrastructure: {terraform: {repository: acme/modules, ref: v1.2.0, path: ./shop/}}\n"
    text += "stages: {staging: {infrastructure: {terraform: own}}}\n"
    configuration = parse_configuration(START + text)
    preview, staging = configuration.infrastructure_of(PREVIEW), configuration.infrastructure_of(STAGING)
    assert preview is not None
    assert staging is not None
    assert preview.terraform == ModuleSource(path="shop", repository="acme/modules", ref="v1.2.0")
    assert staging.terraform == ModuleSource(path="own"), "a section replaces the whole source"
    assert ModuleSource(repository="acme/modules", ref="a" * 40).full_sha


def test_another_ref_revokes_approvals() -> None:
    common = "infrastructure: {terraform: {repository: acme/modules, ref: REF}}\nstages: {staging: {}}\n"
    texts = [START + common.replace("REF", ref) for ref in ("v1", "v2")]
    assert len({configuration_digest(parse_configuration(text), "staging") for text in texts}) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("infrastructure: {variables: {a: b}}\n", "line 4, infrastructure: required field is missing"),
        (
            "stages:\n  staging: {infrastructure: {destroy: allow}}\n",
            "line 5, stages.staging.infrastructure: required field is missing",
        ),
        (
            COMMON + "preview:\n  config: {URL: x}\n",
            "line 4, infrastructure.outputs.URL: URL is also set by `preview.config`",
        ),
        (
            "infrastructure: {terraform: infra, variables: {a: b}, secrets: {a: 'env:A'}}\n",
            "line 4, infrastructure.secrets.a: a is set in both `variables` and `secrets`",
        ),
        ("infrastructure: {terraform: ../infra}\n", "line 4, infrastructure.terraform: expected a path"),
        (
            "infrastructure: {terraform: infra, variables: {a: '{branch}'}}\n",
            "line 4, infrastructure.variables.a: unknown placeholder {branch}",
        ),
        (
            "infrastructure: {terraform: infra, outputs: {url: 'a.b'}}\n",
            "line 4, infrastructure.outputs.url: a Terraform name has letters",
        ),
        ("infrastructure: {teraform: infra}\n", "did you mean `terraform`?"),
        ("infrastructure: {terraform: ''}\n", "line 4, infrastructure.terraform: expected the folder"),
        (
            "infrastructure:\n  terraform:\n    path: a\n    ref: v1\n",
            "line 7, infrastructure.terraform.ref: only a module in another `repository` has a ref",
        ),
        (
            "infrastructure:\n  terraform:\n    path: a\n    repository: acme/modules\n",
            "line 7, infrastructure.terraform.repository: required field is missing: `ref`",
        ),
        (
            "preview:\n  infrastructure:\n    terraform:\n      repository: modules\n      ref: v1\n",
            "line 7, preview.infrastructure.terraform.repository: expected a repository as OWNER/NAME",
        ),
        (
            "infrastructure: {terraform: {repository: acme/modules, ref: 'a b'}}\n",
            "line 4, infrastructure.terraform.ref: expected a tag or a full commit SHA",
        ),
        ("infrastructure: {terraform: [infra]}\n", "line 4, infrastructure.terraform"),
    ],
)
def test_mistakes_have_lines(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_configuration(START + text)
    assert message in str(raised.value)
