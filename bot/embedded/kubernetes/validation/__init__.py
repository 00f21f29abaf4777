"""What an object must satisfy beyond its types, in the words of Kubernetes."""

from bot.embedded.kubernetes.validation.objects import check_create, check_status, check_update

__all__ = ["check_create", "check_status", "check_update"]
