"""Parsing of OCI image references."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.image_reference import ImageReference, parse_reference, repository_key

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("nginx", "docker.io", "library/nginx", None, None),
        ("acme/shop", "docker.io", "acme/shop", None, None),
        ("docker.io/nginx:1.29", "docker.io", "library/nginx", "1.29", None),
        ("index.docker.io/acme/shop", "docker.io", "acme/shop", None, None),
        ("ghcr.io/acme/shop:1.0", "ghcr.io", "acme/shop", "1.0", None),
        ("localhost/shop", "localhost", "shop", None, None),
        ("127.0.0.1:5000/acme/shop:a", "127.0.0.1:5000", "acme/shop", "a", None),
        ("[::1]:5000/shop", "[::1]:5000", "shop", None, None),
        ("ghcr.io/acme/shop@" + DIGEST, "ghcr.io", "acme/shop", None, DIGEST),
        ("ghcr.io/acme/shop:1@" + DIGEST, "ghcr.io", "acme/shop", "1", DIGEST),
    ],
)
def test_parse_reference_fills_in_docker_hub(
    text: str, registry: str, repository: str, tag: str | None, digest: str | None
) -> None:
    assert parse_reference(text) == ImageReference(registry, repository, tag, digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Shop",
        "ghcr.io/",
        "ghcr.io/Acme/Shop",
        "ghcr.io/acme/../shop",
        "ghcr.io/acme//shop",
        "ghcr.io/acme/shop:",
        "ghcr.io/acme/shop:-1",
        "ghcr.io/acme/shop:" + "a" * 129,
        "ghcr.io/acme/shop@sha256:12",
        "ghcr.io/acme/shop@md5:" + "0" * 32,
        "https://ghcr.io/acme/shop",
        "ghcr.io:99999/acme/shop",
        "user@ghcr.io/acme/shop",
        "ghcr.io/" + "a" * 256,
        "ghcr.io/acme/shop\n",
        "ghcr.io/acme/shop?x=y",
    ],
)
def test_parse_reference_rejects(text: str) -> None:
    with pytest.raises(ValueError, match="invalid image reference"):
        parse_reference(text)


COMPONENT = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}", fullmatch=True)
HOST = st.from_regex(r"[a-z0-9]{1,8}(\.[a-z]{2,5}){1,2}(:[1-9][0-9]{0,3})?", fullmatch=True)
TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)


@given(HOST, st.lists(COMPONENT, min_size=1, max_size=4), st.none() | TAG, st.none() | st.just(DIGEST))
def test_reference_survives_str_and_parse(
    host: str, components: list[str], tag: str | None, digest: str | None
) -> None:
    reference = ImageReference(host, "/".join(components), tag, digest)
    assert parse_reference(str(reference)) == reference


@given(st.text(max_size=80))
def test_parse_reference_raises_only_value_error(text: str) -> None:
    try:
        reference = parse_reference(text)
    except ValueError:
        return
    assert parse_reference(str(reference)) == reference
    assert ".." not in reference.repository


@pytest.mark.parametrize(
    "same",
    [
        (
            "acme/web",
            "docker.io/acme/web:latest",
            "index.docker.io/acme/web:1",
            f"registry-1.docker.io/acme/web@{DIGEST}",
        ),
        ("nginx", "library/nginx:1", "docker.io/nginx", f"docker.io/library/nginx@{DIGEST}"),
        ("GHCR.io/acme/web", "ghcr.io/acme/web:1", f"ghcr.io/acme/web:1@{DIGEST}"),
        ("localhost:5000/web", "localhost:5000/web:1"),
    ],
)
def test_repository_key_compares_as_registries_do(same: tuple[str, ...]) -> None:
    assert len({repository_key(text) for text in same}) == 1
    assert repository_key(same[0]) != repository_key(f"{same[0]}-other")
