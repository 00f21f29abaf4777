"""The settings that decide how manifests are rendered, which `greenroom render` reads without the others."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from bot.model.size import Size
from bot.settings.values import (
    AllowedFields,
    BaseDomain,
    CustomKinds,
    Duration,
    EgressNetworks,
    File,
    GatewaySources,
    HostNames,
    Hosts,
    Keys,
    Names,
    NamespacedName,
    Namespaces,
    Networks,
    PullSecrets,
    Resources,
    RuntimeSecrets,
    SecretStores,
    SizeText,
)


class PodSecurity(StrEnum):
    RESTRICTED = "restricted"
    BASELINE = "baseline"


class ManifestSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_by_name=True)

    base_domain: BaseDomain = Field(
        description="Wildcard domain that resolves to the gateway, such as `preview.example.com`. Links use "
        "`https://`, unless the value names scheme and port: `http://preview.localhost:8080`.",
    )
    fork_base_domain: BaseDomain | None = Field(
        default=None,
        description="Separate wildcard domain for previews of forks, so that they share neither cookies nor "
        "origin with other previews. Default: the base domain.",
    )
    hosts: HostNames = Field(
        default={},
        description="Hosts that stages may use, by repository: "
        "`acme/shop=shop.example.com,*.shop.example.com,acme/web=www.example.com`. `*.` stands for "
        "one label. You provide DNS and certificates.",
    )
    gateway: NamespacedName = Field(description="Gateway for the routes of environments: `NAMESPACE/NAME`.")
    registry_credentials: File | None = Field(
        default=None,
        description="File with credentials for registries, in the format of Docker's `config.json` or of "
        "`containers-auth.json(5)`. It is read again when it changes.",
    )
    private_registries: Hosts = Field(
        default=(),
        description="Registries with private or loopback addresses from which images may come: `HOST` or "
        "`HOST:PORT`, separated by commas. Registries with public addresses need no entry; all others are "
        "refused.",
    )
    pull_secrets: PullSecrets = Field(
        default={},
        description="Secrets with which the pods of a repository's environments pull images: "
        "`acme/*=registries/ghcr,acme/shop=registries/quay`, as `NAMESPACE/NAME`. Environments of forks get "
        "none.",
    )
    terraform_credentials: PullSecrets = Field(
        default={},
        description="Secrets whose keys become environment variables of a repository's Terraform runs: "
        "`acme/shop=credentials/aws,acme/*=credentials/dns`, as `NAMESPACE/NAME`.",
    )
    secrets_namespaces: Namespaces = Field(
        default=(),
        description="Namespaces whose Secrets may be injected into environments, separated by commas. "
        "Each Secret names its repositories.",
    )
    secrets_interval: Duration = Field(
        default=timedelta(minutes=1),
        description="How often the secrets of an environment are read again, unless their references name a "
        "version.",
    )
    secret_stores: SecretStores = Field(
        default={},
        description="ClusterSecretStores of the External Secrets Operator from which the environments of a "
        "repository may read: `acme/*=vault-preview,acme/shop=aws`. A store gives all that it can read. "
        "Environments of forks get none.",
    )
    runtime_secrets: RuntimeSecrets = Field(
        default={},
        description="How applications of a repository may read secrets themselves: annotations of the Vault "
        "agent injector (`vault-agent`), volumes of the Secrets Store CSI driver (`csi`), and account tokens "
        "with an audience (`audience:NAME`): `acme/*=vault-agent,acme/shop=csi,audience:vault`. Environments "
        "of forks get none.",
    )
    render_hosts: Hosts = Field(
        default=(),
        description="Hosts from which Kustomize and Helm may fetch bases and charts: `HOST` or `HOST:PORT`, "
        "separated by commas. The guard checks what they render.",
    )
    pod_security: PodSecurity = Field(
        default=PodSecurity.BASELINE,
        description="Pod Security Standard for environments: `baseline`, which allows containers to run as "
        "root, or `restricted`. Environments of forks are always `restricted`.",
    )
    allowed_annotations: Keys = Field(
        default=(),
        description="Labels and annotations that manifests may contain besides those that no controller acts "
        "on: keys such as `example.com/team` and prefixes such as `prometheus.io/`, separated by commas.",
    )
    allowed_storage_classes: Names = Field(
        default=(),
        description="Storage classes that volume claims may name, separated by commas. Others become the "
        "default class.",
    )
    allowed_kinds: CustomKinds = Field(
        default=(),
        description="Namespaced kinds of your cluster's CustomResourceDefinitions that manifests may "
        "contain: `clusters.postgresql.cnpg.io/v1=Cluster`, as `PLURAL.GROUP/VERSION=KIND`, separated by "
        "commas. "
        "`greenroom rights` prints the rights that they require. Environments of forks get none.",
    )
    allowed_networks: Networks = Field(
        default=(),
        description="Private networks that NetworkPolicies of manifests may open, such as `10.20.0.0/16`, "
        "separated by commas.",
    )
    gateway_pods: GatewaySources = Field(
        default=(),
        description="Pods from which the gateway's requests come, in place of all pods of the Gateway's "
        "namespace: `NAMESPACE`, `NAMESPACE/KEY=VALUE+KEY=VALUE`, or a network such as `10.0.0.0/16` for a "
        "gateway outside of the pod network; separated by commas.",
    )
    egress_networks: EgressNetworks = Field(
        default={},
        description="Private networks that the environments of a repository may reach: "
        "`acme/shop=10.20.0.0/16,acme/*=10.30.0.5/32`. Environments of forks never reach them.",
    )
    allowed_resources: Resources = Field(
        default={},
        description="Extended resources that containers may request, with the quota of one environment: "
        "`nvidia.com/gpu=2`, separated by commas.",
    )
    allowed_fields: AllowedFields = Field(
        default={},
        description="Fields of manifests that are otherwise removed or refused, for example "
        "`PodSpec.nodeSelector,PodSpec.priorityClassName=preview,Volume.csi`. A value after `=` allows only "
        "that value.",
    )
    default_size: SizeText = Field(
        default=Size(),
        description="Limits for all containers of a preview together, unless `.greenroom.yml` sets "
        "`preview.size`. For example `memory=2Gi,pods=10`. Capped by the largest size.",
    )
    longest_grace_period: Duration = Field(
        default=timedelta(minutes=5),
        description="Upper bound for termination grace periods and `preStop` pauses. Longer times are "
        "reduced to it.",
    )

    @property
    def gateway_namespace(self) -> str:
        return self.gateway.partition("/")[0]

    @property
    def gateway_name(self) -> str:
        return self.gateway.partition("/")[2]
