"""The cluster room: reads, guards and renders manifests, applies them, and says how they are doing.

`cluster.KubernetesCluster` is what the reconcile of an environment talks to; `gateway.HttpGateway` asks
through the gateway; `watch.Watcher` tells which environments changed; `connection.connect` finds the cluster.
"""
