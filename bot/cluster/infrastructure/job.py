"""The Job of one Terraform run. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.cluster.client.kinds import JOB
from bot.cluster.infrastructure.objects import (
    ACCOUNT,
    CREDENTIALS,
    INPUT,
    KUBECONFIG,
    MODULE,
    OVERRIDE,
    PLAN,
    SAVE,
    VARIABLES,
    comparison_save,
    own_object,
)
from bot.cluster.names import TEMPLATE, own_labels
from bot.model.environment import EnvironmentKey
from bot.model.infrastructure import Run, RunKind, slot_suffix
from bot.model.manifest import Manifest

TIMEOUT_SECONDS = 3600
_GRACE_SECONDS = 300
"""Time in which a stopped run saves its state and releases its lock."""
_USER = 65532
_TOKEN_SECONDS = 2 * TIMEOUT_SECONDS

_MODULE, _INPUT, _PLAN, _ACCOUNT, _WORK = (
    "/greenroom/module",
    "/greenroom/input",
    "/greenroom/plan",
    "/greenroom/account",
    "/work",
)

# Progress is not logged, because it contains values; errors are.
_PREPARE = f"""
set -eu
umask 077
mkdir -p {_WORK}/module {_WORK}/save
cp -RL {_MODULE}/. {_WORK}/module
rm -rf {_WORK}/module/..?*
cp {_INPUT}/{OVERRIDE} {_WORK}/module/greenroom_override.tf.json
export TF_IN_AUTOMATION=1 TF_INPUT=0 HOME={_WORK}
KUBE_TOKEN=$(cat {_ACCOUNT}/token)
export KUBE_TOKEN
if [ -f {_ACCOUNT}/ca.crt ]; then
  KUBE_CLUSTER_CA_CERT_DATA=$(cat {_ACCOUNT}/ca.crt)
  export KUBE_CLUSTER_CA_CERT_DATA
fi
KUBE_HOST=${{KUBE_HOST:-https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT}}
export KUBE_HOST KUBE_CONFIG_PATH={_INPUT}/{KUBECONFIG}
program=$(command -v tofu || command -v terraform)
cd {_WORK}/module
"""
_INIT = '"$program" init -no-color -input=false >/dev/null\n'
_LOCKED = "-lock-timeout=1m"
_UNLOCKED = "-lock=false"
_OPTIONS = f"-no-color -input=false {_LOCKED}"
_SAVED = "SAVED"
"""Stands for the module that saves the result of a comparison."""
_VALUES = f"-var-file={_INPUT}/{VARIABLES}"
_SCRIPTS: Mapping[RunKind, str] = {
    RunKind.PLAN: f"""{_INIT}"$program" plan {_OPTIONS} {_VALUES} -out={_WORK}/plan >/dev/null
"$program" show -json {_WORK}/plan >{_WORK}/plan.json
cp {_INPUT}/{SAVE} {_WORK}/save/save.tf.json
cd {_WORK}/save
{_INIT}exec "$program" apply {_OPTIONS} -auto-approve >/dev/null
""",
    RunKind.COMPARE: f"""{_INIT}code=0
"$program" plan {_OPTIONS} {_VALUES} -detailed-exitcode -out={_WORK}/plan >/dev/null || code=$?
if [ "$code" != 0 ] && [ "$code" != 2 ]; then exit "$code"; fi
"$program" show -json {_WORK}/plan >{_WORK}/plan.json
echo "$code" >{_WORK}/code
cat >{_WORK}/save/save.tf.json <<'END'
{_SAVED}
END
cd {_WORK}/save
{_INIT}exec "$program" apply {_OPTIONS} -auto-approve >/dev/null
""",
    RunKind.APPLY: f"""if [ -s {_PLAN}/lock ]; then cp {_PLAN}/lock .terraform.lock.hcl; fi
{_INIT}exec "$program" apply {_OPTIONS} {_PLAN}/plan >/dev/null
""",
    RunKind.DESTROY: f"""{_INIT}exec "$program" destroy {_OPTIONS} {_VALUES} -auto-approve >/dev/null
""",
}


def job(
    namespace: str, environment: EnvironmentKey, run: Run, image: str, paths: Mapping[str, str]
) -> Manifest:
    """The Job of a run. `paths` are the files of the module by their keys in its ConfigMap."""
    container = {
        "name": "terraform",
        "image": image,
        "command": ["/bin/sh", "-c", _PREPARE + _script(namespace, run)],
        "workingDir": _WORK,
        "envFrom": [{"secretRef": {"name": CREDENTIALS, "optional": True}}],
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"cpu": "2", "memory": "2Gi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "module", "mountPath": _MODULE, "readOnly": True},
            {"name": "input", "mountPath": _INPUT, "readOnly": True},
            {"name": "plan", "mountPath": _PLAN, "readOnly": True},
            {"name": "account", "mountPath": _ACCOUNT, "readOnly": True},
            {"name": "work", "mountPath": _WORK},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 (a volume of the pod)
        ],
    }
    pod = {
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": _volumes(paths, input_slot(run)),
    }
    metadata = {"labels": own_labels(environment), "annotations": {TEMPLATE: run.name}}
    template = {"metadata": metadata, "spec": pod}
    spec = {
        # A run is never repeated as it is: after a failure, the next one starts from the new state.
        "backoffLimit": 0,
        "activeDeadlineSeconds": TIMEOUT_SECONDS,
        "template": template,
    }
    return own_object(JOB, run.name, namespace, environment, spec=spec)


def stub(namespace: str, environment: EnvironmentKey, run: Run) -> Manifest:
    """The Job without its content, to read its state."""
    template = {"metadata": {"annotations": {TEMPLATE: run.name}}, "spec": {"containers": []}}
    return own_object(JOB, run.name, namespace, environment, spec={"template": template})


def input_slot(run: Run) -> str:
    """The slot whose module and values a run uses; a comparison uses those that were applied last."""
    return "" if run.kind is RunKind.COMPARE else run.promotion


def _script(namespace: str, run: Run) -> str:
    """The plan of a promotion or a comparison changes nothing, so it takes no lock that stops other runs."""
    script = _SCRIPTS[run.kind].replace(_SAVED, json.dumps(comparison_save(namespace)))
    return script.replace(_LOCKED, _UNLOCKED) if run.promotion else script


def _volumes(paths: Mapping[str, str], promotion: str) -> list[dict[str, Any]]:
    suffix = slot_suffix(promotion)
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": _TOKEN_SECONDS}}
    authority = {
        "configMap": {
            "name": "kube-root-ca.crt",
            "items": [{"key": "ca.crt", "path": "ca.crt"}],
            "optional": True,
        }
    }
    items = [{"key": key, "path": path} for key, path in paths.items()]
    return [
        {"name": "module", "configMap": {"name": f"{MODULE}{suffix}", "items": items}},
        {"name": "input", "secret": {"secretName": f"{INPUT}{suffix}"}},
        {"name": "plan", "secret": {"secretName": PLAN, "optional": True}},
        {"name": "account", "projected": {"sources": [token, authority]}},
        {"name": "work", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
    ]
