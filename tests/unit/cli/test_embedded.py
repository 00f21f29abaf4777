"""`greenroom embedded …` and `greenroom demo` as processes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.unit.cli.process import GREENROOM

Start = Callable[..., tuple[subprocess.Popen[str], str, dict[str, str]]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server; returns the process, its URL and the settings that it prints."""
    running: list[subprocess.Popen[str]] = []

    def start_server(*arguments: str, lines: int) -> tuple[subprocess.Popen[str], str, dict[str, str]]:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3])}
        process = subprocess.Popen(
            [*GREENROOM, "embedded", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment,
        )
        running.append(process)
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("# ").partition(",")[0]
        settings = [process.stdout.readline().removeprefix("export ").strip() for _ in range(lines)]
        return process, url, dict(line.split("=", 1) for line in settings)

    yield start_server
    for process in running:
        process.kill()
        process.communicate()


def _terminate(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_github_has_an_app_and_a_temporary_key(start: Start, tmp_path: Path) -> None:
    process, url, settings = start("github", lines=4)
    assert settings["GREENROOM_GITHUB_API_URL"].startswith(url)
    assert httpx.get(f"{settings['GREENROOM_GITHUB_API_URL']}/app").status_code == 401
    key = Path(settings["GREENROOM_GITHUB_PRIVATE_KEY"])
    assert "PRIVATE KEY" in key.read_text()
    assert key.stat().st_mode & 0o077 == 0
    _terminate(process)
    assert not key.exists()
    assert not list(tmp_path.iterdir()), "the working directory must stay empty"


def test_github_keeps_a_requested_key_file(start: Start, tmp_path: Path) -> None:
    process, _, settings = start("github", "--key", "mine.pem", lines=4)
    assert settings["GREENROOM_GITHUB_PRIVATE_KEY"] == str(tmp_path / "mine.pem")
    _terminate(process)
    assert "PRIVATE KEY" in (tmp_path / "mine.pem").read_text()


def test_registry_serves_a_folder(start: Start, tmp_path: Path) -> None:
    process, url, settings = start("registry", str(tmp_path), lines=1)
    assert url.endswith(settings["GREENROOM_PRIVATE_REGISTRIES"])
    assert httpx.get(f"{url}/v2/").status_code == 401
    _terminate(process)


def test_node_joins_kubernetes(start: Start) -> None:
    kubernetes, url, settings = start("kubernetes", lines=1)
    assert httpx.get(f"{url}/version").status_code in (200, 401)
    node, gateway, node_settings = start("node", "--kubeconfig", settings["KUBECONFIG"], lines=1)
    assert gateway == f"http://{node_settings['GREENROOM_GATEWAY_ADDRESS']}"
    assert httpx.get(gateway).status_code == 404
    _terminate(node)
    _terminate(kubernetes)


def test_kubernetes_writes_a_kubeconfig_with_the_rights_of_the_bot(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "cluster"
    kubernetes, url, settings = start("kubernetes", "--app-id", "1", "--kubeconfig", str(file), lines=1)
    users = [yaml.safe_load(Path(path).read_text())["users"] for path in (file, settings["KUBECONFIG"])]
    [administrator, bot] = [{"Authorization": f"Bearer {user[0]['user']['token']}"} for user in users]
    assert httpx.get(f"{url}/api/v1/secrets", headers=administrator).status_code == 200
    assert httpx.get(f"{url}/api/v1/secrets", headers=bot).status_code == 403
    assert httpx.get(f"{url}/api/v1/namespaces", headers=bot).status_code == 200
    _terminate(kubernetes)


@pytest.mark.long
def test_terminated_demo_cleans_up(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [*GREENROOM, "demo"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert any("opens the pull request" in line for line in process.stdout)
        assert list(tmp_path.iterdir())
        process.terminate()
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output.endswith("Ended.\n")
    assert not list(tmp_path.iterdir())
