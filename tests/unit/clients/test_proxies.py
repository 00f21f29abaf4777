"""Which proxy a URL uses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clients.proxies import InvalidProxy, Proxies, proxy_variables

PROXY, OTHER = "http://proxy.example.com:3128", "http://other.example.com:3128"


def uses_proxy(no_proxy: str, url: str) -> bool:
    return Proxies.from_environment({"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}).for_url(url) == PROXY


@pytest.mark.parametrize(
    ("no_proxy", "direct", "proxied"),
    [
        (
            "10.0.0.0/8",
            ["https://10.96.0.1", "https://10.255.255.255:6443"],
            ["https://11.0.0.1", "https://a.b"],
        ),
        ("10.1.2.3/8", ["https://10.96.0.1"], ["https://11.0.0.1"]),
        ("10.96.0.1", ["https://10.96.0.1:6443"], ["https://10.96.0.10", "https://110.96.0.1"]),
        ("fd00::/8", ["https://[fd00::1]:6443"], ["https://[2001:db8::1]"]),
        ("[fd00::1]:6443", ["https://[fd00::1]:6443"], ["https://[fd00::1]"]),
        ("10.0.0.0/8", ["https://[::ffff:10.0.0.1]"], []),
        ("example.com", ["https://example.com", "https://a.example.com:8443"], ["https://myexample.com"]),
        (".example.com", ["https://a.example.com", "https://A.B.Example.COM."], ["https://example.com"]),
        ("*.example.com", ["https://a.example.com"], ["https://example.com"]),
        ("example.com.", ["https://example.com"], ["https://example.org"]),
        (".svc,.cluster.local", ["https://k.default.svc", "https://k.d.svc.cluster.local"], ["https://svc"]),
        ("example.com:8443", ["https://example.com:8443"], ["https://example.com", "https://a.example.com"]),
        ("example.com:443", ["https://example.com"], ["https://example.com:8443"]),
        (
            "a.com, b.com\t10.0.0.0/8",
            ["https://a.com", "https://b.com", "https://10.1.1.1"],
            ["https://c.com"],
        ),
        ("0.1", [], ["https://10.0.0.1"]),
        ("*", ["https://example.com", "https://10.0.0.1"], []),
        ("a.com,*", ["https://example.com"], []),
        (
            "",
            ["https://localhost:1", "https://127.0.0.2", "https://[::1]", "https://a.localhost"],
            ["https://a"],
        ),
    ],
)
def test_no_proxy_names_networks_domains_and_ports(
    no_proxy: str, direct: list[str], proxied: list[str]
) -> None:
    assert [url for url in direct if uses_proxy(no_proxy, url)] == []
    assert [url for url in proxied if not uses_proxy(no_proxy, url)] == []


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(1, 32))
def test_addresses_are_direct_exactly_inside_the_network(address: int, network: int, prefix: int) -> None:
    excluded = IPv4Network((network, prefix), strict=False)
    inside = IPv4Address(address)
    expected = inside not in excluded and not inside.is_loopback
    assert uses_proxy(str(excluded), f"https://{inside}:6443/api") == expected


def test_scheme_selects_the_proxy() -> None:
    environment = {"http_proxy": OTHER, "HTTPS_PROXY": PROXY}
    proxies = Proxies.from_environment(environment)
    assert [proxies.for_url(url) for url in ("http://a.b", "https://a.b", "ftp://a.b")] == [
        OTHER,
        PROXY,
        None,
    ]
    everything = Proxies.from_environment({"ALL_PROXY": PROXY, "http_proxy": "other.example.com:3128"})
    assert [everything.for_url(url) for url in ("http://a.b", "https://a.b")] == [OTHER, PROXY]
    assert (
        Proxies.from_environment({"https_proxy": OTHER, "HTTPS_PROXY": PROXY}).for_url("https://a") == OTHER
    )
    assert Proxies.from_environment({"https_proxy": "", "HTTPS_PROXY": PROXY}).for_url("https://a") == PROXY
    assert Proxies.from_environment({}).for_url("https://a.b") is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTPS_PROXY", "socks5://user:canary@proxy:1080"),
        ("https_proxy", "http://user:canary@:99999"),
        ("HTTP_PROXY", "http://"),
        ("ALL_PROXY", "http://[canary"),
        ("NO_PROXY", "10.0.0.0/33"),
        ("no_proxy", "https://example.com"),
        ("NO_PROXY", "exa mple.com,-"),
    ],
)
def test_invalid_variable_is_named(variable: str, value: str) -> None:
    with pytest.raises(InvalidProxy, match=f"^{variable.upper()} is invalid: ") as caught:
        Proxies.from_environment({variable: value})
    assert "canary" not in str(caught.value)


def test_passwords_of_proxies_are_not_shown() -> None:
    proxies = Proxies.from_environment({"HTTPS_PROXY": "http://user:canary@proxy:3128"})
    assert "canary" not in repr(proxies)


def test_programs_get_only_the_proxy_variables() -> None:
    environment = {"https_proxy": PROXY, "NO_PROXY": ".svc", "HTTP_PROXY": " ", "GREENROOM_X": "canary"}
    assert proxy_variables(environment) == {"https_proxy": PROXY, "NO_PROXY": ".svc"}
