"""The doctor asks every secret manager."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from moto.server import ThreadedMotoServer

from bot.model.errors import GreenroomError
from bot.secrets.managers import check_managers

UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def managers(folder: Path, **settings: object) -> str:
    file = folder / "managers.yaml"
    file.write_text(yaml.safe_dump(settings))
    return str(file)


def aws(endpoint: str) -> dict[str, object]:
    grants = {"preview/*": "acme/*"}
    return {"region": "eu-central-1", "endpoint_url": endpoint, "secrets": grants, "parameters": grants}


async def test_manager_that_answers_is_named(tmp_path: Path, endpoint: str) -> None:
    lines = await check_managers(managers(tmp_path, aws=aws(endpoint)))
    assert lines == ["aws: answers in eu-central-1, grants for 2 paths"]


async def test_every_manager_that_does_not_answer_is_named(tmp_path: Path, endpoint: str) -> None:
    token = tmp_path / "token"
    token.write_text("hvs.token")
    vault = {"address": UNREACHABLE, "auth": {"token_file": str(token)}, "dynamic_token_file": str(token)}
    file = managers(tmp_path, vault=vault, aws=aws(UNREACHABLE))
    with pytest.raises(GreenroomError) as failed:
        await check_managers(file)
    problems = str(failed.value).splitlines()
    assert [problem.partition(": ")[0] for problem in problems] == ["vault", "vault-dynamic", "aws"]
    assert all("does not answer" in problem for problem in problems)
    assert "hvs.token" not in str(failed.value)
