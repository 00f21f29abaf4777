"""The Gateways that `greenroom setup` offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot.cluster.client.connection import connect
from bot.cluster.client.kinds import GATEWAY, NAMESPACE
from bot.embedded.kubernetes import KubernetesServer
from bot.setup.gateways import GatewayChoice, gateways


def gateway(name: str, *listeners: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": GATEWAY.api_version,
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": "gateways"},
        "spec": {
            "gatewayClassName": "any",
            "listeners": [{"name": f"l{index}", **listener} for index, listener in enumerate(listeners)],
        },
    }


async def test_gateways_with_wildcards_come_first_with_their_domains(tmp_path: Path) -> None:
    async with KubernetesServer() as server:
        kubeconfig = server.write_kubeconfig(tmp_path / "kubeconfig")
        async with await connect(kubeconfig) as api:
            assert await gateways(api) == []
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "gateways"}}
            await api.create(NAMESPACE, body)
            https = {"protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "cert"}]}}
            await api.apply(
                gateway("internal", {"port": 80, "protocol": "HTTP", "hostname": "a.example.com"})
            )
            await api.apply(
                gateway(
                    "public",
                    {"port": 443, "hostname": "*.preview.example.com", **https},
                    {"port": 8443, "hostname": "*.forks.example.com", **https},
                    {"port": 8080, "protocol": "HTTP", "hostname": "*.preview.localhost"},
                )
            )
            assert await gateways(api) == [
                GatewayChoice(
                    "gateways/public",
                    (
                        "preview.example.com",
                        "https://forks.example.com:8443",
                        "http://preview.localhost:8080",
                    ),
                ),
                GatewayChoice("gateways/internal", ()),
            ]
