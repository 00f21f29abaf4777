"""What the demo and the tests run in place of GitHub, a registry and a cluster: each behind its real protocol."""
