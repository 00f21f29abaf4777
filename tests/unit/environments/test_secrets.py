"""Secrets of an environment are read all or none, never shown, and updated on change."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.environments.outcome import Failed
from bot.environments.secret_reasons import SecretsUnavailable
from bot.environments.secrets import HIDDEN, InjectedSecrets, read_secrets
from bot.model.environment import EnvironmentKey, EnvironmentState
from bot.model.errors import Unavailable
from bot.model.manifest import Wave
from bot.model.repository import Repository
from bot.model.secret import SecretValue
from tests.stores import ManualClock, new_store
from tests.unit.environments.fakes import CONFIGURATION, FakeSecrets, Harness

SHOP = Repository(10, 20, "acme", "shop")
SEVEN = EnvironmentKey.preview(SHOP.id, 7)
VALUE = "sk_test_4711"
KEY = b"k" * 32
CONFIGURED = CONFIGURATION + "preview: {secrets: {STRIPE_KEY: 'env:STRIPE', MAIL: 'env:MAIL'}}\n"


async def injection(key: bytes = KEY, environment: EnvironmentKey = SEVEN, **values: str) -> InjectedSecrets:
    provider = FakeSecrets()
    provider.values = values
    references = {name: f"env:{name}" for name in values}
    secrets = await read_secrets({"env": provider}, references, SHOP, environment, key)
    assert isinstance(secrets, InjectedSecrets)
    return secrets


async def test_failure_names_every_unavailable_secret() -> None:
    provider = FakeSecrets()
    provider.values = {"A": VALUE, "SHORT": "on", "NUL": "abc\0defg", "LONG": "ä" * 2**16}
    references = {"A": "env:A", "B": "env:B", "C": "vault:kv/c#key", "D": "env:SHORT", "E": "env:NUL"}
    references |= {"F": "env:LONG", "G": "vualt:kv/c#key"}
    failed = await read_secrets({"env": provider}, references, SHOP, SEVEN, KEY)
    assert isinstance(failed, Failed)
    assert failed.reason == SecretsUnavailable(("B", "C", "D", "E", "F", "G"))
    assert "preview.secrets.B, env:B: there is none." in failed.detail
    missing = "the operator must set `vault` in GREENROOM_SECRETS_MANAGERS first; available: env."
    assert f"preview.secrets.C, vault:kv/c#key: {missing}" in failed.detail
    assert "preview.secrets.G, vualt:kv/c#key: unknown provider 'vualt'; available: env." in failed.detail
    assert "shorter than 6 characters" in failed.detail
    assert "not text" in failed.detail
    assert "longer than 127 KiB, so no program would start with it" in failed.detail
    assert VALUE not in f"{failed!r}"


async def test_unreachable_provider_is_an_outage() -> None:
    class Unreachable:
        async def read(self, path: str, repository: Repository) -> SecretValue:
            raise Unavailable("it does not answer")

    with pytest.raises(Unavailable):
        await read_secrets({"env": Unreachable()}, {"A": "env:A"}, SHOP, SEVEN, KEY)


async def test_digest_changes_with_name_value_key_and_environment() -> None:
    first = await injection(A=VALUE)
    assert first.digest == (await injection(A=VALUE)).digest
    others = [
        await injection(A=VALUE + "2"),
        await injection(B=VALUE),
        await injection(key=b"x" * 32, A=VALUE),
        await injection(environment=EnvironmentKey.preview(SHOP.id, 8), A=VALUE),
    ]
    assert len({first.digest, *(other.digest for other in others)}) == 5
    assert (await injection()).digest == ""
    assert VALUE not in repr(first)


def test_values_are_hidden_anywhere_in_a_text() -> None:
    injected = InjectedSecrets({"A": VALUE, "KEY": "-----BEGIN-----\nfirst-line\nsecond-line\n-----END-----"})
    assert injected.hide(f"key={VALUE}, again {VALUE}!") == f"key={HIDDEN}, again {HIDDEN}!"
    assert injected.hide("| second-line |") == f"| {HIDDEN} |"
    assert injected.hide("nothing to hide") == "nothing to hide"
    assert injected.hide("") == ""


@pytest.mark.parametrize(
    "value", ['pa"ss\\word', "p\u00e4ss/word?", "first line\nsecond line", "a+b c=d&e%f"]
)
def test_encoded_value_is_hidden(value: str) -> None:
    hide = InjectedSecrets({"A": value}).hide
    assert hide(json.dumps({"password": value})) == json.dumps({"password": HIDDEN})
    assert hide(json.dumps({"password": value}, ensure_ascii=False)) == json.dumps({"password": HIDDEN})
    assert hide(f"postgres://app:{quote(value, safe='')}@db") == f"postgres://app:{HIDDEN}@db"
    assert hide(f"data: {b64encode(value.encode()).decode()}").rstrip("=") == f"data: {HIDDEN}"


def test_truncated_value_is_hidden() -> None:
    injected = InjectedSecrets({"A": VALUE})
    assert injected.hide("test_4711 is in the log") == f"{HIDDEN} is in the log"
    assert injected.hide("the log has sk_test") == f"the log has {HIDDEN}"
    assert injected.hide("4711 alone is not a secret") == "4711 alone is not a secret"


@given(
    st.text(alphabet="ab\n", max_size=30),
    st.text(alphabet="abc", min_size=6, max_size=12),
    st.text(alphabet="ab", max_size=30),
)
def test_value_is_hidden_in_any_text(before: str, value: str, after: str) -> None:
    assert value not in InjectedSecrets({"A": value}).hide(before + value + after)


@pytest.mark.parametrize("value", ["a" * 60_000, "\n".join(f"{number:064}" for number in range(900))])
def test_time_to_hide_a_long_value_is_linear(value: str) -> None:
    """A quadratic implementation would exceed the time limit of the test."""
    log = "x" * 1_000_000
    assert InjectedSecrets({"A": value}).hide(log) == log


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Harness]:
    store = await new_store(tmp_path / "greenroom.db", clock)
    yield Harness(store, clock)
    await store.close()


async def test_missing_secret_blocks_apply_and_is_retried(harness: Harness) -> None:
    harness.github.configuration = CONFIGURED
    harness.secrets.values = {"STRIPE": VALUE}
    await harness.run()
    status = harness.github.reported[-1]
    assert status.state is EnvironmentState.FAILED
    assert status.cause is not None
    assert "`MAIL`" in status.cause.summary
    assert "`STRIPE_KEY`" not in status.cause.summary
    assert harness.cluster.injected == []
    assert harness.cluster.rendered == []

    harness.secrets.values["MAIL"] = "hunter22"
    harness.clock.advance(60)
    await harness.again()
    assert harness.github.reported[-1].state is EnvironmentState.READY
    assert harness.cluster.injected == [{"STRIPE_KEY": VALUE, "MAIL": "hunter22"}]


async def test_new_value_is_injected_without_a_push(harness: Harness) -> None:
    harness.github.configuration = CONFIGURED
    harness.secrets.values = {"STRIPE": VALUE, "MAIL": "hunter22"}
    await harness.run()
    await harness.run()
    assert len(harness.cluster.rendered) == len(harness.cluster.injected) == 1

    harness.secrets.values["MAIL"] = "hunter23"
    await harness.run()
    assert harness.cluster.injected[-1]["MAIL"] == "hunter23"
    first, second = (request.secrets for request in harness.cluster.rendered)
    assert first != second
    assert not any(
        VALUE in repr(request) or "hunter" in repr(request) for request in harness.cluster.rendered
    )


async def test_withdrawn_secrets_are_deleted_before_apply(harness: Harness) -> None:
    deployment = {"kind": "Deployment", "metadata": {"name": "shop"}}
    harness.cluster.waves = {Wave.CONFIGURATION: (deployment,), Wave.WORKLOADS: (deployment,)}
    harness.github.configuration = CONFIGURED
    harness.secrets.values = values = {"STRIPE": VALUE, "MAIL": "hunter22"}
    await harness.run()
    assert harness.cluster.seen[-1] == {"STRIPE_KEY": VALUE, "MAIL": values["MAIL"]}

    harness.cluster.seen.clear()
    harness.github.configuration = CONFIGURATION
    harness.pull(head_sha="b" * 40)
    await harness.run()
    assert harness.cluster.seen
    assert set(harness.cluster.seen) == {None}


async def test_absent_pull_secret_blocks_workloads_and_is_retried(harness: Harness) -> None:
    deployment = {"kind": "Deployment", "metadata": {"name": "shop"}}
    harness.cluster.waves = {Wave.WORKLOADS: (deployment,)}
    harness.cluster.granted_pull_secrets = ("registries/ghcr",)
    await harness.run()
    status = harness.github.reported[-1]
    assert status.state is EnvironmentState.FAILED
    assert status.cause is not None
    assert "registries/ghcr" in status.cause.summary
    assert harness.cluster.seen == []

    harness.cluster.operator_secrets.add("registries/ghcr")
    harness.clock.advance(60)
    await harness.again()
    assert harness.github.reported[-1].state is EnvironmentState.READY
    assert harness.cluster.pull_secrets == ("registries/ghcr",)


async def test_rotation_is_in_the_decision_log_without_the_value(harness: Harness) -> None:
    harness.github.configuration = CONFIGURED
    harness.secrets.values = {"STRIPE": VALUE, "MAIL": "hunter22"}
    harness.secrets.versions = {"STRIPE": "3"}
    await harness.run()
    harness.secrets.values["STRIPE"] = "sk_test_4712"
    harness.secrets.versions = {"STRIPE": "4"}
    await harness.run()
    rotations = [reason for action, reason in await harness.journal() if action == "rotated"]
    assert rotations == ["The secret `STRIPE_KEY` (version 4) changed. Pods are replaced."]

    status = await harness.status()
    assert status.secrets["STRIPE_KEY"].version == "4"
    assert "sk_test" not in repr(status)
