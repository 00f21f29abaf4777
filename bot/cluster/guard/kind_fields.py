"""Decisions on the fields of all kinds that manifests may contain, by the names of Kubernetes' types.

The tests compare this table with the types of the Kubernetes API: each field has a decision.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from bot.cluster.guard.claims import CLAIM_SPEC
from bot.cluster.guard.decisions import (
    Fields,
    Fixed,
    Outcome,
    Refuse,
    Remove,
    Replace,
    Rule,
    Scope,
    fields,
    refuse,
    remove,
)
from bot.cluster.guard.disruption import ALWAYS
from bot.cluster.guard.metadata import OBJECT_META
from bot.cluster.guard.network import INSIDE, egress_rule, ingress_rule, service_type, text_value
from bot.cluster.guard.pod_fields import POD_TYPES
from bot.cluster.node import Node
from bot.settings import ManifestSettings, SettingsError, variable


def _status(node: Node, _: Scope) -> Outcome:
    """Judges `status`. Charts and `kubectl create --dry-run` write empty ones, which need no note."""
    return Remove("the cluster sets this field" if _has_content(node.value) else "")


def _has_content(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_content(content) for content in value.values())
    return value not in (None, "", [])


_STATUS = Fixed(_status)
_INSIDE = remove(INSIDE)
_CONTROLLER = remove("only the controllers of Kubernetes run Jobs")
_LONGEST_HISTORY = 10
"""The default of Kubernetes."""
_SECRET_TYPES = (
    "",
    "Opaque",
    "kubernetes.io/basic-auth",
    "kubernetes.io/dockercfg",
    "kubernetes.io/dockerconfigjson",
    "kubernetes.io/ssh-auth",
    "kubernetes.io/tls",
)


def _object(allowed: str, **rules: Rule | Fixed) -> Fields:
    return fields(f"apiVersion kind metadata:ObjectMeta {allowed}", **rules)


def _secret_type(node: Node, _: Scope) -> Outcome:
    if node.text() == "kubernetes.io/service-account-token":
        return Refuse("long-lived tokens of ServiceAccounts are not allowed; remove this Secret")
    return None if node.text() in _SECRET_TYPES else Remove("the Secret gets the type `Opaque`")


def _time_to_live(node: Node, _: Scope) -> Outcome:
    """Judges `ttlSecondsAfterFinished`; CronJobs create new Jobs, which may be deleted."""
    if node.path != ("spec", "ttlSecondsAfterFinished"):
        return None
    return Remove("a deleted Job would run again with the next deployment")


def _eviction_policy(node: Node, _: Scope) -> Outcome:
    if node.text() == ALWAYS:
        return None
    return Replace(ALWAYS, "pods that fail must not block the maintenance of nodes")


def _history(node: Node, _: Scope) -> Outcome:
    """Caps the number of old ReplicaSets or revisions, which fill the cluster's database."""
    if not isinstance(node.value, int):
        return Refuse("expected a whole number")
    if node.value <= _LONGEST_HISTORY:
        return None
    return Replace(_LONGEST_HISTORY, "an environment keeps few old revisions")


_CLUSTER_IP = remove("Kubernetes assigns the address", unless=("", "None"))

_OBJECTS: Mapping[str, Fields] = {
    "ConfigMap": _object("binaryData{} data{} immutable"),
    "CronJob": _object("spec:CronJobSpec", status=_STATUS),
    "Deployment": _object("spec:DeploymentSpec", status=_STATUS),
    "HorizontalPodAutoscaler": _object("spec:HorizontalPodAutoscalerSpec", status=_STATUS),
    "Job": _object("spec:JobSpec", status=_STATUS),
    "NetworkPolicy": _object("spec:NetworkPolicySpec"),
    "PersistentVolumeClaim": _object("spec:PersistentVolumeClaimSpec", status=_STATUS),
    "Pod": _object("spec:PodSpec", status=_STATUS),
    "PodDisruptionBudget": _object("spec:PodDisruptionBudgetSpec", status=_STATUS),
    "Role": _object("rules[]:PolicyRule"),
    "RoleBinding": _object("roleRef:RoleRef subjects[]:Subject"),
    "Secret": _object("data{} immutable stringData{} type", type=Fixed(_secret_type)),
    "Service": _object("spec:ServiceSpec", status=_STATUS),
    "ServiceAccount": _object(
        "automountServiceAccountToken imagePullSecrets[]:LocalObjectReference",
        secrets=remove("it has no effect on the Secrets that pods may use"),
    ),
    "StatefulSet": _object("spec:StatefulSetSpec", status=_STATUS),
}

_SPECS: Mapping[str, Fields] = {
    "ObjectMeta": OBJECT_META,
    "LabelSelector": fields("matchExpressions[]:LabelSelectorRequirement matchLabels{}"),
    "LabelSelectorRequirement": fields("key operator values[]"),
    "DeploymentSpec": fields(
        "minReadySeconds paused progressDeadlineSeconds replicas revisionHistoryLimit "
        "selector:LabelSelector strategy:DeploymentStrategy template:PodTemplateSpec",
        revisionHistoryLimit=Fixed(_history),
    ),
    "DeploymentStrategy": fields("rollingUpdate:RollingUpdateDeployment type"),
    "RollingUpdateDeployment": fields("maxSurge maxUnavailable"),
    "StatefulSetSpec": fields(
        "minReadySeconds ordinals:StatefulSetOrdinals "
        "persistentVolumeClaimRetentionPolicy:StatefulSetPersistentVolumeClaimRetentionPolicy "
        "podManagementPolicy replicas revisionHistoryLimit selector:LabelSelector serviceName "
        "template:PodTemplateSpec updateStrategy:StatefulSetUpdateStrategy "
        "volumeClaimTemplates[]:PersistentVolumeClaim",
        revisionHistoryLimit=Fixed(_history),
    ),
    "StatefulSetOrdinals": fields("start"),
    "StatefulSetPersistentVolumeClaimRetentionPolicy": fields("whenDeleted whenScaled"),
    "StatefulSetUpdateStrategy": fields("rollingUpdate:RollingUpdateStatefulSetStrategy type"),
    "RollingUpdateStatefulSetStrategy": fields("maxUnavailable partition"),
    "CronJobSpec": fields(
        "concurrencyPolicy failedJobsHistoryLimit jobTemplate:JobTemplateSpec schedule "
        "startingDeadlineSeconds successfulJobsHistoryLimit suspend timeZone"
    ),
    "JobTemplateSpec": fields("metadata:ObjectMeta spec:JobSpec"),
    "JobSpec": fields(
        "activeDeadlineSeconds backoffLimit backoffLimitPerIndex completionMode completions manualSelector "
        "maxFailedIndexes parallelism podFailurePolicy:PodFailurePolicy podReplacementPolicy "
        "selector:LabelSelector successPolicy:SuccessPolicy suspend template:PodTemplateSpec "
        "ttlSecondsAfterFinished",
        managedBy=_CONTROLLER,
        scheduling=_CONTROLLER,
        ttlSecondsAfterFinished=Fixed(_time_to_live),
    ),
    "PodFailurePolicy": fields("rules[]:PodFailurePolicyRule"),
    "PodFailurePolicyRule": fields(
        "action onExitCodes:PodFailurePolicyOnExitCodesRequirement "
        "onPodConditions[]:PodFailurePolicyOnPodConditionsPattern"
    ),
    "PodFailurePolicyOnExitCodesRequirement": fields("containerName operator values[]"),
    "PodFailurePolicyOnPodConditionsPattern": fields("status type"),
    "SuccessPolicy": fields("rules[]:SuccessPolicyRule"),
    "SuccessPolicyRule": fields("succeededCount succeededIndexes"),
    "PersistentVolumeClaimSpec": CLAIM_SPEC,
    "VolumeResourceRequirements": fields("limits{} requests{}"),
    "PodDisruptionBudgetSpec": fields(
        "maxUnavailable minAvailable selector:LabelSelector unhealthyPodEvictionPolicy",
        unhealthyPodEvictionPolicy=Fixed(_eviction_policy),
    ),
    "PolicyRule": fields(
        "apiGroups[] resourceNames[] resources[] verbs[]",
        nonResourceURLs=Fixed(refuse("a Role can only contain resources; remove this field")),
    ),
    "RoleRef": fields("apiGroup kind name"),
    "Subject": fields("apiGroup kind name namespace"),
    **POD_TYPES,
}

_NETWORK: Mapping[str, Fields] = {
    "ServiceSpec": fields(
        "clusterIP clusterIPs[] internalTrafficPolicy ipFamilies[] ipFamilyPolicy ports[]:ServicePort "
        "publishNotReadyAddresses selector{} sessionAffinity sessionAffinityConfig:SessionAffinityConfig "
        "trafficDistribution type",
        allocateLoadBalancerNodePorts=_INSIDE,
        clusterIP=_CLUSTER_IP,
        clusterIPs=_CLUSTER_IP,
        externalIPs=remove("a Service must not claim an address", unless=([],)),
        externalName=Fixed(
            refuse("a Service must not be an alias for an external name; remove this field", unless=("",))
        ),
        externalTrafficPolicy=_INSIDE,
        healthCheckNodePort=_INSIDE,
        loadBalancerClass=_INSIDE,
        loadBalancerIP=_INSIDE,
        loadBalancerSourceRanges=_INSIDE,
        selector=Fixed(text_value),
        type=service_type,
    ),
    "ServicePort": fields("appProtocol name port protocol targetPort", nodePort=remove(INSIDE, unless=(0,))),
    "SessionAffinityConfig": fields("clientIP:ClientIPConfig"),
    "ClientIPConfig": fields("timeoutSeconds"),
    "NetworkPolicySpec": fields(
        "egress[]:NetworkPolicyEgressRule ingress[]:NetworkPolicyIngressRule podSelector:LabelSelector "
        "policyTypes[]",
        egress=Fixed(egress_rule),
        ingress=Fixed(ingress_rule),
    ),
    "NetworkPolicyEgressRule": fields("ports[]:NetworkPolicyPort to[]:NetworkPolicyPeer"),
    "NetworkPolicyIngressRule": fields("from[]:NetworkPolicyPeer ports[]:NetworkPolicyPort"),
    "NetworkPolicyPort": fields("endPort port protocol"),
    "NetworkPolicyPeer": fields("ipBlock:IPBlock namespaceSelector:LabelSelector podSelector:LabelSelector"),
    "IPBlock": fields("cidr except[]"),
}

_AUTOSCALING: Mapping[str, Fields] = {
    "HorizontalPodAutoscalerSpec": fields(
        "behavior:HorizontalPodAutoscalerBehavior maxReplicas metrics[]:MetricSpec minReplicas "
        "scaleTargetRef:CrossVersionObjectReference"
    ),
    "HorizontalPodAutoscalerBehavior": fields("scaleDown:HPAScalingRules scaleUp:HPAScalingRules"),
    "HPAScalingRules": fields(
        "policies[]:HPAScalingPolicy selectPolicy stabilizationWindowSeconds tolerance"
    ),
    "HPAScalingPolicy": fields("periodSeconds type value"),
    "CrossVersionObjectReference": fields("apiVersion kind name"),
    "MetricSpec": fields(
        "containerResource:ContainerResourceMetricSource external:ExternalMetricSource "
        "object:ObjectMetricSource pods:PodsMetricSource resource:ResourceMetricSource type"
    ),
    "ContainerResourceMetricSource": fields("container name target:MetricTarget"),
    "ExternalMetricSource": fields("metric:MetricIdentifier target:MetricTarget"),
    "ObjectMetricSource": fields(
        "describedObject:CrossVersionObjectReference metric:MetricIdentifier target:MetricTarget"
    ),
    "PodsMetricSource": fields("metric:MetricIdentifier target:MetricTarget"),
    "ResourceMetricSource": fields("name target:MetricTarget"),
    "MetricIdentifier": fields("name selector:LabelSelector"),
    "MetricTarget": fields("averageUtilization averageValue type value"),
}

TYPES: Mapping[str, Fields] = {**_OBJECTS, **_SPECS, **_NETWORK, **_AUTOSCALING}
"""The fields of each type, and the decision on each field."""


def check_settings(settings: ManifestSettings) -> None:
    """Raises SettingsError for names in GREENROOM_ALLOWED_FIELDS that the operator cannot allow."""
    extendable = {
        f"{type_name}.{name}"
        for type_name, described in TYPES.items()
        for name, field in described.items()
        if field.rule and not field.fixed
    }
    problems = []
    for name in sorted(settings.allowed_fields.keys() - extendable):
        similar = difflib.get_close_matches(name, extendable, n=1)
        suggestion = f"; did you mean {similar[0]}?" if similar else ""
        problems.append(
            f"{variable('allowed_fields')} is invalid: {name} cannot be allowed{suggestion} "
            "docs/manifests.md lists the fields."
        )
    if problems:
        raise SettingsError(problems)
