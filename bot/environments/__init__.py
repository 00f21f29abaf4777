"""Reconciles one environment from its observed to its desired state, in phases."""
