"""Background work: garbage collection and deletion of namespaces."""
