"""What the operator grants to the Terraform runs of repositories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.cluster.policy import granted
from bot.model.repository import Repository
from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class TerraformPolicy:
    image: str = ""
    """ "" where the operator offers no infrastructure."""
    networks: tuple[str, ...] = ()
    """Private networks that all runs may reach."""
    egress_networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Further ones by repository or `OWNER/*`, in lower case."""
    credentials: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The operator's Secrets as `NAMESPACE/NAME`, by repository or `OWNER/*`, in lower case."""
    pull_request_modules: tuple[str, ...] = ()
    """Repositories, or `OWNER/*`, whose previews run the pull request's own module."""

    @classmethod
    def of(cls, settings: Settings) -> TerraformPolicy:
        return cls(
            image=settings.terraform_image or "",
            networks=settings.terraform_networks,
            egress_networks=settings.egress_networks,
            credentials=settings.terraform_credentials,
            pull_request_modules=settings.terraform_pull_request_modules,
        )

    def networks_of(self, repository: Repository) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.networks, *granted(self.egress_networks, repository))))

    def credentials_of(self, repository: Repository) -> tuple[str, ...]:
        return granted(self.credentials, repository)

    def runs_pull_request_module(self, repository: Repository) -> bool:
        return repository.is_among(self.pull_request_modules)
