"""The objects in the namespace of an environment's infrastructure, besides Jobs. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.cluster.client.kinds import (
    CONFIG_MAP,
    LEASE,
    NAMESPACE,
    NETWORK_POLICY,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE_ACCOUNT,
    Kind,
)
from bot.cluster.guard_rails import outbound
from bot.cluster.names import (
    APP,
    INFRASTRUCTURE,
    INSTALLATION,
    MANAGED_BY,
    MANAGER,
    OWN_NAME,
    own_annotations,
    own_labels,
)
from bot.model.environment import EnvironmentKey
from bot.model.infrastructure import DRIFT_SLOT, InfrastructureRequest, slot_suffix
from bot.model.manifest import Manifest
from bot.model.plan import SavedPlan
from bot.model.repository import Repository

ACCOUNT = f"{OWN_NAME}-terraform"
"""ServiceAccount, Role and RoleBinding of the runs."""
MODULE = f"{OWN_NAME}-module"
INPUT = f"{OWN_NAME}-input"
CREDENTIALS = f"{OWN_NAME}-credentials"
PLAN = f"{OWN_NAME}-plan"
RECORD = f"{OWN_NAME}-infrastructure"
STATE = f"tfstate-default-{OWN_NAME}"
"""The Secret in which the `kubernetes` backend keeps the state, named by workspace and suffix."""
PLAN_STATE = f"tfstate-default-{PLAN}"
"""The state of a module whose outputs are the plan: how a run writes a Secret without a further program.

The names of MODULE, INPUT, PLAN_STATE and RECORD get the suffix of a promotion for its plan.
"""
_STATES = [STATE, PLAN_STATE]

OVERRIDE, SAVE, VARIABLES = "backend.tf.json", "save.tf.json", "variables.tfvars.json"
KUBECONFIG = "kubeconfig.json"
"""Keys of INPUT."""
_HIDDEN_NAMES = "secret-variables.json"
STATE_KEY = "tfstate"


def namespace_object(
    name: str, environment: EnvironmentKey, repository: Repository, app_id: int
) -> dict[str, Any]:
    return {
        "apiVersion": NAMESPACE.api_version,
        "kind": NAMESPACE.name,
        "metadata": {
            "name": name,
            "labels": {
                MANAGED_BY: MANAGER,
                INFRASTRUCTURE: environment.label,
                APP: str(app_id),
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/enforce-version": "latest",
            },
            "annotations": {
                **own_annotations(environment, repository),
                INSTALLATION: str(repository.installation_id),
            },
        },
    }


def guard_objects(
    namespace: str, environment: EnvironmentKey, networks: Sequence[str]
) -> tuple[Manifest, ...]:
    """Network policy and account. The account has rights on its own states and their locks only.

    Kubernetes cannot limit `create` to names, and a backend lists states by their label.
    """
    states, locks = {"apiGroups": [""], "resources": ["secrets"]}, _rule(LEASE)
    rules = [
        {**states, "verbs": ["create", "list"]},
        {**states, "verbs": ["get", "update"], "resourceNames": _STATES},
        {**locks, "verbs": ["create"]},
        {**locks, "verbs": ["get", "update"], "resourceNames": [f"lock-{state}" for state in _STATES]},
    ]
    policy = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": outbound(networks)}
    subject = {"kind": SERVICE_ACCOUNT.name, "name": ACCOUNT, "namespace": namespace}
    role = {"apiGroup": ROLE.group, "kind": ROLE.name, "name": ACCOUNT}
    return (
        own_object(NETWORK_POLICY, OWN_NAME, namespace, environment, spec=policy),
        own_object(SERVICE_ACCOUNT, ACCOUNT, namespace, environment, automountServiceAccountToken=False),
        own_object(ROLE, ACCOUNT, namespace, environment, rules=rules),
        own_object(ROLE_BINDING, ACCOUNT, namespace, environment, subjects=[subject], roleRef=role),
    )


def promotion_objects(namespace: str, environment: EnvironmentKey, promotion: str) -> tuple[Manifest, ...]:
    """The account's right to write the plan of a promotion.

    Such runs take no lock of the environment's state, but the backend locks a new state while it creates it.
    """
    name = f"{ACCOUNT}-{promotion}"
    names = [f"{PLAN_STATE}{slot_suffix(promotion)}"]
    verbs = ["get", "update"]
    rules = [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": verbs, "resourceNames": names},
        {**_rule(LEASE), "verbs": verbs, "resourceNames": [f"lock-{state}" for state in names]},
    ]
    subject = {"kind": SERVICE_ACCOUNT.name, "name": ACCOUNT, "namespace": namespace}
    role = {"apiGroup": ROLE.group, "kind": ROLE.name, "name": name}
    return (
        own_object(ROLE, name, namespace, environment, rules=rules),
        own_object(ROLE_BINDING, name, namespace, environment, subjects=[subject], roleRef=role),
    )


def promotion_names(promotion: str) -> Iterator[tuple[Kind, str]]:
    """Everything that belongs to the plan of a promotion, except Jobs."""
    suffix = slot_suffix(promotion)
    yield from ((CONFIG_MAP, f"{name}{suffix}") for name in (MODULE, RECORD))
    yield from ((SECRET, f"{name}{suffix}") for name in (INPUT, PLAN_STATE))
    yield LEASE, f"lock-{PLAN_STATE}{suffix}"
    yield from ((kind, f"{ACCOUNT}{suffix}") for kind in (ROLE_BINDING, ROLE))


def input_objects(
    namespace: str, environment: EnvironmentKey, request: InfrastructureRequest, promotion: str = ""
) -> tuple[Manifest, ...]:
    """The module, and the values of its variables."""
    suffix = slot_suffix(promotion)
    files = {f"file-{index}": content for index, content in enumerate(request.files.values())}
    module = {key: base64.b64encode(content).decode() for key, content in files.items()}
    texts = {
        OVERRIDE: _backend(namespace, OWN_NAME),
        SAVE: {**_backend(namespace, f"{PLAN}{suffix}"), "output": _saved()},
        VARIABLES: dict(request.variables),
        _HIDDEN_NAMES: sorted(request.secrets),
        KUBECONFIG: _kubeconfig(),
    }
    paths = json.dumps(dict(zip(files, request.files, strict=True)))
    data = {key: encoded(json.dumps(value)) for key, value in texts.items()}
    return (
        own_object(
            CONFIG_MAP,
            f"{MODULE}{suffix}",
            namespace,
            environment,
            binaryData=module,
            data={"paths": paths},
        ),
        own_object(SECRET, f"{INPUT}{suffix}", namespace, environment, type="Opaque", data=data),
    )


def plan_object(namespace: str, environment: EnvironmentKey, plan: SavedPlan) -> Manifest:
    data = {"plan": base64.b64encode(plan.content).decode(), "lock": encoded(plan.lock)}
    return own_object(SECRET, PLAN, namespace, environment, type="Opaque", data=data)


def secret_variables(data: Mapping[str, str]) -> tuple[str, ...]:
    """The values of secret variables in the data of INPUT."""
    try:
        values = json.loads(base64.b64decode(data[VARIABLES]))
        return tuple(str(values[name]) for name in json.loads(base64.b64decode(data[_HIDDEN_NAMES])))
    except (KeyError, ValueError, TypeError):
        return ()


def own_object(
    kind: Kind, name: str, namespace: str, environment: EnvironmentKey, **fields: object
) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": own_labels(environment)}
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **fields}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _rule(kind: Kind) -> dict[str, Any]:
    return {"apiGroups": [kind.group], "resources": [kind.plural]}


def _backend(namespace: str, suffix: str) -> dict[str, Any]:
    return {"terraform": {"backend": {"kubernetes": {"secret_suffix": suffix, "namespace": namespace}}}}


def _kubeconfig() -> dict[str, Any]:
    """The backend requires a file. The run's environment sets server, authority and token."""
    name = OWN_NAME
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name}}],
        "clusters": [{"name": name, "cluster": {"server": "https://kubernetes.default.svc"}}],
    }


def comparison_save(namespace: str) -> dict[str, Any]:
    """The module that saves what a comparison found. The plan itself is not applied, so it is not kept."""
    values = {"json": '${file("../plan.json")}', "code": '${trimspace(file("../code"))}'}
    outputs = {name: {"value": value, "sensitive": True} for name, value in values.items()}
    return {**_backend(namespace, f"{PLAN}{slot_suffix(DRIFT_SLOT)}"), "output": outputs}


def _saved() -> dict[str, Any]:
    """Outputs of the module that saves a plan; its folder is beside that of the plan."""
    lock = "../module/.terraform.lock.hcl"
    values = {
        "plan": '${filebase64("../plan")}',
        "json": '${file("../plan.json")}',
        "lock": f'${{fileexists("{lock}") ? file("{lock}") : ""}}',
    }
    return {name: {"value": value, "sensitive": True} for name, value in values.items()}
