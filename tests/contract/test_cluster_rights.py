"""The shipped rights are what the bot needs: all of it works with them, and something breaks without each."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.cluster.client.connection import connect
from bot.cluster.guard.roles import grantable
from bot.cluster.names import ENVIRONMENT_ROLE
from bot.cluster.rights import CLUSTER_RIGHTS, ENVIRONMENT_RIGHTS, Right
from tests.contract.cluster_harness import Harness, with_api
from tests.contract.rights_exercise import Exercise, Refusals, without
from tests.contract.test_cluster_confinement import real

_GRANTABLE = {Right(*right) for right in grantable()}


@pytest.fixture
async def exercise(harness: Harness) -> AsyncIterator[Exercise]:
    refusals = Refusals()
    async with await connect(harness.kubeconfig, refusals) as api:
        yield await Exercise.of(with_api(harness, api), refusals)


async def test_shipped_rights_are_sufficient(exercise: Exercise):
    assert not await exercise.role_is_refused()
    assert not await exercise.is_refused()


@real
async def test_each_cluster_wide_right_is_needed(exercise: Exercise):
    async with without(exercise.harness, "greenroom", CLUSTER_RIGHTS) as remove:
        needless = []
        for right in sorted(CLUSTER_RIGHTS):
            await remove(right)
            if not await exercise.is_refused():
                needless.append(right)
    assert needless == []


@real
async def test_each_right_in_an_environment_is_needed(exercise: Exercise):
    async with without(exercise.harness, ENVIRONMENT_ROLE, ENVIRONMENT_RIGHTS) as remove:
        needless = []
        for right in sorted(ENVIRONMENT_RIGHTS):
            await remove(right)
            refused = exercise.role_is_refused if right in _GRANTABLE else exercise.is_refused
            # While an earlier object is being deleted, a needed right may seem needless.
            if not await refused() and not await refused():
                needless.append(right)
    assert needless == []
