"""The Dockerfile can be executed without Docker, as the tests on the node do."""

import pytest

from tests.kubernetes.tools import PACKAGES
from tests.node.image import DOCKERFILE, ROOT, base_image, instructions


def test_every_instruction_of_the_dockerfile_can_be_carried_out() -> None:
    steps = list(instructions(DOCKERFILE.read_text()))
    assert [name for name, _ in steps].count("FROM") == 3
    last = [name for name, _ in steps[steps.index(("USER", "10001:10001")) :]]
    assert "RUN" not in last, "the assembler executes steps as root only"
    assert last[-2:] == ["ENTRYPOINT", "CMD"]


def test_image_has_the_tools_that_the_tests_build() -> None:
    [built] = [text for name, text in instructions(DOCKERFILE.read_text()) if "go -C" in text]
    for name, (module, package) in PACKAGES.items():
        assert f"-o /tools/bin/{name} {package}" in built
        assert (ROOT / "tests/kubernetes/modules" / name / "go.sum").is_file(), module


def test_base_images_can_be_pinned_by_digest() -> None:
    """Each base image is a build argument, which docs/running.md sets."""
    steps = list(instructions(DOCKERFILE.read_text()))
    arguments = dict(rest.split("=", 1) for name, rest in steps if name == "ARG")
    guide = (ROOT / "docs/running.md").read_text()
    pinned = {name: f"{image}@sha256:{'0' * 64}" for name, image in arguments.items()}
    bases = [rest for name, rest in steps if name == "FROM"]
    assert {base_image(base, pinned) for base in bases} == set(pinned.values())
    for name, image in arguments.items():
        assert f"--build-arg {name}={image}@sha256:" in guide


def test_unknown_instruction_is_an_error() -> None:
    with pytest.raises(ValueError, match="VOLUME cannot be executed"):
        list(instructions("FROM base\nRUN a \\\n && b\nVOLUME /data\n"))


def test_continued_lines_are_one_instruction() -> None:
    [(_, _), (name, text)] = instructions("# a comment\nFROM base\nRUN a \\\n && b\n")
    assert name == "RUN"
    assert text.split() == ["a", "&&", "b"]
