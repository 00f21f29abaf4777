"""A node: scheduler, kubelet and service proxy in one, which runs pods as local processes.

It uses only the Kubernetes API, so it serves the embedded API server and a real one alike.

What a pod may rely on (the node contract). There is no network and no mount namespace, so:

- A pod's address is 10.244.x.y, and it is in the pod's status. Its processes must listen on the loopback
  twin of it, 127.244.x.y, which they get as `HOST`. Clients of pods here (probes, the service proxy,
  the gateway) replace the first octet in the same way.
- A Service with the address 10.96.x.y answers on 127.96.x.y (127.97.x.y for the second node on one machine
  and so on). Its name is not in any DNS: processes find it by the variables `NAME_SERVICE_HOST` and
  `NAME_SERVICE_PORT`. Where this user may not listen on ports below 1024, such a port is 20000 higher, and
  the variables have that port.
- Volumes (emptyDir, persistentVolumeClaim, configMap, secret, projected, downwardAPI) are folders of this
  machine. A mount path is replaced by its folder where it begins a path in the environment, the command and
  the arguments. A process that has the path in its code does not find it. Files from objects are written
  once, when the pod starts.
- The image is unpacked once per digest and shared: what a process writes there, others see. The working
  directory, absolute commands and absolute paths in the environment mean the unpacked image. `python` and
  `python3` are the interpreter that runs the node; other programs come from this machine.
- The environment is that of image and pod, the variables of Services, `HOST`, `PATH`, `HOME`, `TMPDIR`,
  `HOSTNAME` and `LANG`; nothing of the node's own environment. `HOME` and `TMPDIR` are private to the pod.
- Security contexts, resources and network policies are not enforced: a process has the rights of the user
  who runs
  the node. Run only what you would run by hand. No process gets a token for the API server. The node's log
  port has no authentication: every user of this machine can read the pods' logs.
- Each container's processes are one group in a session of their own: SIGTERM and SIGKILL go to all of them.
"""

from bot.embedded.node.node import Node

__all__ = ["Node"]
