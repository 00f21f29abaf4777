"""Timed jobs that compare GitHub and the cluster with the store; they only enqueue work."""
