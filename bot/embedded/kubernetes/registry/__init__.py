"""Creating, changing and deleting objects, as the generic registry of Kubernetes does it."""
