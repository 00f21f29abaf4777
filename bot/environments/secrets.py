"""The secrets of an environment: read for each run, written into its namespace, hidden in all texts."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from bot.environments.outcome import Failed
from bot.environments.secret_forms import forms_of
from bot.environments.secret_notations import written_places
from bot.environments.secret_ports import CredentialIssuer, ExternalStores, SecretProvider
from bot.environments.secret_reasons import SecretsUnavailable
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.errors import Rejected
from bot.model.infrastructure import Output
from bot.model.repository import Repository
from bot.model.secret import DynamicReference, ExternalReference, SecretRecord, SecretValue, keyed_digest

HIDDEN = "[hidden]"
SHORTEST = 6
"""Hiding every occurrence of a shorter value would make texts unreadable and hide nothing."""
_SETTINGS = {
    "vault": "`vault` in GREENROOM_SECRETS_MANAGERS",
    "vault-dynamic": "`vault.dynamic_token_file` in GREENROOM_SECRETS_MANAGERS",
    "aws-sm": "`aws` in GREENROOM_SECRETS_MANAGERS",
    "aws-ssm": "`aws` in GREENROOM_SECRETS_MANAGERS",
    "eso": "GREENROOM_SECRET_STORES",
}
"""What makes a provider available, by scheme."""
LONGEST = 128 * 1024 - 512
"""Bytes. Linux starts no program with a longer variable; its name has a place, too."""


@dataclass(frozen=True, slots=True)
class InjectedSecrets:
    """Variables for every container of an environment. Their values are not part of its `repr`."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    digest: str = ""
    """Keyed digest of the values: shows whether they changed and reveals nothing. "" without values."""
    records: Mapping[str, SecretRecord] = field(default_factory=dict)
    """Records by variable."""
    external: Mapping[str, ExternalReference] = field(default_factory=dict)
    """Variables whose values the External Secrets Operator reads."""
    dynamic: Mapping[str, DynamicReference] = field(default_factory=dict)
    """Variables with credentials that are issued once the namespace exists."""
    external_digest: str = ""
    """Like `digest`, of the names in `external` and their values."""
    generated: Collection[str] = field(default=(), repr=False)
    """Generated values of Secrets of the manifests, which are hidden, too."""
    plain: Collection[str] = ()
    """Variables whose values need not be hidden."""
    concealed: Collection[str] = field(default=(), repr=False)
    """Further values that are hidden: those of infrastructure."""

    def hide(self, text: str) -> str:
        """The text without the values, and without the rest of a value at a cut end."""
        values = [value for name, value in self.values.items() if name not in self.plain]
        return _hide(text, (*values, *self.generated, *self.concealed))

    def conceal(self, values: Iterable[str]) -> InjectedSecrets:
        return replace(self, concealed=tuple({*self.concealed, *values}))

    def with_outputs(
        self, outputs: Mapping[str, Output], concealed: Iterable[str], key: bytes
    ) -> InjectedSecrets:
        """The secrets with outputs of infrastructure by variable."""
        if not outputs:
            return self.conceal(concealed)
        values = {name: output.value for name, output in outputs.items()}
        added = replace(
            self,
            values={**self.values, **values},
            digest=keyed_digest(key, [self.digest, values]),
            plain=tuple(name for name, output in outputs.items() if not output.sensitive),
        )
        return added.conceal(concealed)


@dataclass(frozen=True, slots=True)
class LateSecrets:
    """Where secrets come from that exist only with the namespace, and the digests of their last values."""

    external: ExternalStores | None = None
    credentials: CredentialIssuer | None = None
    credentials_digest: str = ""
    external_digest: str = ""


_NO_LATE = LateSecrets()


async def read_secrets(
    providers: Mapping[str, SecretProvider],
    references: Mapping[str, str],
    repository: Repository,
    environment: EnvironmentKey,
    key: bytes,
    *,
    section: str = "",
    late: LateSecrets = _NO_LATE,
) -> InjectedSecrets | Failed:
    """The values of all references, or a failure that names each unavailable one, without values.

    `section` is the section of the configuration, if it is not that of the environment.
    """
    if not references:
        return InjectedSecrets()
    names = sorted(references)
    sources = _Sources(providers, late.external, late.credentials)
    results = await asyncio.gather(
        *(_resolved(sources, references[name], repository) for name in names), return_exceptions=True
    )
    values: dict[str, SecretValue] = {}
    outside: dict[str, ExternalReference] = {}
    dynamic: dict[str, DynamicReference] = {}
    refused: dict[str, str] = {}
    for name, value in zip(names, results, strict=True):
        if isinstance(value, Rejected):
            path = f"{section or _section_path(environment)}.secrets.{name}"
            refused[name] = f"{path}, {references[name]}: {value}."
        elif isinstance(value, BaseException):
            raise value
        elif isinstance(value, ExternalReference):
            outside[name] = value
        elif isinstance(value, DynamicReference):
            dynamic[name] = value
        else:
            values[name] = value
    if refused:
        # The owner of the secrets can fix it without a push.
        detail = "\n".join(refused.values())
        return Failed(SecretsUnavailable(tuple(refused)), final=False, detail=detail)
    texts = {name: value.text for name, value in values.items()}
    records = {
        name: SecretRecord(
            keyed_digest(key, [str(environment), name, value.text]), value.version, value.pinned
        )
        for name, value in values.items()
    }
    injected = [str(environment), texts, sorted(dynamic), *([late.credentials_digest] if dynamic else [])]
    identities = [str(environment), sorted(outside), late.external_digest]
    return InjectedSecrets(
        texts,
        keyed_digest(key, injected) if texts or dynamic else "",
        records,
        external=outside,
        dynamic=dynamic,
        external_digest=keyed_digest(key, identities) if outside else "",
    )


def rotated(before: Mapping[str, SecretRecord], now: Mapping[str, SecretRecord]) -> Mapping[str, str]:
    """The versions of secrets whose values changed, by variable."""
    return {
        name: record.version
        for name, record in sorted(now.items())
        if name in before and before[name].digest not in ("", record.digest)
    }


def _section_path(environment: EnvironmentKey) -> str:
    """The path of the environment's section in the configuration."""
    return {
        EnvironmentKind.PREVIEW: "preview",
        EnvironmentKind.STAGE: f"stages.{environment.name}",
        EnvironmentKind.DEMO: f"demo.{environment.name}",
    }[environment.kind]


@dataclass(frozen=True, slots=True)
class _Sources:
    providers: Mapping[str, SecretProvider]
    external: ExternalStores | None
    credentials: CredentialIssuer | None

    @property
    def schemes(self) -> list[str]:
        others = {"eso": self.external, "vault-dynamic": self.credentials}
        return sorted([*self.providers, *(scheme for scheme, source in others.items() if source)])


async def _resolved(
    sources: _Sources, reference: str, repository: Repository
) -> SecretValue | ExternalReference | DynamicReference:
    scheme, _, path = reference.partition(":")
    if scheme == "eso" and sources.external is not None:
        return sources.external.resolve(path, repository)
    if scheme == "vault-dynamic" and sources.credentials is not None:
        return sources.credentials.resolve(path, repository)
    provider = sources.providers.get(scheme)
    if provider is None:
        setting = _SETTINGS.get(scheme)
        problem = f"the operator must set {setting} first" if setting else f"unknown provider {scheme!r}"
        raise Rejected(f"{problem}; available: {', '.join(sources.schemes) or 'none'}")
    value = await provider.read(path, repository)
    if problem := unusable(value.text):
        raise Rejected(problem)
    return value


def unusable(value: str | None) -> str:
    """Why a value, None if it is not text, cannot be a variable that is hidden in logs; "" if it can."""
    if value is None or "\0" in value:
        return "not text, so it cannot be an environment variable: encode it, for example as base64"
    if len(value) < SHORTEST:
        return f"shorter than {SHORTEST} characters, so it cannot be hidden in logs: use a longer value"
    if len(value.encode()) > LONGEST:
        return f"longer than {LONGEST // 1024} KiB, so no program would start with it: store it elsewhere"
    return ""


def _hide(text: str, values: tuple[str, ...]) -> str:
    searched, parts = _searched(values)
    if not parts or not text:
        return text
    # Before the forms: they would hide only those parts of an encoded value that need no escapes.
    text = _without(text, written_places(text, searched))
    for part in parts:
        text = text.replace(part, HIDDEN)
    start = max(_overlap(part, text) for part in parts)
    text = HIDDEN + text[start:] if start else text
    end = max(_overlap(text, part) for part in parts)
    return text[: len(text) - end] + HIDDEN if end else text


@lru_cache(maxsize=128)
def _searched(values: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Values and their lines, and these in all forms, the longest first. Cached for the texts of one run."""
    # A value of several lines may be logged line by line.
    lines = {line.strip() for value in values for line in value.splitlines()}
    forms = {form for value in values for form in forms_of(value)}

    def long(parts: set[str]) -> tuple[str, ...]:
        hidden = (part for part in parts if len(part) >= SHORTEST)
        return tuple(sorted(hidden, key=lambda part: (-len(part), part)))

    return long({*lines, *values}), long({*lines, *forms})


def _without(text: str, places: Iterable[tuple[int, int]]) -> str:
    """The text with the places hidden, which may overlap."""
    pieces, shown = list[str](), 0
    for start, end in sorted(places):
        if start >= shown:
            pieces += (text[shown:start], HIDDEN)
        shown = max(shown, end)
    return "".join([*pieces, text[shown:]])


def _overlap(left: str, right: str) -> int:
    """Length of the longest end of `left` that starts `right`; 0 below SHORTEST, where it may be chance."""
    end = left[-len(right) :]
    start = end.find(right[:SHORTEST])
    while start >= 0 and not right.startswith(end[start:]):
        start = end.find(right[:SHORTEST], start + 1)
    return len(end) - start if start >= 0 else 0
