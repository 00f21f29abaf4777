"""Releases on their way from stage to stage: gates, approvals, rollout, verification, and back."""
