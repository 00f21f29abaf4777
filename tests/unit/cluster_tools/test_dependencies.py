"""Dependencies of charts: enabled, vendored, locked, or missing."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping

import pytest
import yaml

from bot.cluster.render import helm
from bot.cluster.render.archives import MAX_MEMBERS, MAX_UNPACKED, unpack
from bot.cluster.render.dependencies import enabled, merged
from bot.model.errors import ManifestRefused

HOST = "charts.example.com"
REDIS = {"name": "redis", "version": "^17.0.0", "repository": f"https://{HOST}/stable"}
MYSQL = {"name": "mysql", "version": "1.2.3", "repository": "oci://registry.example.com/charts"}
LOCK = {
    "dependencies": [
        {"name": "redis", "repository": REDIS["repository"], "version": "17.3.2"},
        {"name": "mysql", "repository": MYSQL["repository"], "version": "1.2.3"},
    ],
    "digest": "sha256:7b9a8dca8de70b7e12a1a42b06cb7d3d7ea2ac7d64d1dccb6b4ac8e2ec77a2a2",
}
BOTH = (HOST, "registry.example.com")


def chart(*dependencies: object, lock: object = None, **more: bytes) -> dict[str, bytes]:
    content = {"apiVersion": "v2", "name": "shop", "version": "1.0.0", "dependencies": list(dependencies)}
    files = {"chart/Chart.yaml": yaml.safe_dump(content, sort_keys=False).encode(), **more}
    if lock is not None:
        files["chart/Chart.lock"] = lock if isinstance(lock, bytes) else yaml.safe_dump(lock).encode()
    return files


def plan(
    files: Mapping[str, bytes], *hosts: str, settings: Mapping[str, object] | None = None
) -> helm.HelmPlan:
    values = ("values.yaml",) if "values.yaml" in files else ()
    return helm.plan(files, "chart", values, hosts, settings)


def refusal(files: Mapping[str, bytes], *hosts: str) -> str:
    with pytest.raises(ManifestRefused) as caught:
        plan(files, *hosts)
    return str(caught.value)


def packed(files: Mapping[str, bytes], *extra: tarfile.TarInfo) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
        for member in extra:
            tar.addfile(member)
    return gzip.compress(content.getvalue(), mtime=0)


def without_digest(lock: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in lock.items() if key != "digest"}


def test_lock_names_the_versions_to_fetch() -> None:
    made = plan(chart(REDIS, MYSQL, lock=without_digest(LOCK)), *BOTH)
    remote = {folder: (chart.repository, chart.version) for folder, chart in made.remote.items()}
    assert remote == {
        "chart/charts/redis-17.3.2": (REDIS["repository"], "17.3.2"),
        "chart/charts/mysql-1.2.3": (MYSQL["repository"], "1.2.3"),
    }


def test_exact_version_needs_no_lock() -> None:
    assert plan(chart(MYSQL), *BOTH).remote["chart/charts/mysql-1.2.3"].version == "1.2.3"


def test_all_missing_charts_are_named_together() -> None:
    message = refusal(
        chart(REDIS, MYSQL, {"name": "queue", "version": "1.0.0"}, lock=without_digest(LOCK)), HOST
    )
    assert (
        "the chart 'mysql' is fetched from registry.example.com, which the operator does not allow" in message
    )
    assert "the chart 'queue' is not in the commit, and its repository is not a URL" in message
    assert "redis" not in message
    assert "Run `helm dependency build` and commit `chart/charts/`" in message
    assert message.endswith("or ask the operator to add registry.example.com to GREENROOM_RENDER_HOSTS.")
    assert message.startswith("chart/Chart.yaml:8, dependencies.1: ")


@pytest.mark.parametrize("lock", [b"", b"\n", b"---\n", b"# nothing\n", {"dependencies": []}, None])
def test_range_without_a_locked_version_is_refused(lock: object) -> None:
    assert "no lock has the version of 'redis'" in refusal(chart(REDIS, lock=lock), HOST)


@pytest.mark.parametrize("lock", [b"", b"---\n"])
def test_empty_lock_is_accepted_without_remote_charts(lock: bytes) -> None:
    assert not plan(chart(lock=lock)).remote


def test_lock_of_other_dependencies_is_refused() -> None:
    assert "the lock of 'redis' is out of date" in refusal(chart(REDIS, MYSQL, lock=LOCK), *BOTH)


def test_lock_does_not_choose_the_repository() -> None:
    lock = {"dependencies": [{"name": "redis", "repository": "https://evil.test", "version": "17.3.2"}]}
    assert "no lock has the version" in refusal(chart(REDIS, lock=lock), HOST, "evil.test")


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        ("", {}, True),
        ("redis.enabled", {}, True),
        ("redis.enabled", {"redis": {"enabled": False}}, False),
        ("redis.enabled", {"redis": {"enabled": True}}, True),
        ("redis.enabled", {"redis": {"enabled": "no"}}, True),
        ("absent.x, redis.enabled", {"redis": {"enabled": False}}, False),
        ("redis.enabled,global.redis", {"redis": {"enabled": True}, "global": {"redis": False}}, True),
        ("redis.enabled", {"redis": {"enabled": True}, "tags": {"cache": False}}, True),
        ("", {"tags": {"cache": False}}, False),
        ("", {"tags": {"cache": False, "fast": True}}, True),
        ("", {"tags": {"other": False}}, True),
    ],
)
def test_condition_then_tags_enable_a_dependency(
    condition: str, values: dict[str, object], expected: bool
) -> None:
    assert enabled({"name": "redis", "condition": condition, "tags": ["cache", "fast"]}, values) is expected


@pytest.mark.parametrize(
    ("more", "settings"),
    [
        ({"chart/values.yaml": b"redis: {enabled: false}"}, {}),
        ({"values.yaml": b"redis: {enabled: false}", "chart/values.yaml": b"redis: {enabled: true}"}, {}),
        ({"values.yaml": b"redis: {enabled: true}"}, {"redis.enabled": False}),
    ],
)
def test_disabled_dependency_does_not_count(more: dict[str, bytes], settings: dict[str, object]) -> None:
    files = chart({**REDIS, "condition": "redis.enabled"}, **more)
    made = plan(files, settings=settings)
    assert not made.remote
    assert yaml.safe_load(made.files["chart/Chart.yaml"])["dependencies"] == []


def test_values_of_the_parent_disable_dependencies_of_a_local_chart() -> None:
    child = {"name": "child", "dependencies": [{**REDIS, "condition": "cache.enabled"}]}
    files = chart(
        {"name": "child", "alias": "web", "repository": "file://../child"},
        **{"child/Chart.yaml": yaml.safe_dump(child).encode()},
    )
    assert "redis" in refusal(files)
    made = plan({**files, "chart/values.yaml": b"web: {cache: {enabled: false}}"})
    assert yaml.safe_load(made.files["chart/charts/child/Chart.yaml"])["dependencies"] == []


@pytest.mark.parametrize("name", ["redis", "redis-cluster"])
def test_vendored_chart_counts_by_its_name(name: str) -> None:
    content = {f"{name}/Chart.yaml": f"name: {name}".encode(), f"{name}/templates/a.yaml": b"a"}
    for more in (
        {"chart/charts/redis-17.3.2.tgz": packed(content)},
        {f"chart/charts/{path}": text for path, text in content.items()},
    ):
        files = chart(REDIS, **more)
        if name == "redis":
            made = plan(files)
            assert not made.remote
            assert [path for path in made.files if path.endswith("/templates/a.yaml")]
            assert not [path for path in made.files if path.endswith(".tgz")]
        else:
            assert "redis" in refusal(files)


def test_merged_values_follow_helm() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": None, "e": 4}, "d": {"f": 5}}) == {
        "a": {"c": 2, "e": 4},
        "d": {"f": 5},
    }


@pytest.mark.parametrize("path", ["a/../../x", "/etc/passwd", "../x", "a/./x", "a//x", "a\\..\\x", "x"])
def test_archive_with_outside_paths_is_refused(path: str) -> None:
    with pytest.raises(ManifestRefused, match="leads out of the chart's folder"):
        unpack(packed({"a/Chart.yaml": b"", path: b""}), "here")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_archive_with_links_is_refused(kind: bytes) -> None:
    member = tarfile.TarInfo("a/values.yaml")
    member.type, member.linkname = kind, "/etc/passwd"
    with pytest.raises(ManifestRefused, match=r"^here: `a/values\.yaml` in the chart is a link"):
        unpack(packed({"a/Chart.yaml": b""}, member), "here")


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (b"not gzip", "not a packaged chart"),
        (gzip.compress(b"not tar" * 200, mtime=0), "not a packaged chart"),
        (packed({"a/x": b"y"})[:-20], "not a packaged chart"),
        (packed({}), "one folder"),
        (packed({"a/x": b"", "b/x": b""}), "one folder"),
        (packed({f"a/{n}": b"" for n in range(MAX_MEMBERS + 1)}), "more than 3000 files"),
        (gzip.compress(bytes(MAX_UNPACKED + 1), mtime=0), "larger than 32 MiB"),
    ],
    ids=["text", "no tar", "cut", "empty", "two folders", "many files", "large"],
)
def test_invalid_archive_is_refused(archive: bytes, reason: str) -> None:
    with pytest.raises(ManifestRefused, match=reason):
        unpack(archive, "here")
