"""Reads the file of clusters. Every error names the line and the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)

from bot.config.documents import Path as FieldPath
from bot.config.fields import Label
from bot.config.operator_files import OperatorModel, read_operator_file
from bot.config.repositories import Repositories
from bot.model.clusters import ONE_CLUSTER, ClusterGrant, ClusterGrants
from bot.model.environment import DEFAULT_CLUSTER, EnvironmentKind
from bot.model.errors import Rejected
from bot.model.repository import EVERY_REPOSITORY
from bot.settings import Domain, PodSecurity, Settings
from bot.settings.values import Address, BaseDomain, File, GatewaySources, NamespacedName, SizeText, Url

_KINDS = frozenset(EnvironmentKind)


def _absolute(path: str) -> str:
    if not Path(path).is_absolute():
        raise ValueError("expected an absolute path")
    return path


class Kubeconfig(OperatorModel):
    """May be written as the path alone."""

    path: Annotated[File, AfterValidator(_absolute)]
    context: str | None = Field(default=None, min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value


class ClusterEntry(OperatorModel):
    """One cluster. What the default one does not set has the value of its setting."""

    name: Label
    default: bool = False
    kubeconfig: Kubeconfig | None = None
    in_cluster: Literal[True] | None = None
    """Whether the bot runs in a Pod of this cluster, with its service account."""
    gateway: NamespacedName | None = None
    base_domain: BaseDomain | None = None
    fork_base_domain: BaseDomain | None = None
    gateway_address: Address | None = None
    gateway_ca_file: File | None = None
    gateway_pods: GatewaySources | None = None
    gateway_metrics: Url | None = None
    pod_security: PodSecurity | None = None
    largest_size: SizeText | None = None
    fork_size: SizeText | None = None
    repositories: Repositories | None = None
    environments: tuple[EnvironmentKind, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _complete(self) -> ClusterEntry:
        if self.kubeconfig is not None and self.in_cluster:
            raise ValueError("expected one of `kubeconfig` and `in_cluster: true`")
        if self.default:
            return self
        if self.kubeconfig is None and not self.in_cluster:
            raise ValueError("expected `kubeconfig`, or `in_cluster: true` if the bot runs in this cluster")
        for name in ("gateway", "base_domain"):
            if getattr(self, name) is None:
                raise ValueError(f"a cluster other than the default one needs `{name}`")
        return self


class ClustersFile(OperatorModel):
    clusters: tuple[ClusterEntry, ...] = Field(min_length=1, max_length=50)


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """The settings of one cluster: `settings` has its own values in place of the common ones."""

    name: str
    settings: Settings
    context: str | None = None
    """Context of the kubeconfig; None for its current one."""
    grant: ClusterGrant = ONE_CLUSTER.clusters[0]
    listed: bool = False
    """Whether the file lists it."""


def read_clusters(settings: Settings) -> tuple[ClusterSettings, ...]:
    """All clusters, the default one first. Raises SettingsError with one line per problem."""
    if settings.clusters is None:
        return (ClusterSettings(DEFAULT_CLUSTER, settings),)
    file = read_operator_file("clusters", settings.clusters, ClustersFile)
    clusters = file.content.clusters
    if contradictions := _contradictions(clusters, settings):
        raise file.error(contradictions)
    ordered = sorted(clusters, key=lambda entry: not entry.default)
    return tuple(_with_entry(settings, entry) for entry in ordered)


def find_cluster(settings: Settings, name: str) -> ClusterSettings:
    """The cluster of this name, "" for the default one. Raises Rejected when the file does not list it."""
    clusters = read_clusters(settings)
    for cluster in clusters:
        if cluster.name == (name or clusters[0].name):
            return cluster
    names = ", ".join(cluster.name for cluster in clusters)
    raise Rejected(f"Unknown cluster {name} (clusters: {names}).")


def grants_of(clusters: tuple[ClusterSettings, ...]) -> ClusterGrants:
    return ClusterGrants(tuple(cluster.grant for cluster in clusters))


def _contradictions(entries: tuple[ClusterEntry, ...], settings: Settings) -> list[tuple[FieldPath, str]]:
    """Field and message of each."""
    problems: list[tuple[FieldPath, str]] = []
    defaults = [index for index, entry in enumerate(entries) if entry.default]
    if len(defaults) != 1:
        index = defaults[1] if defaults else 0
        problems.append((("clusters", index, "default"), "exactly one cluster must have `default: true`"))
    names: set[str] = set()
    domains: dict[tuple[str, int | None], str] = {}
    for index, entry in enumerate(entries):
        if entry.name in names:
            problems.append((("clusters", index, "name"), f"another cluster has the name {entry.name!r}"))
        names.add(entry.name)
        for field, domain in _domains(entry, settings).items():
            other = domains.setdefault((domain.host, domain.port), entry.name)
            if other != entry.name:
                problems.append((("clusters", index, field), f"the cluster {other!r} has the same domain"))
    return problems


def _domains(entry: ClusterEntry, settings: Settings) -> Mapping[str, Domain]:
    base = entry.base_domain or (settings.base_domain if entry.default else None)
    fork = entry.fork_base_domain or (settings.fork_base_domain if entry.default else None)
    named = {"base_domain": base, "fork_base_domain": fork}
    return {field: domain for field, domain in named.items() if domain is not None}


_OWN = ("fork_base_domain", "gateway_address", "gateway_ca_file", "gateway_pods", "gateway_metrics")
"""What another cluster never shares with the default one."""


def _with_entry(settings: Settings, entry: ClusterEntry) -> ClusterSettings:
    given = {
        name: value
        for name in (*_OWN, "gateway", "base_domain", "pod_security", "largest_size", "fork_size")
        if (value := getattr(entry, name)) is not None
    }
    if not entry.default:
        defaults = {name: Settings.model_fields[name].default for name in _OWN}
        given = {**defaults, **given}
    if entry.kubeconfig is not None:
        given["kubeconfig"] = entry.kubeconfig.path
    elif entry.in_cluster:
        given["kubeconfig"] = None
    everything = (EVERY_REPOSITORY,) if entry.default else ()
    repositories = entry.repositories if entry.repositories is not None else everything
    kinds = frozenset(entry.environments) if entry.environments is not None else _KINDS
    return ClusterSettings(
        entry.name,
        settings.model_copy(update=given),
        entry.kubeconfig.context if entry.kubeconfig is not None else None,
        ClusterGrant(entry.name, repositories, kinds),
        listed=True,
    )
