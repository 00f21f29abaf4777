"""Kubernetes: renders and guards manifests, applies objects and reads their health.

The classes that implement the Protocols of `bot/environments/ports.py`: `render.renderer.ManifestRenderer`,
`namespaces.KubernetesNamespaces`, `apply.KubernetesWorkloads`, `data.KubernetesData` and
`health.observe.KubernetesHealth`. `routing.gateway.HttpGateway` sends requests through the gateway,
`watch.Watcher` reports changed environments, `client.connection.connect` opens the API server's client.
"""
