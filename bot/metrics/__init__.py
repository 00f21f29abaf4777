"""Metrics providers of rollouts: counters of requests by Service. Only the operator names their addresses."""
