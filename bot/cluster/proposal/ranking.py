"""Which of several folders with manifests is the most likely one for production, by its path. Pure."""

from __future__ import annotations

import re

_PREFERRED = (("production", "prod", "live"), ("default", "main", "release"), ("staging", "stage"))
_LAST = frozenset(
    [
        "alerting",
        "archive",
        "archived",
        "backup",
        "benchmark",
        "ci",
        "contrib",
        "deprecated",
        "dev",
        "development",
        "docs",
        "e2e",
        "example",
        "examples",
        "extra",
        "extras",
        "kind",
        "knative",
        "legacy",
        "local",
        "logging",
        "minikube",
        "monitoring",
        "old",
        "openshift",
        "optional",
        "sample",
        "samples",
        "test",
        "tests",
        "tracing",
        "training",
        "tutorial",
        "tutorials",
    ]
)
"""Words in names of folders that are not for production, or for one platform."""


def rank(path: str) -> tuple[int, int, str]:
    """Production first, then the folder nearest to the root."""
    words = _words(path)
    group = next((index for index, names in enumerate(_PREFERRED) if words & set(names)), len(_PREFERRED))
    return group, path.count("/"), path


def is_last(path: str) -> bool:
    """Whether other places are more likely."""
    return not _words(path).isdisjoint(_LAST)


def _words(path: str) -> set[str]:
    return set(re.split(r"[/_.-]", path.lower()))
