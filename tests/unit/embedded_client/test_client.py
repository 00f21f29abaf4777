"""The small client: verbs, caches that stay true, and work that is done once."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.connection import connect
from bot.cluster.client.errors import Conflict, Refused
from bot.cluster.client.kinds import CONFIG_MAP, HTTP_ROUTE, NODE, POD
from bot.embedded.informer import Change, Informer, key_of
from bot.embedded.kubernetes import KubernetesServer
from bot.embedded.reconciler import Reconciler

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
async def client(server: KubernetesServer, tmp_path: Path) -> AsyncIterator[KubernetesApi]:
    async with await connect(server.write_kubeconfig(tmp_path / "kubeconfig"), user_agent="test") as api:
        yield api


def config(name: str, **data: str) -> Object:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def test_resource_paths() -> None:
    assert POD.path() == "/api/v1/pods"
    assert POD.path("shop", "web", "log") == "/api/v1/namespaces/shop/pods/web/log"
    assert NODE.path("ignored", "node") == "/api/v1/nodes/node"
    assert HTTP_ROUTE.path("shop") == "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes"


async def test_verbs(client: KubernetesApi) -> None:
    made = await client.create(CONFIG_MAP, config("a", x="1"))
    with pytest.raises(Refused) as refused:
        await client.create(CONFIG_MAP, config("a"))
    assert refused.value.already_exists
    assert 'configmaps "a" already exists' in str(refused.value)
    await client.patch(CONFIG_MAP, "a", {"data": {"y": "2"}}, "default")
    with pytest.raises(Conflict, match="the object has been modified"):
        await client.replace(CONFIG_MAP, made)
    jumped = [{"op": "replace", "path": "/data/x", "value": "3"}]
    assert (await client.patch(CONFIG_MAP, "a", jumped, "default", style="json-patch"))["data"]["x"] == "3"
    assert (await client.apply(config("a", x="4")))["data"]["x"] == "4"
    listed = await client.list(CONFIG_MAP, "default", fields="metadata.name=a")
    assert [(item["kind"], key_of(item)) for item in listed.items] == [("ConfigMap", ("default", "a"))]
    with pytest.raises(Conflict):
        await client.delete(CONFIG_MAP, "a", "default", preconditions={"uid": "another"})
    for _ in range(2):
        await client.delete(CONFIG_MAP, "a", "default")
    assert await client.find(CONFIG_MAP, "a", "default") is None
    with pytest.raises(Refused) as absent:
        await client.get(CONFIG_MAP, "a", "default")
    assert absent.value.not_found


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
    """With few changes it resumes the watch; with many the server has forgotten, and it lists again."""
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
            raise Conflict("another writer was faster")
        return 0.05 if len(seen) == 3 else None

    reconciler = Reconciler("test", work)
    async with running(reconciler.run()):
        reconciler.add("a")
        await until(lambda: len(seen) == 4)
    least = [0.02, 0.04, 0.05]
    for pause, (earlier, later) in zip(least, itertools.pairwise(seen), strict=True):
        assert later - earlier > pause * 0.9


@contextlib.asynccontextmanager
async def watched(client: KubernetesApi) -> AsyncIterator[tuple[Informer, list[str]]]:
    informer, default = Informer(client, CONFIG_MAP, "default"), list[str]()
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
