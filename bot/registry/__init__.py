"""Resolves image tags to digests over the OCI distribution API."""
