"""Metrics providers of rollouts."""
