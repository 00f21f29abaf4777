"""Rollouts: how a stage moves to a release step by step, and what decides about each step. Pure."""
