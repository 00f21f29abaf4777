"""Settings from environment variables, and the messages for missing and invalid ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot.model.size import Size
from bot.settings import (
    Domain,
    PodSecurity,
    Settings,
    SettingsError,
    read_settings,
    unknown_variables,
    variable,
)

Start = Callable[..., Settings]


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(scope="session")
def private_key() -> str:
    return _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, private_key: str) -> Start:
    """Reads the settings with these environment variables; None unsets one."""
    complete = {
        "GREENROOM_GITHUB_APP_ID": "12",
        "GREENROOM_GITHUB_PRIVATE_KEY": private_key,
        "GREENROOM_WEBHOOK_SECRET": "a well kept secret",
        "GREENROOM_BASE_DOMAIN": "preview.example.com",
        "GREENROOM_GATEWAY": "gateways/public",
        "GREENROOM_PUBLIC_URL": "https://greenroom.example.com/",
    }

    def read(**changes: str | None) -> Settings:
        monkeypatch.delenv("KUBECONFIG", raising=False)
        for name, value in {**complete, **changes}.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        return read_settings()

    return read


def _problem(start: Start, **changes: str | None) -> str:
    with pytest.raises(SettingsError) as caught:
        start(**changes)
    assert len(caught.value.problems) == 1
    return caught.value.problems[0]


@pytest.mark.parametrize(
    ("name", "value"), [("HTTPS_PROXY", "socks5://proxy:1080"), ("NO_PROXY", "10.0.0.0/99")]
)
def test_invalid_proxy_is_a_problem_of_the_settings(start: Start, name: str, value: str) -> None:
    assert _problem(start, **{name: value}).startswith(f"{name} is invalid: ")


def test_defaults_with_only_required_settings(start: Start) -> None:
    settings = start()
    assert settings.github_api_url == "https://api.github.com"
    assert settings.public_url == "https://greenroom.example.com"
    assert (settings.gateway_namespace, settings.gateway_name) == ("gateways", "public")
    assert settings.pod_security is PodSecurity.BASELINE
    assert settings.default_ttl == timedelta(days=3)
    assert settings.kubeconfig is None


def test_all_missing_settings_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("APP_ID", "PRIVATE_KEY"):
        monkeypatch.delenv(f"GREENROOM_GITHUB_{name}", raising=False)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    missing = [problem.split()[0] for problem in caught.value.problems]
    assert missing == [
        "GREENROOM_BASE_DOMAIN",
        "GREENROOM_GATEWAY",
        "GREENROOM_GITHUB_APP_ID",
        "GREENROOM_GITHUB_PRIVATE_KEY",
        "GREENROOM_WEBHOOK_SECRET",
        "GREENROOM_PUBLIC_URL",
    ]


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_empty_webhook_secret_is_rejected(start: Start, empty: str) -> None:
    assert _problem(start, GREENROOM_WEBHOOK_SECRET=empty).startswith("GREENROOM_WEBHOOK_SECRET is")


def test_previous_webhook_secret_is_accepted(start: Start) -> None:
    settings = start(GREENROOM_WEBHOOK_SECRET="new one\n", GREENROOM_WEBHOOK_SECRET_PREVIOUS="old one")
    assert settings.webhook_secrets == ("new one", "old one")
    assert start(GREENROOM_WEBHOOK_SECRET_PREVIOUS="").webhook_secrets == ("a well kept secret",)


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("preview.example.com", Domain("https", "preview.example.com", None)),
        ("*.Preview.example.com/", Domain("https", "preview.example.com", None)),
        ("http://preview.localhost:8080", Domain("http", "preview.localhost", 8080)),
        ("localhost:9", Domain("https", "localhost", 9)),
    ],
)
def test_base_domain_with_scheme_and_port(start: Start, text: str, domain: Domain) -> None:
    assert start(GREENROOM_BASE_DOMAIN=text).base_domain == domain


@pytest.mark.parametrize(
    "text", ["ftp://a.b", "https://a.b/path", "a b", "ä.example", "x:99999", "a..b", "-a.b"]
)
def test_invalid_base_domain_is_rejected(start: Start, text: str) -> None:
    assert "GREENROOM_BASE_DOMAIN is invalid" in _problem(start, GREENROOM_BASE_DOMAIN=text)


def test_host_grants_by_repository(start: Start) -> None:
    text = "acme/Shop=shop.example.com, *.shop.example.com, acme/web=WWW.example.com"
    assert start().host_grants.hosts == {}
    grants = start(GREENROOM_HOSTS=text, GREENROOM_FORK_BASE_DOMAIN="forks.example.com").host_grants
    assert grants.hosts == {
        "acme/shop": ("shop.example.com", "*.shop.example.com"),
        "acme/web": ("www.example.com",),
    }
    assert grants.domains == ("preview.example.com", "forks.example.com")
    assert grants.pages == "greenroom.example.com"


@pytest.mark.parametrize(
    "text",
    [
        "shop.example.com",
        "acme=shop.example.com",
        "acme/*=shop.example.com",
        "acme/shop=",
        "acme/shop=*",
        "acme/shop=localhost",
        "acme/shop=https://shop.example.com",
        "acme/shop=shop.example.com:8080",
        "acme/shop=a.example.com,acme/web=a.example.com",
    ],
)
def test_invalid_host_grants_are_rejected(start: Start, text: str) -> None:
    assert "GREENROOM_HOSTS is invalid" in _problem(start, GREENROOM_HOSTS=text)


def test_size_overrides_defaults(start: Start) -> None:
    assert start(GREENROOM_LARGEST_SIZE="cpu=16, pods=100").largest_size == Size(cpu="16", pods="100")


@pytest.mark.parametrize("text", ["4", "cpu=lots", "gpu=1", "cpu"])
def test_invalid_size_is_rejected(start: Start, text: str) -> None:
    assert "GREENROOM_DEFAULT_SIZE is invalid" in _problem(start, GREENROOM_DEFAULT_SIZE=text)


def test_private_key_from_a_file(start: Start, private_key: str, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text(private_key)
    settings = start(GREENROOM_GITHUB_PRIVATE_KEY=str(file))
    assert settings.github_private_key.get_secret_value() == private_key.strip()


def test_private_key_with_escaped_line_ends(start: Start, private_key: str) -> None:
    settings = start(GREENROOM_GITHUB_PRIVATE_KEY=private_key.replace("\n", "\\n"))
    assert settings.github_private_key.get_secret_value() == private_key.strip()


def test_invalid_private_key_is_rejected_and_not_shown(start: Start, private_key: str) -> None:
    half = private_key[:200]
    problem = _problem(start, GREENROOM_GITHUB_PRIVATE_KEY=half)
    assert "generate a new one" in problem
    assert half[60:90] not in problem
    assert "nor a readable file" in _problem(start, GREENROOM_GITHUB_PRIVATE_KEY="/no/such/file")
    elliptic = _pem(ec.generate_private_key(ec.SECP256R1()))
    assert "not an RSA key" in _problem(start, GREENROOM_GITHUB_PRIVATE_KEY=elliptic)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("GREENROOM_GITHUB_APP_ID", "my-app", "valid integer"),
        ("GREENROOM_GATEWAY", "public", "NAMESPACE/NAME"),
        ("GREENROOM_GATEWAY_ADDRESS", "http://gateway", "HOST:PORT"),
        ("GREENROOM_PRIVATE_REGISTRIES", "https://registry.internal", "HOST or HOST:PORT"),
        ("GREENROOM_PUBLIC_URL", "greenroom.example.com", "https://"),
        ("GREENROOM_GITHUB_API_URL", "https://user:hunter2@host", "https://"),
        ("GREENROOM_DATABASE_URL", "mysql://root:hunter2@db", "postgresql://"),
        ("GREENROOM_RESYNC_INTERVAL", "10", "90s, 30m"),
        ("GREENROOM_EXPIRY_INTERVAL", "0s", "90s, 30m"),
        ("GREENROOM_WORKERS", "0", "greater than or equal to 1"),
        ("GREENROOM_POD_SECURITY", "privileged", "'restricted' or 'baseline'"),
        ("GREENROOM_GITHUB_CA_FILE", "/no/such/file", "cannot be read (No such file"),
        ("GREENROOM_REGISTRY_CREDENTIALS", "/", "cannot be read (Is a directory"),
        ("GREENROOM_LOG_LEVEL", "loud", "'debug', 'info'"),
    ],
)
def test_invalid_value_names_the_variable(start: Start, variable: str, value: str, message: str) -> None:
    problem = _problem(start, **{variable: value})
    assert problem.startswith(f"{variable} is invalid: ")
    assert message in problem
    assert "hunter2" not in problem


def test_private_registries_are_separated_by_commas(start: Start) -> None:
    settings = start(GREENROOM_PRIVATE_REGISTRIES="registry.internal:5000, Images.example.com")
    assert settings.private_registries == ("registry.internal:5000", "images.example.com")


def test_kubeconfig_comes_from_kubeconfig(start: Start) -> None:
    assert start(KUBECONFIG="/home/me/.kube/config").kubeconfig == "/home/me/.kube/config"


def test_printed_settings_contain_no_secret(start: Start, private_key: str) -> None:
    settings = start(GREENROOM_DATABASE_URL="postgresql://greenroom:hunter2@db/greenroom")
    shown = repr(settings) + str(settings) + settings.model_dump_json()
    assert "well kept" not in shown
    assert "hunter2" not in shown
    assert "PRIVATE KEY" not in shown
    assert set(settings.hidden_values) == {"a well kept secret", "hunter2", private_key.strip()}


def test_constructor_does_not_read_the_environment(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    read = start(GREENROOM_WORKERS="3", KUBECONFIG="/elsewhere")
    values = {
        name: getattr(read, name) for name in Settings.model_fields if name not in ("workers", "kubeconfig")
    }
    settings = Settings(**values)
    assert (settings.workers, settings.kubeconfig) == (8, None)
    assert Settings(**values, kubeconfig="/here").kubeconfig == "/here"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("GREENROOM_DEFAULT_TLL", "Did you mean GREENROOM_DEFAULT_TTL?"),
        ("GREENROOM_WEB_HOOK_SECRET", "Did you mean GREENROOM_WEBHOOK_SECRET?"),
        ("GREENROOM_XYZZY", "Remove it; docs/settings.md lists all settings."),
    ],
)
def test_unknown_variable_names_a_similar_setting(name: str, advice: str) -> None:
    assert unknown_variables([name, "PATH", "KUBECONFIG"]) == [f"{name} is not a setting. {advice}"]


def test_known_variables_secrets_and_service_links_are_no_mistakes() -> None:
    settings = [variable(field) for field in Settings.model_fields]
    links = [
        "GREENROOM_SERVICE_HOST",
        "GREENROOM_SERVICE_PORT_HTTP",
        "GREENROOM_PORT",
        "GREENROOM_WEB_PORT_80_TCP",
    ]
    links += ["GREENROOM_PORT_8000_TCP_ADDR"]
    assert unknown_variables([*settings, *links, "GREENROOM_SECRET_STRIPE_KEY_REPOSITORIES"]) == []
