"""Records of Apps, their installations and what was delivered to their webhook."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass
class App:
    id: int
    slug: str
    name: str
    owner: str
    client_id: str
    created_at: datetime
    permissions: dict[str, str]
    events: list[str]
    hook_url: str | None = None

    @property
    def bot_login(self) -> str:
        return f"{self.slug}[bot]"


@dataclass
class Installation:
    id: int
    app: str
    account: str
    selection: Literal["all", "selected"]
    repository_ids: list[int]  # of a "selected" installation
    permissions: dict[str, str]
    events: list[str]
    created_at: datetime
    updated_at: datetime
    suspended_at: datetime | None = None
    suspended_by: str | None = None


@dataclass
class Token:
    """An installation's or a person's access; `expires_at` None means until revoked."""

    login: str
    installation_id: int | None
    expires_at: datetime | None
    permissions: dict[str, str] = field(default_factory=dict)
    repository_ids: list[int] | None = None  # None: whatever the installation may see


@dataclass
class Delivery:
    id: int
    guid: str
    event: str
    action: str | None
    installation_id: int | None
    repository_id: int | None
    url: str
    delivered_at: datetime
    request_headers: dict[str, str]
    request_body: bytes = field(repr=False)
    redelivery: bool = False
    duration: float = 0.0
    status: str = "pending"
    status_code: int = 0
