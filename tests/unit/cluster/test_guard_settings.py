"""GREENROOM_ALLOWED_FIELDS: names that the guard does not know are errors at start-up."""

from __future__ import annotations

import re

import pytest

from bot.cluster.guard.kind_fields import TYPES, check_settings
from bot.cluster.guard.metadata import ANNOTATIONS, LABELS
from bot.settings import Settings, SettingsError
from tests.unit.project.files import ROOT


def _settings(**allowed: frozenset[str]) -> Settings:
    return Settings.model_construct(
        allowed_fields={name.replace("_", "."): values for name, values in allowed.items()}
    )


def test_known_fields_are_accepted() -> None:
    check_settings(_settings(PodSpec_nodeSelector=frozenset(), Volume_csi=frozenset({"x"})))


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("PodSpec_nodeSelektor", "did you mean PodSpec.nodeSelector?"),
        ("Volume_hostPath", "cannot be allowed"),
        ("ObjectMeta_finalizers", "cannot be allowed"),
        ("PodSpec_containers", "cannot be allowed"),
    ],
)
def test_other_fields_are_refused(name: str, suggestion: str) -> None:
    with pytest.raises(SettingsError, match=name.replace("_", ".")) as caught:
        check_settings(_settings(**{name: frozenset()}))
    assert suggestion in str(caught.value)


def test_documentation_lists_the_fields_that_operators_can_allow() -> None:
    page = (ROOT / "docs" / "manifests.md").read_text()
    items = re.findall(r"^- (.+(?:\n  .+)*)", page, re.MULTILINE)
    missing = []
    for type_name, described in TYPES.items():
        names = {name for name, field in described.items() if field.rule and not field.fixed}
        of_type = "".join(item for item in items if item.startswith(f"`{type_name}`:"))
        documented = {name for name in names if f"`{name}`" in of_type or f"`{type_name}.{name}`" in page}
        missing += [f"{type_name}.{name}" for name in names - documented if type_name != "Volume"]
    assert missing == []


def test_documentation_lists_the_allowed_labels_and_annotations() -> None:
    page = (ROOT / "docs" / "manifests.md").read_text()
    assert [key for key in (*LABELS, *ANNOTATIONS) if f"`{key}`" not in page] == []
