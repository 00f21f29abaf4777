"""Informers: caches that follow the API server, also over disconnects."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.connection import connect
from bot.cluster.client.kinds import CONFIG_MAP
from bot.embedded.informer import Change, Informer
from bot.embedded.kubernetes import KubernetesServer
from tests.unit.embedded_controllers.loops import running, until

HISTORY = 5


class Relay:
    """A TCP proxy that the test can interrupt."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.cut = False

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    def break_all(self) -> None:
        self.cut = True
        for writer in self._open:
            writer.transport.abort()

    async def stop(self) -> None:
        self.break_all()
        self._server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cut:
            writer.transport.abort()
            return
        back, forth = await asyncio.open_connection("127.0.0.1", self._target)
        self._open |= {writer, forth}
        for pair in ((reader, forth), (back, writer)):
            self._tasks.add(asyncio.create_task(self._copy(*pair)))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@pytest.fixture
async def server() -> AsyncIterator[KubernetesServer]:
    async with KubernetesServer(history=HISTORY) as made:
        yield made


@pytest.fixture
async def client(server: KubernetesServer, tmp_path: Path) -> AsyncIterator[KubernetesApi]:
    async with await connect(server.write_kubeconfig(tmp_path / "kubeconfig"), user_agent="test") as api:
        yield api


def config(name: str, **data: str) -> Object:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def test_informer_notifies_changes(client: KubernetesApi) -> None:
    await client.create(CONFIG_MAP, config("old"))
    async with watched(client) as (informer, text):
        assert informer.get("old", "default") is not None
        await client.create(CONFIG_MAP, config("new"))
        await client.patch(CONFIG_MAP, "new", {"data": {"x": "1"}}, "default")
        await client.delete(CONFIG_MAP, "old", "default")
        await until(lambda: len(text) == 4)
        assert text == ["ADDED old", "ADDED new", "MODIFIED new", "DELETED old"]
        assert [item["metadata"]["name"] for item in informer.list("default")] == ["new"]


@pytest.mark.parametrize("missed", [1, HISTORY * 3])
async def test_informer_catches_up_after_a_disconnect(
    server: KubernetesServer, client: KubernetesApi, tmp_path: Path, missed: int
) -> None:
    """After few changes it resumes the watch; after many, which the server no longer has, it lists again."""
    await client.create(CONFIG_MAP, config("gone"))
    await client.create(CONFIG_MAP, config("kept"))
    relay = Relay(int(server.url.rsplit(":", 1)[1]))
    port = await relay.start()
    kubeconfig = server.write_kubeconfig(tmp_path / "relayed")
    kubeconfig.write_text(kubeconfig.read_text().replace(server.url, f"http://127.0.0.1:{port}"))
    async with await connect(kubeconfig) as far, watched(far) as (informer, text):
        relay.break_all()
        await client.delete(CONFIG_MAP, "gone", "default")
        for number in range(missed):
            await client.patch(CONFIG_MAP, "kept", {"data": {"n": str(number)}}, "default")
        relay.cut = False
        await until(lambda: text[-1] == "MODIFIED kept" and informer.get("gone", "default") is None)
        await until(lambda: (informer.get("kept", "default") or {})["data"]["n"] == str(missed - 1))
        assert text.count("DELETED gone") == 1
        assert text.count("ADDED kept") == 1
    await relay.stop()


async def test_failing_listener_does_not_stop_others(client: KubernetesApi) -> None:
    informer, default = Informer(client, CONFIG_MAP, "default"), list[str]()

    def broken(change: Change) -> None:
        raise RuntimeError("listener")

    informer.listen(broken)
    informer.listen(lambda change: default.append(change.type))
    async with running(informer.run()):
        await informer.synced()
        await client.create(CONFIG_MAP, config("a"))
        await until(lambda: default == ["ADDED"])


@contextlib.asynccontextmanager
async def watched(client: KubernetesApi) -> AsyncIterator[tuple[Informer, list[str]]]:
    informer, default = Informer(client, CONFIG_MAP, "default"), list[str]()
    informer.listen(lambda change: default.append(f"{change.type} {change.key[1]}"))
    async with running(informer.run()):
        await informer.synced()
        yield informer, default
