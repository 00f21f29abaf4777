"""The small client: verbs, caches that stay true, and work that is done once."""

import asyncio
import base64
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.embedded.client import ApiError, Change, Client, Connection, Informer, Object, Reconciler, key_of
from bot.embedded.client.resources import CONFIG_MAPS, HTTP_ROUTES, NODES, PODS
from bot.embedded.kubernetes import KubernetesServer

HISTORY = 5


class Relay:
    """A line to the server that can be cut."""

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
async def client(server: KubernetesServer) -> AsyncIterator[Client]:
    async with Client(Connection(server.url, server.token)) as made:
        yield made


def config(name: str, **data: str) -> Object:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def test_resource_paths() -> None:
    assert PODS.path() == "/api/v1/pods"
    assert PODS.path("shop", "web", "log") == "/api/v1/namespaces/shop/pods/web/log"
    assert NODES.path("ignored", "node") == "/api/v1/nodes/node"
    assert HTTP_ROUTES.path("shop") == "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes"


def test_kubeconfig_is_read_without_showing_secrets(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    (tmp_path / "token").write_text("t0ken\n")
    clusters = [
        {
            "name": "c",
            "cluster": {
                "server": "https://h:1/",
                "certificate-authority-data": base64.b64encode(b"PEM").decode(),
            },
        }
    ]
    content = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": clusters,
        "users": [{"name": "u", "user": {"tokenFile": "token"}}],
    }
    path.write_text(yaml.safe_dump(content))
    connection = Connection.from_kubeconfig(path)
    assert (connection.url, connection.token, connection.authority) == ("https://h:1", "t0ken", "PEM")
    assert "t0ken" not in repr(connection)
    with pytest.raises(ValueError, match="no entry 'y' in contexts"):
        Connection.from_kubeconfig(path, "y")


async def test_verbs(client: Client) -> None:
    made = await client.create(CONFIG_MAPS, config("a", x="1"))
    with pytest.raises(ApiError) as refused:
        await client.create(CONFIG_MAPS, config("a"))
    assert refused.value.exists
    assert 'configmaps "a" already exists' in str(refused.value)
    await client.patch(CONFIG_MAPS, "a", {"data": {"y": "2"}}, "default")
    with pytest.raises(ApiError) as stale:
        await client.replace(CONFIG_MAPS, made)
    assert stale.value.conflict
    jumped = [{"op": "replace", "path": "/data/x", "value": "3"}]
    assert (await client.patch(CONFIG_MAPS, "a", jumped, "default", style="json"))["data"]["x"] == "3"
    assert (await client.apply(CONFIG_MAPS, config("a", x="4"), field_manager="me"))["data"]["x"] == "4"
    listed = await client.list(CONFIG_MAPS, "default", fields="metadata.name=a")
    assert [(item["kind"], key_of(item)) for item in listed.items] == [("ConfigMap", ("default", "a"))]
    with pytest.raises(ApiError) as other:
        await client.delete(CONFIG_MAPS, "a", "default", uid="another")
    assert other.value.conflict
    assert await client.delete(CONFIG_MAPS, "a", "default")
    assert not await client.delete(CONFIG_MAPS, "a", "default")
    assert await client.find(CONFIG_MAPS, "a", "default") is None


async def test_informer_notifies_changes(client: Client) -> None:
    await client.create(CONFIG_MAPS, config("old"))
    async with watched(client) as (informer, text):
        assert informer.get("old", "default") is not None
        await client.create(CONFIG_MAPS, config("new"))
        await client.patch(CONFIG_MAPS, "new", {"data": {"x": "1"}}, "default")
        await client.delete(CONFIG_MAPS, "old", "default")
        await until(lambda: len(text) == 4)
        assert text == ["ADDED old", "ADDED new", "MODIFIED new", "DELETED old"]
        assert [item["metadata"]["name"] for item in informer.list("default")] == ["new"]


@pytest.mark.parametrize("missed", [1, HISTORY * 3])
async def test_informer_catches_up_after_a_disconnect(
    server: KubernetesServer, client: Client, missed: int
) -> None:
    """With few changes it resumes the watch; with many the server has forgotten, and it lists again."""
    await client.create(CONFIG_MAPS, config("gone"))
    await client.create(CONFIG_MAPS, config("kept"))
    relay = Relay(int(server.url.rsplit(":", 1)[1]))
    port = await relay.start()
    connection = Connection(f"http://127.0.0.1:{port}", server.token)
    async with Client(connection) as far, watched(far) as (informer, text):
        relay.break_all()
        await client.delete(CONFIG_MAPS, "gone", "default")
        for number in range(missed):
            await client.patch(CONFIG_MAPS, "kept", {"data": {"n": str(number)}}, "default")
        relay.cut = False
        await until(lambda: text[-1] == "MODIFIED kept" and informer.get("gone", "default") is None)
        await until(lambda: (informer.get("kept", "default") or {})["data"]["n"] == str(missed - 1))
        assert text.count("DELETED gone") == 1
        assert text.count("ADDED kept") == 1
    await relay.stop()


async def test_failing_listener_does_not_stop_others(client: Client) -> None:
    informer, default = Informer(client, CONFIG_MAPS, "default"), list[str]()

    def broken(change: Change) -> None:
        raise RuntimeError("listener")

    informer.listen(broken)
    informer.listen(lambda change: default.append(change.type))
    async with running(informer.run()):
        await informer.synced()
        await client.create(CONFIG_MAPS, config("a"))
        await until(lambda: default == ["ADDED"])


async def test_reconciler_runs_a_key_once_at_a_time() -> None:
    at_work: list[str] = []
    most, runs = 0, 0
    gate = asyncio.Event()

    async def work(key: str) -> None:
        nonlocal most, runs
        at_work.append(key)
        most, runs = max(most, at_work.count(key)), runs + 1
        await gate.wait()
        at_work.remove(key)

    reconciler = Reconciler("test", work)
    async with running(reconciler.run()):
        reconciler.add("a")
        await until(lambda: runs == 1)
        for _ in range(5):
            reconciler.add("a")
        gate.set()
        await until(lambda: runs == 2 and not at_work)
    assert (most, runs) == (1, 2)


async def test_reconciler_retries_with_backoff() -> None:
    seen: list[float] = []

    async def work(key: str) -> float | None:
        seen.append(time.monotonic())
        if len(seen) < 3:
            raise ApiError(409, "Conflict", "somebody was quicker")
        return 0.05 if len(seen) == 3 else None

    reconciler = Reconciler("test", work)
    async with running(reconciler.run()):
        reconciler.add("a")
        await until(lambda: len(seen) == 4)
    least = [0.02, 0.04, 0.05]
    for pause, (earlier, later) in zip(least, itertools.pairwise(seen), strict=True):
        assert later - earlier > pause * 0.9


@contextlib.asynccontextmanager
async def watched(client: Client) -> AsyncIterator[tuple[Informer, list[str]]]:
    informer, default = Informer(client, CONFIG_MAPS, "default"), list[str]()
    informer.listen(lambda change: default.append(f"{change.type} {change.key[1]}"))
    async with running(informer.run()):
        await informer.synced()
        yield informer, default


@contextlib.asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    yield
    task.cancel()
    await asyncio.wait([task])


async def until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline, "it did not come to be"
        await asyncio.sleep(0.005)
