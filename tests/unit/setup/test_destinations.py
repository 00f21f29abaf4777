"""Where credentials are stored: private, complete, and never over something else."""

from __future__ import annotations

import base64
import stat
import subprocess
from pathlib import Path

import pytest

from bot.cluster.client.connection import connect
from bot.cluster.client.kinds import NAMESPACE, SECRET
from bot.embedded.kubernetes import KubernetesServer
from bot.setup.answers import Answers
from bot.setup.destinations import ClusterSecret, NotWritable, PrivateFile

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIE+/=\n-----END RSA PRIVATE KEY-----\n"


def test_file_is_private_and_read_by_a_shell(tmp_path: Path) -> None:
    path = tmp_path / "bot.env"
    values = {"GREENROOM_GITHUB_APP_ID": "7", "GREENROOM_GITHUB_PRIVATE_KEY": KEY, "URL": "https://a/b?c=1&d"}
    assert PrivateFile(path, force=False).write_variables(values) == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    printed = '"%b|%s|%s" "$GREENROOM_GITHUB_PRIVATE_KEY" "$URL" "$GREENROOM_GITHUB_APP_ID"'
    script = f"set -a; . {path}; printf {printed}"
    read = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout
    assert read == f"{KEY.strip()}|https://a/b?c=1&d|7"
    assert list(tmp_path.iterdir()) == [path]


def test_file_is_replaced_with_force_only(tmp_path: Path) -> None:
    path = tmp_path / "bot.env"
    path.write_text("mine")
    path.chmod(0o644)
    refused = PrivateFile(path, force=False)
    for attempt in (refused.check, lambda: refused.write("new")):
        with pytest.raises(NotWritable, match="--force"):
            attempt()
    assert path.read_text() == "mine"
    forced = PrivateFile(path, force=True)
    forced.check()
    forced.write("new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("path", ["missing/bot.env", "."])
def test_impossible_path_is_refused_before_the_registration(tmp_path: Path, path: str) -> None:
    with pytest.raises(NotWritable, match=r"Choose (another path|the path of a file)"):
        PrivateFile(tmp_path / path, force=False).check()


def test_dangling_link_is_not_followed(tmp_path: Path) -> None:
    link = tmp_path / "bot.env"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotWritable):
        PrivateFile(link, force=False).check()
    with pytest.raises(NotWritable):
        PrivateFile(link, force=False).write("x")
    assert not (tmp_path / "elsewhere").exists()


async def test_secret_is_applied_and_kept(tmp_path: Path) -> None:
    async with KubernetesServer() as server:
        kubeconfig = server.write_kubeconfig(tmp_path / "kubeconfig")
        async with await connect(kubeconfig, user_agent="greenroom-setup") as api:
            destination = ClusterSecret(api, "greenroom", force=False)
            await destination.check()
            assert await api.find(SECRET, "greenroom-secrets", "greenroom") is None
            namespace = await api.get(NAMESPACE, "greenroom")
            assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
            assert await destination.write({"A": "1"}) == "the Secret greenroom/greenroom-secrets"
            with pytest.raises(NotWritable, match="--force"):
                await destination.check()
            forced = ClusterSecret(api, "greenroom", force=True)
            await forced.check()
            await forced.write({"A": "2"})
            secret = await api.get(SECRET, "greenroom-secrets", "greenroom")
            assert base64.b64decode(secret["data"]["A"]) == b"2"


def answers(**changed: str) -> Answers:
    given = {
        "github_url": "https://github.com",
        "organization": "acme",
        "name": "greenroom-acme",
        "public_url": "https://greenroom.example.com",
        "gateway": "gateways/public",
        "base_domain": "preview.example.com",
    }
    return Answers(**{**given, **changed})


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("public_url", "greenroom.example.com", "--public-url is invalid"),
        ("public_url", "http://127.0.0.1:8000", "GitHub cannot send webhooks to http://127.0.0.1:8000"),
        ("public_url", "https://greenroom.svc", "GitHub cannot send webhooks"),
        ("base_domain", "a b", "--base-domain is invalid"),
        ("gateway", "public", "--gateway is invalid"),
        ("github_url", "github.acme.example", "--github-url is invalid"),
        ("organization", "acme/shop", "--organization is invalid"),
        ("organization", "", "--organization is invalid"),
        ("name", "g" * 35, "1 to 34 characters"),
        ("github_ca_file", "/nowhere.pem", "--github-ca is invalid"),
    ],
)
def test_invalid_answers_are_reported(field: str, value: str, words: str) -> None:
    [problem] = answers(**{field: value}).problems
    assert words in problem


def test_enterprise_server_may_reach_a_private_address() -> None:
    assert answers().problems == []
    assert answers(github_url="https://github.acme.example", public_url="http://10.0.0.1").problems == []
