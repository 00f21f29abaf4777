"""Slash commands in comments on pull requests: grammar, rights and effects."""
