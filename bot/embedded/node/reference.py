"""Names of images, as container runtimes read them."""

import re
from dataclasses import dataclass

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<registry>(?:[A-Za-z0-9][A-Za-z0-9.-]*\.[A-Za-z0-9.-]*|[A-Za-z0-9-]+(?=:[0-9]+/)|localhost)(?::[0-9]+)?)/)?"
    rf"(?P<repository>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_LOOPBACK = re.compile(r"(?:127(?:\.[0-9]+){3}|(?:[a-z0-9.-]+\.)?localhost)(?::[0-9]+)?")


class InvalidReferenceError(Exception):
    """The text is no image name."""


@dataclass(frozen=True, slots=True)
class Reference:
    """`registry` is a host with its port; a digest, where there is one, wins over the tag."""

    registry: str
    repository: str
    tag: str
    digest: str | None

    @classmethod
    def parse(cls, text: str) -> "Reference":
        found = _REFERENCE.fullmatch(text)
        if found is None:
            raise InvalidReferenceError(f'couldn\'t parse image name "{text}": invalid reference format')
        registry, repository = found["registry"] or "docker.io", found["repository"]
        if registry == "docker.io" and "/" not in repository:
            repository = f"library/{repository}"
        return cls(registry, repository, found["tag"] or "latest", found["digest"])

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.repository}"

    @property
    def version(self) -> str:
        """What the registry is asked for: the digest or the tag."""
        return self.digest or self.tag

    @property
    def url(self) -> str:
        """Where the registry answers; plain http on loopback."""
        host = "registry-1.docker.io" if self.registry == "docker.io" else self.registry
        return f"{'http' if _LOOPBACK.fullmatch(host) else 'https'}://{host}/v2/{self.repository}"


def default_pull_policy(reference: Reference) -> str:
    """Kubernetes' rule for an image whose pull policy is not given."""
    return "Always" if reference.tag == "latest" and reference.digest is None else "IfNotPresent"
