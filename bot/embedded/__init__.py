"""Stands in for GitHub, a registry and a cluster, each behind its real protocol, in demo and tests."""
