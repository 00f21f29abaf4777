"""Vault for the bot of a site: the login of its account, and a periodic token."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import yaml

from tests.kubernetes.vault import Vault
from tests.story.conftest import Scenario, Site, operated, organize
from tests.story.operators import Administrator
from tests.story.secret_behaviour import FOLLOWING

READS = ("read kv/data/preview/*", "read old/preview/*")
"""The rights of the bot's login."""
SEALED = "is sealed or in standby"
"""What the comment shows while Vault is sealed."""


@contextlib.asynccontextmanager
async def vaulted(
    site: Site, server: Vault, folder: Path, organization: str, *paths: str
) -> AsyncIterator[Site]:
    """The site with a bot that reads from Vault. An organisation may read these paths."""
    server.policy("greenroom", *READS)
    server.policy("issuer", "read database/creds/*", "update sys/leases/revoke")
    grants = dict.fromkeys(paths, f"{organization}/*")
    managers = _managers_file(Administrator(site), server, folder, grants)
    await asyncio.to_thread(organize, site.world, organization)
    async with operated(site, GREENROOM_SECRETS_MANAGERS=str(managers), **FOLLOWING) as allowed:
        yield allowed


@contextlib.asynccontextmanager
async def shop_of(site: Site, organization: str) -> AsyncIterator[Scenario]:
    """A new repository, which has no files yet."""
    scenario = Scenario(site, f"{organization}/shop-{secrets.token_hex(3)}")
    yield scenario
    await scenario.end()


def _managers_file(administrator: Administrator, server: Vault, folder: Path, grants: dict[str, str]) -> Path:
    """Lets the bot log in with its ServiceAccount, and issue with a periodic token; the file of managers."""
    _trust_accounts(administrator, server)
    token = administrator.kubectl("create", "token", "greenroom", "--namespace=greenroom", "--audience=vault")
    (folder / "account").write_text(token)
    (folder / "issuer").write_text(server.token(policies=["issuer", "default"], no_parent=True, period="1h"))
    login = {"role": "greenroom", "token_file": str(folder / "account")}
    settings: dict[str, Any] = {
        "address": server.address,
        "auth": {"kubernetes": login},
        "dynamic_token_file": str(folder / "issuer"),
        "grants": grants,
    }
    file = folder / "managers.yaml"
    file.write_text(yaml.safe_dump({"vault": settings}))
    return file


def _trust_accounts(administrator: Administrator, server: Vault) -> None:
    """Vault asks the cluster who a ServiceAccount's token belongs to."""
    account = ("serviceaccount", "reviewer", "--namespace=default")
    role = ("--clusterrole=system:auth-delegator", "--serviceaccount=default:reviewer")
    for words in (account, ("clusterrolebinding", "reviewer", *role)):  # another module may have made them
        made = administrator.kubectl("create", *words, "--dry-run=client", "--output=json")
        administrator.kubectl("apply", "--filename=-", stdin=made)
    reviewer = administrator.kubectl("create", "token", "reviewer", "--namespace=default", "--duration=1h")
    cluster = yaml.safe_load(Path(administrator.kubeconfig).read_text())["clusters"][0]["cluster"]
    server.write("sys/auth/kubernetes", type="vault-plugin-auth-kubernetes")
    server.write(
        "auth/kubernetes/config",
        kubernetes_host=cluster["server"],
        kubernetes_ca_cert=Path(cluster["certificate-authority"]).read_text(),
        token_reviewer_jwt=reviewer,
        disable_local_ca_jwt=True,
    )
    server.write(
        "auth/kubernetes/role/greenroom",
        bound_service_account_names=["greenroom"],
        bound_service_account_namespaces=["greenroom"],
        audience="vault",
        token_policies=["greenroom"],
    )
