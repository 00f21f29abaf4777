"""Reconcile of one environment, phase by phase: from what is observed to what is desired."""
