"""Settings of drift detection and of Terraform."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from bot.settings.manifests import ManifestSettings
from bot.settings.values import DriftRules, Duration, ImageName, Networks, Repositories


class InfrastructureSettings(ManifestSettings):
    drift_interval: Duration = Field(
        default=timedelta(minutes=10),
        description="Interval at which each stage and demo is compared with what was deployed there.",
    )
    drift_infrastructure_interval: Duration = Field(
        default=timedelta(hours=24),
        description="Interval at which a Terraform plan checks the resources of each stage and demo for "
        "drift; see drift.md.",
    )
    drift_heals_per_day: int = Field(
        default=3,
        ge=0,
        description="Maximum number of repairs per day of a stage with `drift: heal`. Further drift is only "
        "reported.",
    )
    drift_ignored: DriftRules = Field(
        default=(),
        description="Differences to ignore, in addition to what Kubernetes and well-known controllers "
        "write: objects as `KIND/NAME` and fields as `KIND:PATH`, with wildcards, separated by commas; "
        "see drift.md.",
    )
    terraform_image: ImageName | None = Field(
        default=None,
        description="Image with `tofu` or `terraform` and a shell, which runs the modules of "
        "`infrastructure`. Without it, environments with infrastructure are refused; see infrastructure.md.",
    )
    terraform_networks: Networks = Field(
        default=(),
        description="Private networks that Terraform may reach for every repository: the addresses of the "
        "Kubernetes API server, which keeps the state, and of what you provide, separated by commas.",
    )
    terraform_pull_request_modules: Repositories = Field(
        default=(),
        description="Repositories whose previews run the module of the pull request instead of the default "
        "branch's: `OWNER/NAME` or `OWNER/*`, separated by commas. Anyone who can push a branch there can "
        "then use the credentials. Modules of forks never run.",
    )
    terraform_module_repositories: Repositories = Field(
        default=(),
        description="Repositories of other owners whose Terraform modules every repository may run: "
        "`OWNER/NAME` or `OWNER/*`, separated by commas. Those of its own owner are always allowed where the "
        "App is installed.",
    )
