"""Admission plugins: they complete or refuse objects before they are stored."""

from bot.embedded.kubernetes.access import Access
from bot.embedded.kubernetes.admission.addresses import ServiceAddresses
from bot.embedded.kubernetes.admission.escalation import EscalationCheck
from bot.embedded.kubernetes.admission.lifecycle import NamespaceLifecycle, PodCompletion, PodSecurity
from bot.embedded.kubernetes.admission.limits import LimitRanger
from bot.embedded.kubernetes.admission.plugin import Plugin
from bot.embedded.kubernetes.admission.quota import QuotaAdmission
from bot.embedded.kubernetes.storage.store import Store


def plugins(store: Store, access: Access) -> list[Plugin]:
    """All plugins, in the order in which Kubernetes calls them."""
    return [
        NamespaceLifecycle(store),
        LimitRanger(store),
        PodCompletion(store),
        ServiceAddresses(store),
        PodSecurity(store),
        QuotaAdmission(store),
        EscalationCheck(store, access),
    ]
