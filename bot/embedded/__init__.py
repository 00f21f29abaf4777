"""Stands in for GitHub, a registry and a cluster, each behind its real protocol: for the demo and the tests."""
