"""What the clients of external services share: the cache, and the choice of a proxy."""
