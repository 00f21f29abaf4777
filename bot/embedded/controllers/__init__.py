"""Controllers for the workloads of the embedded cluster. They speak the Kubernetes API and nothing else."""

from bot.embedded.controllers.controllers import Controllers

__all__ = ["Controllers"]
