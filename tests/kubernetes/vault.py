"""A real Vault server in development mode: unsealed, in memory, on loopback."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from bot.embedded.bot_process import free_port
from tests.kubernetes import secret_programs
from tests.kubernetes.programs import running

_ROOT = "root-of-the-tests"
_PLUGINS = ("postgresql-database-plugin", "vault-plugin-auth-kubernetes")


class Vault:
    """Requests of its administrator."""

    def __init__(self, address: str, log: Path) -> None:
        self.address = address
        self._http = httpx.Client(
            base_url=f"{address}/v1/", headers={"X-Vault-Token": _ROOT}, trust_env=False, timeout=20
        )
        self._log = log

    def answers(self) -> bool:
        try:
            return self._http.get("sys/health").status_code == 200
        except httpx.HTTPError:
            return False

    def write(self, path: str, method: str = "POST", **body: Any) -> dict[str, Any]:
        response = self._http.request(method, path, json=body)
        assert response.is_success, f"{path}: {response.text}"
        return dict(response.json()) if response.content else {}

    def read(self, path: str) -> dict[str, Any]:
        response = self._http.get(path)
        assert response.is_success, f"{path}: {response.text}"
        return dict(response.json())

    def policy(self, name: str, *rules: str) -> None:
        """A policy of rules such as `read kv/data/*`."""
        parts = (rule.split() for rule in rules)
        text = "\n".join(f'path "{path}" {{ capabilities = ["{right}"] }}' for right, path in parts)
        self.write(f"sys/policies/acl/{name}", method="PUT", policy=text)

    def token(self, **options: Any) -> str:
        return str(self.write("auth/token/create", **options)["auth"]["client_token"])

    def tokens(self) -> set[str]:
        """The accessors of all tokens that are valid."""
        listed = self._http.request("LIST", "auth/token/accessors")
        return set(listed.json()["data"]["keys"])

    def issue_from(self, url: str) -> None:
        """`database/creds/shop` issues logins of this PostgreSQL server; those of `brief` end soon."""
        self.write("sys/mounts/database", type="database")
        user, _, host = url.partition("://")[2].partition("@")
        self.write(
            "database/config/shop",
            plugin_name="postgresql-database-plugin",
            allowed_roles=["shop", "brief"],
            connection_url=f"postgresql://{{{{username}}}}:{{{{password}}}}@{host}?sslmode=disable",
            username=user,
            password="unused",
        )
        login = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
        for role, default, longest in (("shop", "1h", "24h"), ("brief", "70s", "70s")):
            self.write(
                f"database/roles/{role}",
                db_name="shop",
                default_ttl=default,
                max_ttl=longest,
                creation_statements=[login],
            )

    def seal(self) -> None:
        """From now on it does not answer requests."""
        self.write("sys/seal")

    def unseal(self) -> None:
        key = next(line for line in self._log.read_text().splitlines() if line.startswith("Unseal Key:"))
        self.write("sys/unseal", key=key.partition(":")[2].strip())

    def close(self) -> None:
        self._http.close()


@contextlib.contextmanager
def vault(folder: Path) -> Iterator[Vault]:
    """Start it with the engines `kv` (version 2) and `old` (version 1), and plugins."""
    plugins = folder / "plugins"
    plugins.mkdir(parents=True)
    for name in _PLUGINS:  # Vault follows no link out of its folder
        os.link(secret_programs.locate(name), plugins / name)
    port, log = free_port(), folder / "vault.log"
    server = Vault(f"http://127.0.0.1:{port}", log)
    command = (
        str(secret_programs.locate("vault")),
        "server",
        "-dev",
        "-dev-no-store-token",
        f"-dev-root-token-id={_ROOT}",
        f"-dev-listen-address=127.0.0.1:{port}",
        f"-dev-plugin-dir={plugins}",
    )
    with contextlib.closing(server), running(command, log, server.answers, HOME=str(folder)):
        server.write("sys/mounts/kv", type="kv", options={"version": "2"})
        server.write("sys/mounts/old", type="kv", options={"version": "1"})
        yield server
