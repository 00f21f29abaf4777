"""The sample shop runs as its image would: from a folder, with Kubernetes' service variables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bot.embedded import samples


class Namespace:
    """The shop's processes side by side, as the node runs them."""

    def __init__(self, folder: Path, files: samples.Files) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        self.environment = {**os.environ, "HOST": "127.0.0.1", "PORT": "0", "DATA_DIR": str(folder / "data")}
        self.check_out(files)

    def check_out(self, files: samples.Files) -> None:
        for path, content in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(content)

    def start(self, module: str, service: str) -> int:
        command = [sys.executable, "-m", module]
        process = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        assert process.stdout
        line = process.stdout.readline()
        port = line.strip().rpartition(":")[2]
        self.environment[f"{service}_SERVICE_HOST"] = "127.0.0.1"
        self.environment[f"{service}_SERVICE_PORT"] = port
        return int(port)

    def run(self, module: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", module]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=30
        )

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
            process.communicate(timeout=10)


@pytest.fixture
def namespace(tmp_path: Path) -> Iterator[Namespace]:
    namespace = Namespace(tmp_path, samples.shop_files())
    yield namespace
    namespace.stop()


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as response:
        return str(response.read().decode())


def test_seeded_shop_passes_its_smoke_test(namespace: Namespace) -> None:
    namespace.environment["RELEASE"] = "abc123"
    namespace.start("shop.catalogue", "CATALOGUE")
    shop = f"http://127.0.0.1:{namespace.start('shop.server', 'SHOP')}"
    assert "no seed yet" in get(shop)

    assert namespace.run("shop.seed").returncode == 0
    page = get(shop)
    assert "Fern mug" in page
    assert "<svg" in page
    assert "0 orders" in page
    assert "abc123" in page
    assert json.loads(get(f"{shop}/healthz"))["release"] == "abc123"
    assert json.loads(get(f"{shop}/readyz")) == {"products": 6}

    order = urllib.request.Request(f"{shop}/orders", data=b"product=mug-fern", method="POST")
    with urllib.request.urlopen(order, timeout=5) as response:
        assert "1 order<" in response.read().decode()
    note = urllib.request.Request(f"{shop}/notes", data=b"text=<b>nice</b>+lamp", method="POST")
    with urllib.request.urlopen(note, timeout=5) as response:
        assert "<li>&lt;b&gt;nice&lt;/b&gt; lamp</li>" in response.read().decode()

    smoke = namespace.run("shop.smoke")
    assert smoke.returncode == 0, smoke.stdout
    assert "seeded once on" in get(shop)
    assert namespace.run("shop.seed").returncode == 0
    page = get(shop)
    assert "seeded 2 times" in page
    assert "1 order<" in page
    assert "nice" in page
    assert "6 of 6 seeded products are for sale" in smoke.stdout


def test_look_changes_the_page(namespace: Namespace) -> None:
    namespace.check_out(samples.restyle(samples.shop_files(), samples.NIGHT))
    namespace.start("shop.catalogue", "CATALOGUE")
    assert namespace.run("shop.seed").returncode == 0
    page = get(f"http://127.0.0.1:{namespace.start('shop.server', 'SHOP')}")
    assert "Moon lamp" in page
    assert "Fern mug" not in page
    assert samples.NIGHT.accent in page
    assert "version 2.0" in page


def test_broken_seed_names_the_product(namespace: Namespace) -> None:
    namespace.check_out(samples.broken_seed(samples.shop_files()))
    namespace.start("shop.catalogue", "CATALOGUE")
    seed = namespace.run("shop.seed")
    assert seed.returncode == 1
    assert "product 'mug-fern' has no cents" in seed.stderr


def test_broken_start_crashes(namespace: Namespace) -> None:
    namespace.check_out(samples.broken_start(samples.shop_files()))
    crash = namespace.run("shop.server")
    assert crash.returncode == 1
    assert "No module named 'shop.checkout'" in crash.stderr


def test_failing_smoke_test_names_the_product(namespace: Namespace) -> None:
    namespace.check_out(samples.failing_smoke(samples.shop_files()))
    namespace.start("shop.catalogue", "CATALOGUE")
    namespace.start("shop.server", "SHOP")
    assert namespace.run("shop.seed").returncode == 0
    smoke = namespace.run("shop.smoke")
    assert smoke.returncode == 1
    assert "FAILED Fern mug" in smoke.stdout


def test_registry_host_is_replaced() -> None:
    files = samples.shop_files(registry="127.0.0.1:5000")
    text = b"".join(files.values()).decode()
    assert "ghcr.io" not in text
    assert yaml.safe_load(files[".greenroom.yml"])["images"] == {"shop": "127.0.0.1:5000/acme/shop"}


def test_manifests_meet_the_restricted_profile() -> None:
    files = samples.shop_files()
    objects = [
        document
        for path in sorted(files)
        if path.startswith("deploy/")
        for document in yaml.safe_load_all(files[path])
    ]
    assert sorted(document["kind"] for document in objects) == [
        "ConfigMap",
        "Deployment",
        "Service",
        "Service",
        "StatefulSet",
    ]
    for workload in (document for document in objects if document["kind"] in ("Deployment", "StatefulSet")):
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["image"] == "ghcr.io/acme/shop:1.0"
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert not container["securityContext"]["allowPrivilegeEscalation"]
            assert container["resources"]["limits"]
