"""The file with secret managers: what it may contain, and whom its grants allow."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bot.model.repository import Repository
from bot.secrets.provider_file import may_read, read_providers
from bot.settings import SettingsError

SHOP = Repository(10, 20, "acme", "shop")
VAULT = {
    "address": "https://vault.example.com:8200",
    "auth": {"kubernetes": {"role": "greenroom"}},
    "grants": {"kv/shop/*": "acme/shop"},
}


def _write(folder: Path, content: object) -> str:
    path = folder / "managers.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_no_file_has_no_managers() -> None:
    assert read_providers(None).vault is None


def test_file_is_read(tmp_path: Path) -> None:
    providers = read_providers(_write(tmp_path, {"vault": VAULT, "aws": {"region": "eu-central-1"}}))
    assert providers.vault is not None
    assert providers.vault.auth.kubernetes is not None
    assert providers.vault.auth.kubernetes.mount == "kubernetes"
    assert providers.aws is not None


@pytest.mark.parametrize(
    ("vault", "problem"),
    [
        ({**VAULT, "addres": "x"}, r"line 2, vault\.addres: unknown field"),
        ({**VAULT, "auth": {}}, "expected exactly one of `kubernetes`, `approle` and `token_file`"),
        ({**VAULT, "auth": {"kubernetes": {"role": "a"}, "token_file": "b"}}, "exactly one"),
        ({**VAULT, "auth": {"kubernetes": {}}}, "role: required field is missing"),
        ({**VAULT, "address": "vault.example.com"}, r"vault\.address: expected a URL"),
        ({**VAULT, "grants": {"kv/*/key": "acme/shop"}}, "is not a path"),
        ({**VAULT, "grants": {"kv/key": "acme"}}, "is not a repository"),
        ({**VAULT, "grants": {"kv/key": "*/*"}}, "is not a repository"),
        ({**VAULT, "grants": {"kv/key": ""}}, "is not a repository"),
        ("text", "vault"),
    ],
)
def test_mistake_is_named(tmp_path: Path, vault: object, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        read_providers(_write(tmp_path, {"vault": vault}))


@pytest.mark.parametrize("content", [b"- [", b"\xff", b"[]", b""])
def test_file_that_is_not_a_mapping_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "managers.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="GREENROOM_SECRETS_MANAGERS"):
        read_providers(str(path))


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("kv/shop/stripe", True),
        ("kv/shop/a/b", True),
        ("kv/shop", False),
        ("kv/shopping/stripe", False),
        ("kv/other", False),
        ("exact", True),
        ("exact/more", False),
    ],
)
def test_grants(path: str, allowed: bool) -> None:
    grants = {"kv/shop/*": "acme/shop", "exact": "acme/*", "kv/other": "acme/web"}
    assert may_read(grants, path, SHOP) is allowed
