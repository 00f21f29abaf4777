"""Validation of objects beyond their types, with Kubernetes' messages."""

from bot.embedded.kubernetes.validation.objects import check_create, check_status, check_update

__all__ = ["check_create", "check_status", "check_update"]
