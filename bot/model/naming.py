"""Names that Kubernetes and DNS accept, never colliding: each carries GitHub's repository id in base 36."""

from __future__ import annotations

import hashlib
import re

from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.repository import Repository

_LONGEST_LABEL = 63
_LONGEST_NAME = 32
"""Leaves room in a DNS label (63) for prefix, repository id, and a pull request's or stage's name."""

_FURTHER_DIGEST = 20
"""A repository's id has at most 13 digits in base 36."""

_PREVIEW_LABEL = re.compile(r"pr-([1-9][0-9]{0,9})-[a-z0-9-]+-([1-9a-z][0-9a-z]{0,12})")
_LARGEST_NUMBER, _LARGEST_ID = 2**31 - 1, 2**63 - 1

SEPARATOR = "--"
"""Between the name of a further host and the label of the environment's host."""

PREVIEW_ENVIRONMENT = "preview"
"""GitHub Environment of the Deployments of previews, unless the operator names another one."""


def repository_slug(repository: Repository) -> str:
    """Such as `shop-k2x9f1`: at most 46 characters of a DNS label, readable first, unique by its ending."""
    readable = re.sub(r"[^a-z0-9]+", "-", repository.name.lower()).strip("-")[:_LONGEST_NAME].strip("-")
    return f"{readable or 'repository'}-{_base36(repository.id)}"


def environment_name(key: EnvironmentKey, repository: Repository) -> str:
    """The display name: `acme/shop#7` or `acme/shop:staging`."""
    mark = "#" if key.kind is EnvironmentKind.PREVIEW else ":"
    return f"{repository.full_name}{mark}{key.name}"


def namespace_name(key: EnvironmentKey, repository: Repository) -> str:
    """Such as `gr-shop-k2x9f1-pr-7`, `gr-shop-k2x9f1-staging`, `gr-demo-shop-k2x9f1-sales`."""
    kind = "gr-demo" if key.kind is EnvironmentKind.DEMO else "gr"
    return _dns_label(f"{kind}-{repository_slug(repository)}-{_short_name(key)}")


def infrastructure_namespace(namespace: str) -> str:
    """Such as `gr-shop-k2x9f1-pr-7--infra`, which no environment has: names of stages contain no `--`."""
    return _dns_label(f"{namespace}--infra")


def host_label(key: EnvironmentKey, repository: Repository) -> str:
    """The first label of the environment's host, such as `pr-7-shop-k2x9f1` or `sales-shop-k2x9f1-demo`."""
    # The stage that had a demo's name before may still stand, and keeps its own host.
    kind = "-demo" if key.kind is EnvironmentKind.DEMO else ""
    return _dns_label(f"{_short_name(key)}-{repository_slug(repository)}{kind}")


def preview_of(label: str) -> EnvironmentKey | None:
    """The preview that may have this first label, or a further host of this form; None if none can.

    The name of the repository is not compared.
    """
    match = _PREVIEW_LABEL.fullmatch(label.rpartition(SEPARATOR)[2])
    if match is None or len(label) > _LONGEST_LABEL:
        return None
    number, repository = int(match[1]), int(match[2], 36)
    is_valid = number <= _LARGEST_NUMBER and repository <= _LARGEST_ID
    return EnvironmentKey.preview(repository, number) if is_valid else None


def further_host(name: str, host: str) -> str:
    """The host of a further route: `NAME--HOST`, with one label before the domain, as HOST has.

    Labels of environments and names of routes contain no `--`, so this one belongs to one environment only.
    A truncated label ends with a digest that is longer than a repository's id.
    """
    label, _, domain = host.partition(".")
    full = f"{name}{SEPARATOR}{label}"
    if len(full) > _LONGEST_LABEL:
        digest = hashlib.sha256(full.encode()).hexdigest()[:_FURTHER_DIGEST]
        full = f"{full[: _LONGEST_LABEL - _FURTHER_DIGEST - 1].rstrip('-')}-{digest}"
    return f"{full}.{domain}"


def _dns_label(name: str) -> str:
    """A DNS label; longer names are truncated and made unique by a digest."""
    if len(name) <= _LONGEST_LABEL:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_LABEL - 9].rstrip('-')}-{digest}"


def _short_name(key: EnvironmentKey) -> str:
    return f"pr-{key.name}" if key.kind is EnvironmentKind.PREVIEW else key.name


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while number:
        number, rest = divmod(number, 36)
        text = digits[rest] + text
    return text or "0"
