"""Cluster addresses of Services."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from bot.embedded.kubernetes.admission.plugin import Plugin
from bot.embedded.kubernetes.errors import invalid, wrong
from bot.embedded.kubernetes.objects import Object, name_of, table
from bot.embedded.kubernetes.resources import Resource, resource_of
from bot.embedded.kubernetes.storage.store import Store

_NETWORK = IPv4Network("10.96.0.0/16")


class ServiceAddresses(Plugin):
    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._next = 10

    def admit(self, resource: Resource, obj: Object, live: Object | None) -> None:
        if resource.plural != "services":
            return
        spec = obj["spec"]
        if spec["type"] == "ExternalName":
            for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                spec.pop(name, None)
            return
        before = table(live, "spec")
        if not spec.get("clusterIP"):
            spec["clusterIP"] = before.get("clusterIP") or self._free_address()
        elif live is None and spec["clusterIP"] in self._taken():
            words = f"failed to allocate IP {spec['clusterIP']}: provided IP is already allocated"
            raise invalid(resource, name_of(obj), [wrong("spec.clusterIPs", [spec["clusterIP"]], words)])
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")

    def _services(self) -> Iterator[Object]:
        return self._store.select(resource_of("services"))

    def _taken(self) -> set[str]:
        return {service["spec"].get("clusterIP", "") for service in self._services()}

    def _free_address(self) -> str:
        taken = self._taken()
        for _ in range(_NETWORK.num_addresses):
            address = str(_NETWORK[self._next])
            self._next = 10 + (self._next - 9) % (_NETWORK.num_addresses - 20)
            if address not in taken:
                return address
        raise RuntimeError("no cluster address is free")
