"""Promotion of releases through stages: gates, approvals, rollout, verification, rollback."""
