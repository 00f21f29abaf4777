"""Manages the infrastructure of environments: its namespace, inputs, Jobs, plans and record."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec
import structlog

from bot.cluster.account import environment_binding, own_account
from bot.cluster.apply import apply_all
from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import CONFIG_MAP, JOB, NAMESPACE, SECRET
from bot.cluster.health.observe import KubernetesHealth
from bot.cluster.infrastructure.job import input_slot, job, stub
from bot.cluster.infrastructure.locks import end_comparisons, release_locks, require_idle
from bot.cluster.infrastructure.objects import (
    CREDENTIALS,
    INPUT,
    MODULE,
    PLAN,
    PLAN_STATE,
    RECORD,
    STATE,
    STATE_KEY,
    guard_objects,
    input_objects,
    namespace_object,
    own_object,
    plan_object,
    promotion_names,
    promotion_objects,
    secret_variables,
)
from bot.cluster.infrastructure.policy import TerraformPolicy
from bot.cluster.names import APP, INFRASTRUCTURE, MANAGED_BY, MANAGER
from bot.cluster.namespaces import blockers, create_namespace
from bot.cluster.secrets import read_operator_secret, read_secret
from bot.environments.ports import Fence
from bot.infrastructure.terraform.plan import plan_digest, plan_findings, plan_summary
from bot.infrastructure.terraform.state import read_state, state_document
from bot.model.drift import Finding
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected, Unavailable
from bot.model.infrastructure import (
    DRIFT_SLOT,
    InfrastructureRecord,
    InfrastructureRequest,
    InfrastructureView,
    Run,
    RunKind,
    slot_suffix,
)
from bot.model.manifest import NamespaceState, NamespaceView, ObjectState
from bot.model.plan import SavedPlan
from bot.model.repository import Repository

log = structlog.get_logger()

Object = Mapping[str, Any]

_KEY = "record.json"
_MAX_PLAN_BYTES = 700_000
"""Kubernetes stores at most 1 MiB in one object, in base64."""
_NO_CHANGES = "0"
"""The exit code of a plan that changes nothing; 2 of one that does."""


class KubernetesInfrastructure:
    """Raises Unavailable when the API server does not answer, Rejected when it refuses."""

    def __init__(
        self,
        api: KubernetesApi,
        policy: TerraformPolicy,
        health: KubernetesHealth,
        app_id: int,
        digest_key: bytes,
    ) -> None:
        self._api = api
        self._policy = policy
        self._health = health
        self._app_id = app_id
        self._digest_key = digest_key
        self._account: dict[str, str] | None = None

    @property
    def image(self) -> str:
        return self._policy.image

    def runs_pull_request_module(self, repository: Repository) -> bool:
        return self._policy.runs_pull_request_module(repository)

    async def observe(
        self, namespace: str, environment: EnvironmentKey, promotion: str = ""
    ) -> InfrastructureView:
        live = await self._api.find(NAMESPACE, namespace)
        view = self._view(live, environment)
        if view.state is not NamespaceState.OURS:
            return InfrastructureView(view.state)
        secrets, records = await asyncio.gather(
            self._api.list(SECRET, namespace),
            self._api.list(CONFIG_MAP, namespace, fields=f"metadata.name={RECORD}{slot_suffix(promotion)}"),
        )
        data = {secret["metadata"]["name"]: secret.get("data") or {} for secret in secrets.items}
        compressed = _decoded(data.get(STATE, {}).get(STATE_KEY, ""))
        state = read_state(compressed) if compressed else None
        outputs = state.outputs.values() if state is not None else ()
        sensitive = [output.value for output in outputs if output.sensitive]
        granted = data.get(CREDENTIALS, {}).values()
        credentials = [_decoded(value).decode(errors="replace") for value in granted]
        inputs = [values for name, values in data.items() if name.startswith(INPUT)]
        concealed = (*sensitive, *credentials, *chain.from_iterable(map(secret_variables, inputs)))
        return InfrastructureView(view.state, _record(records.items), state, concealed)

    async def prepare(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        request: InfrastructureRequest,
        fence: Fence,
        promotion: str = "",
    ) -> None:
        live = await self._api.find(NAMESPACE, namespace)
        state = self._view(live, environment).state
        if state is NamespaceState.TERMINATING:
            raise Unavailable(f"Namespace {namespace} is still being deleted.")
        if state is NamespaceState.FOREIGN:
            raise _foreign(namespace)
        self._account = self._account or await own_account(self._api)
        if live is None:
            await fence()
            body = namespace_object(namespace, environment, repository, self._app_id)
            await create_namespace(self._api, body)
        self._api.expect_rights(namespace)
        await apply_all(self._api, [environment_binding(namespace, environment, self._account)], fence)
        guards = guard_objects(namespace, environment, self._policy.networks_of(repository))
        rights = promotion_objects(namespace, environment, promotion) if promotion else ()
        inputs = input_objects(namespace, environment, request, promotion)
        await apply_all(self._api, [*guards, *rights, *inputs], fence)

    async def start(
        self, namespace: str, environment: EnvironmentKey, repository: Repository, run: Run, fence: Fence
    ) -> None:
        if (await self._api.list(JOB, namespace, fields=f"metadata.name={run.name}")).items:
            return
        module = f"{MODULE}{slot_suffix(input_slot(run))}"
        modules = await self._api.list(CONFIG_MAP, namespace, fields=f"metadata.name={module}")
        if not modules.items:
            raise Rejected(f"The ConfigMap {module} of the namespace {namespace} was deleted.")
        paths = json.loads(modules.items[0]["data"]["paths"])
        if run.kind is RunKind.COMPARE:
            await require_idle(self._api, namespace)
            await apply_all(self._api, promotion_objects(namespace, environment, run.promotion), fence)
        else:
            await end_comparisons(self._api, namespace, fence)
        await self._copy_credentials(namespace, environment, repository, fence)
        if not run.promotion:
            await release_locks(self._api, namespace, fence)
        await fence()
        await self._api.apply(job(namespace, environment, run, self._policy.image, paths))
        log.info("infrastructure run started", namespace=namespace, run=run.name)

    async def look(self, namespace: str, environment: EnvironmentKey, run: Run) -> ObjectState:
        [state] = await self._health.observe(namespace, [stub(namespace, environment, run)])
        return state

    async def saved_plan(self, namespace: str, promotion: str = "") -> SavedPlan:
        outputs = await self._saved_outputs(namespace, promotion)
        try:
            content = base64.b64decode(outputs["plan"], validate=True)
            text, lock = outputs["json"], outputs["lock"]
        except (KeyError, binascii.Error):
            raise Rejected("The saved plan cannot be read.") from None
        if len(content) > _MAX_PLAN_BYTES:
            raise Rejected(
                f"The plan has {len(content)} bytes. At most {_MAX_PLAN_BYTES} can be kept until it is "
                "applied: split the module."
            )
        summary = await asyncio.to_thread(plan_summary, text)
        digest = await asyncio.to_thread(plan_digest, text, self._digest_key)
        return SavedPlan(content, lock, digest, summary)

    async def differences(self, namespace: str) -> Sequence[Finding]:
        outputs = await self._saved_outputs(namespace, DRIFT_SLOT)
        text, code = outputs.get("json", ""), outputs.get("code", "")
        return await asyncio.to_thread(plan_findings, text, differs=code != _NO_CHANGES)

    async def keep_plan(
        self, namespace: str, environment: EnvironmentKey, plan: SavedPlan, fence: Fence
    ) -> None:
        """For the apply; what the run wrote is deleted."""
        await fence()
        await self._api.apply(plan_object(namespace, environment, plan))
        await self._api.delete(SECRET, PLAN_STATE, namespace)

    async def discard_plan(self, namespace: str, fence: Fence, promotion: str = "") -> None:
        await fence()
        for name in (PLAN, PLAN_STATE):
            await self._api.delete(SECRET, f"{name}{slot_suffix(promotion)}", namespace)

    async def discard_promotion(
        self, namespace: str, environment: EnvironmentKey, promotion: str, fence: Fence
    ) -> None:
        live = await self._api.find(NAMESPACE, namespace)
        if self._view(live, environment).state is not NamespaceState.OURS:
            return
        jobs = (await self._api.list(JOB, namespace)).items
        names = [job["metadata"]["name"] for job in jobs]
        own = [(JOB, name) for name in names if name.endswith(slot_suffix(promotion))]
        for kind, name in (*own, *promotion_names(promotion)):
            await fence()
            await self._api.delete(kind, name, namespace)

    async def record(
        self, namespace: str, environment: EnvironmentKey, record: InfrastructureRecord, fence: Fence
    ) -> None:
        await fence()
        data = {_KEY: msgspec.json.encode(record).decode()}
        name = f"{RECORD}{slot_suffix(record.run.promotion)}"
        await self._api.apply(own_object(CONFIG_MAP, name, namespace, environment, data=data))

    async def delete(self, namespace: str, environment: EnvironmentKey, fence: Fence) -> None:
        """Starts the deletion of exactly the namespace that was read."""
        live = await self._api.find(NAMESPACE, namespace)
        if live is None or self._view(live, environment).state is not NamespaceState.OURS:
            return
        await fence()
        metadata = live["metadata"]
        preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        await self._api.delete(NAMESPACE, namespace, preconditions=preconditions)

    async def _saved_outputs(self, namespace: str, slot: str) -> Mapping[str, str]:
        """What a run wrote by its own module."""
        secret = await read_secret(self._api, namespace, f"{PLAN_STATE}{slot_suffix(slot)}")
        compressed = _decoded(((secret or {}).get("data") or {}).get(STATE_KEY, ""))
        if not compressed:
            raise Rejected("The run has saved no plan.")
        try:
            outputs = state_document(compressed)["outputs"]
            return {name: str(output["value"]) for name, output in outputs.items()}
        except (KeyError, TypeError, AttributeError):
            raise Rejected("The saved plan cannot be read.") from None

    async def _copy_credentials(
        self, namespace: str, environment: EnvironmentKey, repository: Repository, fence: Fence
    ) -> None:
        """The operator's Secrets as they are now; without a grant none, and an earlier copy is deleted."""
        granted = self._policy.credentials_of(repository)
        data: dict[str, str] = {}
        for name in granted:
            origin = await read_operator_secret(self._api, *name.split("/", 1))
            if origin is None:
                raise Rejected(
                    f"GREENROOM_TERRAFORM_CREDENTIALS names the Secret {name}, which does not exist. The "
                    "operator must create it."
                )
            data |= origin.get("data") or {}
        await fence()
        if granted:
            body = own_object(SECRET, CREDENTIALS, namespace, environment, type="Opaque", data=data)
            await self._api.apply(body)
        else:
            await self._api.delete(SECRET, CREDENTIALS, namespace)

    def _view(self, live: Object | None, environment: EnvironmentKey) -> NamespaceView:
        if live is None:
            return NamespaceView(NamespaceState.ABSENT)
        labels = live["metadata"].get("labels") or {}
        own = {MANAGED_BY: MANAGER, APP: str(self._app_id), INFRASTRUCTURE: environment.label}
        if any(labels.get(name) != value for name, value in own.items()):
            return NamespaceView(NamespaceState.FOREIGN)
        if live["metadata"].get("deletionTimestamp"):
            return NamespaceView(NamespaceState.TERMINATING, blockers(dict(live)))
        return NamespaceView(NamespaceState.OURS)


def _record(items: Sequence[Object]) -> InfrastructureRecord:
    """The stored record; an empty one when it is absent or invalid, after which a new plan is made."""
    if not items:
        return InfrastructureRecord()
    try:
        text = (items[0].get("data") or {}).get(_KEY, "")
        return msgspec.json.decode(text, type=InfrastructureRecord)
    except msgspec.DecodeError:
        return InfrastructureRecord()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""


def _foreign(name: str) -> Rejected:
    return Rejected(
        f"Namespace {name} exists and does not belong to the infrastructure of this environment, so it is "
        "not changed. The operator of the cluster must delete it."
    )
