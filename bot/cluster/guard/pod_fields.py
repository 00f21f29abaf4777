"""Decisions on the fields of pods, for all kinds with a pod template."""

from __future__ import annotations

from collections.abc import Mapping

from bot.cluster.guard import pods
from bot.cluster.guard.decisions import Fields, Fixed, fields, refuse, remove
from bot.cluster.guard.pods import PLACEMENT
from bot.cluster.guard.runtime_secrets import csi_volume, token_audience

_NODE = "a pod must not share the network, processes or memory of its node; remove this field"
_NODE_PORT = "a pod must not claim a port of its node; Services and routes use its own port"
_SELF = "probes and hooks must address their own pod; remove `host`"
_DEVICES = "devices of nodes are not allowed; remove this field"
_EVICTION = "it could delay the maintenance of nodes"
_OTHERS = "pods of other namespaces must not influence where pods run"
_VOLUMES = (
    "configMap",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
)
STORAGE_VOLUMES = (
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "fc",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "iscsi",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
)
"""They name existing storage outside of the cluster."""
_OTHER_VOLUMES = (*STORAGE_VOLUMES, "flexVolume", "gitRepo", "image")
_VOLUME_TYPE = f"this volume type is not allowed; allowed types: {', '.join(_VOLUMES)}"
_SOURCE = "this source is not allowed; allowed sources: configMap, downwardAPI, secret, serviceAccountToken"

_POD: Mapping[str, Fields] = {
    "PodTemplateSpec": fields("metadata:ObjectMeta spec:PodSpec"),
    "PodSpec": fields(
        "activeDeadlineSeconds affinity:Affinity automountServiceAccountToken containers[]:Container "
        "dnsConfig:PodDNSConfig dnsPolicy enableServiceLinks hostAliases[]:HostAlias hostUsers hostname "
        "hostnameOverride imagePullSecrets[]:LocalObjectReference initContainers[]:Container nodeSelector{} "
        "os:PodOS priorityClassName resources:ResourceRequirements restartPolicy "
        "securityContext:PodSecurityContext serviceAccount serviceAccountName setHostnameAsFQDN "
        "shareProcessNamespace subdomain terminationGracePeriodSeconds tolerations[]:Toleration "
        "topologySpreadConstraints[]:TopologySpreadConstraint volumes[]:Volume",
        ephemeralContainers=Fixed(refuse("a pod cannot be created with ephemeral containers", unless=([],))),
        evictionResponders=remove(_EVICTION),
        hostIPC=Fixed(refuse(_NODE, unless=(False,))),
        hostNetwork=Fixed(refuse(_NODE, unless=(False,))),
        hostPID=Fixed(refuse(_NODE, unless=(False,))),
        nodeName=Fixed(refuse("the scheduler selects the node; remove this field", unless=("",))),
        nodeSelector=pods.node_selector,
        overhead=remove(PLACEMENT),
        preemptionPolicy=remove(PLACEMENT),
        priority=remove(PLACEMENT),
        priorityClassName=pods.priority_class,
        readinessGates=remove("no controller of the environment sets the conditions"),
        resourceClaims=refuse(_DEVICES, unless=([],)),
        runtimeClassName=remove(PLACEMENT),
        schedulerName=remove(PLACEMENT, unless=("default-scheduler",)),
        schedulingGates=remove(PLACEMENT),
        schedulingGroup=remove(PLACEMENT),
        terminationGracePeriodSeconds=Fixed(pods.grace_period),
        tolerations=pods.toleration,
    ),
    "Affinity": fields(
        "podAffinity:PodAffinity podAntiAffinity:PodAntiAffinity", nodeAffinity=remove(PLACEMENT)
    ),
    "PodAffinity": fields(
        "preferredDuringSchedulingIgnoredDuringExecution[]:WeightedPodAffinityTerm "
        "requiredDuringSchedulingIgnoredDuringExecution[]:PodAffinityTerm"
    ),
    "PodAntiAffinity": fields(
        "preferredDuringSchedulingIgnoredDuringExecution[]:WeightedPodAffinityTerm "
        "requiredDuringSchedulingIgnoredDuringExecution[]:PodAffinityTerm"
    ),
    "WeightedPodAffinityTerm": fields("podAffinityTerm:PodAffinityTerm weight"),
    "PodAffinityTerm": fields(
        "labelSelector:LabelSelector matchLabelKeys[] mismatchLabelKeys[] topologyKey",
        namespaces=remove(_OTHERS),
        namespaceSelector=remove(_OTHERS),
    ),
    "Toleration": fields("effect key operator tolerationSeconds value"),
    "TopologySpreadConstraint": fields(
        "labelSelector:LabelSelector matchLabelKeys[] maxSkew minDomains nodeAffinityPolicy nodeTaintsPolicy "
        "topologyKey whenUnsatisfiable"
    ),
    "PodOS": fields("name", name=Fixed(refuse("pods run on Linux", unless=("linux",)))),
    "PodDNSConfig": fields("nameservers[] options[]:PodDNSConfigOption searches[]"),
    "PodDNSConfigOption": fields("name value"),
    "HostAlias": fields("hostnames[] ip"),
    "LocalObjectReference": fields("name"),
    "PodSecurityContext": fields(
        "appArmorProfile:AppArmorProfile fsGroup fsGroupChangePolicy runAsGroup runAsNonRoot runAsUser "
        "seLinuxChangePolicy seLinuxOptions:SELinuxOptions seccompProfile:SeccompProfile "
        "supplementalGroups[] supplementalGroupsPolicy sysctls[]:Sysctl "
        "windowsOptions:WindowsSecurityContextOptions",
        runAsNonRoot=Fixed(pods.run_as_non_root),
        runAsUser=Fixed(pods.run_as_user),
        sysctls=pods.sysctl,
    ),
    "Sysctl": fields("name value"),
    "AppArmorProfile": fields("localhostProfile type", type=Fixed(pods.profile_type)),
    "SeccompProfile": fields("localhostProfile type", type=Fixed(pods.profile_type)),
    "SELinuxOptions": fields(
        "level type",
        type=Fixed(pods.selinux_type),
        role=Fixed(refuse("SELinux roles are not allowed; remove this field", unless=("",))),
        user=Fixed(refuse("SELinux users are not allowed; remove this field", unless=("",))),
    ),
    "WindowsSecurityContextOptions": fields(
        "runAsUserName",
        gmsaCredentialSpec=refuse("credentials of the cluster are not allowed; remove this field"),
        gmsaCredentialSpecName=refuse("credentials of the cluster are not allowed; remove this field"),
        hostProcess=Fixed(
            refuse("a pod must not run as a process of its node; remove this field", unless=(False,))
        ),
    ),
    "ResourceRequirements": fields(
        "limits{} requests{}",
        limits=Fixed(pods.resource),
        requests=Fixed(pods.resource),
        claims=refuse(_DEVICES, unless=([],)),
    ),
}

_CONTAINER: Mapping[str, Fields] = {
    "Container": fields(
        "args[] command[] env[]:EnvVar envFrom[]:EnvFromSource image lifecycle:Lifecycle livenessProbe:Probe "
        "name ports[]:ContainerPort readinessProbe:Probe resizePolicy[]:ContainerResizePolicy "
        "resources:ResourceRequirements restartPolicy restartPolicyRules[]:ContainerRestartRule "
        "securityContext:SecurityContext startupProbe:Probe stdin stdinOnce terminationMessagePath "
        "terminationMessagePolicy tty volumeDevices[]:VolumeDevice volumeMounts[]:VolumeMount workingDir "
        "imagePullPolicy",
        imagePullPolicy=remove("images must come from their registry", unless=("", "Always", "IfNotPresent")),
    ),
    "ContainerPort": fields(
        "containerPort name protocol",
        hostIP=Fixed(remove(_NODE_PORT, unless=("",))),
        hostPort=Fixed(remove(_NODE_PORT, unless=(0,))),
    ),
    "ContainerResizePolicy": fields("resourceName restartPolicy"),
    "ContainerRestartRule": fields("action exitCodes:ContainerRestartRuleOnExitCodes"),
    "ContainerRestartRuleOnExitCodes": fields("operator values[]"),
    "EnvVar": fields("name value valueFrom:EnvVarSource"),
    "EnvVarSource": fields(
        "configMapKeyRef:ConfigMapKeySelector fieldRef:ObjectFieldSelector fileKeyRef:FileKeySelector "
        "resourceFieldRef:ResourceFieldSelector secretKeyRef:SecretKeySelector"
    ),
    "ConfigMapKeySelector": fields("key name optional"),
    "SecretKeySelector": fields("key name optional"),
    "FileKeySelector": fields("key optional path volumeName"),
    "ObjectFieldSelector": fields("apiVersion fieldPath"),
    "ResourceFieldSelector": fields("containerName divisor resource"),
    "EnvFromSource": fields("configMapRef:ConfigMapEnvSource prefix secretRef:SecretEnvSource"),
    "ConfigMapEnvSource": fields("name optional"),
    "SecretEnvSource": fields("name optional"),
    "Lifecycle": fields("postStart:LifecycleHandler preStop:LifecycleHandler stopSignal"),
    "LifecycleHandler": fields(
        "exec:ExecAction httpGet:HTTPGetAction sleep:SleepAction tcpSocket:TCPSocketAction"
    ),
    "Probe": fields(
        "exec:ExecAction failureThreshold grpc:GRPCAction httpGet:HTTPGetAction initialDelaySeconds "
        "periodSeconds successThreshold tcpSocket:TCPSocketAction terminationGracePeriodSeconds "
        "timeoutSeconds",
        terminationGracePeriodSeconds=Fixed(pods.grace_period),
    ),
    "ExecAction": fields("command[]"),
    "GRPCAction": fields("mode port service"),
    "HTTPGetAction": fields(
        "httpHeaders[]:HTTPHeader path port protocol scheme", host=Fixed(refuse(_SELF, unless=("",)))
    ),
    "HTTPHeader": fields("name value"),
    "TCPSocketAction": fields("port", host=Fixed(refuse(_SELF, unless=("",)))),
    "SleepAction": fields("seconds", seconds=Fixed(pods.grace_period)),
    "SecurityContext": fields(
        "allowPrivilegeEscalation appArmorProfile:AppArmorProfile capabilities:Capabilities "
        "readOnlyRootFilesystem runAsGroup runAsNonRoot runAsUser seLinuxOptions:SELinuxOptions "
        "seccompProfile:SeccompProfile windowsOptions:WindowsSecurityContextOptions",
        allowPrivilegeEscalation=Fixed(pods.privilege_escalation),
        privileged=Fixed(refuse("privileged containers are not allowed; remove this field", unless=(False,))),
        procMount=Fixed(
            refuse("only the default mount of /proc is allowed; remove this field", unless=("Default",))
        ),
        runAsNonRoot=Fixed(pods.run_as_non_root),
        runAsUser=Fixed(pods.run_as_user),
    ),
    "Capabilities": fields("add[] drop[]", add=Fixed(pods.capability)),
    "VolumeDevice": fields("devicePath name"),
    "VolumeMount": fields(
        "bindMountOptions[] mountPath name readOnly recursiveReadOnly subPath subPathExpr",
        mountPropagation=Fixed(
            refuse(
                "mounts must not be visible on the node; remove this field",
                unless=("None", "HostToContainer"),
            )
        ),
    ),
}

_VOLUME: Mapping[str, Fields] = {
    "Volume": fields(
        "name configMap:ConfigMapVolumeSource downwardAPI:DownwardAPIVolumeSource "
        "emptyDir:EmptyDirVolumeSource ephemeral:EphemeralVolumeSource "
        "persistentVolumeClaim:PersistentVolumeClaimVolumeSource projected:ProjectedVolumeSource "
        "secret:SecretVolumeSource",
        hostPath=Fixed(refuse("a pod must not mount files of its node; use another volume type")),
        csi=csi_volume,
        **{name: refuse(_VOLUME_TYPE) for name in _OTHER_VOLUMES},
    ),
    "ConfigMapVolumeSource": fields("defaultMode defaultUser items[]:KeyToPath name optional"),
    "DownwardAPIVolumeSource": fields("defaultMode defaultUser items[]:DownwardAPIVolumeFile"),
    "DownwardAPIVolumeFile": fields(
        "fieldRef:ObjectFieldSelector mode path resourceFieldRef:ResourceFieldSelector user"
    ),
    "EmptyDirVolumeSource": fields("medium mode sizeLimit"),
    "EphemeralVolumeSource": fields("volumeClaimTemplate:PersistentVolumeClaimTemplate"),
    "PersistentVolumeClaimTemplate": fields("metadata:ObjectMeta spec:PersistentVolumeClaimSpec"),
    "PersistentVolumeClaimVolumeSource": fields("claimName readOnly"),
    "ProjectedVolumeSource": fields("defaultMode defaultUser sources[]:VolumeProjection"),
    "VolumeProjection": fields(
        "configMap:ConfigMapProjection downwardAPI:DownwardAPIProjection secret:SecretProjection "
        "serviceAccountToken:ServiceAccountTokenProjection",
        clusterTrustBundle=refuse(_SOURCE),
        podCertificate=refuse(_SOURCE),
    ),
    "ConfigMapProjection": fields("items[]:KeyToPath name optional"),
    "DownwardAPIProjection": fields("items[]:DownwardAPIVolumeFile"),
    "SecretProjection": fields("items[]:KeyToPath name optional"),
    "ServiceAccountTokenProjection": fields("audience expirationSeconds path user", audience=token_audience),
    "SecretVolumeSource": fields("defaultMode defaultUser items[]:KeyToPath optional secretName"),
    "KeyToPath": fields("key mode path user"),
}

POD_TYPES = {**_POD, **_CONTAINER, **_VOLUME}
